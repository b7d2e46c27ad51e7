//! The ways in which names spell addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and the texts by which a name may hold all of it in one piece.
pub(crate) struct Spelled {
    /// Octets of an IPv4 address, hextets of an IPv6 one.
    pub(crate) parts: Vec<u16>,
    /// The number base in which parts are written one by one.
    pub(crate) bases: &'static [Base],
    /// The address joined to one text, the longest first, and how many parts each holds.
    pub(crate) joined: Vec<(String, usize)>,
}

/// How a single part is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    /// Decimal; zeros in front don't count.
    Decimal,
    /// Hexadecimal: two digits for an octet, one to four for a hextet.
    Hex,
}

impl Spelled {
    pub(crate) fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::v4(v4),
            IpAddr::V6(v6) => Self::v6(v6),
        }
    }

    fn v4(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        let whole = u32::from(address);
        let mut joined = vec![
            (format!("{a:03}{b:03}{c:03}{d:03}"), 4),
            (format!("{d:03}{c:03}{b:03}{a:03}"), 4),
            (whole.to_string(), 4),
            (format!("{a}{b}{c}{d}"), 4),
            (format!("{d}{c}{b}{a}"), 4),
            (format!("{a:02x}{b:02x}{c:02x}{d:02x}"), 4),
            (format!("{d:02x}{c:02x}{b:02x}{a:02x}"), 4),
            (format!("{b:03}{c:03}{d:03}"), 3),
            (format!("{d:03}{c:03}{b:03}"), 3),
            (format!("{b:02x}{c:02x}{d:02x}"), 3),
            (format!("{d:02x}{c:02x}{b:02x}"), 3),
            (format!("{c:03}{d:03}"), 2),
            (format!("{d:03}{c:03}"), 2),
        ];
        // Fewer than six digits come about by chance.
        joined.retain(|(text, _)| text.len() >= 6);
        Self { parts: [a, b, c, d].map(u16::from).to_vec(), bases: &[Base::Decimal, Base::Hex], joined }
    }

    fn v6(address: Ipv6Addr) -> Self {
        let nibbles = format!("{:032x}", u128::from(address));
        let reversed: String = nibbles.chars().rev().collect();
        let dotted = |text: &str, by: char| {
            let mut out = String::with_capacity(63);
            for (at, nibble) in text.chars().enumerate() {
                if at > 0 {
                    out.push(by);
                }
                out.push(nibble);
            }
            out
        };
        let mut joined = Vec::new();
        for whole in [&nibbles, &reversed] {
            for by in ['.', '-'] {
                joined.push((dotted(whole, by), 8));
            }
            joined.push((whole.clone(), 8));
        }
        // The customer's half or the network's half alone.
        for half in [&nibbles[16..], &nibbles[..16], &reversed[..16], &reversed[16..]] {
            joined.push((dotted(half, '.'), 4));
            joined.push((dotted(half, '-'), 4));
            joined.push((half.to_owned(), 4));
        }
        // Halves such as ::1 are mostly zeros, and name nobody.
        joined.retain(|(text, _)| text.bytes().filter(|b| b.is_ascii_hexdigit() && *b != b'0').count() >= 4);
        Self { parts: address.segments().to_vec(), bases: &[Base::Hex], joined }
    }

    /// Whether the address is an IPv6 one.
    pub(crate) fn is_v6(&self) -> bool {
        self.parts.len() == 8
    }

    /// The last part.
    pub(crate) fn last(&self) -> u16 {
        self.parts.last().copied().unwrap_or_default()
    }

    /// The value of a written part, if it can be one.
    pub(crate) fn value(&self, text: &str, base: Base) -> Option<u16> {
        match base {
            Base::Decimal if text.len() <= 3 && text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            Base::Hex if self.is_v6() && text.len() > 4 => None,
            Base::Hex if !self.is_v6() && text.len() != 2 => None,
            Base::Hex => u16::from_str_radix(text, 16).ok(),
            Base::Decimal => None,
        }
    }
}
