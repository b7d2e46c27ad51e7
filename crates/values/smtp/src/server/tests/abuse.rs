//! Clients that break the rules: bounded memory, clear answers, an end.

use super::*;

#[test]
fn lone_line_ends_in_commands_are_refused() {
    let bare = "500 5.5.2 A CR or LF stands alone; lines end with CR LF";
    let driver = after_hello(&format!(
        "C> NOOP\\n
         S: {bare}
         C> MAIL FROM:<a@b.example>\\rRCPT TO:<bob@example.test>\\r\\n
         S: {bare}
         C> NOOP\\r\\r\\n
         S: {bare}
         C: NOOP\\0
         S: 500 5.5.2 Control characters are not allowed in commands
         C: MAIL FROM:<\\xff@example.test>
         S: 500 5.5.2 The command is neither ASCII nor UTF-8"
    ));
    assert_eq!(driver.session.errors(), 5);
    let script = format!("{HELLO}C> NOOP\\n\nS: 250 2.0.0 Ok\nC> NO\\rOP\\n\nS: {bare}");
    converse_with(&normalising(), &extensions(), &script);
}

#[test]
fn a_line_without_end_costs_no_memory() {
    let mut driver = Driver::new(settings(), extensions());
    play(&mut driver, HELLO, usize::MAX);
    let filler = vec![b'x'; 1 << 16];
    for _ in 0..1000 {
        driver.session.receive(&filler);
        assert!(driver.run());
        assert!(driver.session.input.unread().len() <= 2048);
    }
    let script = "C: NOOP
                  S: 500 5.5.2 The command line is too long
                  C: NOOP
                  S: 250 2.0.0 Ok";
    play(&mut driver, script, usize::MAX);
}

#[test]
fn the_longest_command_line() {
    let noop = |octets: usize| format!("C: NOOP {}", "x".repeat(octets - 7));
    after_hello(&format!(
        "{}
         S: 250 2.0.0 Ok
         {}
         S: 500 5.5.2 The command line is too long",
        noop(2048),
        noop(2049)
    ));
}

#[test]
fn other_protocols_are_turned_away() {
    for (line, log) in [
        ("GET / HTTP/1.1", "close OtherProtocol"),
        ("CONNECT 192.0.2.1:25 HTTP/1.0", "close OtherProtocol"),
        ("\\xff\\0", "close OtherProtocol"),
    ] {
        let driver = converse(&format!(
            "S: 220 mx.example.test ESMTP Postern
             C: {line}
             C: Host: x
             S: 554 5.5.1 This is a mail server, not a web server or proxy"
        ));
        assert_eq!(driver.log.last().unwrap(), log);
    }
}

#[test]
fn errors_slow_down_and_then_end_the_session() {
    let limits = Limits { soft_errors: 2, hard_errors: 4, ..Limits::default() };
    let unknown = "500 5.5.1 Command not recognised";
    let driver = converse_with(
        &Settings { limits, ..settings() },
        &extensions(),
        &format!(
            "{HELLO}
             C: FROB
             C: FROB
             C: FROB
             S: {unknown}
             S: {unknown}
             S: {unknown}
             C: FROB
             C: QUIT
             S: {unknown}
             S: 421 4.7.0 Too many errors"
        ),
    );
    assert_eq!(driver.log, ["HELO client.example", "Slow", "Slow", "close TooManyErrors"]);
}

#[test]
fn junk_becomes_errors() {
    let limits = Limits { junk_commands: 2, hard_errors: 2, ..Limits::default() };
    let driver = converse_with(
        &Settings { limits, ..settings() },
        &extensions(),
        &format!(
            "{HELLO}
             C: NOOP
             C: RSET
             C: HELP
             C: VRFY x
             S: 250 2.0.0 Ok
             S: 250 2.0.0 Ok
             S: 214 2.0.0 See https://www.rfc-editor.org/rfc/rfc5321
             S: 252 2.5.2 Cannot verify the user, but will take mail for it
             S: 421 4.7.0 Too many errors"
        ),
    );
    assert_eq!(driver.log.last().unwrap(), "close TooManyErrors");
}

