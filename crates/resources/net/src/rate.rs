//! How often somebody comes: a limit on the rate, and a soft one below it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// More connections than is usual, and fewer than are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverRate {
    /// Connections in the last minute, of the host or of its network.
    pub per_minute: u32,
    /// The soft limit that this is over.
    pub limit: u32,
}

/// New connections per minute of hosts or networks: by the generic cell rate algorithm one moment for each,
/// at which its allowance will be whole again; and a count of those of the last minute, for the soft limit.
pub(crate) struct Rates<K> {
    /// Between two connections at the steady rate; zero for no limit.
    interval: Duration,
    soft: u32,
    flows: HashMap<K, Flow>,
    sweep_at: usize,
}

/// One host's or network's connections.
struct Flow {
    whole_at: Instant,
    /// Since when `count` counts; `before` is the count of the minute before that.
    since: Instant,
    count: u32,
    before: u32,
}

const MINUTE: Duration = Duration::from_secs(60);
/// At most so many hosts are remembered. Should more than that come within a minute, all
/// start afresh: no limit per host helps against them.
const MOST_RATES: usize = 65_536;
const FIRST_SWEEP: usize = 1_024;

impl<K: std::hash::Hash + Eq + Copy> Rates<K> {
    pub(crate) fn new(per_minute: u32, soft_percent: u8) -> Self {
        let interval = MINUTE.checked_div(per_minute).unwrap_or_default();
        let share = u64::from(per_minute) * u64::from(soft_percent) / 100;
        let soft = u32::try_from(share).ok().filter(|_| soft_percent < 100).unwrap_or(u32::MAX).max(1);
        Self { interval, soft, flows: HashMap::new(), sweep_at: FIRST_SWEEP }
    }

    /// Whether one may come now.
    pub(crate) fn has_room(&self, key: K, now: Instant) -> bool {
        let whole_at = self.flows.get(&key).map_or(now, |flow| flow.whole_at).max(now);
        self.interval.is_zero() || whole_at + self.interval <= now + MINUTE
    }

    /// One comes and is charged for it. Says when there are more than the soft limit.
    pub(crate) fn take(&mut self, key: K, now: Instant) -> Option<OverRate> {
        if self.interval.is_zero() {
            return None;
        }
        if self.flows.len() >= self.sweep_at {
            self.sweep(now);
        }
        let new = Flow { whole_at: now, since: now, count: 0, before: 0 };
        let flow = self.flows.entry(key).or_insert(new);
        flow.whole_at = flow.whole_at.max(now) + self.interval;
        let per_minute = flow.count(now);
        (per_minute > self.soft).then_some(OverRate { per_minute, limit: self.soft })
    }

    /// Forgets those whose allowance is whole and who have not come within the last minute. The next sweep comes
    /// when the table has doubled, so each pays for a constant share of it.
    fn sweep(&mut self, now: Instant) {
        self.flows.retain(|_, flow| flow.whole_at > now || flow.since + MINUTE > now);
        if self.flows.len() >= MOST_RATES {
            self.flows.clear();
        }
        self.sweep_at = (self.flows.len() * 2).clamp(FIRST_SWEEP, MOST_RATES);
    }
}

impl Flow {
    /// Counts one more, and says how many there were in the last minute: exactly so many in this minute, and
    /// the share of the minute before that still lies within the last 60 seconds.
    fn count(&mut self, now: Instant) -> u32 {
        let passed = now.saturating_duration_since(self.since);
        if passed >= MINUTE {
            self.before = if passed < 2 * MINUTE { self.count } else { 0 };
            self.since = if passed < 2 * MINUTE { self.since + MINUTE } else { now };
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        let left = MINUTE.saturating_sub(now.saturating_duration_since(self.since));
        let share = u128::from(self.before) * left.as_millis() / MINUTE.as_millis();
        self.count.saturating_add(u32::try_from(share).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded() {
        let mut rates = Rates::new(10, 50);
        let now = Instant::now();
        for n in 0..200_000 {
            assert!(rates.has_room(n, now));
            rates.take(n, now);
            assert!(rates.flows.len() <= MOST_RATES);
        }
        // Hosts whose allowance is whole are forgotten, those who are at their limit are not.
        let mut rates = Rates::new(1, 50);
        let later = now + Duration::from_secs(59);
        rates.take(0, later);
        for n in 1..2_000 {
            rates.take(n, now);
        }
        let minute_later = now + Duration::from_secs(61);
        for n in 2_000..4_000 {
            rates.take(n, minute_later);
        }
        assert!(!rates.has_room(0, minute_later), "came two seconds ago");
        assert!(!rates.flows.contains_key(&1));
    }
}
