//! Honest mail during a flood of connections from a blocked address.

use std::net::Ipv4Addr;
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
    let (stop, turned_away) = (AtomicBool::new(false), AtomicUsize::new(0));
    let started = Instant::now();
    let (flooded, taken) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| -> Result<(), Failure> {
            while !stop.load(Ordering::Relaxed) {
                load::knock_once(BLOCKED, port)?;
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
    Ok(Flood { rate, idle, flooded: flooded? })
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