#[test]
fn an_accepted_message_forgives_errors() {
    let limits = Limits { hard_errors: 3, ..Limits::default() };
    let round = "
        C: FROB
        C: MAIL FROM:<>
        C: RCPT TO:<nobody@example.test>
        C: RCPT TO:<bob@example.test>
        C: DATA
        S: 500 5.5.1 Command not recognised
        S: 250 2.1.0 Ok
        S: 550 5.1.1 No such user
        S: 250 2.1.5 Ok
        S: 354 End the message with <CR><LF>.<CR><LF>
        C: .
        S: 250 2.0.0 Ok: safe
    ";
    let driver = converse_with(
        &Settings { limits, ..settings() },
        &extensions(),
        &[HELLO, round, round, round].concat(),
    );
    assert_eq!((driver.bodies.len(), driver.session.errors()), (3, 0));
}

#[test]
fn transient_answers_are_no_errors() {
    let driver = after_hello(
        "C: MAIL FROM:<>
         C: RCPT TO:<later@example.test>
         S: 250 2.1.0 Ok
         S: 451 4.3.0 Later",
    );
    assert_eq!(driver.session.errors(), 0);
}

#[test]
fn too_many_recipients_are_asked_to_come_again() {
    let limits = Limits { recipients: 2, recipient_overshoot: 1, ..Limits::default() };
    let driver = converse_with(
        &Settings { limits, ..settings() },
        &extensions(),
        &format!(
            "{HELLO}
             C: MAIL FROM:<>
             C: RCPT TO:<a@example.test>
             C: RCPT TO:<b@example.test>
             C: RCPT TO:<c@example.test>
             C: RCPT TO:<d@example.test>
             C: DATA
             S: 250 2.1.0 Ok
             S: 250 2.1.5 Ok
             S: 250 2.1.5 Ok
             S: 452 4.5.3 Too many recipients; send the others separately
             S: 452 4.5.3 Too many recipients; send the others separately
             S: 354 End the message with <CR><LF>.<CR><LF>"
        ),
    );
    assert_eq!((driver.session.recipients(), driver.session.errors()), (2, 1));
}

/// What is noticed of a client that says all of `said` at once behind `before`.
fn early(before: &str, said: &str, offered: Extensions) -> Early {
    let mut driver = Driver::new(settings(), offered);
    driver.run();
    for piece in before.split_inclusive('\n').chain([said]) {
        driver.session.receive(piece.as_bytes());
        driver.run();
    }
    driver.session.early()
}

#[test]
fn talking_early_is_noticed() {
    let hello = "EHLO x\r\n";
    let ready = "EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n";
    let none = Early::default();
    let all = extensions();
    for (before, said, expected) in [
        ("", "HELO x\r\n", none),
        ("", "HELO x\r\nMAIL FROM:<>\r\n", Early { after_hello: true, ..none }),
        (hello, "MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n", none),
        (ready, "DATA\r\nhi\r\n.\r\n", Early { after_data: true, ..none }),
        (ready, "BDAT 2 LAST\r\nhiRSET\r\nQUIT\r\n", none),
        (hello, "NOOP\r\nQUIT\r\n", Early { elsewhere: true, ..none }),
        (hello, "QUIT\r\nQUIT\r\n", Early { elsewhere: true, ..none }),
    ] {
        assert_eq!(early(before, said, all.clone()), expected, "{said:?}");
    }
    for (hello, offered) in [(hello, Extensions::none()), ("HELO x\r\n", all)] {
        let unasked = early(hello, "MAIL FROM:<>\r\nRCPT TO:<bob@example.test>\r\n", offered);
        assert_eq!(unasked, Early { elsewhere: true, ..none });
    }

    let mut session = Session::new(Arc::new(settings()), extensions());
    assert_eq!(session.next(), Event::Greet);
    session.receive(b"EHLO x\r\n");
    session.welcome();
    assert!(session.early().before_greeting);
    assert!(matches!(session.next(), Event::Hello(_)));
    session.receive(b"MAIL FROM:<>\r\n");
    assert!(session.early().after_hello);
}
