//! An SPF record as a value (RFC 7208 §4.6, §12).

use std::net::{Ipv4Addr, Ipv6Addr};

use postern_types::Authenticity;

use super::macros::MacroString;

/// A record whose syntax is right as a whole: one fault anywhere makes it unusable (§4.6).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<MacroString>,
    pub(super) exp: Option<MacroString>,
}

/// A mechanism with what its match means.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Directive {
    pub(super) result: Authenticity,
    pub(super) mechanism: Mechanism,
    /// As it stands in the record.
    pub(super) text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Widths),
    Mx(Option<MacroString>, Widths),
    Ptr(Option<MacroString>),
    Ip4(Ipv4Addr, u8),
    Ip6(Ipv6Addr, u8),
    Exists(MacroString),
}

/// How many leading bits of an address count, by family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Widths {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

/// rfc7208 §4.5: whether a TXT record is an SPF record: the version, alone or before a space.
pub(super) fn is_spf(text: &str) -> bool {
    text.get(..6).is_some_and(|version| version.eq_ignore_ascii_case("v=spf1"))
        && matches!(text.as_bytes().get(6), None | Some(b' '))
}

impl Record {
    /// Reads a record for which [`is_spf`] is true.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let mut record = Self { directives: Vec::new(), redirect: None, exp: None };
        for term in text.get(6..).unwrap_or_default().split(' ').filter(|term| !term.is_empty()) {
            match modifier(term) {
                Some((name, value)) => record.modifier(name, value, term)?,
                None => record.directives.push(directive(term)?),
            }
        }
        Ok(record)
    }

    fn modifier(&mut self, name: &str, value: &str, term: &str) -> Result<(), Fault> {
        let slot = if name.eq_ignore_ascii_case("redirect") {
            &mut self.redirect
        } else if name.eq_ignore_ascii_case("exp") {
            &mut self.exp
        } else {
            // rfc7208 §6: unknown modifiers are passed over, but are macro strings all the same.
            return MacroString::parse(value).map(drop).ok_or_else(|| fault(term));
        };
        let value = MacroString::parse_domain(value).ok_or_else(|| fault(term))?;
        // rfc7208 §6: these two stand once at most.
        if slot.replace(value).is_some() { Err(fault(term)) } else { Ok(()) }
    }
}

fn fault(term: &str) -> Fault {
    let shown: String = term.chars().take(60).collect();
    Fault(format!("`{shown}` is no valid term"))
}

/// `name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )` before an equals sign.
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let valid = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    valid.then_some((name, value))
}

fn directive(term: &str) -> Result<Directive, Fault> {
    let (result, rest) = match term.as_bytes().first() {
        Some(b'+') => (Authenticity::Pass, &term[1..]),
        Some(b'-') => (Authenticity::Fail, &term[1..]),
        Some(b'~') => (Authenticity::SoftFail, &term[1..]),
        Some(b'?') => (Authenticity::Neutral, &term[1..]),
        _ => (Authenticity::Pass, term),
    };
    let mechanism = mechanism(rest).ok_or_else(|| fault(term))?;
    Ok(Directive { result, mechanism, text: term.chars().take(100).collect() })
}

fn mechanism(text: &str) -> Option<Mechanism> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let argument = rest.strip_prefix(':');
    let target = |text: Option<&str>| -> Option<Option<MacroString>> {
        text.map_or(Some(None), |text| MacroString::parse_domain(text).map(Some))
    };
    let with_widths = || -> Option<(Option<MacroString>, Widths)> {
        let (before, widths) = widths(rest)?;
        match before.strip_prefix(':') {
            None if before.is_empty() => Some((None, widths)),
            domain => Some((target(Some(domain?))?, widths)),
        }
    };
    Some(match name.to_ascii_lowercase().as_str() {
        "all" if rest.is_empty() => Mechanism::All,
        "include" => Mechanism::Include(target(argument)??),
        "exists" => Mechanism::Exists(target(argument)??),
        "ptr" if rest.is_empty() || argument.is_some() => Mechanism::Ptr(target(argument)?),
        "a" => with_widths().map(|(domain, widths)| Mechanism::A(domain, widths))?,
        "mx" => with_widths().map(|(domain, widths)| Mechanism::Mx(domain, widths))?,
        "ip4" => {
            let (address, width) = network(argument?, 32)?;
            Mechanism::Ip4(address.parse().ok()?, width)
        }
        "ip6" => {
            let (address, width) = network(argument?, 128)?;
            Mechanism::Ip6(address.parse().ok()?, width)
        }
        _ => return None,
    })
}

fn network(text: &str, most: u8) -> Option<(&str, u8)> {
    match text.split_once('/') {
        None => Some((text, most)),
        Some((address, width)) => Some((address, number(width, most)?)),
    }
}

/// Takes `[ "/" v4 ] [ "//" v6 ]` off the end. A slash before anything else is part of the domain.
fn widths(text: &str) -> Option<(&str, Widths)> {
    let (mut rest, mut widths) = (text, Widths { v4: 32, v6: 128 });
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if let Some((before, width)) = rest.rsplit_once("//")
        && digits(width)
    {
        widths.v6 = number(width, 128)?;
        rest = before;
    }
    if let Some((before, width)) = rest.rsplit_once('/')
        && digits(width)
    {
        widths.v4 = number(width, 32)?;
        rest = before;
    }
    Some((rest, widths))
}

/// Digits without a leading zero, up to `most`.
fn number(text: &str, most: u8) -> Option<u8> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|&number| plain && number <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Record, Fault> {
        assert!(is_spf(text), "{text}");
        Record::parse(text)
    }

    #[test]
    fn terms_are_read_with_their_qualifiers_and_widths() {
        let record =
            parse("V=SPF1 a/24//64  MX:mail.example/8 -ip4:192.0.2.0/25 ?ip6:2001:db8::/32 ~ALL").unwrap();
        let results: Vec<_> = record.directives.iter().map(|directive| directive.result).collect();
        use Authenticity as Is;
        assert_eq!(results, [Is::Pass, Is::Pass, Is::Fail, Is::Neutral, Is::SoftFail]);
        assert_eq!(record.directives[0].mechanism, Mechanism::A(None, Widths { v4: 24, v6: 64 }));
        assert!(matches!(record.directives[1].mechanism, Mechanism::Mx(Some(_), Widths { v4: 8, v6: 128 })));
    }

    #[test]
    fn one_fault_spoils_the_record() {
        for term in [
            "a:",
            "a/",
            "a/33",
            "a/08",
            "a//129",
            "all:x",
            "all/8",
            "ip4:1.2.3",
            "ip4:1.2.3.4/33",
            "ip6:::1//8",
            "ip4",
            "include",
            "include:",
            "exists:a.1",
            "ptr/8",
            "unknown",
            "redirect=a.test redirect=b.test",
            "exp=",
            "x=%a",
            "=x",
            "moo.cow:far_out",
            "a:example.-x",
            "include:%{x}.example",
        ] {
            assert!(parse(&format!("v=spf1 {term} -all")).is_err(), "{term}");
        }
        assert!(parse("v=spf1 moo.cow=far-out=man:dog/cat").is_ok());
        assert!(!is_spf("v=spf10 all") && !is_spf("v=spf1\tall") && !is_spf("spf1"));
    }
}
