//! A DNS that makes an honest host of the load: every name has the address 127.0.0.1, every
//! address the name `client.sender.example`, every domain that host as its MX; no list lists it.

use std::net::UdpSocket;

use crate::Failure;

/// Starts it on a free port, which it gives; it runs until the bench ends.
pub(super) fn start() -> Result<u16, Failure> {
    let port = super::peer::free_port()?;
    let socket = UdpSocket::bind(("127.0.0.1", port)).map_err(|error| error.to_string())?;
    std::thread::spawn(move || {
        let mut question = [0; 1500];
        while let Ok((size, client)) = socket.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..size]) {
                // A client that does not wait any more is none of our business.
                let _ = socket.send_to(&answer, client);
            }
        }
    });
    Ok(port)
}

/// `client.sender.example` in wire form.
const HOST: &[u8] = b"\x06client\x06sender\x07example\0";

/// rfc1035 §4.1: the header, the question as it came, and one record or none.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let name = question.get(12..)?.iter().position(|&octet| octet == 0)?;
    let end = 12 + name + 5;
    let kind = u16::from_be_bytes([*question.get(12 + name + 1)?, *question.get(12 + name + 2)?]);
    let data: Option<Vec<u8>> = match kind {
        1 => Some(vec![127, 0, 0, 1]),
        12 => Some(HOST.to_vec()),
        15 => Some([&[0, 10], HOST].concat()),
        _ => None,
    };
    let mut out = question.get(..2)?.to_vec();
    // QR, AA, RD, RA; no error; one question; one answer or none.
    out.extend([0x85, 0x80, 0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    out.extend_from_slice(question.get(12..end)?);
    if let Some(data) = data {
        // The name is that at offset 12; the class is IN; an hour.
        out.extend([0xc0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 14, 16]);
        out.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
        out.extend(data);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn an_address_is_answered() {
        let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
        let answer = answer(question).unwrap();
        assert_eq!(&answer[..12], b"\x12\x34\x85\x80\0\x01\0\x01\0\0\0\0");
        assert!(answer.ends_with(b"\x01a\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\x7f\0\0\x01"));
        assert_eq!(super::answer(b"short"), None);
    }
}
