//! DATA, BDAT, LMTP: how messages come in and end.

use super::*;

const READY: &str = "
    C: MAIL FROM:<ann@example.org>
    C: RCPT TO:<bob@example.test>
    S: 250 2.1.0 Ok
    S: 250 2.1.5 Ok
";
const GO: &str = "S: 354 End the message with <CR><LF>.<CR><LF>";

fn after_ready(script: &str) -> Driver {
    after_hello(&format!("{READY}{script}"))
}

#[test]
fn smuggled_commands_stay_in_the_message() {
    for end in [
        "\\n.\\n",
        "\\r.\\r",
        "\\r\\n.\\n",
        "\\n.\\r\\n",
        "\\r\\n.\\r",
        "\\r\\0\\n.\\r\\n",
        "\\r\\n.\\r\\r\\n",
    ] {
        let script = format!(
            "C: DATA
             {GO}
             C> hello{end}MAIL FROM:<evil@example.test>\\r\\nRCPT TO:<bob@example.test>\\r\\nDATA\\r\\nspam\\r\\n.\\r\\n
             S: 550 5.6.11 the message holds a CR or LF that is not part of CR LF
             C: NOOP
             S: 250 2.0.0 Ok"
        );
        let driver = after_ready(&script);
        assert!(driver.bodies.is_empty() && !driver.log.iter().any(|line| line.contains("evil")));
        let script = script.replace(
            "550 5.6.11 the message holds a CR or LF that is not part of CR LF",
            "250 2.0.0 Ok: safe",
        );
        let driver = converse_with(&normalising(), &extensions(), &format!("{HELLO}{READY}{script}"));
        assert_eq!(driver.bodies.len(), 1, "{end}");
        assert!(!driver.log.iter().any(|line| line.contains("evil")));
    }
}

#[test]
fn a_message_over_the_limit_is_read_to_its_end() {
    let limits = Limits { message_size: 10, data_line: 6, ..Limits::default() };
    let driver = converse_with(
        &Settings { limits, ..settings() },
        &extensions(),
        &format!(
            "{HELLO}{READY}
             C: DATA
             {GO}
             C: 12345
             C: 12345
             C: 12345
             C: .
             S: 552 5.3.4 the message is larger than this server accepts
             {READY}
             C: DATA
             {GO}
             C: 1234567
             C: .
             S: 554 5.6.0 the message holds a line longer than this server accepts
             {READY}
             C: DATA
             {GO}
             C: 123456
             C: .
             S: 250 2.0.0 Ok: safe"
        ),
    );
    assert_eq!(driver.bodies, [b"123456\r\n"]);
}

#[test]
fn a_refused_message_ends_its_transaction() {
    after_ready(&format!(
        "C: DATA
         {GO}
         C: virus
         C: .
         S: 550 5.7.1 virus
         C: DATA
         S: 503 5.5.1 MAIL must come first"
    ));
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let driver = converse_with(
        &lmtp(),
        &extensions(),
        &format!(
            "S: 220 mx.example.test LMTP Postern
             C: EHLO client.example
             S: 500 5.5.1 This is LMTP; say LHLO
             C: LHLO client.example
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
             C: MAIL FROM:<>
             C: RCPT TO:<a@example.test>
             C: RCPT TO:<nobody@example.test>
             C: RCPT TO:<b@example.test>
             C: DATA
             S: 250 2.1.0 Ok
             S: 250 2.1.5 Ok
             S: 550 5.1.1 No such user
             S: 250 2.1.5 Ok
             {GO}
             C: hi
             C: .
             S: 250 2.0.0 Ok: safe
             S: 250 2.0.0 Ok: safe
             C: MAIL FROM:<>
             C: RCPT TO:<a@example.test>
             C: RCPT TO:<b@example.test>
             C: BDAT 2 LAST
             C> hiQUIT\\r\\n
             S: 250 2.1.0 Ok
             S: 250 2.1.5 Ok
             S: 250 2.1.5 Ok
             S: 250 2.0.0 Ok: safe
             S: 250 2.0.0 Ok: safe
             S: 221 2.0.0 Bye"
        ),
    );
    assert_eq!(driver.bodies, [b"hi\r\n", b"hi\r\n"]);
}

#[test]
fn chunks_make_a_message() {
    let driver = after_ready(
        "C: BDAT 6
         C> .\\r\\nhi\\r
         S: 250 2.0.0 Chunk received
         C: DATA
         S: 503 5.5.1 The message has begun with BDAT and must end with it
         C: RCPT TO:<bob@example.test>
         S: 503 5.5.1 The message has begun with BDAT and must end with it
         C: BDAT 6
         C> \\n\\r\\n.\\r\\n
         C: BDAT 0 LAST
         C: NOOP
         S: 250 2.0.0 Chunk received
         S: 250 2.0.0 Ok: safe
         S: 250 2.0.0 Ok",
    );
    assert_eq!(driver.bodies, [b".\r\nhi\r\n\r\n.\r\n"]);
}

