//! Conversations with scripted servers, and with our own.

use std::sync::Arc;

use postern_types::{Domain, ForwardPath, ReversePath};
use proptest::prelude::*;

use super::*;
use crate::command::{BodyType, MailParams, RcptParams, Xclient, XclientName, Xforward, XforwardName};
use crate::{Extension, Extensions, Flavour, server};

fn client(flavour: Flavour) -> Session {
    Session::new(Settings { flavour, name: "client.example".to_owned() })
}

fn sender() -> ReversePath {
    ReversePath::parse("ann@example.org").unwrap()
}

fn recipient(text: &str) -> ForwardPath {
    ForwardPath::Address(text.parse().unwrap())
}

/// Lets the server say `said`; the answers as `Step code` words.
fn hear(client: &mut Session, said: &str) -> Vec<String> {
    client.receive(said.as_bytes());
    let mut answers = Vec::new();
    while let Some(answer) = client.next().unwrap() {
        answers.push(format!("{:?} {}", answer.step, answer.reply.code));
    }
    answers
}

/// What the client said since the last time.
fn said(client: &mut Session) -> String {
    String::from_utf8(std::mem::take(client.output())).unwrap()
}

/// A client behind greeting and EHLO.
fn greeted(flavour: Flavour, offered: &str) -> Session {
    let mut client = client(flavour);
    client.hello();
    assert_eq!(said(&mut client), "", "the greeting is awaited");
    hear(&mut client, "220 mx.example.test ready\r\n");
    let hello = if flavour == Flavour::Lmtp { "LHLO client.example\r\n" } else { "EHLO client.example\r\n" };
    assert_eq!(said(&mut client), hello);
    let lines: String = offered.split_terminator(',').map(|word| format!("250-{word}\r\n")).collect();
    hear(&mut client, &format!("250-mx.example.test\r\n{lines}250 HELP\r\n"));
    client
}

#[test]
fn without_pipelining_each_step_waits_for_the_answer() {
    let mut client = greeted(Flavour::Smtp, "");
    client.mail(&sender(), &MailParams::default()).unwrap();
    client.rcpt(&recipient("bob@example.test"), &RcptParams::default()).unwrap();
    client.data().unwrap();
    assert_eq!(client.answers_due(), 3);
    assert_eq!(said(&mut client), "MAIL FROM:<ann@example.org>\r\n");
    assert_eq!(hear(&mut client, "250 2.1.0 Ok\r\n"), ["Mail 250"]);
    assert_eq!(said(&mut client), "RCPT TO:<bob@example.test>\r\n");
    assert_eq!(hear(&mut client, "250 2.1.5 Ok\r\n"), ["Rcpt(0) 250"]);
    assert_eq!(said(&mut client), "DATA\r\n");
    assert!(client.body(b"early").is_err());
    assert_eq!(hear(&mut client, "354 go\r\n"), ["Data 354"]);
    client.body(b".hi\r").unwrap();
    client.quit();
    client.body(b"\n").unwrap();
    client.end_body().unwrap();
    assert_eq!(said(&mut client), "..hi\r\n.\r\n", "QUIT is not said into the message");
    assert_eq!(hear(&mut client, "250 2.0.0 Ok\r\n"), ["End(0) 250"]);
    assert_eq!(said(&mut client), "QUIT\r\n");
    assert_eq!(hear(&mut client, "221 2.0.0 Bye\r\n"), ["Quit 221"]);
}

#[test]
fn with_pipelining_steps_travel_together() {
    let mut client = greeted(Flavour::Smtp, "PIPELINING");
    client.mail(&sender(), &MailParams::default()).unwrap();
    client.rcpt(&recipient("a@example.test"), &RcptParams::default()).unwrap();
    client.rcpt(&recipient("b@example.test"), &RcptParams::default()).unwrap();
    client.data().unwrap();
    client.reset();
    let all =
        "MAIL FROM:<ann@example.org>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n";
    assert_eq!(said(&mut client), all, "nothing goes behind DATA");
    let answers = hear(&mut client, "250 Ok\r\n550 no\r\n550 no\r\n354 go\r\n");
    assert_eq!(answers, ["Mail 250", "Rcpt(0) 550", "Rcpt(1) 550", "Data 354"]);
    // rfc2920 §3.1: the dot alone.
    client.end_body().unwrap();
    assert_eq!(said(&mut client), ".\r\nRSET\r\n");
    assert_eq!(hear(&mut client, "554 no\r\n250 Ok\r\n"), ["End(0) 554", "Reset 250"]);
}

#[test]
fn a_server_that_does_not_know_ehlo_gets_helo() {
    let mut client = client(Flavour::Smtp);
    client.hello();
    hear(&mut client, "220 old\r\n");
    said(&mut client);
    assert!(hear(&mut client, "502 what?\r\n").is_empty());
    assert_eq!(said(&mut client), "HELO client.example\r\n");
    assert_eq!(hear(&mut client, "250-old\r\n250 PIPELINING\r\n"), ["Hello 250"]);

    let mut client = self::client(Flavour::Smtp);
    client.hello();
    hear(&mut client, "220 old\r\n");
    assert_eq!(hear(&mut client, "554 go away\r\n"), ["Hello 554"]);
    assert_eq!(hear(&mut client, "421 really\r\n"), ["Unasked 421"]);
}

