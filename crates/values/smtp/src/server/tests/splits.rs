//! The same octets give the same session, however they are cut.

use proptest::prelude::*;

use super::*;

/// Things a client may say, in and out of place.
fn saying() -> impl Strategy<Value = Vec<u8>> {
    let common = proptest::sample::select(vec![
        "EHLO a.example\r\n",
        "HELO bad.example\r\n",
        "MAIL FROM:<>\r\n",
        "MAIL FROM:<ann@example.org> BODY=BINARYMIME\r\n",
        "RCPT TO:<bob@example.test>\r\n",
        "RCPT TO:<nobody@example.test>\r\n",
        "DATA\r\n",
        "hi\r\n..\r\n.\r\n",
        "hi\n.\r\n",
        "\r\n.\r\n",
        ".\r\n",
        "BDAT 5\r\na\r\nb\r",
        "BDAT 5 LAST\r\na\r\nb\n",
        "BDAT 3 LAST\r\n.\r\n",
        "RSET\r\n",
        "NOOP\n",
        "AUTH PLAIN\r\n",
        "AGFubgBzZWNyZXQ=\r\n",
        "*\r\n",
        "XCLIENT ADDR=192.0.2.1\r\n",
        "FROB\r\n",
        "QUIT\r\n",
    ]);
    let wild =
        proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), any::<u8>()], 0..12);
    prop_oneof![
        9 => common.prop_map(|text| text.as_bytes().to_vec()),
        1 => wild,
        1 => (100usize..140).prop_map(|length| vec![b'x'; length]),
    ]
}

fn session(normalise: bool, is_lmtp: bool) -> Driver {
    let limits =
        Limits { command_line: 120, message_size: 40, data_line: 20, hard_errors: 8, ..Limits::default() };
    let bare_newline = if normalise { BareNewline::Normalise } else { BareNewline::Refuse };
    let flavour = if is_lmtp { Flavour::Lmtp } else { Flavour::Smtp };
    let offered = Extensions {
        auth: vec!["PLAIN".to_owned()],
        xclient: vec![crate::command::XclientName::Addr],
        ..extensions()
    };
    Driver::new(Settings { limits, bare_newline, flavour, ..settings() }, offered)
}

proptest! {
    #[test]
    fn cuts_change_nothing(
        said in proptest::collection::vec(saying(), 0..30),
        cuts in proptest::collection::vec(1usize..40, 1..20),
        normalise: bool,
        is_lmtp: bool,
    ) {
        let hello: &[u8] = if is_lmtp { b"LHLO x\r\n" } else { b"EHLO x\r\n" };
        let said = [hello, &said.concat()].concat();
        let mut whole = session(normalise, is_lmtp);
        whole.run();
        whole.session.receive(&said);
        whole.run();
        let mut cut = session(normalise, is_lmtp);
        let mut is_open = cut.run();
        let mut rest = said.as_slice();
        for size in cuts.iter().cycle() {
            if rest.is_empty() || !is_open {
                break;
            }
            let (piece, behind) = rest.split_at((*size).min(rest.len()));
            rest = behind;
            cut.session.receive(piece);
            is_open = cut.run();
        }
        prop_assert_eq!(&whole.said(), &cut.said());
        prop_assert_eq!(&whole.log, &cut.log);
        prop_assert_eq!(&whole.bodies, &cut.bodies);
        for body in &whole.bodies {
            prop_assert!(body.len() <= 40);
        }
    }

    #[test]
    fn any_octets_are_answered(said in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut driver = session(false, false);
        driver.run();
        driver.session.receive(b"EHLO x\r\n");
        driver.run();
        driver.session.receive(&said);
        driver.run();
        let output = driver.said();
        prop_assert!(output.split_terminator("\r\n").all(|line| line.len() > 3 && line.as_bytes()[..3].iter().all(u8::is_ascii_digit)));
    }
}
