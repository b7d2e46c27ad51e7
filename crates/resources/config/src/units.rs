//! Values with a unit: sizes, durations, rates, percentages, points.

use std::fmt;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use crate::value::{Value, Wrong, from_text, integer, not_a};

/// A number of bytes. `"50 MB"` is 50,000,000; `"50 MiB"` is 52,428,800; a bare number is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// So many in so long: `"100/min"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long; never zero.
    pub per: Duration,
}

/// A share, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

/// An amount of suspicion, in hundredths of a point, -1000 to 1000 points; what speaks for a message is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Points(pub i32);

/// A score from which on something happens; `None` is `"never"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold(pub Option<Points>);

const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

const DURATIONS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// 1000 points.
const POINTS_MAX: i32 = 100_000;

/// Splits `50 MB` into 50 and the unit's factor. The number is whole, or has a point where the product is whole.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let factor = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || number.ends_with('.') || part.contains('.') || part.len() > 9 {
        return None;
    }
    let mut total = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if !part.is_empty() {
        let parts = part.parse::<u64>().ok()?.checked_mul(factor)?;
        let scale = 10_u64.pow(u32::try_from(part.len()).ok()?);
        if parts % scale != 0 {
            return None;
        }
        total = total.checked_add(parts / scale)?;
    }
    Some(total)
}

/// The number in the largest unit that divides it.
fn in_unit(number: u64, units: &[(&'static str, u64)]) -> (u64, &'static str) {
    let fits = units.iter().find(|(_, factor)| number != 0 && number.is_multiple_of(*factor));
    // The smallest unit has factor 1 and divides everything but zero, which takes the base unit.
    fits.map_or((number, ""), |(name, factor)| (number / factor, name))
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match in_unit(self.0, &SIZES) {
            (number, "") => write!(f, "{number} B"),
            (number, unit) => write!(f, "{number} {unit}"),
        }
    }
}

impl Value for Size {
    fn kind() -> String {
        "a size such as `\"50 MB\"` or `\"64 KiB\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        if let Some(number) = integer(value.get_ref()) {
            let size = u64::try_from(number).ok().map(Size);
            if size.is_none() {
                wrong.push((value.span(), "a size cannot be negative".into()));
            }
            return size;
        }
        from_text(value, wrong, |text| {
            with_unit(text, &SIZES).map(Size).ok_or_else(|| {
                format!("`{text}` is not a size: write a number and B, KB, MB, GB, TB, KiB, MiB, GiB or TiB")
            })
        })
    }
    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

/// A duration as people write it: `5 min`, `250 ms`.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match in_unit(millis, &DURATIONS) {
        (number, "") => format!("{number} s"),
        (number, unit) => format!("{number} {unit}"),
    }
}

/// Reads a duration as people write it.
///
/// # Errors
/// A sentence that says what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    with_unit(text, &DURATIONS)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("`{text}` is not a duration: write a number and ms, s, min, h, d or w"))
}

impl Value for Duration {
    fn kind() -> String {
        "a duration such as `\"30 s\"` or `\"5 min\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        if let Some(number) = integer(value.get_ref()) {
            wrong.push((value.span(), format!("a duration needs its unit: write \"{number} s\"")));
            return None;
        }
        from_text(value, wrong, parse_duration)
    }
    fn write(&self) -> String {
        format!("\"{}\"", show_duration(*self))
    }
}

/// Orders by how often: `10/s` is more than `100/min`.
impl PartialOrd for Rate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        let ours = u128::from(self.count) * other.per.as_millis();
        let theirs = u128::from(other.count) * self.per.as_millis();
        Some(ours.cmp(&theirs))
    }
}

impl Rate {
    /// The rate in events per minute, rounded up.
    #[must_use]
    pub fn per_minute(self) -> u32 {
        let count = (u128::from(self.count) * 60_000).div_ceil(self.per.as_millis().max(1));
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn parse(text: &str) -> Option<Self> {
        let (count, per) = text.split_once('/')?;
        let count = count.trim().parse().ok()?;
        let per = match per.trim() {
            unit if unit.starts_with(|c: char| c.is_ascii_digit()) => with_unit(unit, &DURATIONS)?,
            unit => with_unit(&format!("1 {unit}"), &DURATIONS)?,
        };
        (per > 0).then(|| Self { count, per: Duration::from_millis(per) })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = show_duration(self.per);
        write!(f, "{}/{}", self.count, per.strip_prefix("1 ").unwrap_or(&per))
    }
}

impl Value for Rate {
    fn kind() -> String {
        "a rate such as `\"100/min\"` or `\"10/s\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| {
            Rate::parse(text).ok_or_else(|| {
                format!("`{text}` is not a rate: write a number, a slash and s, min, h or d, such as 100/min")
            })
        })
    }
    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

