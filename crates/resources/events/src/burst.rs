//! Log lines that an attacker can cause by the thousand: a few a second are shown, the rest counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::label::{Label, RefusedWhy};

/// Lines shown per second and reason.
const SHOWN: u64 = 3;
const WINDOW: Duration = Duration::from_secs(1);

/// One counter of lines: at most [`SHOWN`] a second, without a lock.
///
/// `window` holds the number of the current second in its upper bits and how many lines it
/// has had in its lower 16. Races between threads can show or hide a line too many at the
/// turn of a second; none is lost from the count of hidden ones.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    window: AtomicU64,
    hidden: AtomicU64,
}

impl Burst {
    /// Whether a line may be shown at `now`; if so, how many were hidden since the last shown one.
    pub(crate) fn admit(&self, now: Duration) -> Option<u64> {
        let second = number(now);
        let window = self.window.load(Ordering::Relaxed);
        let taken = if window >> 16 == second { window & 0xffff } else { 0 };
        if taken >= SHOWN {
            self.hidden.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.window.store((second << 16) | (taken + 1), Ordering::Relaxed);
        Some(self.hidden.swap(0, Ordering::Relaxed))
    }

    /// Hidden lines of a second that is over.
    fn settle(&self, now: Duration) -> Option<u64> {
        if self.window.load(Ordering::Relaxed) >> 16 == number(now) {
            return None;
        }
        Some(self.hidden.swap(0, Ordering::Relaxed)).filter(|&more| more > 0)
    }
}

/// The second that `now` lies in, counted from 1 so that 0 means never.
fn number(now: Duration) -> u64 {
    now.as_secs() / WINDOW.as_secs() + 1
}

/// One [`Burst`] for each reason.
#[derive(Debug)]
pub(crate) struct Bursts(Box<[Burst]>);

impl Default for Bursts {
    fn default() -> Self {
        Self(RefusedWhy::ALL.iter().map(|_| Burst::default()).collect())
    }
}

impl Bursts {
    /// The one for `why`.
    pub(crate) fn of(&self, why: RefusedWhy) -> &Burst {
        &self.0[why.index()]
    }

    /// Reasons with hidden lines whose second is over, and how many.
    pub(crate) fn settle(&self, now: Duration) -> impl Iterator<Item = (RefusedWhy, u64)> {
        RefusedWhy::ALL.iter().filter_map(move |&why| Some((why, self.of(why).settle(now)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_shows_three_lines_a_second_and_counts_the_rest() {
        let burst = Burst::default();
        let at = Duration::from_millis;
        let shown = (0..1000).filter(|_| burst.admit(at(100)).is_some()).count();
        assert_eq!(shown, 3);
        assert_eq!(burst.settle(at(999)), None, "the second is not over");
        assert_eq!(burst.admit(at(1000)), Some(997), "the next line tells how many were hidden");
        assert_eq!(burst.admit(at(1001)), Some(0));
    }

    #[test]
    fn what_is_hidden_is_told_also_when_nothing_follows() {
        let burst = Burst::default();
        for _ in 0..5 {
            burst.admit(Duration::from_secs(7));
        }
        assert_eq!(burst.settle(Duration::from_secs(8)), Some(2));
        assert_eq!(burst.settle(Duration::from_secs(9)), None);
    }

    #[test]
    fn reasons_do_not_hide_each_other() {
        let bursts = Bursts::default();
        let now = Duration::ZERO;
        for _ in 0..10 {
            bursts.of(RefusedWhy::Rate).admit(now);
        }
        assert_eq!(bursts.of(RefusedWhy::BlockList).admit(now), Some(0));
    }
}
