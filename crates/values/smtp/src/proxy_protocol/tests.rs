//! Headers as tables and as properties.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn proxied(source: &str, destination: &str) -> Header {
    Header::Proxied { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

fn whole(bytes: &[u8]) -> Result<Header, HeaderError> {
    for cut in 0..bytes.len() {
        match parse(&bytes[..cut]) {
            Ok(Parsed::NeedMore) => {}
            Ok(Parsed::Header { .. }) => panic!("a header at {cut} of {} octets", bytes.len()),
            Err(error) => return Err(error),
        }
    }
    let mut followed = bytes.to_vec();
    followed.extend_from_slice(b"EHLO x\r\n");
    match parse(&followed)? {
        Parsed::Header { header, consumed } => {
            assert_eq!(consumed, bytes.len());
            Ok(header)
        }
        Parsed::NeedMore => panic!("{:?} is not enough", bytes.escape_ascii().to_string()),
    }
}

#[test]
fn lines_of_version_1() {
    let v4 = proxied("192.0.2.1:56324", "198.51.100.7:25");
    assert_eq!(whole(b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 25\r\n"), Ok(v4));
    let v6 = proxied("[2001:db8::1]:1", "[2001:db8::2]:25");
    assert_eq!(whole(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n"), Ok(v6));
    assert_eq!(whole(b"PROXY UNKNOWN\r\n"), Ok(Header::Local));
    assert_eq!(whole(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), Ok(Header::Local));
}

#[test]
fn bad_lines_of_version_1() {
    for (line, error) in [
        ("GET / HTTP/1.1\r\n", HeaderError::NoSignature),
        ("EHLO x\r\n", HeaderError::NoSignature),
        ("PROXY\r\n", HeaderError::NoSignature),
        ("PROXY TCP5 1 2 3 4\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.7 56324 25 1\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.7 65536 25\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.7 +5 25\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.7 05 25\r\n", HeaderError::Line),
        ("PROXY TCP4 2001:db8::1 198.51.100.7 5 25\r\n", HeaderError::Line),
        ("PROXY TCP4  192.0.2.1 198.51.100.7 5 25\r\n", HeaderError::Line),
        ("PROXY TCP4 192.0.2.1 198.51.100.7 5 25\n", HeaderError::Line),
    ] {
        assert_eq!(whole(line.as_bytes()), Err(error), "{line:?}");
    }
    assert_eq!(parse(format!("PROXY UNKNOWN {}", "x".repeat(200)).as_bytes()), Err(HeaderError::LineTooLong));
}

#[test]
fn headers_of_version_2() {
    let mut header = v2::SIGNATURE.to_vec();
    header.extend_from_slice(b"\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19");
    assert_eq!(whole(&header), Ok(proxied("192.0.2.1:4660", "198.51.100.7:25")));
    for (rest, result) in [
        (&b"\x20\x00\x00\x00"[..], Ok(Header::Local)),
        (b"\x20\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19", Ok(Header::Local)),
        (b"\x20\x31\x00\x01\x00", Ok(Header::Local)),
        (b"\x21\x00\x00\x03abc", Ok(Header::Local)),
        (b"\x31\x11\x00\x00", Err(HeaderError::Command)),
        (b"\x22\x11\x00\x00", Err(HeaderError::Command)),
        (b"\x21\x31\x00\x00", Err(HeaderError::Family)),
        (b"\x21\x12\x00\x00", Err(HeaderError::Family)),
        (b"\x21\x11\x00\x0b\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00", Err(HeaderError::TooShort)),
        (b"\x21\x11\x08\x01", Err(HeaderError::TooLong)),
        (
            b"\x21\x11\x00\x0e\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19\x04\x00",
            Err(HeaderError::TooShort),
        ),
        (
            b"\x21\x11\x00\x10\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19\x04\x00\x02a",
            Err(HeaderError::TooShort),
        ),
        (
            b"\x21\x11\x00\x10\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x34\x00\x19\x03\x00\x01a",
            Err(HeaderError::Checksum),
        ),
    ] {
        let header = [v2::SIGNATURE, rest].concat();
        assert_eq!(whole(&header), result, "{:?}", rest.escape_ascii().to_string());
    }
}

#[test]
fn a_changed_octet_breaks_the_checksum() {
    let good = encode_v2(&proxied("192.0.2.1:4660", "198.51.100.7:25"));
    for at in 16..28 {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(whole(&bad), Err(HeaderError::Checksum), "octet {at}");
    }
}

proptest! {
    #[test]
    fn headers_survive_the_round_trip(a: u32, b: u32, c: u128, d: u128, p: u16, q: u16, is_v4: bool) {
        let (source, destination): (std::net::IpAddr, std::net::IpAddr) = if is_v4 {
            (Ipv4Addr::from(a).into(), Ipv4Addr::from(b).into())
        } else {
            (Ipv6Addr::from(c).into(), Ipv6Addr::from(d).into())
        };
        let header = Header::Proxied { source: (source, p).into(), destination: (destination, q).into() };
        prop_assert_eq!(whole(&encode_v1(&header)), Ok(header));
        prop_assert_eq!(whole(&encode_v2(&header)), Ok(header));
        prop_assert_eq!(whole(&encode_v1(&Header::Local)), Ok(Header::Local));
        prop_assert_eq!(whole(&encode_v2(&Header::Local)), Ok(Header::Local));
    }

    #[test]
    fn any_octets_end_in_bounds(rest in proptest::collection::vec(any::<u8>(), 0..300), version in 0usize..3) {
        let signature = [&b""[..], v1::SIGNATURE, v2::SIGNATURE][version];
        let bytes = [signature, &rest].concat();
        if let Ok(Parsed::Header { consumed, .. }) = parse(&bytes) {
            prop_assert!(consumed <= bytes.len());
        }
    }
}