#[test]
fn starttls_forgets_what_came_in_the_clear() {
    let mut client = greeted(Flavour::Smtp, "STARTTLS,SIZE 10");
    client.start_tls().unwrap();
    client.hello();
    assert_eq!(said(&mut client), "STARTTLS\r\n");
    assert_eq!(hear(&mut client, "220 go\r\n250-injected\r\n250 PIPELINING\r\n"), ["StartTls 220"]);
    assert_eq!(said(&mut client), "", "nothing is said before the handshake");
    client.tls_started();
    assert_eq!(client.extensions(), &Extensions::none());
    assert_eq!(said(&mut client), "EHLO client.example\r\n");
    assert_eq!(hear(&mut client, "250 mx\r\n"), ["Hello 250"]);
    assert_eq!(client.start_tls(), Err(ClientError::NotOffered(Extension::StartTls)));
}

#[test]
fn parameters_are_those_that_the_server_offers() {
    let params = MailParams {
        size: Some(5),
        body: Some(BodyType::EightBitMime),
        envid: Some("x".to_owned()),
        auth: Some("<>".to_owned()),
        ..MailParams::default()
    };
    for (offered, line) in [
        ("", "MAIL FROM:<ann@example.org>\r\n"),
        ("SIZE,DSN", "MAIL FROM:<ann@example.org> SIZE=5 ENVID=x\r\n"),
        ("8BITMIME,AUTH PLAIN", "MAIL FROM:<ann@example.org> BODY=8BITMIME AUTH=<>\r\n"),
    ] {
        let mut client = greeted(Flavour::Smtp, offered);
        client.mail(&sender(), &params).unwrap();
        assert_eq!(said(&mut client), line);
    }
    let mut client = greeted(Flavour::Smtp, "BINARYMIME");
    for (params, extension) in [
        (MailParams { smtp_utf8: true, ..MailParams::default() }, Extension::SmtpUtf8),
        (MailParams { require_tls: true, ..MailParams::default() }, Extension::RequireTls),
        (MailParams { body: Some(BodyType::BinaryMime), ..MailParams::default() }, Extension::Chunking),
    ] {
        assert_eq!(client.mail(&sender(), &params), Err(ClientError::NotOffered(extension)));
    }
    let utf8 = recipient("bücher@example.test");
    assert!(client.rcpt(&utf8, &RcptParams::default()).is_err());
    assert_eq!(said(&mut client), "");
}

#[test]
fn the_client_behind_is_told_as_far_as_the_server_takes_it() {
    let mut client = greeted(Flavour::Smtp, "XFORWARD ADDR IDENT,XCLIENT NAME ADDR");
    let told =
        Xforward::new().with(XforwardName::Addr, Some("192.0.2.1")).with(XforwardName::Helo, Some("x"));
    assert!(client.xforward(&told));
    assert_eq!(said(&mut client), "XFORWARD ADDR=192.0.2.1\r\n");
    hear(&mut client, "250 Ok\r\n");
    assert!(!client.xforward(&Xforward::new().with(XforwardName::Helo, Some("x"))));
    assert!(client.xclient(&Xclient::new().with(XclientName::Name, None)));
    assert_eq!(said(&mut client), "XCLIENT NAME=[UNAVAILABLE]\r\n");
    assert_eq!(hear(&mut client, "220 again\r\n"), ["Xclient 220"]);
    client.hello();
    assert_eq!(said(&mut client), "EHLO client.example\r\n");
}

#[test]
fn lmtp_has_an_answer_for_each_accepted_recipient() {
    let mut client = greeted(Flavour::Lmtp, "PIPELINING,CHUNKING");
    client.mail(&sender(), &MailParams::default()).unwrap();
    for name in ["a", "b", "c"] {
        client.rcpt(&recipient(&format!("{name}@example.test")), &RcptParams::default()).unwrap();
    }
    client.chunk(b"a\nb\r").unwrap();
    client.last_chunk(b"\n").unwrap();
    let sent = said(&mut client);
    assert!(sent.ends_with("RCPT TO:<c@example.test>\r\nBDAT 4\r\na\r\nb"), "{sent:?}");
    hear(&mut client, "250 Ok\r\n250 Ok\r\n550 no\r\n250 Ok\r\n");
    assert_eq!(said(&mut client), "BDAT 2 LAST\r\n\r\n");
    let answers = hear(&mut client, "250 chunk\r\n250 Ok\r\n451 later\r\n");
    assert_eq!(answers, ["Chunk 250", "End(0) 250", "End(2) 451"]);
}

