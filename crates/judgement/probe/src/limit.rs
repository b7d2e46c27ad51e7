//! How often the world is asked: per place and in all, per minute and per day.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use postern_store::PlaceCount;
use postern_types::Timestamp;

use crate::{Limits, NotAllowed};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Places beyond these are swept before another is remembered. The day's total bounds how many can be left.
const SWEEP: usize = 8192;

/// What was asked within the last day.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    places: HashMap<String, Window>,
    total: Window,
}

/// The times of the last day's questions, earliest first.
#[derive(Debug, Default)]
struct Window(VecDeque<Timestamp>);

/// How full a window is.
enum Full {
    Minute,
    Day,
}

impl Window {
    /// Whether another fits.
    fn fits(&mut self, now: Timestamp, per_minute: u32, per_day: u32) -> Result<(), Full> {
        while self.0.front().is_some_and(|at| now.since(*at) >= DAY) {
            self.0.pop_front();
        }
        if self.0.len() >= per_day as usize {
            return Err(Full::Day);
        }
        let minute = self.0.iter().rev().take_while(|at| now.since(**at) < MINUTE).count();
        if minute >= per_minute as usize { Err(Full::Minute) } else { Ok(()) }
    }
}

impl Budget {
    /// Takes over what the ledger knows of the last day.
    pub(crate) fn remember(&mut self, places: Vec<PlaceCount>) {
        let mut all: Vec<Timestamp> = Vec::new();
        for PlaceCount { place, at } in places {
            all.extend(&at);
            self.places.insert(place, Window(at.into()));
        }
        all.sort_unstable();
        self.total = Window(all.into());
    }

    /// Takes one question about a place out of the budget, or says why not.
    pub(crate) fn take(&mut self, place: &str, now: Timestamp, limits: &Limits) -> Result<(), NotAllowed> {
        self.total.fits(now, limits.per_minute, limits.per_day).map_err(|full| match full {
            Full::Minute => NotAllowed::TotalMinute,
            Full::Day => NotAllowed::TotalDay,
        })?;
        if let Some(window) = self.places.get_mut(place) {
            let fits = window.fits(now, limits.place_per_minute, limits.place_per_day);
            fits.map_err(|full| match full {
                Full::Minute => NotAllowed::PlaceMinute(place.to_owned()),
                Full::Day => NotAllowed::PlaceDay(place.to_owned()),
            })?;
        } else if limits.place_per_minute == 0 || limits.place_per_day == 0 {
            return Err(NotAllowed::PlaceDay(place.to_owned()));
        }
        self.note(place, now);
        Ok(())
    }

    /// Counts a question that was asked whatever the budget says.
    pub(crate) fn note(&mut self, place: &str, now: Timestamp) {
        if self.places.len() >= SWEEP {
            self.places.retain(|_, window| window.0.back().is_some_and(|at| now.since(*at) < DAY));
        }
        self.places.entry(place.to_owned()).or_default().0.push_back(now);
        self.total.0.push_back(now);
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
        budget.remember(vec![PlaceCount { place: "a".into(), at: vec![at(0), at(1000)] }]);
        assert_eq!(budget.take("a", at(2000), &limits), Err(NotAllowed::PlaceDay("a".into())));
        for place in 0..3 * SWEEP {
            budget.note(&place.to_string(), at(100_000 * place as i64));
        }
        assert!(budget.places.len() <= SWEEP);
    }

    #[test]
    fn a_clock_that_goes_back_opens_nothing() {
        let mut budget = Budget::default();
        assert_eq!(budget.take("a", at(1000), &Limits::default()), Ok(()));
        assert!(budget.take("a", at(10), &Limits::default()).is_err());
    }
}
