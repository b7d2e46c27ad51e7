//! The trace id: the one identity of a message, in replies, `Received`, logs and pages.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Timestamp;

/// The identity of one SMTP transaction (or of a session before its first).
///
/// 63 bits: 41 bits of milliseconds since 2025-01-01, 10 bits of node, 12 bits of sequence,
/// so ids sort by time and fit an SQL integer. Written as 13 characters of Crockford's
/// base 32 in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId(u64);

/// Why a text is not a trace id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trace id is 13 characters from 0-9 and a-z without i, l, o, u")]
pub struct TraceIdError;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 13;
/// 2025-01-01T00:00:00Z in milliseconds.
const EPOCH: i64 = 1_735_689_600_000;

impl TraceId {
    /// The id as a number for the store; never negative.
    #[must_use]
    pub fn to_i64(self) -> i64 {
        self.0.cast_signed()
    }

    /// The id from the store's number; `None` if negative.
    #[must_use]
    pub fn from_i64(number: i64) -> Option<Self> {
        u64::try_from(number).ok().map(Self)
    }

    /// When the id was made, to the millisecond.
    #[must_use]
    pub fn time(self) -> Timestamp {
        Timestamp::from_millis(EPOCH + (self.0 >> 22).cast_signed())
    }

    /// The smallest id that can have been made at or after `time`: the lower bound of a search by time.
    #[must_use]
    pub fn floor(time: Timestamp) -> Self {
        let millis = (time.as_millis() - EPOCH).clamp(0, (1 << 41) - 1);
        Self(millis.cast_unsigned() << 22)
    }

    /// Reads what `Display` writes; upper case is accepted.
    ///
    /// # Errors
    /// When the text is not 13 characters of the alphabet or the number is too large.
    pub fn parse(text: &str) -> Result<Self, TraceIdError> {
        if text.len() != LENGTH {
            return Err(TraceIdError);
        }
        let mut number: u64 = 0;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|&a| a == byte.to_ascii_lowercase()).ok_or(TraceIdError)?;
            if number >> 58 != 0 {
                return Err(TraceIdError);
            }
            number = (number << 5) | digit as u64;
        }
        if number >> 63 == 0 { Ok(Self(number)) } else { Err(TraceIdError) }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; LENGTH];
        for (i, byte) in text.iter_mut().enumerate() {
            let shift = 5 * (LENGTH - 1 - i);
            *byte = ALPHABET[(self.0 >> shift) as usize & 31];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for TraceId {
    type Err = TraceIdError;
    fn from_str(text: &str) -> Result<Self, TraceIdError> {
        Self::parse(text)
    }
}

crate::path::text_serde!(TraceId);

/// Makes trace ids: each larger than the last, also when the clock steps back.
#[derive(Debug)]
pub struct TraceIds {
    node: u64,
    last: AtomicU64,
}

impl TraceIds {
    /// A source for one process. `node` (its lowest 10 bits count) should be random per
    /// process, so that two processes on one store do not make the same id.
    #[must_use]
    pub fn new(node: u16) -> Self {
        Self { node: u64::from(node) & 0x3ff, last: AtomicU64::new(0) }
    }

    /// The next id, for the time `now`.
    pub fn next(&self, now: Timestamp) -> TraceId {
        let millis = (now.as_millis() - EPOCH).clamp(0, (1 << 41) - 1).cast_unsigned();
        // Time and sequence side by side, so that "larger than the last" is one comparison.
        let fresh = millis << 12;
        let step = |last: u64| Some(fresh.max(last + 1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).unwrap_or(fresh);
        let counted = fresh.max(last + 1);
        TraceId(((counted >> 12) << 22) | (self.node << 12) | (counted & 0xfff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_round_trip() {
        let ids = TraceIds::new(513);
        let now = Timestamp::from_millis(EPOCH + 123_456_789);
        let mut last = ids.next(now);
        assert_eq!(last.time(), now);
        for _ in 0..10_000 {
            let id = ids.next(now);
            assert!(id > last);
            assert_eq!(TraceId::parse(&id.to_string()), Ok(id));
            assert_eq!(TraceId::from_i64(id.to_i64()), Some(id));
            last = id;
        }
        let earlier = Timestamp::from_millis(EPOCH);
        assert!(ids.next(earlier) > last, "a clock that steps back makes no duplicates");
    }

    #[test]
    fn other_texts_are_no_ids() {
        for bad in ["", "0", "zzzzzzzzzzzzz", "0123456789ab!", "00000000000000"] {
            assert_eq!(TraceId::parse(bad), Err(TraceIdError), "{bad}");
        }
    }
}
