//! Macros in SPF records (RFC 7208 §7).

use std::net::IpAddr;

/// A text with macros, its syntax checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MacroString(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Macro { letter: Letter, escape: bool, keep: Option<usize>, reverse: bool, delimiters: String },
}

/// The macro letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Letter {
    Sender,
    Local,
    SenderDomain,
    Domain,
    Ip,
    Validated,
    Family,
    Helo,
    /// Only in explanations:
    ReadableIp,
    Receiver,
    Time,
}

/// What the letters stand for.
pub(super) struct Values<'a> {
    pub(super) ip: IpAddr,
    pub(super) local: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) domain: &'a str,
    pub(super) helo: &'a str,
    /// `%{p}`.
    pub(super) validated: &'a str,
    /// `%{r}`.
    pub(super) receiver: &'a str,
    /// `%{t}`.
    pub(super) seconds: u64,
}

impl MacroString {
    /// A `macro-string`: visible ASCII with macros.
    pub(super) fn parse(text: &str) -> Option<Self> {
        parse(text, |byte| byte.is_ascii_graphic(), Letter::is_everywhere)
    }

    /// An explanation: spaces and three more letters are allowed (§6.2).
    pub(super) fn parse_explanation(text: &str) -> Option<Self> {
        parse(text, |byte| byte.is_ascii_graphic() || byte == b' ', |_| true)
    }

    /// A `domain-spec`: ends in a top label or a macro.
    pub(super) fn parse_domain(text: &str) -> Option<Self> {
        let parsed = Self::parse(text)?;
        match parsed.0.last()? {
            Piece::Macro { .. } => {}
            Piece::Text(_) => {
                let name = text.strip_suffix('.').unwrap_or(text);
                let (_, top) = name.rsplit_once('.')?;
                is_top_label(top).then_some(())?;
            }
        }
        Some(parsed)
    }

    /// Whether `%{p}` is in it, which costs lookups.
    pub(super) fn needs_validated(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro { letter: Letter::Validated, .. }))
    }

    /// The text with its macros filled in.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Macro { letter, escape, keep, reverse, delimiters } => {
                    let value = letter.value(values);
                    let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
                    if *reverse {
                        parts.reverse();
                    }
                    // rfc7208 §7.3: the number of right-hand parts to use
                    let skip = keep.map_or(0, |keep| parts.len().saturating_sub(keep));
                    let value = parts[skip..].join(".");
                    if *escape { push_escaped(&value, &mut out) } else { out.push_str(&value) }
                }
            }
        }
        out
    }

    /// The name that a `domain-spec` comes to.
    pub(super) fn expand_name(&self, values: &Values<'_>) -> String {
        let name = self.expand(values);
        let mut name = name.strip_suffix('.').unwrap_or(&name);
        // rfc7208 §7.3: longer than 253: labels are dropped on the left until it fits
        while name.len() > 253 {
            let Some((_, shorter)) = name.split_once('.') else { break };
            name = shorter;
        }
        name.to_owned()
    }
}

/// `( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum )`
fn is_top_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && !bytes.iter().all(u8::is_ascii_digit)
}

fn parse(text: &str, literal: fn(u8) -> bool, allowed: fn(Letter) -> bool) -> Option<MacroString> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        if first != b'%' {
            if !literal(first) {
                return None;
            }
            plain.push(char::from(first));
            rest = &rest[1..];
            continue;
        }
        let code = rest.as_bytes().get(1)?;
        match code {
            b'%' => plain.push('%'),
            b'_' => plain.push(' '),
            b'-' => plain.push_str("%20"),
            b'{' => {
                let (inside, after) = rest[2..].split_once('}')?;
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(expansion(inside, allowed)?);
                rest = after;
                continue;
            }
            _ => return None,
        }
        rest = &rest[2..];
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Some(MacroString(pieces))
}

