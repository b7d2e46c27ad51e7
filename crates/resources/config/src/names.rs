//! Values that name something: domains, networks, addresses with a port.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use postern_types::{Domain, Network};
use toml::Spanned;
use toml::de::DeValue;

use crate::units::Points;
use crate::value::{Value, Wrong, from_text, not_a, quoted};

/// A DNS server: an address, with port 53 where none is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsServer(pub SocketAddr);

/// Where browsers reach a service: scheme, host and perhaps port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUrl(String);

impl WebUrl {
    /// As it was written, without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let good_host = literal.parse::<IpAddr>().is_ok() || Domain::parse(host).is_ok();
        let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
        (good_host && good_port).then(|| Self(text.to_owned()))
    }
}

/// A time zone by its name, such as `Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeZone {
    /// That of the machine.
    Local,
    /// UTC.
    Utc,
    /// One of the IANA database.
    Named(String),
}

impl TimeZone {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "local" => return Some(Self::Local),
            _ if text.eq_ignore_ascii_case("utc") => return Some(Self::Utc),
            _ => {}
        }
        // It becomes the name of a file: nothing that leads elsewhere.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
        let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.chars().all(fits);
        (text.len() <= 64 && text.split('/').all(part)).then(|| Self::Named(text.to_owned()))
    }
}

impl Value for TimeZone {
    fn kind() -> String {
        "`\"local\"` (that of the machine), `\"utc\"`, or a name such as `\"Europe/Berlin\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| {
            Self::parse(text).ok_or_else(|| {
                format!("`{text}` is not a time zone: write \"local\", \"utc\", or a name such as \"Europe/Berlin\"")
            })
        })
    }
    fn write(&self) -> String {
        match self {
            Self::Local => quoted("local"),
            Self::Utc => quoted("utc"),
            Self::Named(name) => quoted(name),
        }
    }
}

impl Value for WebUrl {
    fn kind() -> String {
        "an address for browsers such as `\"https://mail.example.org\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| {
            Self::parse(text).ok_or_else(|| {
                format!(
                    "`{text}` is not an address for browsers: write \"https://mail.example.org\", with a port where it \
                     is not 443, and without a path"
                )
            })
        })
    }
    fn write(&self) -> String {
        quoted(&self.0)
    }
}

impl Value for Domain {
    fn kind() -> String {
        "a domain name such as `\"mail.example.org\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| Domain::parse(text).map_err(|error| format!("`{text}`: {error}")))
    }
    fn write(&self) -> String {
        quoted(self.as_str())
    }
}

impl Value for Network {
    fn kind() -> String {
        "an address or network such as `\"192.0.2.0/24\"` or `\"2001:db8::1\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| Network::parse(text).map_err(|error| error.to_string()))
    }
    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

impl Value for SocketAddr {
    fn kind() -> String {
        "an address with port such as `\"192.0.2.1:25\"`, `\"0.0.0.0:25\"` (every IPv4) or `\"[::]:25\"` (every IPv6)"
            .into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| text.parse().map_err(|_| no_endpoint(text)))
    }
    fn write(&self) -> String {
        quoted(&self.to_string())
    }
}

fn no_endpoint(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => format!("the port is missing: write \"{ip}:25\""),
        Ok(IpAddr::V6(ip)) => format!("the port is missing: write \"[{ip}]:25\""),
        Err(_) => {
            format!("`{text}` is not an address with port: write \"192.0.2.1:25\" or \"[2001:db8::1]:25\"")
        }
    }
}

impl Value for DnsServer {
    fn kind() -> String {
        "an address such as `\"192.0.2.53\"` or `\"[2001:db8::53]:5353\"`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        from_text(value, wrong, |text| {
            let bare = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
            bare.or_else(|_| text.parse()).map(Self).map_err(|_| {
                format!("`{text}` is not the address of a DNS server: write \"192.0.2.53\" (a name cannot be used here)")
            })
        })
    }
    fn write(&self) -> String {
        match self.0.port() {
            53 => quoted(&self.0.ip().to_string()),
            _ => quoted(&self.0.to_string()),
        }
    }
}

/// The answers of a DNS list with their points.
impl Value for BTreeMap<Ipv4Addr, Points> {
    fn kind() -> String {
        "a table of answers with points such as `{ \"127.0.0.2\" = 5 }`".into()
    }
    fn read(value: &Spanned<DeValue<'_>>, wrong: &mut Vec<Wrong>) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            wrong.push((value.span(), not_a::<Self>(value.get_ref())));
            return None;
        };
        let mut codes = Self::new();
        let mistakes = wrong.len();
        for (name, points) in table {
            match name.get_ref().parse() {
                Ok(code) if is_answer(code) => {
                    codes.extend(<Points as Value>::read(points, wrong).map(|points| (code, points)));
                }
                _ => {
                    let why = format!(
                        "`{}` is not an answer of a DNS list: they lie in 127.0.0.0/8",
                        name.get_ref()
                    );
                    wrong.push((name.span(), why));
                }
            }
        }
        (wrong.len() == mistakes).then_some(codes)
    }
    fn write(&self) -> String {
        let codes: Vec<String> = self.iter().map(|(code, points)| format!("\"{code}\" = {points}")).collect();
        if codes.is_empty() { "{}".into() } else { format!("{{ {} }}", codes.join(", ")) }
    }
}

/// rfc5782 §2.1: answers lie in 127.0.0.0/8; 127.255.255.x tell errors.
fn is_answer(code: Ipv4Addr) -> bool {
    code.is_loopback() && code.octets()[..3] != [127, 255, 255]
}
