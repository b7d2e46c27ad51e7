//! Takes the digits of an address out of a name.

use std::ops::Range;

use crate::address::{Base, Spelled};

/// Stands where the address's digits stood.
pub(crate) const HOLE: char = '#';

/// A host part and where it holds the address.
pub(crate) struct Masked {
    /// The host part with holes.
    pub(crate) text: String,
    /// How many octets (IPv4) or hextets (IPv6) of the address stand in it; one that stands alone is
    /// only counted when it is the last.
    pub(crate) parts: usize,
    /// The text that holds them.
    pub(crate) held: String,
}

impl Masked {
    pub(crate) fn new(host: &str, address: &Spelled) -> Self {
        let joined = joined(host, address);
        let apart = address.bases.iter().filter_map(|&base| apart(host, address, base));
        let best = joined.into_iter().chain(apart).max_by_key(|found| found.parts);
        let best = best.or_else(|| last_alone(host, address));
        match best {
            Some(Found { parts, spans }) => {
                let (first, last) = (spans[0].start, spans[spans.len() - 1].end);
                Self { text: cut(host, &spans), parts, held: host[first..last].to_owned() }
            }
            None => Self { text: host.to_owned(), parts: 0, held: String::new() },
        }
    }
}

/// Parts of the address, at these places, in order; never empty.
struct Found {
    parts: usize,
    spans: Vec<Range<usize>>,
}

fn cut(host: &str, spans: &[Range<usize>]) -> String {
    let mut text = String::with_capacity(host.len());
    let mut at = 0;
    for span in spans {
        text.push_str(&host[at..span.start]);
        text.push(HOLE);
        at = span.end;
    }
    text.push_str(&host[at..]);
    text
}

/// The address in one piece.
fn joined(host: &str, address: &Spelled) -> Option<Found> {
    address.joined(host).iter().find_map(|(text, parts)| {
        let at = host.find(text.as_str())?;
        let end = at + text.len();
        // 203000113009 is not the end of a longer number.
        let bytes = host.as_bytes();
        let decimal = text.bytes().all(|b| b.is_ascii_digit());
        let longer = |at: Option<&u8>| decimal && at.is_some_and(u8::is_ascii_digit);
        let cut_off =
            longer(at.checked_sub(1).and_then(|before| bytes.get(before))) || longer(bytes.get(end));
        (!cut_off).then(|| Found { parts: *parts, spans: std::iter::once(at..end).collect() })
    })
}

/// The longest row of numbers in the name that are consecutive parts of the address, in its order or the
/// reverse; two at least, or three hextets.
fn apart(host: &str, address: &Spelled, base: Base) -> Option<Found> {
    let runs: Vec<_> = numbers(host, base).collect();
    let values: Vec<_> = runs.iter().map(|run| address.value(&host[run.clone()], base)).collect();
    let backward: Vec<u16> = address.parts.iter().rev().copied().collect();
    let (mut best, mut at) = (0, 0);
    for order in [&address.parts, &backward] {
        for start in 0..values.len() {
            for offset in 0..order.len() {
                let pairs = values[start..].iter().zip(&order[offset..]);
                let length = pairs.take_while(|(value, part)| **value == Some(**part)).count();
                if length > best {
                    (best, at) = (length, start);
                }
            }
        }
    }
    let least = if address.is_v6() { 3 } else { 2 };
    (best >= least).then(|| Found { parts: best, spans: runs[at..at + best].to_vec() })
}

/// The last octet, as a decimal number of the name. (A hextet alone says nothing.)
fn last_alone(host: &str, address: &Spelled) -> Option<Found> {
    if address.is_v6() {
        return None;
    }
    let mut runs = numbers(host, Base::Decimal);
    let span = runs.find(|run| address.value(&host[run.clone()], Base::Decimal) == Some(address.last()))?;
    Some(Found { parts: 1, spans: std::iter::once(span).collect() })
}

/// The numbers in a name. Decimal: runs of digits. Hex: what stands between separators.
fn numbers(host: &str, base: Base) -> impl Iterator<Item = Range<usize>> {
    let belongs = move |byte: u8| match base {
        Base::Decimal => byte.is_ascii_digit(),
        Base::Hex => byte.is_ascii_alphanumeric(),
    };
    runs(host.as_bytes(), belongs)
}

/// The longest runs of bytes that belong together.
pub(crate) fn runs(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes[at..].iter().position(|&byte| belongs(byte))?;
        let length = bytes[start..].iter().position(|&byte| !belongs(byte));
        at = length.map_or(bytes.len(), |length| start + length);
        Some(start..at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(host: &str, address: &str) -> (String, usize) {
        let masked = Masked::new(host, &Spelled::new(address.parse().unwrap()));
        (masked.text, masked.parts)
    }

    #[test]
    fn an_ipv4_address_is_found_however_it_is_written() {
        for (host, text, parts) in [
            ("dsl-203-0-113-9.pool", "dsl-#-#-#-#.pool", 4),
            ("9.113.0.203.dyn", "#.#.#.#.dyn", 4),
            ("203000113009.adsl", "#.adsl", 4),
            ("pcb007109.dip0", "p#.dip0", 4),
            ("x097100cb", "x#", 4),
            ("host3405803785", "host#", 4),
            ("ip20301139", "ip#", 4),
            ("cb-00-71-09.cable", "#-#-#-#.cable", 4),
            ("c113-9", "c#-#", 2),
            ("u009.n113.city", "u#.n#.city", 2),
            ("a113009", "a#", 2),
            ("host9", "host#", 1),
            ("host91", "host91", 0),
            ("mail", "mail", 0),
            ("1203000113009", "1203000113009", 0),
            ("", "", 0),
        ] {
            assert_eq!(mask(host, "203.0.113.9"), (text.to_owned(), parts), "{host}");
        }
    }

    #[test]
    fn an_ipv6_address_is_found_however_it_is_written() {
        let address = "2001:db8:12:34:ab:cd:ef01:2345";
        for (host, text, parts) in [
            ("2001-db8-12-34-ab-cd-ef01-2345.dyn", "#-#-#-#-#-#-#-#.dyn", 8),
            ("20010db80012003400ab00cdef012345", "#", 8),
            ("5.4.3.2.1.0.f.e.d.c.0.0.b.a.0.0.4.3.0.0.2.1.0.0.8.b.d.0.1.0.0.2.v6", "#.v6", 8),
            ("dyn-00ab00cdef012345.net", "dyn-#.net", 4),
            ("2001-0db8-0012.pool", "#-#-#.pool", 3),
            ("mail.2345", "mail.2345", 0),
        ] {
            assert_eq!(mask(host, address), (text.to_owned(), parts), "{host}");
        }
    }
}
