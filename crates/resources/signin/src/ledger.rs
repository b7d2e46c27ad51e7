//! Counts failures by key, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use postern_types::Timestamp;

/// What is known about one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// Failures since `since`.
    pub(crate) failures: u32,
    /// The first of them.
    since: Timestamp,
    /// The last of them.
    pub(crate) last: Timestamp,
    /// The end of the ban, where there is one.
    pub(crate) banned_until: Option<Timestamp>,
}

/// Records of the keys that failed lately.
#[derive(Debug)]
pub(crate) struct Ledger<K> {
    records: HashMap<K, Record>,
    capacity: usize,
    window: Duration,
}

impl<K: Copy + Eq + Hash> Ledger<K> {
    pub(crate) fn new(capacity: usize, window: Duration) -> Self {
        Self { records: HashMap::new(), capacity: capacity.max(1), window }
    }

    /// The record of a key, unless it is out of date.
    pub(crate) fn get(&self, key: K, now: Timestamp) -> Option<&Record> {
        self.records.get(&key).filter(|record| record.is_live(now, self.window))
    }

    /// Counts a failure; the record afterwards, to be changed.
    pub(crate) fn fail(&mut self, key: K, now: Timestamp) -> &mut Record {
        if self.records.len() >= self.capacity && !self.records.contains_key(&key) {
            self.make_room(now);
        }
        let window = self.window;
        let fresh = Record { failures: 0, since: now, last: now, banned_until: None };
        let record = self.records.entry(key).or_insert(fresh);
        if !record.is_live(now, window) {
            *record = fresh;
        }
        record.failures = record.failures.saturating_add(1);
        record.last = record.last.max(now);
        record
    }

    pub(crate) fn forget(&mut self, key: K) {
        self.records.remove(&key);
    }

    pub(crate) fn live(&self, now: Timestamp) -> impl Iterator<Item = (K, &Record)> {
        self.records
            .iter()
            .filter(move |(_, record)| record.is_live(now, self.window))
            .map(|(&key, record)| (key, record))
    }

    /// Drops what is out of date, and then the oldest, until an eighth is free: so the work
    /// of looking through all is shared by as many failures.
    fn make_room(&mut self, now: Timestamp) {
        let window = self.window;
        self.records.retain(|_, record| record.is_live(now, window));
        let keep = self.capacity - self.capacity.div_ceil(8);
        let surplus = self.records.len().saturating_sub(keep);
        if surplus == 0 {
            return;
        }
        // Bans weigh until they end: they go after counts that are as old.
        let mut ages: Vec<Timestamp> = self.records.values().map(Record::weight).collect();
        let (_, &mut cut, _) = ages.select_nth_unstable(surplus - 1);
        let mut surplus = surplus;
        self.records.retain(|_, record| {
            let goes = surplus > 0 && record.weight() <= cut;
            surplus -= usize::from(goes);
            !goes
        });
    }
}

impl Record {
    /// Whether the record still counts: its window or its ban is not over.
    fn is_live(&self, now: Timestamp, window: Duration) -> bool {
        self.is_banned(now) || now.since(self.since) < window
    }

    pub(crate) fn is_banned(&self, now: Timestamp) -> bool {
        self.banned_until.is_some_and(|until| now < until)
    }

    fn weight(&self) -> Timestamp {
        self.banned_until.unwrap_or(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn failures_count_within_their_window() {
        let mut ledger = Ledger::new(10, WINDOW);
        assert_eq!(ledger.fail(1, at(0)).failures, 1);
        assert_eq!(ledger.fail(1, at(59)).failures, 2);
        assert!(ledger.get(1, at(59)).is_some());
        assert!(ledger.get(1, at(60)).is_none());
        assert_eq!(ledger.fail(1, at(60)).failures, 1);
    }

    #[test]
    fn a_ban_outlives_its_window() {
        let mut ledger = Ledger::new(10, WINDOW);
        ledger.fail(1, at(0)).banned_until = Some(at(1000));
        assert!(ledger.get(1, at(999)).is_some_and(|r| r.is_banned(at(999))));
        assert!(ledger.get(1, at(1000)).is_none());
    }

    #[test]
    fn the_oldest_make_room_and_bans_stay() {
        let mut ledger = Ledger::new(8, WINDOW);
        ledger.fail(0, at(0)).banned_until = Some(at(100));
        for key in 1..8 {
            ledger.fail(key, at(i64::from(key)));
        }
        ledger.fail(99, at(9));
        assert!(ledger.get(0, at(9)).is_some(), "banned");
        assert!(ledger.get(1, at(9)).is_none(), "the oldest");
        assert!(ledger.get(2, at(9)).is_some());
        assert!(ledger.get(99, at(9)).is_some());
    }

    proptest! {
        #[test]
        fn memory_is_bounded(failures in proptest::collection::vec((0u32..1000, 0i64..100), 0..300),
                             capacity in 1usize..20) {
            let mut ledger = Ledger::new(capacity, WINDOW);
            for (key, second) in failures {
                ledger.fail(key, at(second));
                prop_assert!(ledger.records.len() <= capacity);
                prop_assert!(ledger.get(key, at(second)).is_some());
            }
        }
    }
}
