//! A message: its header at every cut, its fields, its structure within bounds; and what a `Received` field makes of it.
//! The first octet is the size of the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_message::{
    Bounds, Fields, HeaderCollector, Protocol, Received, Summary, Transmission, hop_count, was_delivered_to,
};
use postern_types::{Address, Domain, Timestamp, TraceId};

fn header(message: &[u8], cut: u8) -> usize {
    let mut whole = HeaderCollector::new(100);
    let length = whole.push(message);
    let mut pieces = HeaderCollector::new(100);
    let total: usize = message.chunks(usize::from(cut) + 1).map(|piece| pieces.push(piece)).sum();
    assert_eq!(total, length);
    assert_eq!(pieces.bytes(), whole.bytes());
    assert_eq!(pieces.is_complete(), whole.is_complete());
    assert!(whole.bytes().len() <= 100);
    length
}

fn received(hostile: &str) {
    let by = Domain::parse("mx.example.test").unwrap();
    let with = Transmission { protocol: Protocol::Esmtp, tls: true, authenticated: false, utf8: true };
    let recipient = Address::parse(hostile).ok();
    let mut out = Vec::new();
    Received {
        helo: hostile,
        name: None,
        ip: [192, 0, 2, 1].into(),
        by: &by,
        with,
        tls: Some(hostile),
        id: TraceId::from_i64(1).unwrap(),
        recipient: recipient.as_ref(),
        at: Timestamp::from_millis(0),
    }
    .encode(&mut out);
    assert_eq!(Fields::new(&out).count(), 1);
    for line in out.strip_suffix(b"\r\n").unwrap().split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 998 && !line.contains(&b'\r'));
    }
}

fuzz_target!(|data: &[u8]| {
    let [cut, message @ ..] = data else { return };
    let length = header(message, *cut);
    let fields: Vec<_> = Fields::with_limit(message, 50).collect();
    assert_eq!(
        Fields::with_limit(&message[..length], 50).collect::<Vec<_>>(),
        fields,
        "a field from the body"
    );
    for field in &fields {
        assert!(!field.value().iter().any(|b| matches!(b, b'\r' | b'\n')));
    }
    assert!(hop_count(message, 5) <= 6);
    let _ = was_delivered_to(message, &Address::parse("ann@example.test").unwrap());

    for bounds in [Bounds::default(), Bounds { header: 80, depth: 2, parts: 5, text: 50 }] {
        let summary = Summary::read(message, &bounds);
        assert!(!summary.parts.is_empty() && summary.parts.len() <= bounds.parts);
        for part in &summary.parts {
            assert!(part.depth <= bounds.depth);
            assert!(part.content(message).len() <= message.len());
        }
    }
    received(&String::from_utf8_lossy(message));
});
