//! The ways in which names spell addresses.

use std::cell::OnceCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::mask::runs;

/// An address and the texts by which a name may hold all of it in one piece.
pub(crate) struct Spelled {
    /// Octets of an IPv4 address, hextets of an IPv6 one.
    pub(crate) parts: Vec<u16>,
    /// The number base in which parts are written one by one.
    pub(crate) bases: &'static [Base],
    address: IpAddr,
    /// Made when a name is long enough to hold one of them: most names of mail servers are not.
    joined: OnceCell<Vec<Joined>>,
}

/// The address, or a part of it, joined to one text; and how many parts that holds.
type Joined = (String, usize);

/// Fewer than six digits come about by chance.
const SHORTEST_V4: usize = 6;
/// Half an address, without separators.
const SHORTEST_V6: usize = 16;

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
        let address = address.to_canonical();
        let (parts, bases): (Vec<u16>, &[Base]) = match address {
            IpAddr::V4(v4) => (v4.octets().map(u16::from).to_vec(), &[Base::Decimal, Base::Hex]),
            IpAddr::V6(v6) => (v6.segments().to_vec(), &[Base::Hex]),
        };
        Self { parts, bases, address, joined: OnceCell::new() }
    }

    /// The texts by which `host` may hold the address in one piece, the longest first; none where it has no
    /// room for any.
    pub(crate) fn joined(&self, host: &str) -> &[Joined] {
        // A text of an IPv4 address is one run of digits; one of an IPv6 address may have separators.
        let fits = match self.address {
            IpAddr::V4(_) => {
                let mut runs = runs(host.as_bytes(), |byte| byte.is_ascii_hexdigit());
                runs.any(|run| run.len() >= SHORTEST_V4)
            }
            IpAddr::V6(_) => host.len() >= SHORTEST_V6,
        };
        if !fits {
            return &[];
        }
        self.joined.get_or_init(|| match self.address {
            IpAddr::V4(v4) => joined_v4(v4),
            IpAddr::V6(v6) => joined_v6(v6),
        })
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

fn joined_v4(address: Ipv4Addr) -> Vec<Joined> {
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
    joined.retain(|(text, _)| text.len() >= SHORTEST_V4);
    joined
}

fn joined_v6(address: Ipv6Addr) -> Vec<Joined> {
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
    joined
}
