//! Fills the patterns with addresses and numbers, the same ones each time.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::patterns::{Hands, Near, PATTERNS, Pattern};

/// Hosts for each pattern.
const HOSTS: usize = 13;

/// A small generator of numbers (xorshift64*), seeded by the pattern's place.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[usize::try_from(self.below(list.len() as u64)).unwrap_or_default()]
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        let mut one = || alphabet[usize::try_from(self.below(alphabet.len() as u64)).unwrap_or_default()];
        (0..length).map(|_| char::from(one())).collect()
    }
}

/// The whole file.
pub(crate) fn sample() -> String {
    let mut out = String::from(
        "# Names of dial-up hosts and of servers, made by examples/make_names from naming patterns that access and\n\
         # hosting providers are known for. The addresses are random, and every name ends in .example.\n\
         # address,name[;name],neighbour=name|neighbour=name,label\n",
    );
    for (place, pattern) in PATTERNS.iter().enumerate() {
        let part = if pattern.held_out { "held out" } else { "calibrate" };
        let _ = writeln!(out, "# {part} {}: {}", pattern.label, pattern.own);
        let mut numbers =
            Numbers(0x9E37_79B9_7F4A_7C15 ^ (place as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95));
        for _ in 0..HOSTS {
            line(&mut out, pattern, &mut numbers);
        }
    }
    out
}

fn line(out: &mut String, pattern: &Pattern, numbers: &mut Numbers) {
    let network = [1 + numbers.below(222), numbers.below(256), numbers.below(256)];
    let last = 4 + numbers.below(248);
    let v4 = |last: u64| {
        let [a, b, c] = network;
        #[allow(clippy::cast_possible_truncation, reason = "octets")]
        IpAddr::V4(Ipv4Addr::new(a as u8, b as u8, c as u8, last as u8))
    };
    // What stays the same among neighbours.
    let fixed = numbers.0;
    if pattern.own.contains("{6") {
        let half = u128::from(numbers.next()) << 16 | u128::from(numbers.below(65_536));
        let network = 0x2a00_0000_0000_0000_u128 | u128::from(numbers.next() & 0x00ff_ffff_ffff_ffff);
        let address = IpAddr::V6(Ipv6Addr::from(network << 64 | half));
        let names = fill(pattern.own, address, fixed, numbers, pattern.hands());
        let _ = writeln!(out, "{address},{names},,{}", pattern.label);
        return;
    }
    let _ = write!(out, "{},{},", v4(last), fill(pattern.own, v4(last), fixed, numbers, pattern.hands()));
    let mut first = true;
    for near in (last - 3..=last + 3).filter(|near| *near != last) {
        if numbers.below(10) < 3 {
            continue;
        }
        let template = match pattern.near {
            Near::Same => pattern.own.split(';').next().unwrap_or_default(),
            Near::Named => "{hand}.{org}",
            Near::Pool(template) => template,
        };
        let name = fill(template, v4(near), fixed, numbers, pattern.hands());
        let _ = write!(out, "{}{}={name}", if first { "" } else { "|" }, v4(near));
        first = false;
    }
    let _ = writeln!(out, ",{}", pattern.label);
}

/// Fills a template's `{…}`. `fixed` seeds what neighbours have in common.
fn fill(template: &str, address: IpAddr, fixed: u64, numbers: &mut Numbers, hands: &Hands) -> String {
    let mut common = Numbers(fixed);
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((what, behind)) = after.split_once('}') else { break };
        out.push_str(before);
        let piece = match address {
            IpAddr::V4(v4) => of_v4(what, v4),
            IpAddr::V6(v6) => of_v6(what, v6),
        };
        out.push_str(&piece.unwrap_or_else(|| of_chance(what, address, numbers, &mut common, hands)));
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn of_v4(what: &str, address: Ipv4Addr) -> Option<String> {
    let octets = address.octets();
    let whole = u32::from(address);
    Some(match what {
        "hex" => format!("{whole:08x}"),
        "HEX" => format!("{whole:08X}"),
        "xeh" => format!("{:08x}", whole.swap_bytes()),
        "int" => whole.to_string(),
        // Numbers of a row that follow the address from another beginning.
        "row" => (u32::from(octets[3]) + 1000).to_string(),
        "seq" => (octets[3] % 9 + 1).to_string(),
        _ => {
            let (form, letter) = what.split_at(what.len().checked_sub(1)?);
            let octet = octets[["a", "b", "c", "d"].iter().position(|at| *at == letter)?];
            match form {
                "" => octet.to_string(),
                "0" => format!("{octet:03}"),
                "x" => format!("{octet:02x}"),
                _ => return None,
            }
        }
    })
}

fn of_v6(what: &str, address: Ipv6Addr) -> Option<String> {
    let nibbles = format!("{:032x}", u128::from(address));
    let groups = |padded: bool, by: &str| {
        let group = |group: &u16| if padded { format!("{group:04x}") } else { format!("{group:x}") };
        address.segments().iter().map(group).collect::<Vec<_>>().join(by)
    };
    Some(match what {
        "6joined" => nibbles,
        "6rev" => nibbles.chars().rev().map(String::from).collect::<Vec<_>>().join("."),
        "6dash" => groups(false, "-"),
        "6pad" => groups(true, "-"),
        "6dot" => groups(false, "."),
        "6half" => nibbles[16..].to_owned(),
        "6net" => {
            address.segments()[..4].iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join("-")
        }
        // A server whose name does not hold the address.
        "6none" => String::new(),
        _ => return None,
    })
}

fn of_chance(
    what: &str,
    address: IpAddr,
    numbers: &mut Numbers,
    common: &mut Numbers,
    hands: &Hands,
) -> String {
    match what {
        "n2" => (10 + numbers.below(90)).to_string(),
        "n3" => (100 + numbers.below(900)).to_string(),
        "n4" => (1000 + numbers.below(9000)).to_string(),
        "n6" => (100_000 + numbers.below(900_000)).to_string(),
        "k1" => (1 + common.below(9)).to_string(),
        "k2" => (10 + common.below(90)).to_string(),
        "k4" => (1000 + common.below(9000)).to_string(),
        "mac" => numbers.text(b"0123456789abcdef", 12),
        "id" => numbers.text(b"abcdefghjkmnpqrstuvwxyz0123456789", 8),
        "abc" => numbers.text(b"abcdefghijklmnoprstuwz", 4),
        "city" => common.pick(CITIES).to_owned(),
        "hand" => numbers.pick(hands.hosts).to_owned(),
        "mailhand" => numbers.pick(hands.mail).to_owned(),
        "org" => {
            let (name, kind) = (numbers.pick(hands.organisations), numbers.pick(hands.kinds));
            format!("{name}-{kind}.example")
        }
        _ => unreachable!("no piece is called {what} (for {address})"),
    }
}

const CITIES: &[&str] = &[
    "mnch", "lyo", "krk", "bcn", "mad", "rom", "mil", "vie", "zrh", "brn", "pra", "bud", "waw", "msk", "spb",
    "kie", "ist", "ath", "lis", "sao", "rio", "bue", "scl", "bog", "lim", "mex", "nyc", "sfo", "chi", "hou",
    "tor", "mtl", "syd", "akl", "tky", "osk", "sel", "bkk", "del", "mum", "jnb", "cai", "lon", "man", "dub",
    "osl", "sto", "hel",
];