#[test]
fn chunks_are_never_commands() {
    let driver = after_hello(
        "C: BDAT 10
         C> QUIT\\r\\nQUIT
         S: 503 5.5.1 MAIL must come first
         C: MAIL FROM:<>
         S: 250 2.1.0 Ok
         C: BDAT 6 LAST
         C> QUIT\\r\\n
         S: 503 5.5.1 RCPT must come first
         C: RCPT TO:<bob@example.test>
         S: 250 2.1.5 Ok
         C: BDAT 4
         C> a\\nb\\n
         C: BDAT 6 LAST
         C> QUIT\\r\\n
         S: 550 5.6.11 the message holds a CR or LF that is not part of CR LF
         S: 503 5.5.1 MAIL must come first
         C: BDAT x LAST
         C: QUIT
         S: 501 5.5.4 Syntax: BDAT octets [LAST]",
    );
    assert_eq!(driver.log.last().unwrap(), "close LostChunk");
}

#[test]
fn rset_forgets_chunks() {
    let driver = after_ready(&format!(
        "C: BDAT 2
         C> a\\r
         S: 250 2.0.0 Chunk received
         C: RSET
         S: 250 2.0.0 Ok
         {READY}
         C: BDAT 3 LAST
         C> b\\r\\n
         S: 250 2.0.0 Ok: safe"
    ));
    assert_eq!(driver.bodies.last().unwrap(), b"b\r\n");
}

#[test]
fn binary_messages_travel_in_chunks_only() {
    let driver = after_hello(
        "C: MAIL FROM:<ann@example.org> BODY=BINARYMIME
         C: RCPT TO:<bob@example.test>
         S: 250 2.1.0 Ok
         S: 250 2.1.5 Ok
         C: DATA
         S: 503 5.5.1 BODY=BINARYMIME needs BDAT
         C: BDAT 4 LAST
         C> \\n\\r\\0.
         S: 250 2.0.0 Ok: safe",
    );
    assert_eq!(driver.bodies, [b"\n\r\0."]);
}

#[test]
fn a_refused_first_chunk_is_taken_and_thrown_away() {
    let mut driver = Driver::new(settings(), extensions());
    play(&mut driver, &format!("{HELLO}{READY}"), usize::MAX);
    driver.session.receive(b"BDAT 6\r\nQUI");
    assert_eq!(driver.session.next(), Event::Data);
    driver.session.refuse(&Refusal::new(Blame::Us, 452, (4, 3, 1), "Disk full"));
    assert_eq!(driver.session.next(), Event::Reset, "the driver's transaction ends with the session's");
    assert_eq!(driver.session.next(), Event::NeedInput);
    assert_eq!(driver.said(), "", "the answer comes behind the octets");
    driver.session.receive(b"T\r\nNOOP\r\n");
    assert_eq!(driver.session.next(), Event::NeedInput);
    assert_eq!(driver.said(), "452 4.3.1 Disk full\r\n250 2.0.0 Ok\r\n");
    assert_eq!(driver.session.recipients(), 0);
}

#[test]
fn a_refused_data_leaves_the_transaction_open() {
    let mut driver = Driver::new(settings(), extensions());
    play(&mut driver, &format!("{HELLO}{READY}"), usize::MAX);
    driver.session.receive(b"DATA\r\n");
    assert_eq!(driver.session.next(), Event::Data);
    driver.session.refuse(&Refusal::new(Blame::Us, 452, (4, 3, 1), "Disk full"));
    assert_eq!(driver.session.next(), Event::NeedInput);
    assert_eq!(driver.session.recipients(), 1);
    play(&mut driver, &format!("S: 452 4.3.1 Disk full\nC: DATA\n{GO}"), usize::MAX);
}

/// A session at the end of a message, `body` having been sent.
fn at_body_end(body: &str) -> Driver {
    let mut driver = Driver::new(settings(), extensions());
    play(&mut driver, &format!("{HELLO}{READY}C: DATA\n{GO}"), usize::MAX);
    driver.session.receive(body.as_bytes());
    while !matches!(driver.session.next(), Event::BodyEnd(_)) {}
    driver
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "does not answer"))]
fn reply_cannot_accept_a_message() {
    let mut driver = at_body_end("hi\r\n.\r\n");
    driver.session.reply(&Reply::new(250, None, "Ok"));
    assert_eq!(driver.said(), "451 4.3.0 Local error in processing\r\n");
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "is no refusal"))]
fn refuse_cannot_accept_a_message() {
    let mut driver = at_body_end("hi\r\n.\r\n");
    driver.session.refuse(&Refusal::new(Blame::Us, 250, (2, 0, 0), "Ok"));
    assert_eq!(driver.said(), "451 4.3.0 Local error in processing\r\n");
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "was accepted"))]
fn a_broken_message_cannot_be_accepted() {
    let mut driver = at_body_end("a\nb\r\n.\r\n");
    driver.session.accepted(&Reply::new(250, None, "Ok"));
    assert!(driver.said().starts_with("550 5.6.11 "));
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "while an answer is due"))]
fn a_message_that_nobody_answers_is_refused() {
    let mut driver = at_body_end("hi\r\n.\r\n");
    assert_eq!(driver.session.next(), Event::NeedInput);
    assert_eq!(driver.said(), "451 4.3.0 Local error in processing\r\n");
}
