//! Version 2: a binary header with addresses and TLVs, of which the checksum is verified.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Header, HeaderError, Parsed};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED: usize = 16;
/// Octets behind the fixed part. The addresses take 12 or 36; TLS details of a balancer a few hundred.
const REST_MAX: usize = 2048;
const TLV_CRC32C: u8 = 0x03;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, HeaderError> {
    if let Some(version_and_command) = bytes.get(12)
        && !matches!(version_and_command, 0x20 | 0x21)
    {
        return Err(HeaderError::Command);
    }
    let Some(fixed) = bytes.first_chunk::<FIXED>() else { return Ok(Parsed::NeedMore) };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > REST_MAX {
        return Err(HeaderError::TooLong);
    }
    let consumed = FIXED + length;
    let Some(whole) = bytes.get(..consumed) else { return Ok(Parsed::NeedMore) };
    let rest = &whole[FIXED..];
    let is_local = fixed[12] == 0x20;
    let (header, tlvs) = match fixed[13] {
        0x11 => v4(rest)?,
        0x21 => v6(rest)?,
        // AF_UNSPEC says nothing about addresses, nor where the TLVs would begin.
        0x00 => (Header::Local, &[][..]),
        // proxy-protocol.txt §2.2: with LOCAL the family is not looked at.
        _ if is_local => (Header::Local, &[][..]),
        _ => return Err(HeaderError::Family),
    };
    check(whole, consumed - tlvs.len())?;
    Ok(Parsed::Header { header: if is_local { Header::Local } else { header }, consumed })
}

fn v4(rest: &[u8]) -> Result<(Header, &[u8]), HeaderError> {
    let (octets, tlvs) = rest.split_first_chunk::<12>().ok_or(HeaderError::TooShort)?;
    let [a, b, c, d, e, f, g, h, ports @ ..] = *octets;
    let ips = [Ipv4Addr::new(a, b, c, d).into(), Ipv4Addr::new(e, f, g, h).into()];
    Ok((proxied(ips, ports), tlvs))
}

fn v6(rest: &[u8]) -> Result<(Header, &[u8]), HeaderError> {
    let (source, rest) = rest.split_first_chunk::<16>().ok_or(HeaderError::TooShort)?;
    let (destination, rest) = rest.split_first_chunk::<16>().ok_or(HeaderError::TooShort)?;
    let (ports, tlvs) = rest.split_first_chunk::<4>().ok_or(HeaderError::TooShort)?;
    let ips = [Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into()];
    Ok((proxied(ips, *ports), tlvs))
}

fn proxied([source, destination]: [IpAddr; 2], [a, b, c, d]: [u8; 4]) -> Header {
    Header::Proxied {
        source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    }
}

/// Goes through the TLVs from `at` on; a checksum among them must fit.
fn check(whole: &[u8], mut at: usize) -> Result<(), HeaderError> {
    while let Some(tlv) = whole.get(at..).filter(|rest| !rest.is_empty()) {
        let [kind, high, low, rest @ ..] = tlv else { return Err(HeaderError::TooShort) };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let value = rest.get(..length).ok_or(HeaderError::TooShort)?;
        if *kind == TLV_CRC32C {
            let told: [u8; 4] = value.try_into().map_err(|_| HeaderError::Checksum)?;
            // proxy-protocol.txt §2.2.3: computed with the checksum's own octets as zero.
            let (before, after) = (&whole[..at + 3], &whole[at + 7..]);
            if crc32c([before, &[0; 4], after]) != u32::from_be_bytes(told) {
                return Err(HeaderError::Checksum);
            }
        }
        at += 3 + length;
    }
    Ok(())
}

/// CRC-32C (RFC 3720 §12.1), bit by bit: headers are short and rare.
fn crc32c(parts: [&[u8]; 3]) -> u32 {
    let crc =
        parts.iter().flat_map(|part| part.iter()).fold(u32::MAX, |crc, &octet| {
            (0..8).fold(crc ^ u32::from(octet), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 }
            })
        });
    !crc
}

/// Version 2, binary, with a checksum. Addresses of two families are both written as IPv6.
#[must_use]
pub fn encode_v2(header: &Header) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    let Header::Proxied { source, destination } = header else {
        out.extend_from_slice(&[0x20, 0x00, 0, 0]);
        return out;
    };
    let mut rest = Vec::new();
    let family = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            rest.extend_from_slice(&source.octets());
            rest.extend_from_slice(&destination.octets());
            0x11
        }
        (source, destination) => {
            rest.extend_from_slice(&as_v6(source).octets());
            rest.extend_from_slice(&as_v6(destination).octets());
            0x21
        }
    };
    rest.extend_from_slice(&source.port().to_be_bytes());
    rest.extend_from_slice(&destination.port().to_be_bytes());
    rest.extend_from_slice(&[TLV_CRC32C, 0, 4]);
    // 12 or 36 octets of addresses and 7 of checksum.
    let length = rest.len() as u8 + 4;
    out.extend_from_slice(&[0x21, family, 0, length]);
    out.extend_from_slice(&rest);
    let checksum = crc32c([&out, &[0; 4], &[]]);
    out.extend_from_slice(&checksum.to_be_bytes());
    out
}

fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // rfc3720 §B.4
        assert_eq!(super::crc32c([&[0; 32], &[], &[]]), 0x8A91_36AA);
        assert_eq!(super::crc32c([b"1234", b"56", b"789"]), 0xE306_9283);
    }
}
