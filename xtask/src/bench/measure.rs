//! Measuring one piece of work: time, the server's processor time and memory, the load's own time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::cost;
use super::peer::Peer;
use crate::Failure;

/// What a piece of work cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    /// The server's processor time.
    pub(super) cpu: f64,
    /// The most memory that the server had, KiB of PSS.
    pub(super) peak: u64,
    /// The load's processor time.
    pub(super) load_cpu: f64,
    /// Cores that others used meanwhile.
    pub(super) others: f64,
}

/// Does the work and measures it.
pub(super) fn measure<T>(
    peer: &Peer,
    work: impl FnOnce() -> Result<T, Failure>,
) -> Result<(T, Cost), Failure> {
    let done = AtomicBool::new(false);
    let peak = AtomicU64::new(peer.memory());
    let (worked, mut cost) = std::thread::scope(|scope| {
        scope.spawn(|| watch_memory(peer, &peak, &done));
        let (cpu, load, machine) = (peer.cpu(), cost::own_cpu(), cost::machine_cpu());
        let started = Instant::now();
        let worked = work();
        let seconds = started.elapsed().as_secs_f64();
        let cpu = (peer.cpu().saturating_sub(cpu)).as_secs_f64();
        let load_cpu = cost::own_cpu().saturating_sub(load).as_secs_f64();
        let machine = cost::machine_cpu().saturating_sub(machine).as_secs_f64();
        done.store(true, Ordering::Relaxed);
        let others = (machine - cpu - load_cpu).max(0.0) / seconds;
        (worked, Cost { seconds, cpu, peak: 0, load_cpu, others })
    });
    cost.peak = peak.load(Ordering::Relaxed).max(peer.memory());
    Ok((worked?, cost))
}

/// Looks at the memory as often as costs about 2 % of one core: reading PSS makes the kernel walk
/// page tables, of a hundred processes in Postfix's case.
fn watch_memory(peer: &Peer, peak: &AtomicU64, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        let started = Instant::now();
        peak.fetch_max(peer.memory(), Ordering::Relaxed);
        let pause = (started.elapsed() * 50).clamp(Duration::from_millis(20), Duration::from_secs(2));
        let until = Instant::now() + pause;
        while Instant::now() < until && !done.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
