//! The rule by which clocks change in years to come: the `TZ` text of POSIX, with what RFC 9636 §3.3.1 adds to it.

use super::{Clock, DAY, FARTHEST};
use crate::Timestamp;
use crate::time::days;

/// What holds for good, or in turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    standard: Clock,
    saving: Option<Saving>,
}

/// Daylight saving time: how clocks go then, and from when until when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Saving {
    clock: Clock,
    begins: Change,
    ends: Change,
}

/// A day of the year, and the second of that day by the clock that holds until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    day: Day,
    second: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// `Mm.w.d`: the first to fourth, or (5) the last such weekday of a month.
    Weekday { month: i64, week: i64, weekday: i64 },
    /// `Jn`: from 1; the leap day is not counted.
    Julian(i64),
    /// `n`: from 0.
    OfYear(i64),
}

impl Rule {
    /// Reads `CET-1CEST,M3.5.0,M10.5.0/3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let name = name(&mut rest)?;
        let standard = Clock { east: -distance(&mut rest)?, name };
        if rest.is_empty() {
            return Some(Self { standard, saving: None });
        }
        let name = self::name(&mut rest)?;
        let east = if rest.starts_with(',') { standard.east + 3600 } else { -distance(&mut rest)? };
        let (begins, ends) = (change(&mut rest)?, change(&mut rest)?);
        let saving = Some(Saving { clock: Clock { east, name }, begins, ends });
        rest.is_empty().then_some(Self { standard, saving })
    }

    /// What holds at a second.
    pub(super) fn clock(&self, at: i64) -> &Clock {
        let Some(saving) = &self.saving else { return &self.standard };
        let shown = at.saturating_add(self.standard.east);
        let year = Timestamp::from_millis(shown.saturating_mul(1000)).year();
        let begins = saving.begins.in_year(year) - self.standard.east;
        let ends = saving.ends.in_year(year) - saving.clock.east;
        let saves = if begins < ends { begins <= at && at < ends } else { at < ends || begins <= at };
        if saves { &saving.clock } else { &self.standard }
    }
}

impl Change {
    /// In seconds, by the clock on the wall.
    fn in_year(self, year: i64) -> i64 {
        let first = days(year, 1, 1);
        let day = match self.day {
            Day::Weekday { month, week, weekday } => {
                let begin = days(year, month, 1);
                // 1970-01-01 was a Thursday.
                let to = (weekday - (begin + 4)).rem_euclid(7) + 7 * (week - 1);
                let length = days(year + month / 12, month % 12 + 1, 1) - begin;
                begin + if to < length { to } else { to - 7 }
            }
            Day::Julian(day) => {
                let leap = days(year, 3, 1) - first - 59;
                first + day - 1 + if day >= 60 { leap } else { 0 }
            }
            Day::OfYear(day) => first + day,
        };
        day * DAY + self.second
    }
}

/// A name of letters, or in angle brackets of letters, digits and signs.
fn name(rest: &mut &str) -> Option<Box<str>> {
    let (name, after) = match rest.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>')?,
        None => rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len())),
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-');
    *rest = after;
    ((1..=16).contains(&name.len()) && name.chars().all(fits)).then(|| name.into())
}

/// `[+-]h[:m[:s]]` as seconds; west is positive.
fn distance(rest: &mut &str) -> Option<i64> {
    let seconds = time(rest)?;
    (seconds.abs() <= FARTHEST).then_some(seconds)
}

/// `[+-]h[:m[:s]]` as seconds; hours up to 167 (rfc9636 §3.3.1).
fn time(rest: &mut &str) -> Option<i64> {
    let negative = rest.starts_with('-');
    *rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let mut seconds = number(rest, 0, 167)? * 3600;
    for unit in [60, 1] {
        let Some(after) = rest.strip_prefix(':') else { break };
        *rest = after;
        seconds += number(rest, 0, 59)? * unit;
    }
    Some(if negative { -seconds } else { seconds })
}

/// `,day[/time]`; at two where no time is written.
fn change(rest: &mut &str) -> Option<Change> {
    *rest = rest.strip_prefix(',')?;
    let day = if let Some(after) = rest.strip_prefix('M') {
        *rest = after;
        let month = number(rest, 1, 12)?;
        *rest = rest.strip_prefix('.')?;
        let week = number(rest, 1, 5)?;
        *rest = rest.strip_prefix('.')?;
        Day::Weekday { month, week, weekday: number(rest, 0, 6)? }
    } else if let Some(after) = rest.strip_prefix('J') {
        *rest = after;
        Day::Julian(number(rest, 1, 365)?)
    } else {
        Day::OfYear(number(rest, 0, 365)?)
    };
    let second = match rest.strip_prefix('/') {
        Some(after) => {
            *rest = after;
            time(rest)?
        }
        None => 2 * 3600,
    };
    Some(Change { day, second })
}

fn number(rest: &mut &str, least: i64, most: i64) -> Option<i64> {
    let (digits, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    *rest = after;
    // Three digits are the most that any of them has.
    let number = digits.parse().ok().filter(|_| digits.len() <= 3)?;
    (least..=most).contains(&number).then_some(number)
}
