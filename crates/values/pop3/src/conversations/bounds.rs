//! Too long, too much, too many, and the end from the server's side; any bytes in any pieces.

use proptest::prelude::*;

use super::*;

#[test]
fn endless_lines_cost_no_memory() {
    let mut eve = driver();
    for _ in 0..10_000 {
        eve.say([b'x'; 1000]);
        assert!(eve.session.input.len() <= 512);
    }
    assert_eq!(eve.heard(), "+OK mx.example.test POP3 ready\r\n");
    eve.heard.clear();
    eve.plays(
        "C: y
         S: -ERR the line is too long
         C: QUIT
         S: +OK bye",
    );
}

#[test]
fn a_line_of_512_octets_is_taken_and_513_are_not() {
    let mut ann = driver();
    ann.plays("S: +OK *");
    ann.say(format!("USER {}\r\n", "x".repeat(505)));
    ann.plays("S: +OK and the password?");
    ann.say(format!("USER {}\r\n", "x".repeat(506)));
    ann.plays("S: -ERR the line is too long");
}

#[test]
fn nonsense_ends_the_session() {
    let mut eve = driver();
    for _ in 0..100 {
        eve.say("GET / HTTP/1.1\r\n");
    }
    assert_eq!(eve.ended, Some(Ending::Errors));
    assert!(eve.heard().ends_with("-ERR too many wrong commands\r\n"));
    assert_eq!(eve.heard().matches("-ERR").count(), 20);
}

#[test]
fn a_long_listing_is_written_piece_by_piece() {
    let entry = |uid| Entry { size: 1, id: UniqueId { validity: 1, uid } };
    let mut session = Session::new(Arc::new(settings()), Channel::Encrypted);
    session.receive(b"USER ann\r\nPASS secret\r\nUIDL\r\nLIST\r\nQUIT\r\n");
    let (mut lines, mut flushes) = (0, 0);
    loop {
        let event = session.next();
        assert!(session.output().len() < 20_000);
        lines += session.output().iter().filter(|&&b| b == b'\n').count();
        session.output().clear();
        match event {
            Event::Login(_) => session.opened(Maildrop::new((0..50_000).map(entry).collect())),
            Event::Flush => flushes += 1,
            Event::Update { .. } => session.updated(),
            Event::Close(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(lines, 3 + 2 * 50_002 + 1);
    assert!(flushes > 50);
}

#[test]
fn the_server_ends_sessions_without_spoiling_a_response() {
    let stop = Denial::temporary("the server stops");
    let mut ann = ann_is_in();
    ann.session.end(&stop);
    ann.say("");
    assert_eq!(
        (ann.heard().as_str(), ann.ended),
        ("-ERR [SYS/TEMP] the server stops\r\n", Some(Ending::Server))
    );

    let mut ann = ann_is_in();
    ann.session.receive(b"RETR 1\r\n");
    assert_eq!(ann.session.next(), Event::Retrieve { message: 0, extent: Extent::Whole });
    ann.session.content_begins();
    assert_eq!(ann.session.content(b"Subject: x\r\n"), Wanted::More);
    ann.session.end(&stop);
    assert_eq!(ann.session.next(), Event::Close(Ending::Server));
    assert_eq!(ann.session.output(), b"+OK 22 octets\r\nSubject: x\r\n");
}

/// Lines that make interesting sessions together.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => proptest::sample::select(vec![
            "USER ann", "PASS secret", "PASS x", "USER bob", "STAT", "LIST", "LIST 2", "UIDL", "RETR 1", "RETR 3",
            "TOP 2 1", "DELE 1", "DELE 3", "RSET", "NOOP", "CAPA", "STLS", "AUTH PLAIN", "AGFubgBzZWNyZXQ=", "*",
            "AUTH PLAIN AGFubgBzZWNyZXQ=", "UTF8", "QUIT", "",
        ]).prop_map(str::to_owned),
        1 => "[ -~]{0,30}",
        1 => Just("y".repeat(600)),
    ]
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_bytes_come(
        lines in proptest::collection::vec(line(), 0..25),
        ends in proptest::collection::vec(prop_oneof![Just("\r\n"), Just("\n")], 25),
        cuts in proptest::collection::vec(0usize..400, 0..8),
    ) {
        let text: String = lines.iter().zip(ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
        // STLS drops what came with it, so that how bytes come does matter there.
        prop_assume!(!text.contains("STLS"));
        let mut whole = driver();
        whole.say(&text);

        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        cuts.push(text.len());
        let mut parts = driver();
        let mut from = 0;
        for cut in cuts {
            if parts.ended.is_none() {
                parts.say(&text.as_bytes()[from..cut]);
            }
            from = cut;
        }
        prop_assert_eq!(whole.heard(), parts.heard());
        prop_assert_eq!(whole.deleted, parts.deleted);
        prop_assert_eq!(whole.ended, parts.ended);
    }

    #[test]
    fn any_bytes_are_answered_in_lines(bytes in proptest::collection::vec(any::<u8>(), 0..2000),
                                       lines in proptest::collection::vec(line(), 0..10)) {
        let mut eve = driver_with(settings(), Channel::Upgradable);
        eve.say(lines.join("\r\n"));
        if eve.ended.is_none() {
            eve.say(&bytes);
        }
        let heard = eve.heard();
        prop_assert!(heard.ends_with("\r\n"));
        prop_assert_eq!(heard.matches('\n').count(), heard.matches("\r\n").count());
    }
}
