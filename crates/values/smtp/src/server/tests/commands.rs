//! The order of a session, and every command in and out of its place.

use super::*;
use crate::command::{XclientName, XforwardName};

#[test]
fn an_ordinary_session() {
    let driver = converse(
        "S: 220 mx.example.test ESMTP Postern
         C: EHLO client.example
         S: 250-mx.example.test
         S: 250-SIZE 50000000
         S: 250-PIPELINING
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-DSN
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-STARTTLS
         S: 250 REQUIRETLS
         C: MAIL FROM:<ann@example.org> SIZE=20 BODY=8BITMIME
         S: 250 2.1.0 Ok
         C: RCPT TO:<bob@example.test> NOTIFY=NEVER
         S: 250 2.1.5 Ok
         C: RCPT TO:<nobody@example.test>
         S: 550 5.1.1 No such user
         C: RCPT TO:<Postmaster>
         S: 250 2.1.5 Ok
         C: DATA
         S: 354 End the message with <CR><LF>.<CR><LF>
         C: Subject: hi
         C:
         C: ..dot
         C: .
         S: 250 2.0.0 Ok: safe
         C: QUIT
         S: 221 2.0.0 Bye",
    );
    assert_eq!(driver.bodies, [b"Subject: hi\r\n\r\n.dot\r\n"]);
    let log = [
        "EHLO client.example",
        "mail ann@example.org SIZE=20 BODY=8BITMIME",
        "rcpt bob@example.test",
        "rcpt postmaster",
        "end Complete",
        "close Quit",
    ];
    assert_eq!(driver.log, log);
    assert_eq!(driver.session.early(), Early::default());
}

#[test]
fn a_pipelined_session_is_answered_in_one_go() {
    let driver = after_hello(
        "C: MAIL FROM:<>
         C: RCPT TO:<bob@example.test>
         C: DATA
         S: 250 2.1.0 Ok
         S: 250 2.1.5 Ok
         S: 354 End the message with <CR><LF>.<CR><LF>
         C: hi
         C: .
         C: MAIL FROM:<ann@example.org>
         C: RCPT TO:<nobody@example.test>
         C: DATA
         C: QUIT
         S: 250 2.0.0 Ok: safe
         S: 250 2.1.0 Ok
         S: 550 5.1.1 No such user
         S: 554 5.5.1 No valid recipients
         S: 221 2.0.0 Bye",
    );
    assert_eq!(driver.bodies, [b"hi\r\n"]);
}

#[test]
fn commands_out_of_place_change_nothing() {
    converse(
        "S: 220 mx.example.test ESMTP Postern
         C: MAIL FROM:<a@b.example>
         S: 503 5.5.1 Say hello first
         C: RCPT TO:<bob@example.test>
         S: 503 5.5.1 MAIL must come first
         C: DATA
         S: 503 5.5.1 MAIL must come first
         C: STARTTLS
         S: 503 5.5.1 Say hello first
         C: LHLO client.example
         S: 500 5.5.1 This is SMTP; say EHLO
         C: HELO client.example
         S: 250 mx.example.test
         C: RCPT TO:<bob@example.test>
         S: 503 5.5.1 MAIL must come first
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 Ok
         C: MAIL FROM:<a@b.example>
         S: 503 5.5.1 The sender is already given; RSET begins anew
         C: DATA
         S: 503 5.5.1 RCPT must come first
         C: RCPT TO:<bob@example.test>
         S: 250 2.1.5 Ok
         C: DATA
         S: 354 End the message with <CR><LF>.<CR><LF>
         C: .
         S: 250 2.0.0 Ok: safe",
    );
}

#[test]
fn hello_and_rset_end_the_transaction() {
    let driver = after_hello(
        "C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 Ok
         C: RSET
         S: 250 2.0.0 Ok
         C: RCPT TO:<bob@example.test>
         S: 503 5.5.1 MAIL must come first
         C: RSET
         S: 250 2.0.0 Ok
         C: MAIL FROM:<a@b.example>
         S: 250 2.1.0 Ok
         C: HELO bad.example
         S: 550 5.7.1 bad name
         C: RCPT TO:<bob@example.test>
         S: 250 2.1.5 Ok
         C: HELO client.example
         S: 250 mx.example.test
         C: DATA
         S: 503 5.5.1 MAIL must come first",
    );
    assert_eq!(driver.log.iter().filter(|line| *line == "Reset").count(), 1);
}