#[test]
fn what_makes_no_sense_ends_the_session() {
    for wire in ["354 go\r\n", "hello\r\n", "250-a\r\n550 b\r\n"] {
        let mut client = client(Flavour::Smtp);
        client.receive(wire.as_bytes());
        let error = client.next().unwrap_err();
        client.receive(b"220 mx\r\n");
        assert_eq!(client.next(), Err(error), "{wire:?}");
    }
    let mut client = greeted(Flavour::Smtp, "PIPELINING");
    client.data().unwrap();
    client.receive(b"250 Ok\r\n");
    assert!(client.next().is_err());
}

/// Carries octets between the two until neither has more to say; what our server stored.
struct Pair {
    client: Session,
    server: server::Session,
    stored: Vec<Vec<u8>>,
    body: Vec<u8>,
    answers: Vec<Answer>,
}

impl Pair {
    fn new(flavour: Flavour, offered: Extensions) -> Self {
        let settings =
            server::Settings { flavour, ..server::Settings::new(Domain::parse("mx.example.test").unwrap()) };
        let server = server::Session::new(Arc::new(settings), offered);
        Self { client: client(flavour), server, stored: vec![], body: vec![], answers: vec![] }
    }

    fn serve(&mut self) {
        use server::Event;
        let ok = postern_types::Reply::new(250, Some((2, 0, 0)), "Ok");
        loop {
            match self.server.next() {
                Event::NeedInput | Event::Close(_) => return,
                Event::Greet | Event::Hello(_) => self.server.welcome(),
                Event::Mail(_) | Event::Rcpt(_) => self.server.reply(&ok),
                Event::Data => self.server.proceed(),
                Event::Body(piece) => self.body.extend_from_slice(&piece),
                Event::BodyEnd(end) => {
                    assert_eq!(end, server::BodyEnd::Complete);
                    self.stored.push(std::mem::take(&mut self.body));
                    for _ in 0..self.server.answers_due() {
                        self.server.accepted(&ok);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn exchange(&mut self) {
        loop {
            let up = std::mem::take(self.client.output());
            self.server.receive(&up);
            self.serve();
            let down = std::mem::take(self.server.output());
            self.client.receive(&down);
            while let Some(answer) = self.client.next().unwrap() {
                self.answers.push(answer);
            }
            if up.is_empty() && down.is_empty() && self.client.output().is_empty() {
                return;
            }
        }
    }

    fn begin(&mut self) {
        self.client.hello();
        self.exchange();
        self.client.mail(&sender(), &MailParams::default()).unwrap();
        self.client.rcpt(&recipient("a@example.test"), &RcptParams::default()).unwrap();
        self.client.rcpt(&recipient("b@example.test"), &RcptParams::default()).unwrap();
    }

    fn by_data(&mut self, message: &[u8], cut: usize) {
        self.client.data().unwrap();
        self.exchange();
        for piece in message.chunks(cut) {
            self.client.body(piece).unwrap();
            self.exchange();
        }
        self.client.end_body().unwrap();
    }

    fn by_chunks(&mut self, message: &[u8], cut: usize) {
        for piece in message.chunks(cut) {
            self.client.chunk(piece).unwrap();
            self.exchange();
        }
        self.client.last_chunk(b"").unwrap();
    }
}

/// `message` with clean line ends, made without the encoder.
fn clean(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in message.split_inclusive(|&b| b == b'\n') {
        let (text, has_end) = match line {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => (text, true),
            text => (text, false),
        };
        out.extend(text.iter().map(|&b| if b == b'\r' { b' ' } else { b }));
        if has_end || !text.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }
    out
}

proptest! {
    #[test]
    fn our_client_and_our_server_understand_each_other(
        message in proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), any::<u8>()], 0..80),
        cut in 1usize..90,
        is_lmtp: bool,
        has_pipelining: bool,
        has_chunking: bool,
    ) {
        let mut offered = Extensions::none();
        if has_pipelining {
            offered.insert(Extension::Pipelining);
        }
        if has_chunking {
            offered.insert(Extension::Chunking);
        }
        let flavour = if is_lmtp { Flavour::Lmtp } else { Flavour::Smtp };
        let mut pair = Pair::new(flavour, offered);
        pair.begin();
        if has_chunking {
            pair.by_chunks(&message, cut);
        } else {
            pair.by_data(&message, cut);
        }
        pair.client.quit();
        pair.exchange();
        prop_assert_eq!(&pair.stored, &[clean(&message)]);
        prop_assert!(pair.answers.iter().all(|answer| !answer.reply.code.is_permanent()));
        let ends = pair.answers.iter().filter(|answer| matches!(answer.step, Step::End(_))).count();
        prop_assert_eq!(ends, if is_lmtp { 2 } else { 1 });
        prop_assert_eq!(pair.answers.last().map(|answer| answer.step), Some(Step::Quit));
        prop_assert_eq!(pair.client.answers_due(), 0);
    }

    #[test]
    fn any_octets_end_in_answers_or_an_error(wire in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut client = client(Flavour::Smtp);
        client.hello();
        client.receive(&wire);
        while let Ok(Some(_)) = client.next() {}
    }
}
