//! How often the world is asked, per minute and per day: about one place, at one target, and in all.
//!
//! Questions count for the place that they are about and for all together, connections for the target that they go to. A
//! question that opened no connection is given back.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use postern_store::Probed;
use postern_types::Timestamp;

use crate::target::Target;
use crate::{Limits, NotAllowed};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Places, and targets, beyond these are swept before another is remembered. The day's total bounds how many can be left.
const SWEEP: usize = 8192;

/// What was asked within the last day.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    places: Shares,
    targets: Shares,
    total: Window,
}

/// What each of many has had.
#[derive(Debug, Default)]
struct Shares(HashMap<String, Window>);

/// The times of the last day's questions, earliest first.
#[derive(Debug, Default)]
struct Window(VecDeque<Timestamp>);

/// How many may be.
#[derive(Clone, Copy)]
struct Rate {
    minute: u32,
    day: u32,
}

/// How full a window is.
enum Full {
    Minute,
    Day,
}

impl Window {
    /// Whether another fits.
    fn fits(&mut self, now: Timestamp, rate: Rate) -> Result<(), Full> {
        while self.0.front().is_some_and(|at| now.since(*at) >= DAY) {
            self.0.pop_front();
        }
        if self.0.len() >= rate.day as usize {
            return Err(Full::Day);
        }
        let minute = self.0.iter().rev().take_while(|at| now.since(**at) < MINUTE).count();
        if minute >= rate.minute as usize { Err(Full::Minute) } else { Ok(()) }
    }

    fn give_back(&mut self, at: Timestamp) {
        if let Some(index) = self.0.iter().rposition(|taken| *taken == at) {
            self.0.remove(index);
        }
    }
}

impl Shares {
    fn fits(&mut self, key: &str, now: Timestamp, rate: Rate) -> Result<(), Full> {
        self.0.get_mut(key).map_or_else(|| Window::default().fits(now, rate), |window| window.fits(now, rate))
    }

    fn note(&mut self, key: &str, now: Timestamp) {
        if self.0.len() >= SWEEP {
            self.0.retain(|_, window| window.0.back().is_some_and(|at| now.since(*at) < DAY));
        }
        self.0.entry(key.to_owned()).or_default().0.push_back(now);
    }

    fn give_back(&mut self, key: &str, at: Timestamp) {
        if let Some(window) = self.0.get_mut(key) {
            window.give_back(at);
        }
    }
}

impl Budget {
    /// Takes over what the ledger knows of the last day, earliest first. It has connections, of which a question may have
    /// opened several: after a restart there is rather too little left than too much.
    pub(crate) fn remember(&mut self, ledger: Vec<Probed>) {
        for Probed { at, place, provider, network } in ledger {
            self.note(&place, at);
            self.note_target(&Target { provider, network }, at);
        }
    }

    /// Takes one question about a place out of the budget, or says why not.
    pub(crate) fn take(&mut self, place: &str, now: Timestamp, limits: &Limits) -> Result<(), NotAllowed> {
        let all = Rate { minute: limits.per_minute, day: limits.per_day };
        self.total.fits(now, all).map_err(|full| match full {
            Full::Minute => NotAllowed::TotalMinute,
            Full::Day => NotAllowed::TotalDay,
        })?;
        let one = Rate { minute: limits.place_per_minute, day: limits.place_per_day };
        self.places.fits(place, now, one).map_err(|full| match full {
            Full::Minute => NotAllowed::PlaceMinute(place.to_owned()),
            Full::Day => NotAllowed::PlaceDay(place.to_owned()),
        })?;
        self.note(place, now);
        Ok(())
    }

    /// Counts a question that was asked whatever the budget says.
    pub(crate) fn note(&mut self, place: &str, now: Timestamp) {
        self.places.note(place, now);
        self.total.0.push_back(now);
    }

    /// Gives back what was taken at that time for a question of which nothing came.
    pub(crate) fn give_back(&mut self, place: &str, at: Timestamp) {
        self.places.give_back(place, at);
        self.total.give_back(at);
    }

    /// Takes one connection out of the budget of the host's network and of that of its provider, or of neither.
    pub(crate) fn take_target(
        &mut self,
        target: &Target,
        now: Timestamp,
        limits: &Limits,
    ) -> Result<(), NotAllowed> {
        let rate = Rate { minute: limits.target_per_minute, day: limits.target_per_day };
        for key in target.keys() {
            self.targets.fits(key, now, rate).map_err(|full| match full {
                Full::Minute => NotAllowed::TargetMinute(key.to_owned()),
                Full::Day => NotAllowed::TargetDay(key.to_owned()),
            })?;
        }
        self.note_target(target, now);
        Ok(())
    }

    /// Counts a connection that is opened whatever the budget says.
    pub(crate) fn note_target(&mut self, target: &Target, now: Timestamp) {
        target.keys().for_each(|key| self.targets.note(key, now));
    }

