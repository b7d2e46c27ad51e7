//! Smuggling, size and lines as tables; splits and round trips as properties.

use proptest::prelude::*;

use super::*;
use crate::BareNewline;
use crate::server::BodyEnd;

const ANY: Bounds = Bounds { size: 1 << 30, line: 1 << 20, bare_newline: BareNewline::Refuse };
const NORMALISE: Bounds = Bounds { bare_newline: BareNewline::Normalise, ..ANY };

/// Decodes `wire`, cut into pieces of `cut` octets: the message, what is to be said about it, and
/// how many octets it took; `None` when it did not end.
fn decode(framing: Framing, bounds: Bounds, wire: &[u8], cut: usize) -> Option<(Vec<u8>, BodyEnd, usize)> {
    let mut decoder = Decoder::new(framing, bounds);
    let (mut out, mut taken) = (Vec::new(), 0);
    for piece in wire.chunks(cut) {
        let (consumed, ended) = decoder.decode(piece, &mut out);
        taken += consumed;
        if ended {
            return Some((out, decoder.verdict(), taken));
        }
        assert_eq!(consumed, piece.len());
    }
    if framing == Framing::Dots {
        return None;
    }
    decoder.finish(&mut out);
    Some((out, decoder.verdict(), taken))
}

/// The same at every cut, as it must be.
fn at_any_cut(framing: Framing, bounds: Bounds, wire: &[u8]) -> Option<(Vec<u8>, BodyEnd, usize)> {
    let whole = decode(framing, bounds, wire, wire.len().max(1));
    for cut in 1..wire.len() {
        let cut = decode(framing, bounds, wire, cut);
        let kept = |r: &Option<(Vec<u8>, BodyEnd, usize)>| r.as_ref().map(|(_, end, taken)| (*end, *taken));
        assert_eq!(kept(&cut), kept(&whole), "{:?}", wire.escape_ascii().to_string());
        if let Some((body, BodyEnd::Complete, _)) = &whole {
            assert_eq!(&cut.unwrap().0, body);
        }
    }
    whole
}

#[test]
fn dots_are_taken_off_once() {
    for (wire, body) in [
        (".\r\n", ""),
        ("\r\n.\r\n", "\r\n"),
        ("a\r\n.\r\n", "a\r\n"),
        ("..\r\n.\r\n", ".\r\n"),
        ("..a\r\n...b\r\nc.\r\n.d\r\n.\r\n", ".a\r\n..b\r\nc.\r\nd\r\n"),
        ("a\0b\u{ff}\r\n.\r\n", "a\0b\u{ff}\r\n"),
    ] {
        let wire: Vec<u8> = wire.chars().map(|c| c as u8).collect();
        let body: Vec<u8> = body.chars().map(|c| c as u8).collect();
        assert_eq!(at_any_cut(Framing::Dots, ANY, &wire), Some((body, BodyEnd::Complete, wire.len())));
    }
}

/// What different servers have taken for the end of a message. None ends it here.
const FALSE_ENDS: &[&str] = &[
    "\n.\n",
    "\n.\r\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\n",
    "\r\n.\r",
    "\n.\r",
    "\r.\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\r\0\n.\r\n",
    "\r\n.\r\0\n",
    "\r\r\n.\n",
    "\n\n.\r\n",
    "\r\n.\r\r\n",
    "\r\n.\n\r\n",
    "\r\n. \r\n",
    "\r\n.\t\r\n",
    "\n\r.\r\n",
    "\r\n\r.\r\n",
    "\u{b}.\r\n",
    "\r\n..\r\n",
];

#[test]
fn nothing_but_crlf_dot_crlf_ends_a_message() {
    for end in FALSE_ENDS {
        let smuggled =
            format!("Subject: x\r\n\r\nhello{end}MAIL FROM:<evil@example.test>\r\nDATA\r\nspam\r\n");
        for bounds in [ANY, NORMALISE] {
            assert_eq!(at_any_cut(Framing::Dots, bounds, smuggled.as_bytes()), None, "{end:?}");
            let whole = format!("{smuggled}.\r\n");
            let (body, verdict, taken) = at_any_cut(Framing::Dots, bounds, whole.as_bytes()).unwrap();
            assert_eq!(taken, whole.len(), "{end:?}");
            let without = end.replace("\r\n", "");
            let has_bare = without.contains(['\r', '\n']);
            if has_bare && bounds.bare_newline == BareNewline::Refuse {
                assert_eq!(verdict, BodyEnd::BareNewline, "{end:?}");
            } else {
                assert_eq!(verdict, BodyEnd::Complete, "{end:?}");
                assert_clean(&body);
            }
        }
    }
}

fn assert_clean(body: &[u8]) {
    let text = String::from_utf8_lossy(body).replace("\r\n", "");
    assert!(!text.contains(['\r', '\n']), "{:?}", body.escape_ascii().to_string());
}

