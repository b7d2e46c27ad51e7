//! Version 1: one line of text.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use super::{Header, HeaderError, Parsed};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";
/// The longest line with its CR LF (proxy-protocol.txt §2.1).
const LINE_MAX: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, HeaderError> {
    let window = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        return if window.len() == LINE_MAX { Err(HeaderError::LineTooLong) } else { Ok(Parsed::NeedMore) };
    };
    let line = window[..end].strip_suffix(b"\r").ok_or(HeaderError::Line)?;
    let line = std::str::from_utf8(line).map_err(|_| HeaderError::Line)?;
    Ok(Parsed::Header { header: header(line)?, consumed: end + 1 })
}

fn header(line: &str) -> Result<Header, HeaderError> {
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().ok_or(HeaderError::Line);
    let header = match word()? {
        // proxy-protocol.txt §2.1: what follows UNKNOWN is not looked at.
        "UNKNOWN" => return Ok(Header::Local),
        "TCP4" => addresses::<std::net::Ipv4Addr>([word()?, word()?, word()?, word()?])?,
        "TCP6" => addresses::<std::net::Ipv6Addr>([word()?, word()?, word()?, word()?])?,
        _ => return Err(HeaderError::Line),
    };
    if words.next().is_some() { Err(HeaderError::Line) } else { Ok(header) }
}

fn addresses<A: FromStr + Into<IpAddr>>(words: [&str; 4]) -> Result<Header, HeaderError> {
    let [from, to, from_port, to_port] = words;
    let ip = |text: &str| text.parse::<A>().map(Into::into).map_err(|_| HeaderError::Line);
    let source = SocketAddr::new(ip(from)?, port(from_port)?);
    let destination = SocketAddr::new(ip(to)?, port(to_port)?);
    Ok(Header::Proxied { source, destination })
}

fn port(text: &str) -> Result<u16, HeaderError> {
    // A number as the protocol writes it: no sign, no leading zero.
    let is_plain = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|_| is_plain).ok_or(HeaderError::Line)
}

/// Version 1, text. Addresses of two families become UNKNOWN.
#[must_use]
pub fn encode_v1(header: &Header) -> Vec<u8> {
    let line = match header {
        Header::Proxied { source, destination } if source.is_ipv4() == destination.is_ipv4() => format!(
            "PROXY {} {} {} {} {}\r\n",
            if source.is_ipv4() { "TCP4" } else { "TCP6" },
            source.ip(),
            destination.ip(),
            source.port(),
            destination.port()
        ),
        _ => "PROXY UNKNOWN\r\n".to_owned(),
    };
    line.into_bytes()
}