/// `macro-letter [ 1*DIGIT ] [ "r" ] *delimiter`
fn expansion(inside: &str, allowed: fn(Letter) -> bool) -> Option<Piece> {
    let letter = inside.chars().next()?;
    let rest = inside.get(1..)?;
    let escape = letter.is_ascii_uppercase();
    let letter = Letter::of(letter).filter(|letter| allowed(*letter))?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at(digits);
    let keep = match number {
        "" => None,
        // More parts than anything has are all parts.
        number => Some(number.parse().unwrap_or(usize::MAX)).filter(|&keep| keep > 0).map(Some)?,
    };
    let (reverse, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    delimiters.chars().all(|c| ".-+,/_=".contains(c)).then_some(())?;
    let delimiters = if delimiters.is_empty() { ".".to_owned() } else { delimiters.to_owned() };
    Some(Piece::Macro { letter, escape, keep, reverse, delimiters })
}

impl Letter {
    fn of(letter: char) -> Option<Self> {
        Some(match letter.to_ascii_lowercase() {
            's' => Self::Sender,
            'l' => Self::Local,
            'o' => Self::SenderDomain,
            'd' => Self::Domain,
            'i' => Self::Ip,
            'p' => Self::Validated,
            'v' => Self::Family,
            'h' => Self::Helo,
            'c' => Self::ReadableIp,
            'r' => Self::Receiver,
            't' => Self::Time,
            _ => return None,
        })
    }

    fn is_everywhere(self) -> bool {
        !matches!(self, Self::ReadableIp | Self::Receiver | Self::Time)
    }

    fn value(self, values: &Values<'_>) -> String {
        match self {
            Self::Sender => format!("{}@{}", values.local, values.sender_domain),
            Self::Local => values.local.to_owned(),
            Self::SenderDomain => values.sender_domain.to_owned(),
            Self::Domain => values.domain.to_owned(),
            Self::Ip => match values.ip {
                IpAddr::V4(ip) => ip.to_string(),
                // rfc7208 §7.3: nibbles with dots between; the test suite writes them in upper case
                IpAddr::V6(ip) => {
                    let nibbles = ip.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
                    nibbles.map(|nibble| format!("{nibble:X}")).collect::<Vec<_>>().join(".")
                }
            },
            Self::Validated => values.validated.to_owned(),
            Self::Family => if values.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            Self::Helo => values.helo.to_owned(),
            Self::ReadableIp => values.ip.to_string(),
            Self::Receiver => values.receiver.to_owned(),
            Self::Time => values.seconds.to_string(),
        }
    }
}

/// rfc7208 §7.3: upper-case letters ask for URL escapes (rfc3986 §2.3: unreserved characters stay).
fn push_escaped(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values<'a>(ip: &str) -> Values<'a> {
        Values {
            ip: ip.parse().unwrap(),
            local: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            helo: "mx.example.org",
            validated: "mx.example.org",
            receiver: "here.example",
            seconds: 7,
        }
    }

    fn expand(text: &str, ip: &str) -> String {
        MacroString::parse_explanation(text).unwrap().expand(&values(ip))
    }

    /// The examples of RFC 7208 §7.4.
    #[test]
    fn the_examples_of_the_rfc() {
        for (text, expected) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
            ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
            ("%{S} %%%_%-", "strong-bad%40email.example.com % %20"),
        ] {
            assert_eq!(expand(text, "192.0.2.3"), expected, "{text}");
        }
        assert_eq!(
            expand("%{ir}.%{v}", "2001:db8::cb01").to_lowercase(),
            "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6"
        );
    }

    #[test]
    fn long_names_lose_labels_on_the_left() {
        let name = format!("{}.example.com", "a.".repeat(200).trim_end_matches('.'));
        let name = MacroString::parse_domain(&name).unwrap().expand_name(&values("192.0.2.3"));
        assert!(name.len() <= 253 && name.ends_with(".example.com"), "{name}");
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "[%{}a-zA-Z0-9.\\-_=/ ]{0,40}|.{0,40}") {
            if let Some(parsed) = MacroString::parse_domain(&text) {
                prop_assert!(parsed.expand_name(&values("::1")).len() < 10_000);
            }
        }
    }
}
