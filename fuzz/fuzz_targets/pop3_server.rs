//! A client's octets against the POP3 server session. The first octet chooses the settings, the second the cuts.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use postern_pop3::{Channel, Cleartext, Denial, Entry, Event, Maildrop, Session, Settings, UniqueId, Wanted};
use postern_types::Domain;

const MAIL: &[u8] = b"Subject: x\r\n\r\n.\r\n..\n.\r\ra\r\0\n.\n\r.";

#[derive(Default, PartialEq, Debug)]
struct Seen {
    log: Vec<String>,
    output: Vec<u8>,
}

fn session(choice: u8) -> Session {
    let mut settings = Settings::new(Domain::parse("mx.example.test").unwrap());
    settings.cleartext = if choice & 1 == 0 { Cleartext::Allow } else { Cleartext::Refuse };
    settings.limits.command_line = 60;
    let channel = match choice & 6 {
        0 => Channel::Plain,
        2 => Channel::Upgradable,
        _ => Channel::Encrypted,
    };
    Session::new(Arc::new(settings), channel)
}

fn maildrop(messages: u32) -> Maildrop {
    let entry = |uid| Entry { size: MAIL.len() as u64, id: UniqueId { validity: 1, uid } };
    Maildrop::new((1..=messages).map(entry).collect())
}

/// Answers until input is wanted; false when the session is over.
fn serve(session: &mut Session, seen: &mut Seen) -> bool {
    loop {
        let event = session.next();
        assert!(session.output().len() < 32 * 1024, "the driver is asked to write in time");
        seen.output.append(session.output());
        if !matches!(event, Event::NeedInput | Event::Flush) {
            seen.log.push(format!("{event:?}"));
        }
        match event {
            Event::NeedInput => return true,
            Event::Close(_) => return false,
            Event::Flush => {}
            Event::Login(credentials) => match credentials.user.len() % 3 {
                0 => session.opened(maildrop(3)),
                1 => session.opened(maildrop(2000)),
                _ => session.login_denied(&Denial::wrong_password()),
            },
            Event::StartTls => session.tls_started(),
            Event::Retrieve { message, .. } if message % 5 == 4 => {
                session.content_denied(&Denial::temporary("not\r\nnow"));
            }
            Event::Retrieve { .. } => {
                session.content_begins();
                for piece in MAIL.chunks(5) {
                    if session.content(piece) == Wanted::Enough {
                        break;
                    }
                }
                session.content_ends();
            }
            Event::Update { delete } if delete.len() > 2 => session.update_denied(&Denial::in_use()),
            Event::Update { .. } => session.updated(),
        }
    }
}

fn run(choice: u8, pieces: &[&[u8]]) -> Seen {
    let mut session = session(choice);
    let mut seen = Seen::default();
    for piece in pieces {
        session.receive(piece);
        if !serve(&mut session, &mut seen) {
            break;
        }
    }
    seen
}

fuzz_target!(|data: &[u8]| {
    let [choice, cut, wire @ ..] = data else { return };
    let whole = run(*choice, &[wire]);
    assert!(!whole.output.windows(2).any(|pair| pair[0] != b'\r' && pair[1] == b'\n'));
    // STLS drops what came with it, so that how the octets come does matter there.
    if whole.log.iter().all(|event| event != "StartTls") {
        let pieces: Vec<&[u8]> = wire.chunks(usize::from(*cut) + 1).collect();
        assert_eq!(run(*choice, if pieces.is_empty() { &[b""] } else { &pieces }), whole);
    }
});
