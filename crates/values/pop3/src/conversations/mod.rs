//! Whole sessions as conversations: what the client says, and what it hears.

mod authorization;
mod bounds;
mod transaction;

use std::sync::Arc;

use postern_types::Domain;

use crate::{Channel, Denial, Ending, Entry, Event, Extent, Maildrop, Session, Settings, UniqueId, Wanted};

const MAIL: [&str; 3] =
    ["Subject: one\r\n\r\n.dot\r\n", "Subject: two\r\n\r\na\r\nb\r\nc\r\n", "Subject: three\n\nx"];

/// A driver with Ann's mail in memory. Her password is `secret`; Bob's mail is always in use.
struct Driver {
    session: Session,
    /// What the client has heard.
    heard: Vec<u8>,
    /// What was deleted for good.
    deleted: Option<Vec<usize>>,
    ended: Option<Ending>,
    /// How often a password was asked for.
    logins: u32,
    disk_is_broken: bool,
}

fn settings() -> Settings {
    Settings::new(Domain::parse("mx.example.test").unwrap())
}

fn driver_with(settings: Settings, channel: Channel) -> Driver {
    let session = Session::new(Arc::new(settings), channel);
    Driver { session, heard: Vec::new(), deleted: None, ended: None, logins: 0, disk_is_broken: false }
}

fn driver() -> Driver {
    driver_with(settings(), Channel::Encrypted)
}

fn ann_is_in() -> Driver {
    let mut driver = driver();
    driver.say("USER ann\r\nPASS secret\r\n");
    driver.heard.clear();
    driver
}

fn maildrop() -> Maildrop {
    let entry = |(uid, mail): (usize, &&str)| Entry {
        size: mail.len() as u64,
        id: UniqueId { validity: 7, uid: u32::try_from(uid).unwrap() + 1 },
    };
    Maildrop::new(MAIL.iter().enumerate().map(entry).collect())
}

impl Driver {
    fn say(&mut self, text: impl AsRef<[u8]>) {
        self.session.receive(text.as_ref());
        loop {
            let event = self.session.next();
            self.heard.append(self.session.output());
            match event {
                Event::NeedInput => break,
                Event::Flush => {}
                Event::Login(credentials) => {
                    self.logins += 1;
                    match (credentials.user.as_str(), credentials.password.expose().as_str()) {
                        ("ann", "secret") => self.session.opened(maildrop()),
                        ("bob", "secret") => self.session.login_denied(&Denial::in_use()),
                        _ => self.session.login_denied(&Denial::wrong_password()),
                    }
                }
                Event::StartTls => self.session.tls_started(),
                Event::Retrieve { .. } if self.disk_is_broken => {
                    self.session.content_denied(&Denial::temporary("the disk does not answer"));
                }
                Event::Retrieve { message, extent } => self.send(MAIL[message], extent),
                Event::Update { delete } if self.disk_is_broken => {
                    assert!(!delete.is_empty());
                    self.session.update_denied(&Denial::temporary("nothing was deleted"));
                }
                Event::Update { delete } => {
                    self.deleted = Some(delete);
                    self.session.updated();
                }
                Event::Close(ending) => {
                    self.ended = Some(ending);
                    break;
                }
            }
        }
    }

    fn send(&mut self, mail: &str, extent: Extent) {
        self.session.content_begins();
        for chunk in mail.as_bytes().chunks(3) {
            if self.session.content(chunk) == Wanted::Enough {
                assert_ne!(extent, Extent::Whole);
                break;
            }
        }
        self.session.content_ends();
    }

    /// Plays lines of `C: ` and `S: `; a server's line may end in `*` for anything. Every
    /// line of the server must be in the script.
    fn plays(&mut self, script: &str) {
        self.say("");
        for line in script.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            if let Some(said) = line.strip_prefix("C: ") {
                assert!(self.heard.is_empty(), "more was heard: {}", self.heard());
                self.say(format!("{said}\r\n"));
            } else {
                let expected = line.strip_prefix("S: ").unwrap();
                let end = self.heard.windows(2).position(|w| w == b"\r\n").expect("a line is missing");
                let heard: Vec<u8> = self.heard.drain(..end + 2).collect();
                let heard = String::from_utf8(heard).unwrap();
                let heard = heard.trim_end_matches("\r\n");
                match expected.strip_suffix('*') {
                    Some(start) => assert!(heard.starts_with(start), "{heard} is not {expected}"),
                    None => assert_eq!(heard, expected),
                }
            }
        }
        assert!(self.heard.is_empty(), "more was heard: {}", self.heard());
    }

    fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }
}
