//! Answers by question, bounded in bytes, forgotten when their time is up.
//!
//! Two generations: answers go into the young one; when that is half of what is allowed it
//! becomes the old one, and the old one is dropped whole. An answer that is used again moves
//! to the young one. So the bound holds at every moment, nothing is ever swept, and what is
//! in use stays.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Answer;
use crate::question::Question;
use crate::read::Records;

pub(crate) struct Cache {
    young: HashMap<Question, Entry>,
    old: HashMap<Question, Entry>,
    young_weight: usize,
    half: usize,
}

#[derive(Clone)]
struct Entry {
    answer: Answer<Records>,
    expires: Instant,
}

/// What an entry takes beside its records: key, hash table, times.
const ENTRY_WEIGHT: usize = 192;

impl Cache {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_weight: 0, half: bytes / 2 }
    }

    /// The answer, where it still holds, with what is left of its TTL.
    pub(crate) fn get(&mut self, question: &Question, now: Instant) -> Option<Answer<Records>> {
        if let Some(entry) = self.young.get(question) {
            return entry.at(now);
        }
        let (question, entry) = self.old.remove_entry(question)?;
        let answer = entry.at(now)?;
        self.keep(question, entry);
        Some(answer)
    }

    /// Keeps an answer for a time.
    pub(crate) fn put(&mut self, question: Question, answer: Answer<Records>, keep: Duration, now: Instant) {
        self.old.remove(&question);
        if let Some(expires) = now.checked_add(keep) {
            self.keep(question, Entry { answer, expires });
        }
    }

    fn keep(&mut self, question: Question, entry: Entry) {
        let weight = entry.weight();
        if weight > self.half {
            return;
        }
        if self.young_weight + weight > self.half {
            self.old = std::mem::take(&mut self.young);
            self.young_weight = 0;
        }
        self.young_weight += weight;
        if let Some(replaced) = self.young.insert(question, entry) {
            self.young_weight -= replaced.weight();
        }
    }

    #[cfg(test)]
    fn weight(&self) -> usize {
        self.young.values().chain(self.old.values()).map(Entry::weight).sum()
    }
}

impl Entry {
    fn at(&self, now: Instant) -> Option<Answer<Records>> {
        let left = self.expires.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(match &self.answer {
            Answer::Found { value, .. } => Answer::Found { value: value.clone(), ttl: left },
            other => other.clone(),
        })
    }

    fn weight(&self) -> usize {
        ENTRY_WEIGHT + if let Answer::Found { value, .. } = &self.answer { value.weight() } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::Absent;

    fn question(n: u32) -> Question {
        Question::Ptr(IpAddr::V4(Ipv4Addr::from(n)))
    }

    fn texts(bytes: usize) -> Answer<Records> {
        let text: Box<str> = "x".repeat(bytes).into();
        Answer::Found { value: Records::Txt([text].into()), ttl: Duration::from_secs(60) }
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_answer_holds_as_long_as_its_ttl() {
        let (mut cache, now) = (Cache::new(10_000), Instant::now());
        cache.put(question(1), texts(5), MINUTE, now);
        let later = now + Duration::from_secs(59);
        assert!(
            matches!(cache.get(&question(1), later), Some(Answer::Found { ttl, .. }) if ttl.as_secs() == 1)
        );
        assert_eq!(cache.get(&question(1), now + MINUTE), None);
    }

    #[test]
    fn absence_is_kept_too() {
        let (mut cache, now) = (Cache::new(10_000), Instant::now());
        cache.put(question(1), Answer::NotFound(Absent::NoData), MINUTE, now);
        assert_eq!(cache.get(&question(1), now), Some(Answer::NotFound(Absent::NoData)));
    }

    #[test]
    fn the_bound_holds_whatever_comes() {
        let (mut cache, now) = (Cache::new(100_000), Instant::now());
        for n in 0..5_000 {
            cache.put(question(n), texts(n as usize % 3_000), MINUTE, now);
            assert!(cache.weight() <= 100_000);
            // The young generation's running total is its true weight.
            assert_eq!(cache.young_weight, cache.young.values().map(Entry::weight).sum::<usize>());
        }
        cache.put(question(1), texts(60_000), MINUTE, now);
        assert_eq!(cache.get(&question(1), now), None, "larger than half the cache: not kept");
    }

    #[test]
    fn what_is_in_use_stays() {
        let (mut cache, now) = (Cache::new(100_000), Instant::now());
        cache.put(question(0), texts(10), MINUTE, now);
        for n in 1..5_000 {
            cache.put(question(n), texts(10), MINUTE, now);
            assert!(cache.get(&question(0), now).is_some(), "after {n}");
        }
        assert_eq!(cache.get(&question(1), now), None);
    }
}
