//! Circuit breakers: who fails again and again is left alone, for longer each time, and then tried once.

use std::time::Duration;

use postern_types::Timestamp;

/// How long the one attempt of a half-open breaker keeps others away.
const ATTEMPT: Duration = Duration::from_secs(120);

/// One breaker.
#[derive(Clone, Debug, Default)]
pub(crate) struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// How often it has opened in a row.
    opened: u32,
    /// Until when nobody gets through. From then on one does.
    until: Option<Timestamp>,
    /// When it last failed.
    last: Option<Timestamp>,
}

/// When a breaker opens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) failures: u32,
    pub(crate) pause: Duration,
    pub(crate) longest: Duration,
}

impl Breaker {
    /// Whether it lets everybody through.
    pub(crate) fn is_closed(&self) -> bool {
        self.until.is_none()
    }

    /// Whether it lets anybody through now.
    pub(crate) fn admits(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// Whether an attempt may be made now. Of those that ask while it is half open, the first.
    pub(crate) fn admit(&mut self, now: Timestamp) -> bool {
        match self.until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                self.until = Some(now.plus(ATTEMPT));
                true
            }
        }
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn failed(&mut self, now: Timestamp, terms: Terms) {
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        if self.failures >= terms.failures {
            self.open(now, terms);
        }
    }

    /// Lets nobody through for a while.
    pub(crate) fn open(&mut self, now: Timestamp, terms: Terms) {
        let pause = terms.pause.saturating_mul(1 << self.opened.min(16)).min(terms.longest);
        self.opened = self.opened.saturating_add(1);
        self.until = Some(now.plus(pause));
    }

    /// Whether it has nothing to remember: what happened is so long ago that it begins anew.
    pub(crate) fn is_idle(&self, now: Timestamp, terms: Terms) -> bool {
        self.until.max(self.last).is_none_or(|at| now.since(at) > terms.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_tries_once_and_closes() {
        let terms =
            Terms { failures: 2, pause: Duration::from_secs(600), longest: Duration::from_secs(1500) };
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let mut breaker = Breaker::default();
        assert!(breaker.admit(at(0)));
        breaker.failed(at(0), terms);
        assert!(breaker.admit(at(1)), "one failure is none");
        breaker.failed(at(1), terms);
        assert!(!breaker.admit(at(10)), "open for ten minutes");
        assert!(breaker.admit(at(11)), "half open: one is let through");
        assert!(!breaker.admit(at(11)), "and no other");
        breaker.failed(at(11), terms);
        assert!(!breaker.admit(at(30)), "open for twenty minutes");
        assert!(breaker.admit(at(31)));
        breaker.failed(at(31), terms);
        assert!(breaker.admit(at(56)), "no longer than the longest pause");
        breaker.succeeded();
        assert!(breaker.is_closed() && breaker.admit(at(56)) && breaker.admit(at(56)));
    }

    #[test]
    fn a_single_failure_is_not_remembered_for_ever() {
        let terms = Terms { failures: 3, pause: Duration::from_secs(60), longest: Duration::from_secs(600) };
        let mut breaker = Breaker::default();
        breaker.failed(Timestamp::from_millis(0), terms);
        assert!(!breaker.is_idle(Timestamp::from_millis(600_000), terms));
        assert!(breaker.is_idle(Timestamp::from_millis(600_001), terms));
    }

    #[test]
    fn an_attempt_of_which_nothing_is_heard_does_not_keep_it_shut_for_ever() {
        let terms = Terms { failures: 1, pause: Duration::from_secs(60), longest: Duration::from_secs(60) };
        let mut breaker = Breaker::default();
        breaker.failed(Timestamp::from_millis(0), terms);
        assert!(breaker.admit(Timestamp::from_millis(60_000)));
        assert!(!breaker.admit(Timestamp::from_millis(61_000)));
        assert!(breaker.admit(Timestamp::from_millis(180_000)));
    }
}