impl Value for Percent {
    fn kind() -> String {
        "a share such as `\"90 %\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| {
            let number = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
            number
                .filter(|number| *number <= 100)
                .map(Percent)
                .ok_or_else(|| format!("`{text}` is not a share: write a whole number from 0 to 100 and %"))
        })
    }
    fn write(&self) -> String {
        format!("\"{self}\"")
    }
}

/// `7`, `2.5`, `-0.25`.
impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, part) = (self.0.unsigned_abs() / 100, self.0.unsigned_abs() % 100);
        match part {
            0 => write!(f, "{sign}{whole}"),
            _ if part.is_multiple_of(10) => write!(f, "{sign}{whole}.{}", part / 10),
            _ => write!(f, "{sign}{whole}.{part:02}"),
        }
    }
}

impl Points {
    fn read(value: &DeValue<'_>) -> Option<Self> {
        let number = match value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return None,
        };
        let (sign, number) = number.strip_prefix('-').map_or((1, number), |number| (-1, number));
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.trim_end_matches('0').len() > 2 {
            return None;
        }
        let part: i32 = format!("{part:0<2}")[..2].parse().ok()?;
        let hundredths = whole.parse::<i32>().ok()?.checked_mul(100)?.checked_add(part)?;
        (hundredths <= POINTS_MAX).then_some(Self(sign * hundredths))
    }
}

const NO_POINTS: &str = "points lie between -1000 and 1000 and have at most two digits behind the point";

impl Value for Points {
    fn kind() -> String {
        "points such as `2.5`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        let points = Self::read(value.get_ref());
        if points.is_none() {
            let number = matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_));
            let why = if number { NO_POINTS.into() } else { not_a::<Self>(value.get_ref()) };
            wrong.push((value.span(), why));
        }
        points
    }
    fn write(&self) -> String {
        self.to_string()
    }
}

impl Value for Threshold {
    fn kind() -> String {
        "points such as `8`, or `\"never\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(word) if word == "never" => Some(Self(None)),
            DeValue::Integer(_) | DeValue::Float(_) => match <Points as Value>::read(value, wrong)? {
                points if points <= Points(0) => {
                    let why = "a threshold must be more than 0, or it would stop every message";
                    wrong.push((value.span(), why.into()));
                    None
                }
                points => Some(Self(Some(points))),
            },
            other => {
                wrong.push((value.span(), not_a::<Self>(other)));
                None
            }
        }
    }
    fn write(&self) -> String {
        self.0.map_or_else(|| "\"never\"".into(), |points| points.to_string())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::read::parse;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            bytes in 0..u64::MAX / 2,
            millis in 0..u64::from(u32::MAX) * 1000,
            count in any::<u32>(),
            percent in 0..=100_u8,
            hundredths in -POINTS_MAX..=POINTS_MAX,
        ) {
            prop_assert_eq!(parse(&Size(bytes).write()), Some(Size(bytes)));
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&duration.write()), Some(duration));
            let rate = Rate { count, per: Duration::from_millis(millis + 1) };
            prop_assert_eq!(parse(&rate.write()), Some(rate));
            prop_assert_eq!(parse(&Percent(percent).write()), Some(Percent(percent)));
            prop_assert_eq!(parse(&Points(hundredths).write()), Some(Points(hundredths)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let value = crate::value::quoted(&text);
            let _ = (parse::<Size>(&value), parse::<Duration>(&value), parse::<Rate>(&value));
            let _ = (parse::<Percent>(&value), parse::<Points>(&text), parse::<Threshold>(&text));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for text in [
            "99999999999999999999 B",
            "18446744073709551615 KB",
            "1.2.3 MB",
            "1. MB",
            ".5 MB",
            "0.3 B",
            "MB",
            "",
        ] {
            assert_eq!(parse::<Size>(&crate::value::quoted(text)), None, "{text}");
        }
        for text in ["1e3", "inf", "nan", "0x10", "1000.01", "-1000.01", "0.123"] {
            assert_eq!(parse::<Points>(text), None, "{text}");
        }
    }
}