#[test]
fn commands_that_tell_nothing() {
    after_hello(
        "C: NOOP
         S: 250 2.0.0 Ok
         C: VRFY root
         S: 252 2.5.2 Cannot verify the user, but will take mail for it
         C: EXPN staff
         S: 502 5.5.1 EXPN is not offered
         C: HELP
         S: 214 2.0.0 See https://www.rfc-editor.org/rfc/rfc5321
         C: FROB
         S: 500 5.5.1 Command not recognised
         C: MAIL FROM:ann@example.org
         S: 501 5.5.4 The address must stand in angle brackets: MAIL FROM:<address>
         C: MAIL FROM:<ann>
         S: 501 5.1.7 The address has no @
         C: MAIL FROM:<ann@example.org> FROB=1
         S: 555 5.5.4 Parameter FROB is not supported
         C: EHLO
         S: 501 5.5.4 Syntax: EHLO hostname
         C: MAIL FROM:<ann@example.org> SIZE=50000001
         S: 552 5.3.4 Too large
         C: MAIL FROM:<中@example.org>
         S: 553 5.6.7 An address beyond ASCII needs SMTPUTF8",
    );
}

#[test]
fn what_is_not_offered_is_refused() {
    converse_with(
        &settings(),
        &Extensions::none(),
        "S: 220 mx.example.test ESMTP Postern
         C: EHLO client.example
         S: 250 mx.example.test
         C: MAIL FROM:<ann@example.org> SIZE=1
         S: 555 5.5.4 SIZE is not offered
         C: MAIL FROM:<ann@example.org> BODY=8BITMIME
         S: 555 5.5.4 BODY is not offered
         C: MAIL FROM:<ann@example.org> SMTPUTF8
         S: 555 5.5.4 SMTPUTF8 is not offered
         C: MAIL FROM:<ann@example.org> RET=FULL
         S: 555 5.5.4 DSN is not offered
         C: MAIL FROM:<ann@example.org> AUTH=<>
         S: 555 5.5.4 AUTH is not offered
         C: STARTTLS
         S: 502 5.5.1 STARTTLS is not offered
         C: AUTH PLAIN
         S: 503 5.5.1 AUTH is not offered
         C: XCLIENT ADDR=192.0.2.1
         S: 550 5.7.0 Not from your address
         C: XFORWARD ADDR=192.0.2.1
         S: 550 5.7.0 Not from your address",
    );
}

#[test]
fn starttls_forgets_what_came_in_the_clear() {
    let script = |injected: &str| {
        format!(
            "{HELLO}
             C: STARTTLS
             {injected}
             S: 220 2.0.0 Go ahead
             C: MAIL FROM:<ann@example.org>
             S: 503 5.5.1 Say hello first
             C: HELO client.example
             S: 250 mx.example.test
             C: STARTTLS
             S: 502 5.5.1 STARTTLS is not offered"
        )
    };
    let honest = converse(&script(""));
    assert!(!honest.session.early().after_starttls);
    let injected = converse(&script("C: HELO evil.example\nC: MAIL FROM:<evil@example.test>"));
    assert!(injected.session.early().after_starttls);
    assert!(!injected.log.iter().any(|line| line.contains("evil")), "{:?}", injected.log);
}

#[test]
fn auth_challenges_and_ends() {
    let offered = Extensions { auth: vec!["PLAIN".to_owned()], ..extensions() };
    let driver = converse_with(
        &settings(),
        &offered,
        &format!(
            "{HELLO}
             C: AUTH CRAM-MD5
             S: 504 5.5.4 The mechanism is not offered
             C: AUTH PLAIN !
             S: 501 5.5.2 The response is not base64
             C: AUTH PLAIN
             S: 334 Z28=
             C: *
             S: 501 5.7.0 Authentication cancelled
             C: AUTH PLAIN
             S: 334 Z28=
             C: ?
             S: 501 5.5.2 The response is not base64
             C: AUTH PLAIN
             S: 334 Z28=
             C: {}
             S: 535 5.7.8 Wrong
             C: AUTH PLAIN
             S: 334 Z28=
             C: {}
             S: 500 5.5.6 The response is too long
             C: AUTH PLAIN AGFubgBzZWNyZXQ=
             S: 235 2.7.0 Welcome
             C: AUTH PLAIN AGFubgBzZWNyZXQ=
             S: 503 5.5.1 Already authenticated
             C: MAIL FROM:<ann@example.org> AUTH=<>
             S: 250 2.1.0 Ok",
            "A".repeat(12_288),
            "A".repeat(12_292),
        ),
    );
    assert_eq!(driver.log.iter().filter(|line| *line == "AuthCancelled").count(), 3);
}

