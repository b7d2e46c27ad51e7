//! What the quarantine's pages read themselves: who asks, from `X-Forwarded-For` (one field in each line up to an empty one), and then
//! what a stranger wrote, made fit to be shown. Requests, cookies and forms are taken apart by hyper and axum. Both files are compiled in
//! here because they are nobody else's to call.
#![no_main]

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use postern_types::{AddressSet, Network};

#[allow(dead_code, reason = "only what strangers reach is called")]
#[path = "../../crates/services/web/src/forwarded.rs"]
mod forwarded;
#[allow(dead_code, reason = "only what strangers reach is called")]
#[path = "../../crates/services/web/src/text.rs"]
mod text;

fuzz_target!(|data: &[u8]| {
    let end = data.windows(2).position(|octets| octets == b"\n\n").unwrap_or(data.len());
    let (fields, words) = (&data[..end], data.get(end + 2..).unwrap_or_default());
    who(fields);
    shown(&String::from_utf8_lossy(words));
});

fn who(fields: &[u8]) {
    let values =
        fields.split(|octet| *octet == b'\n').filter_map(|value| HeaderValue::from_bytes(value).ok());
    let name = axum::http::HeaderName::from_static("x-forwarded-for");
    let headers: HeaderMap = values.map(|value| (name.clone(), value)).collect();
    let own = ["127.0.0.0/8", "10.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap());
    let proxies = AddressSet::from_iter(own);
    let stranger = IpAddr::from([192, 0, 2, 66]);
    assert_eq!(forwarded::visitor(stranger, &headers, &proxies), stranger, "a stranger speaks for itself");
    let proxy = IpAddr::from([127, 0, 0, 1]);
    let found = forwarded::visitor(proxy, &headers, &proxies);
    // Whatever is put before what a proxy says makes no difference, once that has named somebody.
    if !proxies.contains(found) {
        let before = [(name.clone(), HeaderValue::from_static("198.51.100.1, junk"))].into_iter();
        let headers: HeaderMap =
            before.chain(headers.iter().map(|(name, value)| (name.clone(), value.clone()))).collect();
        assert_eq!(forwarded::visitor(proxy, &headers, &proxies), found);
    }
}

fn shown(words: &str) {
    let steers =
        |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}');
    let line = text::line(words);
    assert!(line.chars().count() <= 201 && !line.contains(|c: char| c.is_control() || steers(c)), "{line:?}");
    let (body, _) = text::body(words);
    assert!(body.chars().count() <= 64 * 1024);
    assert!(!body.contains(|c: char| (c.is_control() && c != '\n' && c != '\t') || steers(c)), "{body:?}");
}
