//! Postfix's octets against the policy delegation server. The first octet makes the cuts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_delegation::{Limits, Malformed, Request, Requests};

const LIMITS: Limits = Limits { line: 100, lines: 10 };

fn all(pieces: &[&[u8]]) -> (Vec<Request>, Option<Malformed>) {
    let mut requests = Requests::with_limits(LIMITS);
    let mut found = Vec::new();
    for piece in pieces {
        requests.push(piece);
        loop {
            match requests.next() {
                Ok(None) => break,
                Ok(Some(request)) => found.push(request),
                Err(malformed) => return (found, Some(malformed)),
            }
        }
    }
    (found, None)
}

fuzz_target!(|data: &[u8]| {
    let [cut, wire @ ..] = data else { return };
    let whole = all(&[wire]);
    let pieces: Vec<&[u8]> = wire.chunks(usize::from(*cut) + 1).collect();
    assert_eq!(all(if pieces.is_empty() { &[b""] } else { &pieces }), whole);
    for request in whole.0 {
        let mut written = Vec::new();
        request.encode(&mut written);
        let mut again = Requests::default();
        again.push(&written);
        assert_eq!(again.next(), Ok(Some(request)));
    }
});
