//! The start of a connection: what parses is written and parsed to the same, in both versions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_smtp::proxy_protocol::{Parsed, encode_v1, encode_v2, parse};

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes) {
        Ok(Parsed::Header { header, consumed }) => {
            assert!(consumed <= bytes.len());
            assert_eq!(parse(&bytes[..consumed - 1]), Ok(Parsed::NeedMore));
            for wire in [encode_v1(&header), encode_v2(&header)] {
                assert_eq!(parse(&wire), Ok(Parsed::Header { header, consumed: wire.len() }));
            }
        }
        Ok(Parsed::NeedMore) => assert!(bytes.len() < 2064),
        Err(_) => {}
    }
});