#[test]
fn neighbours_tell_about_their_clients() {
    let offered = Extensions {
        xclient: vec![XclientName::Addr, XclientName::Helo],
        xforward: vec![XforwardName::Addr],
        ..Extensions::none()
    };
    let driver = converse_with(
        &settings(),
        &offered,
        "S: 220 mx.example.test ESMTP Postern
         C: EHLO proxy.example
         S: 250-mx.example.test
         S: 250-XCLIENT ADDR HELO
         S: 250 XFORWARD ADDR
         C: XCLIENT LOGIN=ann
         S: 501 5.5.4 An attribute is not offered
         C: XCLIENT ADDR=192.0.2.1 HELO=client.example
         S: 220 mx.example.test ESMTP Postern
         C: MAIL FROM:<>
         S: 503 5.5.1 Say hello first
         C: HELO client.example
         S: 250 mx.example.test
         C: XFORWARD ADDR=192.0.2.9
         S: 250 2.0.0 Ok
         C: MAIL FROM:<>
         S: 250 2.1.0 Ok
         C: XFORWARD ADDR=192.0.2.9
         S: 503 5.5.1 Not within a mail transaction",
    );
    assert!(
        driver.log.contains(&"xclient ADDR=192.0.2.1 HELO=client.example".to_owned()),
        "{:?}",
        driver.log
    );
}

#[test]
fn a_refused_greeting_hears_quit_only() {
    let mut session = Session::new(Arc::new(settings()), extensions());
    assert_eq!(session.next(), Event::Greet);
    session.refuse(&Refusal::new(Blame::Client, 554, (5, 7, 1), "Go away"));
    assert_eq!(session.next(), Event::NeedInput);
    session.receive(b"EHLO x\r\nBDAT 6\r\nQUIT\r\nQUIT\r\n");
    assert_eq!(session.next(), Event::Close(Close::Quit));
    let said = String::from_utf8(session.output().clone()).unwrap();
    let unwelcome = "503 5.5.1 This server takes no mail from you; say QUIT\r\n";
    assert_eq!(said, format!("554 5.7.1 Go away\r\n{unwelcome}{unwelcome}221 2.0.0 Bye\r\n"));
}

#[test]
fn replies_that_close_close() {
    let driver = after_hello(
        "C: MAIL FROM:<>
         S: 250 2.1.0 Ok
         C: RCPT TO:<close@example.test>
         C: RCPT TO:<bob@example.test>
         S: 421 4.3.2 Stopping",
    );
    assert_eq!(driver.log.last().unwrap(), "close Refused");
    let mut session = Session::new(Arc::new(settings()), extensions());
    session.abort(&Refusal::new(Blame::Us, 421, (4, 3, 2), "Stopping"));
    assert_eq!(session.next(), Event::Close(Close::Refused));
    assert_eq!(session.output().as_slice(), b"421 4.3.2 Stopping\r\n");
}

#[test]
fn a_size_over_the_limit_is_the_drivers_to_refuse() {
    let driver = after_hello(
        "C: MAIL FROM:<ann@example.org> SIZE=50000001
         C: RCPT TO:<bob@example.test>
         C: MAIL FROM:<ann@example.org> SIZE=50000000
         S: 552 5.3.4 Too large
         S: 503 5.5.1 MAIL must come first
         S: 250 2.1.0 Ok",
    );
    assert_eq!(driver.log[1..], ["too large ann@example.org", "mail ann@example.org SIZE=50000000"]);
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "does not answer"))]
fn a_size_over_the_limit_cannot_be_accepted() {
    let mut driver = after_hello("");
    driver.session.receive(b"MAIL FROM:<ann@example.org> SIZE=50000001\r\n");
    assert!(matches!(driver.session.next(), Event::TooLarge(_)));
    driver.session.reply(&postern_types::Reply::new(250, None, "Ok"));
    assert_eq!(driver.said(), "451 4.3.0 Local error in processing\r\n");
}

#[test]
fn refusals_of_the_session_say_whose_they_are() {
    let mut driver = Driver::new(settings(), extensions());
    driver.session.identify("06y5ygaw1em01");
    play(
        &mut driver,
        &format!(
            "{HELLO}
             C: RCPT TO:<bob@example.test>
             S: 503 5.5.1 MAIL must come first (06y5ygaw1em01)
             C: FROB
             S: 500 5.5.1 Command not recognised (06y5ygaw1em01)
             C: NOOP
             S: 250 2.0.0 Ok
             C: MAIL FROM:<ann@example.org>
             C: RCPT TO:<nobody@example.test>
             S: 250 2.1.0 Ok
             S: 550 5.1.1 No such user"
        ),
        usize::MAX,
    );
    driver.session.identify("");
    play(&mut driver, "C: FROB\nS: 500 5.5.1 Command not recognised", usize::MAX);
}
