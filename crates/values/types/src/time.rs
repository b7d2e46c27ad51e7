//! A moment: milliseconds since 1970, UTC.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

const DAY: i64 = 86_400_000;
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A date and a time of day in UTC.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    millis: i64,
}

/// The days from 1970-01-01 to a date; the inverse of [`Timestamp::civil`]. Years begin in March, so that the leap day is
/// a year's last.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let shifted = if month < 3 { year - 1 } else { year };
    let in_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = in_era * 365 + in_era / 4 - in_era / 100 + day_of_year;
    shifted.div_euclid(400) * 146_097 + day_of_era - 719_468
}

impl Timestamp {
    /// The system's clock now.
    #[must_use]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From milliseconds since 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since 1970, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `duration`; stops at the largest value.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The beginning of a day in UTC, from `2026-11-22`; `None` for what is no date.
    #[must_use]
    pub fn parse_date(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<i64>().ok())?
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        if parts.next().is_some() || !(1..=12).contains(&month) {
            return None;
        }
        let date = Self(days(year, month, day) * DAY);
        // The 31st of a short month would be a day of the next.
        let civil = date.civil();
        (civil.month == usize::try_from(month).ok()? && civil.day == day).then_some(date)
    }

    /// `Sun, 22 Nov 2026 05:59:00 +0000` (RFC 5322 §3.3), always in UTC.
    #[must_use]
    pub fn to_rfc5322(self) -> String {
        let c = self.civil();
        let weekday = WEEKDAYS[usize::try_from(self.0.div_euclid(DAY).rem_euclid(7)).unwrap_or(0)];
        let month = MONTHS[c.month - 1];
        format!("{weekday}, {} {month} {} {:02}:{:02}:{:02} +0000", c.day, c.year, c.hour, c.minute, c.second)
    }

    /// The year of the date in UTC.
    pub(crate) fn year(self) -> i64 {
        self.civil().year
    }

    /// The proleptic Gregorian date: days since 0000-03-01 counted in eras of 400 years
    /// (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    fn civil(self) -> Civil {
        let days = self.0.div_euclid(DAY) + 719_468;
        let in_day = self.0.rem_euclid(DAY);
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Civil {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: usize::try_from(month).unwrap_or(1),
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: in_day / 3_600_000,
            minute: in_day / 60_000 % 60,
            second: in_day / 1000 % 60,
            millis: in_day % 1000,
        }
    }
}

/// `2026-11-22T05:59:00.000Z` (RFC 3339).
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.millis
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        for date in ["1970-01-01", "2000-02-29", "2024-12-31", "2026-11-22", "2100-03-01"] {
            let read = Timestamp::parse_date(date).unwrap();
            assert!(read.to_string().starts_with(&format!("{date}T00:00:00.000Z")), "{date}: {read}");
        }
        for wrong in [
            "2026-02-29",
            "2026-04-31",
            "2026-13-01",
            "2026-00-10",
            "2026-1-1",
            "26-01-01",
            "2026-01",
            "2026-01-01-01",
            "",
            "2026-01-+1",
        ] {
            assert_eq!(Timestamp::parse_date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dates_are_right() {
        for (secs, rfc5322, rfc3339) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000", "1970-01-01T00:00:00.000Z"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00.000Z"),
            (1_795_327_140, "Sun, 22 Nov 2026 05:59:00 +0000", "2026-11-22T05:59:00.000Z"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000", "1969-12-31T23:59:59.000Z"),
        ] {
            let time = Timestamp::from_millis(secs * 1000);
            assert_eq!(time.to_rfc5322(), rfc5322);
            assert_eq!(time.to_string(), rfc3339);
        }
    }
}