    /// Gives back a connection that was not opened.
    pub(crate) fn give_back_target(&mut self, target: &Target, at: Timestamp) {
        target.keys().for_each(|key| self.targets.give_back(key, at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    #[test]
    fn each_place_has_its_minute_and_its_day() {
        let limits = Limits { place_per_day: 3, ..Limits::default() };
        let mut budget = Budget::default();
        assert_eq!(budget.take("a.test", at(0), &limits), Ok(()));
        assert_eq!(budget.take("a.test", at(59), &limits), Err(NotAllowed::PlaceMinute("a.test".into())));
        assert_eq!(budget.take("b.test", at(59), &limits), Ok(()));
        assert_eq!(budget.take("a.test", at(60), &limits), Ok(()));
        assert_eq!(budget.take("a.test", at(120), &limits), Ok(()));
        assert_eq!(budget.take("a.test", at(200), &limits), Err(NotAllowed::PlaceDay("a.test".into())));
        assert_eq!(budget.take("a.test", at(86_400), &limits), Ok(()), "the first is a day old");
    }

    #[test]
    fn all_together_have_theirs() {
        let limits = Limits { per_minute: 2, per_day: 3, ..Limits::default() };
        let mut budget = Budget::default();
        assert_eq!(budget.take("a", at(0), &limits), Ok(()));
        assert_eq!(budget.take("b", at(0), &limits), Ok(()));
        assert_eq!(budget.take("c", at(0), &limits), Err(NotAllowed::TotalMinute));
        assert_eq!(budget.take("c", at(60), &limits), Ok(()));
        assert_eq!(budget.take("d", at(200), &limits), Err(NotAllowed::TotalDay));
    }

    #[test]
    fn a_day_is_remembered_and_no_place_longer() {
        let mut budget = Budget::default();
        let limits = Limits { place_per_day: 2, ..Limits::default() };
        let probed = |second| Probed {
            at: at(second),
            place: "a".into(),
            provider: Some("p.test".into()),
            network: "192.0.2.0/24".into(),
        };
        budget.remember(vec![probed(0), probed(1000)]);
        assert_eq!(budget.take("a", at(2000), &limits), Err(NotAllowed::PlaceDay("a".into())));
        let limits = Limits { target_per_day: 2, ..limits };
        for (name, ip) in [("mx.p.test", "198.51.100.1"), ("mx.q.test", "192.0.2.9")] {
            let target = Target::of(ip.parse().unwrap(), Some(name));
            let taken = budget.take_target(&target, at(2000), &limits);
            assert!(matches!(taken, Err(NotAllowed::TargetDay(_))), "{taken:?}");
        }
        for place in 0..3 * SWEEP {
            budget.note(&place.to_string(), at(100_000 * place as i64));
        }
        assert!(budget.places.0.len() <= SWEEP);
    }

    #[test]
    fn a_clock_that_goes_back_opens_nothing() {
        let mut budget = Budget::default();
        assert_eq!(budget.take("a", at(1000), &Limits::default()), Ok(()));
        assert!(budget.take("a", at(10), &Limits::default()).is_err());
    }

    #[test]
    fn a_target_has_its_own_whatever_is_asked_about() {
        let limits = Limits { target_per_minute: 2, target_per_day: 3, ..Limits::default() };
        let mut budget = Budget::default();
        let target = |ip: &str, name: &str| Target::of(ip.parse().unwrap(), Some(name));
        assert_eq!(budget.take_target(&target("192.0.2.1", "a.test"), at(0), &limits), Ok(()));
        assert_eq!(budget.take_target(&target("192.0.2.2", "b.test"), at(0), &limits), Ok(()));
        let network = NotAllowed::TargetMinute("192.0.2.0/24".into());
        assert_eq!(budget.take_target(&target("192.0.2.3", "c.test"), at(59), &limits), Err(network));
        assert_eq!(
            budget.take_target(&target("198.51.100.3", "c.test"), at(59), &limits),
            Ok(()),
            "untouched"
        );
        assert_eq!(budget.take_target(&target("192.0.2.3", "c.test"), at(60), &limits), Ok(()));
        let network = NotAllowed::TargetDay("192.0.2.0/24".into());
        assert_eq!(budget.take_target(&target("192.0.2.3", "d.test"), at(600), &limits), Err(network));
    }

    #[test]
    fn what_came_to_nothing_is_given_back() {
        let limits = Limits { per_minute: 1, target_per_minute: 1, ..Limits::default() };
        let mut budget = Budget::default();
        let target = Target::of("192.0.2.1".parse().unwrap(), None);
        assert_eq!(budget.take("a", at(0), &limits), Ok(()));
        assert_eq!(budget.take_target(&target, at(0), &limits), Ok(()));
        budget.give_back("a", at(0));
        budget.give_back_target(&target, at(0));
        assert_eq!(budget.take("a", at(1), &limits), Ok(()));
        assert_eq!(budget.take_target(&target, at(1), &limits), Ok(()));
        assert_eq!(budget.take("b", at(1), &limits), Err(NotAllowed::TotalMinute));
    }
}
