//! Conversations with a driver that accepts what is not named otherwise.
//!
//! A script has lines `C: …` (the client; CR LF is added), `C> …` (without) and `S: …` (what the server must
//! say to all that the client said since its last words). `\r`, `\n`, `\0`, `\x` are unescaped in client lines.
//! Every script runs whole and octet by octet; both must give the same.

mod abuse;
mod commands;
mod messages;
mod splits;

use std::sync::Arc;

use postern_types::{Blame, Domain, ForwardPath, Refusal, Reply};

use super::*;
use crate::{BareNewline, Extension, Extensions, Flavour};

/// Who answers the session in tests.
pub(super) struct Driver {
    pub(super) session: Session,
    /// What happened: events in a few words, body pieces joined.
    pub(super) log: Vec<String>,
    pub(super) body: Vec<u8>,
    pub(super) bodies: Vec<Vec<u8>>,
    pub(super) extensions_in_tls: Extensions,
}

pub(super) fn settings() -> Settings {
    Settings::new(Domain::parse("mx.example.test").unwrap())
}

pub(super) fn extensions() -> Extensions {
    Extension::ALL.into_iter().fold(Extensions::none(), Extensions::with).with_size(0)
}

impl Driver {
    pub(super) fn new(settings: Settings, extensions: Extensions) -> Self {
        let session = Session::new(Arc::new(settings), extensions.clone());
        Self { session, log: vec![], body: vec![], bodies: vec![], extensions_in_tls: extensions }
    }

    /// Answers until the session wants input or is over; false when it is over.
    pub(super) fn run(&mut self) -> bool {
        loop {
            let event = self.session.next();
            match event {
                Event::NeedInput => return true,
                Event::Close(why) => {
                    self.log.push(format!("close {why:?}"));
                    return false;
                }
                Event::Body(piece) => {
                    assert!(!piece.is_empty());
                    self.body.extend_from_slice(&piece);
                }
                event => self.answer(event),
            }
        }
    }

    fn answer(&mut self, event: Event) {
        let session = &mut self.session;
        match event {
            Event::Greet => session.welcome(),
            Event::Hello(hello) if hello.name == "bad.example" => session.refuse(&no("bad name")),
            Event::Hello(hello) => {
                self.log.push(format!("{} {}", hello.verb, hello.name));
                self.body.clear();
                session.welcome();
            }
            Event::Mail(mail) if mail.path.to_string().starts_with("spammer@") => session.refuse(&no("spam")),
            Event::Mail(mail) => {
                self.log.push(format!("mail {}{}", mail.path, mail.params));
                session.reply(&Reply::new(250, Some((2, 1, 0)), "Ok"));
            }
            Event::TooLarge(mail) => {
                self.log.push(format!("too large {}", mail.path));
                session.refuse(&Refusal::new(Blame::Content, 552, (5, 3, 4), "Too large"));
            }
            Event::Rcpt(rcpt) => answer_rcpt(session, &mut self.log, &rcpt.path),
            Event::Data => session.proceed(),
            Event::BodyEnd(end) => self.answer_body(end),
            Event::StartTls => {
                session.reply(&Reply::new(220, Some((2, 0, 0)), "Go ahead"));
                assert_eq!(session.next(), Event::NeedInput);
                session.tls_started(self.extensions_in_tls.clone());
                self.log.push("tls".to_owned());
            }
            Event::Auth(auth) => match auth.initial {
                Some(initial) => answer_auth(session, initial.expose()),
                None => session.challenge(b"go"),
            },
            Event::AuthResponse(response) => answer_auth(session, response.expose()),
            Event::Xclient(told) => {
                self.log.push(format!("xclient{told}"));
                session.welcome();
            }
            Event::Xforward(told) => {
                self.log.push(format!("xforward{told}"));
                session.reply(&Reply::new(250, None, "Ok"));
            }
            Event::Reset => {
                self.body.clear();
                self.log.push("Reset".to_owned());
            }
            Event::AuthCancelled | Event::Slow => self.log.push(format!("{event:?}")),
            Event::NeedInput | Event::Close(_) | Event::Body(_) => unreachable!(),
        }
    }

