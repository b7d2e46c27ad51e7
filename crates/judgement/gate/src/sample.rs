//! Records of clients that a list turned away: a sample of them, so that a flood costs next to nothing. Each reply
//! has its trace id all the same, and the metrics count them all.

use std::sync::atomic::{AtomicU64, Ordering};

use postern_types::Timestamp;

/// Records a second at most.
const PER_SECOND: u64 = 20;

/// Lets the first few of each second through.
#[derive(Debug, Default)]
pub struct Sample {
    /// The second (upper 48 bits) and how many it has had (lower 16).
    state: AtomicU64,
}

impl Sample {
    /// Whether this one is recorded.
    #[must_use]
    pub fn takes(&self, now: Timestamp) -> bool {
        let second = now.as_secs().cast_unsigned() << 16;
        let step = |state: u64| {
            let count = if state >> 16 == second >> 16 { state & 0xffff } else { 0 };
            (count < PER_SECOND).then_some(second | (count + 1))
        };
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_a_few_records_a_second() {
        let sample = Sample::default();
        let at = |millis: i64| Timestamp::from_millis(1_800_000_000_000 + millis);
        assert_eq!((0..900).filter(|&millis| sample.takes(at(millis))).count(), 20);
        assert!(sample.takes(at(1000)), "the next second has its own");
    }
}
