//! The format of the files: RFC 9636 §3.

use super::rule::Rule;
use super::{Clock, FARTHEST, Zone};

/// More changes than any zone has had.
const CHANGES_MAX: usize = 8192;

/// The counts of a block.
struct Head {
    version: u8,
    universal: usize,
    standard: usize,
    leaps: usize,
    changes: usize,
    clocks: usize,
    letters: usize,
}

pub(super) fn parse(file: &[u8]) -> Option<Zone> {
    let mut rest = file;
    let first = head(&mut rest)?;
    if first.version == 0 {
        return block(&mut rest, &first, 4);
    }
    // rfc9636 §3: in later versions the same comes again with times of 64 bits, and then the rule.
    take(&mut rest, first.size(4))?;
    let second = head(&mut rest)?;
    let mut zone = block(&mut rest, &second, 8)?;
    let footer = rest.strip_prefix(b"\n")?;
    let end = footer.iter().position(|octet| *octet == b'\n')?;
    let rule = std::str::from_utf8(&footer[..end]).ok()?;
    if !rule.is_empty() {
        zone.rule = Some(Rule::parse(rule)?);
    }
    Some(zone)
}

impl Head {
    /// Octets of the block, with times of this many.
    fn size(&self, time: usize) -> usize {
        self.changes * (time + 1)
            + self.clocks * 6
            + self.letters
            + self.leaps * (time + 4)
            + self.standard
            + self.universal
    }
}

fn head(rest: &mut &[u8]) -> Option<Head> {
    let head = take(rest, 44)?.strip_prefix(b"TZif")?;
    let count = |at: usize| {
        let octets = head.get(16 + 4 * at..20 + 4 * at)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(octets)).ok().filter(|count| *count <= CHANGES_MAX)
    };
    Some(Head {
        version: *head.first()?,
        universal: count(0)?,
        standard: count(1)?,
        leaps: count(2)?,
        changes: count(3)?,
        clocks: count(4).filter(|clocks| (1..=256).contains(clocks))?,
        letters: count(5)?,
    })
}

fn block(rest: &mut &[u8], head: &Head, time: usize) -> Option<Zone> {
    let mut block = take(rest, head.size(time))?;
    let times = take(&mut block, head.changes * time)?;
    let which = take(&mut block, head.changes)?;
    let kinds = take(&mut block, head.clocks * 6)?;
    let letters = take(&mut block, head.letters)?;
    let clocks: Vec<Clock> = kinds.chunks_exact(6).map(|kind| clock(kind, letters)).collect::<Option<_>>()?;
    let changes = times.chunks_exact(time).zip(which).map(|(at, which)| {
        let which = usize::from(*which);
        (which < clocks.len()).then(|| (signed(at), which))
    });
    let changes: Vec<(i64, usize)> = changes.collect::<Option<_>>()?;
    let ascends = changes.is_sorted_by(|one, next| one.0 < next.0);
    ascends.then_some(Zone { changes, clocks, rule: None })
}

/// Four octets of distance, whether it is daylight saving time, and where the name begins.
fn clock(kind: &[u8], letters: &[u8]) -> Option<Clock> {
    let east = signed(kind.get(..4)?);
    let name = letters.get(usize::from(*kind.get(5)?)..)?;
    let name = &name[..name.iter().position(|octet| *octet == 0)?];
    let name = std::str::from_utf8(name).ok()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-');
    (east.abs() <= FARTHEST && name.len() <= 16 && name.chars().all(fits))
        .then(|| Clock { east, name: name.into() })
}

/// Four or eight octets, the most significant first.
fn signed(octets: &[u8]) -> i64 {
    let negative = octets.first().is_some_and(|first| *first >= 0x80);
    octets.iter().fold(if negative { -1 } else { 0 }, |number, octet| number << 8 | i64::from(*octet))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(count)?;
    *rest = after;
    Some(taken)
}
