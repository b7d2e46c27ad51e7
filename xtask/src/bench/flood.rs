//! Honest mail during a flood of connections from a blocked address; and, for comparison, during the same flood
//! against a bare listener that only answers and closes: what remains is the machine's, not the server's.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{BLOCKED, load};
use crate::Failure;

/// What a flood does to honest mail.
pub(super) struct Flood {
    /// Turned-away connections in a second.
    pub(super) rate: f64,
    /// Median and 99th percentile without it.
    pub(super) idle: Latency,
    /// The same during it.
    pub(super) flooded: Latency,
    /// The same while a bare listener beside the server is flooded.
    pub(super) beside: Latency,
}

/// From the connection to the answer to QUIT, of one message after the other.
pub(super) struct Latency {
    pub(super) median: Duration,
    pub(super) p99: Duration,
}

/// Sends so many messages without a flood, then as many during one.
pub(super) fn flood(port: u16, messages: usize) -> Result<Flood, Failure> {
    honest(port, messages / 5)?;
    let idle = honest(port, messages)?;
    let (flooded, rate) = flooded(port, port, messages)?;
    let (beside, _) = flooded_beside(port, messages)?;
    Ok(Flood { rate, idle, flooded, beside })
}

/// Honest mail while a listener that does nothing but answer and close is flooded.
fn flooded_beside(port: u16, messages: usize) -> Result<(Latency, f64), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| error.to_string())?;
    let target = listener.local_addr().map_err(|error| error.to_string())?.port();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while let Ok((mut stream, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // A flooder that has gone already has lost nothing.
                let _ = stream.write_all(b"554 5.7.1 not you\r\n");
            }
        });
        let measured = flooded(port, target, messages);
        stop.store(true, Ordering::Relaxed);
        // So that `accept` returns once more.
        load::connect_from(Ipv4Addr::LOCALHOST, target)?;
        measured
    })
}

/// Honest mail while `target` is flooded, and the flood's rate.
fn flooded(port: u16, target: u16, messages: usize) -> Result<(Latency, f64), Failure> {
    let (stop, turned_away) = (AtomicBool::new(false), AtomicUsize::new(0));
    let started = Instant::now();
    let (flooded, taken) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| -> Result<(), Failure> {
            while !stop.load(Ordering::Relaxed) {
                load::knock_once(BLOCKED, target)?;
                turned_away.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        let flooded = honest(port, messages);
        let taken = started.elapsed();
        stop.store(true, Ordering::Relaxed);
        let ended = flood.join().unwrap_or_else(|_| Err("the flood failed".into()));
        (flooded.and_then(|latency| ended.map(|()| latency)), taken)
    });
    #[allow(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^52")]
    let rate = turned_away.into_inner() as f64 / taken.as_secs_f64();
    Ok((flooded?, rate))
}

fn honest(port: u16, messages: usize) -> Result<Latency, Failure> {
    let mut times = Vec::with_capacity(messages);
    for _ in 0..messages.max(1) {
        let started = Instant::now();
        load::send_one(Ipv4Addr::LOCALHOST, port)?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    Ok(Latency { median: at(50), p99: at(99) })
}
