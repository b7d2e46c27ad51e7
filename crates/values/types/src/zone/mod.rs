//! Time zones, as the files that every system has describe them (TZif, RFC 9636): what the clock on the wall shows, on both sides of
//! each change to and from daylight saving time, and for years to come.

mod rule;
mod tzif;

use rule::Rule;

use crate::Timestamp;

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// From when on (in seconds) which of `clocks` holds; ascending.
    changes: Vec<(i64, usize)>,
    /// Every way in which clocks went; the first holds before all changes. Never empty.
    clocks: Vec<Clock>,
    /// What holds after the last change.
    rule: Option<Rule>,
}

/// How clocks go: so many seconds east of UTC, and what that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clock {
    east: i64,
    name: Box<str>,
}

/// Why a file describes no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no description of a time zone (TZif)")]
pub struct ZoneError;

const DAY: i64 = 86_400;
/// rfc9636 §3.2: between -25 and 26 hours.
const FARTHEST: i64 = 26 * 3600;

impl Zone {
    /// UTC, which needs no file.
    #[must_use]
    pub fn utc() -> Self {
        Self { changes: Vec::new(), clocks: vec![Clock { east: 0, name: "UTC".into() }], rule: None }
    }

    /// Reads a file such as `/usr/share/zoneinfo/Europe/Berlin`.
    ///
    /// # Errors
    /// [`ZoneError`] when it is none.
    pub fn parse(file: &[u8]) -> Result<Self, ZoneError> {
        tzif::parse(file).ok_or(ZoneError)
    }

    /// What the clock shows, with the zone's name then: `2026-07-22 07:59 CEST`.
    #[must_use]
    pub fn show(&self, at: Timestamp) -> String {
        let clock = self.clock(at.as_secs());
        let shown = Timestamp::from_millis(at.as_millis().saturating_add(clock.east * 1000)).to_string();
        let (date, time) = (shown.get(..10).unwrap_or_default(), shown.get(11..16).unwrap_or_default());
        // Many zones have no name but their distance: `+03`.
        let utc = if clock.name.starts_with(['+', '-']) { "UTC" } else { "" };
        format!("{date} {time} {utc}{}", clock.name)
    }

    /// The last moment, not after `now`, at which the clock showed this full hour. Where it was skipped, when it would have been.
    #[must_use]
    pub fn last_hour(&self, hour: u8, now: Timestamp) -> Timestamp {
        let now = now.as_secs();
        let today = (now.saturating_add(self.clock(now).east)).div_euclid(DAY);
        let on = |day: i64| {
            let shown = day.saturating_mul(DAY).saturating_add(i64::from(hour) * 3600);
            // By what held the day before, then by what holds then.
            let near = shown.saturating_sub(self.clock(shown.saturating_sub(DAY)).east);
            shown.saturating_sub(self.clock(near).east)
        };
        let days = [today, today.saturating_sub(1), today.saturating_sub(2)];
        let last = days.into_iter().map(on).find(|&at| at <= now).unwrap_or(now);
        Timestamp::from_millis(last.saturating_mul(1000))
    }