    fn answer_body(&mut self, end: BodyEnd) {
        self.log.push(format!("end {end:?}"));
        let body = std::mem::take(&mut self.body);
        for _ in 0..self.session.answers_due() {
            match end.refusal() {
                Some(refusal) => self.session.refuse(&refusal),
                None if body.starts_with(b"virus") => self.session.refuse(&no("virus")),
                None => self.session.accepted(&Reply::new(250, Some((2, 0, 0)), "Ok: safe")),
            }
        }
        if end == BodyEnd::Complete {
            self.bodies.push(body);
        }
    }

    pub(super) fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(self.session.output())).unwrap()
    }
}

fn no(text: &'static str) -> Refusal {
    Refusal::new(Blame::Client, 550, (5, 7, 1), text)
}

fn answer_rcpt(session: &mut Session, log: &mut Vec<String>, path: &ForwardPath) {
    let text = path.to_string();
    match text.split('@').next() {
        Some("nobody") => session.refuse(&Refusal::new(Blame::Recipient, 550, (5, 1, 1), "No such user")),
        Some("later") => session.refuse(&Refusal::new(Blame::Us, 451, (4, 3, 0), "Later")),
        Some("close") => session.reply(&Reply::new(421, Some((4, 3, 2)), "Stopping")),
        _ => {
            log.push(format!("rcpt {text}"));
            session.reply(&Reply::new(250, Some((2, 1, 5)), "Ok"));
        }
    }
}

fn answer_auth(session: &mut Session, response: &[u8]) {
    if response == b"\0ann\0secret" {
        session.reply(&Reply::new(235, Some((2, 7, 0)), "Welcome"));
    } else {
        session.refuse(&Refusal::new(Blame::Client, 535, (5, 7, 8), "Wrong"));
    }
}

/// The client's octets of a script line.
fn octets(line: &str) -> Vec<u8> {
    let line = line.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0").replace("\\xff", "\u{ff}");
    // Latin-1, so that \xff is one octet.
    line.chars()
        .flat_map(|c| u8::try_from(c).map_or_else(|_| c.to_string().into_bytes(), |b| vec![b]))
        .collect()
}

fn play(driver: &mut Driver, script: &str, cut: usize) {
    let mut sent = Vec::new();
    let mut expected = Vec::new();
    let mut turns = Vec::new();
    for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        let (who, text) = line.split_at(2);
        let text = text.strip_prefix(' ').unwrap_or(text);
        if who != "S:" && !expected.is_empty() {
            turns.push((std::mem::take(&mut sent), std::mem::take(&mut expected)));
        }
        match who {
            "S:" => expected.push(text.to_owned()),
            "C:" => sent.extend([octets(text), b"\r\n".to_vec()].concat()),
            "C>" => sent.extend(octets(text)),
            other => panic!("{other}: a script line begins with C:, C> or S:"),
        }
    }
    turns.push((sent, expected));
    let mut is_open = driver.run();
    for (sent, expected) in turns {
        for piece in sent.chunks(cut) {
            if is_open {
                driver.session.receive(piece);
                is_open = driver.run();
            }
        }
        let said = driver.said();
        let said: Vec<&str> = said.split_terminator("\r\n").collect();
        assert_eq!(said, expected, "to {:?} at cut {cut}", sent.escape_ascii().to_string());
    }
}

/// Plays a script whole and octet by octet; returns the driver of the whole one.
pub(super) fn converse_with(settings: &Settings, extensions: &Extensions, script: &str) -> Driver {
    let mut whole = Driver::new(settings.clone(), extensions.clone());
    play(&mut whole, script, usize::MAX);
    // A client that sends STARTTLS and more in one piece is another one than one that waits.
    if !script.contains("STARTTLS") {
        let mut drip = Driver::new(settings.clone(), extensions.clone());
        play(&mut drip, script, 1);
        assert_eq!((&drip.log, &drip.bodies), (&whole.log, &whole.bodies));
    }
    whole
}

pub(super) fn converse(script: &str) -> Driver {
    converse_with(&settings(), &extensions(), script)
}

/// The part of a script that greets.
pub(super) const HELLO: &str = "
    S: 220 mx.example.test ESMTP Postern
    C: HELO client.example
    S: 250 mx.example.test
";

pub(super) fn after_hello(script: &str) -> Driver {
    converse(&format!("{HELLO}{script}"))
}

pub(super) fn lmtp() -> Settings {
    Settings { flavour: Flavour::Lmtp, ..settings() }
}

pub(super) fn normalising() -> Settings {
    Settings { bare_newline: BareNewline::Normalise, ..settings() }
}