#[test]
fn normalising_makes_lines_of_what_stands_alone() {
    for (wire, body) in [
        ("a\nb\r\n.\r\n", "a\r\nb\r\n"),
        ("a\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n"),
        ("a\n..b\r\n.\r\n", "a\r\n.b\r\n"),
        ("a\rb\r\n.\r\n", "a b\r\n"),
        ("a\r\r\n.\r\n", "a \r\n"),
        (".\rb\r\n.\r\n", " b\r\n"),
        (".\nb\r\n.\r\n", "\r\nb\r\n"),
    ] {
        let expected = Some((body.as_bytes().to_vec(), BodyEnd::Complete, wire.len()));
        assert_eq!(at_any_cut(Framing::Dots, NORMALISE, wire.as_bytes()), expected, "{wire:?}");
    }
}

#[test]
fn the_size_is_that_of_the_decoded_octets() {
    let wire = b"..234\r\n.\r\n";
    for (size, end) in [(6, BodyEnd::Complete), (5, BodyEnd::TooLarge)] {
        let (_, verdict, taken) = at_any_cut(Framing::Dots, Bounds { size, ..ANY }, wire).unwrap();
        assert_eq!((verdict, taken), (end, wire.len()));
    }
    let (body, ..) = decode(Framing::Dots, Bounds { size: 4, ..ANY }, b"12\r\n34\r\n.\r\n", 1).unwrap();
    assert_eq!(body, b"12\r\n", "what is over the limit is not handed out");
}

#[test]
fn long_lines_are_refused_without_being_kept() {
    let bounds = Bounds { line: 4, ..ANY };
    for (wire, end) in [
        ("1234\r\n.\r\n", BodyEnd::Complete),
        ("..234\r\n.\r\n", BodyEnd::Complete),
        ("12345\r\n.\r\n", BodyEnd::LineTooLong),
        ("a\r\n12345\r\n\r\n.\r\n", BodyEnd::LineTooLong),
    ] {
        assert_eq!(at_any_cut(Framing::Dots, bounds, wire.as_bytes()).unwrap().1, end, "{wire:?}");
    }
}

#[test]
fn chunks_are_held_to_the_same_lines() {
    for (wire, body, end) in [
        ("", "", BodyEnd::Complete),
        ("a\r\n.\r\n..b\r\n", "a\r\n.\r\n..b\r\n", BodyEnd::Complete),
        ("no end", "no end\r\n", BodyEnd::Complete),
        ("a\nb", "", BodyEnd::BareNewline),
        ("a\r", "", BodyEnd::BareNewline),
    ] {
        let (found, verdict, _) = at_any_cut(Framing::Chunks, ANY, wire.as_bytes()).unwrap();
        assert_eq!(verdict, end, "{wire:?}");
        if end == BodyEnd::Complete {
            assert_eq!(found, body.as_bytes());
        }
    }
    let (found, verdict, _) = at_any_cut(Framing::Binary, ANY, b"a\nb\r\0").unwrap();
    assert_eq!((found.as_slice(), verdict), (b"a\nb\r\0".as_slice(), BodyEnd::Complete));
}

fn encode(framing: Framing, message: &[u8], cut: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(framing);
    let mut out = Vec::new();
    for piece in message.chunks(cut) {
        encoder.encode(piece, &mut out);
    }
    encoder.finish(&mut out);
    out
}

#[test]
fn dots_are_put_on_once() {
    for (message, wire) in [
        ("", ".\r\n"),
        (".", "..\r\n.\r\n"),
        ("a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n"),
        ("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"),
        ("a\r.\rb\r", "a . b \r\n.\r\n"),
        ("a\r\n.\r\n", "a\r\n..\r\n.\r\n"),
    ] {
        for cut in 1..=message.len().max(1) {
            let found = encode(Framing::Dots, message.as_bytes(), cut);
            assert_eq!(found.escape_ascii().to_string(), wire.as_bytes().escape_ascii().to_string());
        }
    }
}

/// Octets that are mostly those that matter.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0), any::<u8>()];
    proptest::collection::vec(octet, 0..60)
}

proptest! {
    #[test]
    fn decoding_does_not_depend_on_cuts(mut wire in wild(), tail in any::<bool>()) {
        if tail {
            wire.extend_from_slice(b"\r\n.\r\n");
        }
        for framing in [Framing::Dots, Framing::Chunks, Framing::Binary] {
            for bounds in [ANY, NORMALISE, Bounds { size: 10, line: 5, ..NORMALISE }] {
                at_any_cut(framing, bounds, &wire);
            }
        }
    }

    #[test]
    fn a_message_survives_the_wire(message in wild(), cut in 1usize..70) {
        let wire = encode(Framing::Dots, &message, cut);
        prop_assert_eq!(&wire, &encode(Framing::Dots, &message, 1));
        let (body, end, taken) = decode(Framing::Dots, ANY, &wire, cut).unwrap();
        prop_assert_eq!((end, taken), (BodyEnd::Complete, wire.len()));
        prop_assert_eq!(&body, &encode(Framing::Chunks, &message, cut), "the lines are those of a chunk");
        // What came in clean goes out unchanged.
        let again = encode(Framing::Dots, &body, cut);
        prop_assert_eq!(decode(Framing::Dots, ANY, &again, 1).unwrap().0, body);
    }
}