    /// What holds at a second.
    fn clock(&self, at: i64) -> &Clock {
        let before = self.changes.partition_point(|(from, _)| *from <= at);
        match (self.changes.get(before.wrapping_sub(1)), &self.rule) {
            (_, Some(rule)) if before == self.changes.len() => rule.clock(at),
            (Some((_, clock)), _) => &self.clocks[*clock],
            (None, _) => &self.clocks[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A file of version 2 with these changes, clocks and rule.
    fn file(changes: &[(i64, u8)], clocks: &[(i32, &str)], rule: &str) -> Vec<u8> {
        let head = |version: u8, times: u32, kinds: u32, letters: u32| {
            let mut head = [b"TZif".as_slice(), &[version], &[0; 15]].concat();
            for count in [0, 0, 0, times, kinds, letters] {
                head.extend(count.to_be_bytes());
            }
            head
        };
        let names: Vec<u8> = clocks.iter().flat_map(|(_, name)| [name.as_bytes(), b"\0"].concat()).collect();
        let count = |length: usize| u32::try_from(length).unwrap();
        let mut file = head(b'2', 0, 1, 1);
        file.extend([0; 7]);
        file.extend(head(b'2', count(changes.len()), count(clocks.len()), count(names.len())));
        changes.iter().for_each(|(at, _)| file.extend(at.to_be_bytes()));
        changes.iter().for_each(|(_, clock)| file.push(*clock));
        let mut at = 0;
        for (east, name) in clocks {
            file.extend(east.to_be_bytes());
            file.extend([0, at]);
            at += u8::try_from(name.len() + 1).unwrap();
        }
        file.extend(names);
        file.extend(format!("\n{rule}\n").bytes());
        file
    }

    fn by_rule(rule: &str) -> Zone {
        Zone::parse(&file(&[], &[(0, "LMT")], rule)).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        let (date, time) = text.split_once(' ').unwrap();
        let (hours, minutes) = time.split_once(':').unwrap();
        let minutes = hours.parse::<u64>().unwrap() * 60 + minutes.parse::<u64>().unwrap();
        Timestamp::parse_date(date).unwrap().plus(Duration::from_secs(minutes * 60))
    }

    #[test]
    fn clocks_change_in_spring_and_autumn() {
        let berlin = by_rule("CET-1CEST,M3.5.0,M10.5.0/3");
        for (utc, shown) in [
            ("2026-03-29 00:59", "2026-03-29 01:59 CET"),
            ("2026-03-29 01:00", "2026-03-29 03:00 CEST"),
            ("2026-10-25 00:59", "2026-10-25 02:59 CEST"),
            ("2026-10-25 01:00", "2026-10-25 02:00 CET"),
            ("2099-07-01 12:00", "2099-07-01 14:00 CEST"),
        ] {
            assert_eq!(berlin.show(at(utc)), shown);
        }
    }

    #[test]
    fn it_is_summer_elsewhere() {
        let auckland = by_rule("NZST-12NZDT,M9.5.0,M4.1.0/3");
        assert_eq!(auckland.show(at("2026-01-01 00:00")), "2026-01-01 13:00 NZDT");
        assert_eq!(auckland.show(at("2026-04-04 14:00")), "2026-04-05 02:00 NZST");
        assert_eq!(auckland.show(at("2026-12-31 23:59")), "2027-01-01 12:59 NZDT");
        // Negative daylight saving time, a change in the night before, zones without a name.
        let dublin = by_rule("IST-1GMT0,M10.5.0,M3.5.0/1");
        assert_eq!(dublin.show(at("2026-12-01 12:00")), "2026-12-01 12:00 GMT");
        assert_eq!(dublin.show(at("2026-06-01 12:00")), "2026-06-01 13:00 IST");
        let nuuk = by_rule("<-02>2<-01>,M3.5.0/-1,M10.5.0/0");
        assert_eq!(nuuk.show(at("2026-03-29 00:59")), "2026-03-28 22:59 UTC-02");
        assert_eq!(nuuk.show(at("2026-03-29 01:00")), "2026-03-29 00:00 UTC-01");
        assert_eq!(by_rule("<+0545>-5:45").show(at("2026-01-01 00:00")), "2026-01-01 05:45 UTC+0545");
    }

    #[test]
    fn days_of_the_year_with_and_without_the_leap_day() {
        let changes = |rule: &str, utc: &str| by_rule(rule).show(at(utc));
        assert!(changes("A0B,J60/0,J300", "2024-03-01 00:00").ends_with('B'), "the 1st of March, always");
        assert!(changes("AAA0BBB,J60/0,J300", "2023-02-28 23:59").ends_with("AAA"));
        assert!(changes("AAA0BBB,59/0,300", "2024-02-29 00:00").ends_with("BBB"));
    }

    #[test]
    fn what_was_is_in_the_file() {
        let zone = Zone::parse(&file(&[(1000, 1), (2000, 0)], &[(3600, "OLD"), (7200, "NEW")], "")).unwrap();
        let shown = |secs: i64| zone.show(Timestamp::from_millis(secs * 1000));
        assert_eq!(shown(999), "1970-01-01 01:16 OLD");
        assert_eq!(shown(1000), "1970-01-01 02:16 NEW");
        assert_eq!(shown(5_000_000), "1970-02-27 21:53 OLD");
        assert_eq!(Zone::utc().show(at("2026-11-22 05:59")), "2026-11-22 05:59 UTC");
    }

    #[test]
    fn what_describes_no_zone_is_refused() {
        let good = file(&[(1000, 0)], &[(3600, "OLD")], "CET-1CEST,M3.5.0,M10.5.0/3");
        assert!(Zone::parse(&good).is_ok());
        for length in 0..good.len() {
            assert!(Zone::parse(&good[..length]).is_err(), "{length}");
        }
        for rule in [
            "CET",
            "CET-1CEST",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-99",
            "C\u{e4}T-1",
            "CET-1x",
        ] {
            assert!(Zone::parse(&file(&[], &[(0, "LMT")], rule)).is_err(), "{rule}");
        }
        assert!(Zone::parse(&file(&[(1, 1)], &[(0, "A")], "")).is_err(), "a clock that is not there");
        assert!(Zone::parse(&file(&[(2, 0), (1, 0)], &[(0, "A")], "")).is_err(), "back in time");
        assert!(Zone::parse(&file(&[], &[(999_999, "A")], "")).is_err(), "too far east");
        assert!(Zone::parse(&file(&[], &[], "")).is_err());
    }

    #[test]
    fn the_same_hour_each_day() {
        let berlin = by_rule("CET-1CEST,M3.5.0,M10.5.0/3");
        let last = |hour: u8, now: &str| berlin.last_hour(hour, at(now));
        assert_eq!(last(6, "2026-03-28 05:00"), at("2026-03-28 05:00"));
        assert_eq!(last(6, "2026-03-29 03:59"), at("2026-03-28 05:00"));
        assert_eq!(last(6, "2026-03-29 04:00"), at("2026-03-29 04:00"), "an hour earlier by UTC");
        assert_eq!(last(6, "2026-03-29 22:30"), at("2026-03-29 04:00"), "past midnight there");
        // The hour that is skipped, and the one that comes twice: once a day, whenever it is asked.
        let day = |from: Timestamp| (0..24 * 4).map(move |n| from.plus(Duration::from_secs(n * 900)));
        for from in ["2026-03-28 12:00", "2026-10-24 12:00"] {
            for hour in 0..24 {
                let mut seen: Vec<_> = day(at(from)).map(|now| berlin.last_hour(hour, now)).collect();
                seen.dedup();
                assert!(seen.len() <= 2 && seen.is_sorted(), "{from} {hour}: {seen:?}");
            }
        }
    }
}
