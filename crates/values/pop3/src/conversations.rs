//! Whole sessions as conversations: what the client says, and what it hears.

use std::sync::Arc;
use std::time::Duration;

use postern_types::Domain;
use proptest::prelude::*;

use crate::{
    Channel, Cleartext, Denial, Ending, Entry, Event, Expire, Extent, Maildrop, Session, Settings, UniqueId,
    Wanted,
};

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

#[test]
fn a_client_fetches_and_deletes_its_mail() {
    let mut ann = driver();
    ann.plays(
        "S: +OK mx.example.test POP3 ready
         C: user ann
         S: +OK and the password?
         C: PASS secret
         S: +OK 3 messages (64 octets)
         C: STAT
         S: +OK 3 64
         C: LIST
         S: +OK 3 messages (64 octets)
         S: 1 22
         S: 2 25
         S: 3 17
         S: .
         C: LIST 2
         S: +OK 2 25
         C: UIDL
         S: +OK *
         S: 1 0000000700000001
         S: 2 0000000700000002
         S: 3 0000000700000003
         S: .
         C: UIDL 3
         S: +OK 3 0000000700000003
         C: RETR 1
         S: +OK 22 octets
         S: Subject: one
         S: 
         S: ..dot
         S: .
         C: DELE 1
         S: +OK message 1 goes at QUIT
         C: TOP 2 1
         S: +OK *
         S: Subject: two
         S: 
         S: a
         S: .
         C: DELE 3
         S: +OK *
         C: NOOP
         S: +OK still here
         C: QUIT
         S: +OK bye, 2 messages deleted",
    );
    assert_eq!(ann.deleted, Some(vec![0, 2]));
    assert_eq!(ann.ended, Some(Ending::Quit));
}

#[test]
fn marked_messages_are_gone_until_reset() {
    let mut ann = ann_is_in();
    ann.plays(
        "C: DELE 2
         S: +OK *
         C: STAT
         S: +OK 2 39
         C: LIST
         S: +OK 2 messages (39 octets)
         S: 1 22
         S: 3 17
         S: .
         C: DELE 2
         S: -ERR no such message
         C: RETR 2
         S: -ERR no such message
         C: TOP 2 0
         S: -ERR no such message
         C: UIDL 2
         S: -ERR no such message
         C: LIST 4
         S: -ERR no such message
         C: RETR 0
         S: -ERR no such message
         C: RSET
         S: +OK 3 messages (64 octets)
         C: QUIT
         S: +OK bye, 0 messages deleted",
    );
    assert_eq!(ann.deleted, Some(vec![]));
}

#[test]
fn a_message_without_final_line_end_is_still_terminated() {
    ann_is_in().plays(
        "C: RETR 3
         S: +OK 17 octets
         S: Subject: three
         S: 
         S: x
         S: .",
    );
}

#[test]
fn who_hangs_up_deletes_nothing() {
    let mut ann = ann_is_in();
    ann.say("DELE 1\r\nDELE 2\r\n");
    // The connection ends here; the driver sees no Update.
    assert_eq!(ann.deleted, None);
}

#[test]
fn states_are_kept() {
    driver().plays(
        "S: +OK *
         C: STAT
         S: -ERR sign in first
         C: RETR 1
         S: -ERR sign in first
         C: NOOP
         S: -ERR sign in first
         C: PASS secret
         S: -ERR USER comes first
         C: USER ann
         S: +OK *
         C: LIST
         S: -ERR sign in first
         C: PASS secret
         S: +OK *
         C: USER ann
         S: -ERR you are signed in already
         C: STLS
         S: -ERR you are signed in already
         C: UTF8
         S: -ERR you are signed in already",
    );
}

#[test]
fn a_wrong_password_forgets_the_name() {
    let mut ann = driver();
    ann.plays(
        "S: +OK *
         C: USER ann
         S: +OK *
         C: PASS wrong
         S: -ERR [AUTH] name or password is wrong
         C: PASS secret
         S: -ERR USER comes first
         C: USER ann
         S: +OK *
         C: PASS secret
         S: +OK 3 messages*",
    );
    assert_eq!(ann.logins, 2);
}

#[test]
fn three_wrong_passwords_end_the_session() {
    let mut eve = driver();
    eve.say("USER ann\r\nPASS a\r\nUSER ann\r\nPASS b\r\nUSER ann\r\nPASS c\r\nUSER ann\r\nPASS secret\r\n");
    assert_eq!(eve.ended, Some(Ending::Logins));
    assert_eq!(eve.logins, 3);
}

#[test]
fn a_maildrop_in_use_says_so() {
    driver().plays(
        "S: +OK *
         C: USER bob
         S: +OK *
         C: PASS secret
         S: -ERR [IN-USE] *",
    );
}

#[test]
fn auth_plain_with_and_without_initial_response() {
    // NUL ann NUL secret
    driver().plays(
        "S: +OK *
         C: AUTH PLAIN AGFubgBzZWNyZXQ=
         S: +OK 3 messages*
         C: AUTH PLAIN AGFubgBzZWNyZXQ=
         S: -ERR you are signed in already",
    );
    driver().plays(
        "S: +OK *
         C: auth plain
         S: + 
         C: AGFubgBzZWNyZXQ=
         S: +OK 3 messages*",
    );
    driver().plays(
        "S: +OK *
         C: AUTH PLAIN
         S: + 
         C: *
         S: -ERR cancelled
         C: AUTH PLAIN !
         S: -ERR [AUTH] not a PLAIN response
         C: AUTH CRAM-MD5
         S: -ERR only PLAIN is known
         C: AUTH
         S: +OK *
         S: PLAIN
         S: .
         C: AUTH PLAIN
         S: + 
         C: QUIT
         S: -ERR [AUTH] not a PLAIN response
         C: QUIT
         S: +OK bye",
    );
}

#[test]
fn no_passwords_in_the_clear() {
    let mut ann = driver_with(settings(), Channel::Upgradable);
    ann.plays(
        "S: +OK *
         C: CAPA
         S: +OK *
         S: TOP
         S: UIDL
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: PIPELINING
         S: UTF8 USER
         S: EXPIRE NEVER
         S: STLS
         S: IMPLEMENTATION Postern
         S: .
         C: USER ann
         S: -ERR no passwords without TLS: say STLS first
         C: AUTH PLAIN AGFubgBzZWNyZXQ=
         S: -ERR no passwords without TLS: say STLS first
         C: PASS secret
         S: -ERR no passwords without TLS: say STLS first
         C: STLS
         S: +OK begin TLS
         C: STLS
         S: -ERR TLS is on
         C: USER ann
         S: +OK *
         C: PASS secret
         S: +OK 3 messages*",
    );
    assert_eq!(ann.logins, 1);
}

#[test]
fn what_was_said_before_tls_is_forgotten() {
    let mut ann = driver_with(Settings { cleartext: Cleartext::Allow, ..settings() }, Channel::Upgradable);
    ann.say("USER ann\r\nSTLS\r\nUSER eve\r\nPASS inject");
    ann.say("PASS secret\r\n");
    assert!(ann.heard().ends_with("+OK begin TLS\r\n-ERR USER comes first\r\n"), "{}", ann.heard());
    assert_eq!(ann.logins, 0);
}

#[test]
fn capabilities_follow_the_settings_and_the_state() {
    let settings = Settings {
        cleartext: Cleartext::Allow,
        login_delay: Duration::from_secs(120),
        expire: Expire::Days(60),
        ..settings()
    };
    driver_with(settings, Channel::Plain).plays(
        "S: +OK *
         C: STLS
         S: -ERR there is no TLS here
         C: UTF8
         S: +OK *
         C: CAPA
         S: +OK *
         S: TOP
         S: UIDL
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: PIPELINING
         S: UTF8 USER
         S: EXPIRE 60
         S: LOGIN-DELAY 120
         S: USER
         S: SASL PLAIN
         S: IMPLEMENTATION Postern
         S: .
         C: USER ann
         S: +OK *
         C: PASS secret
         S: +OK *
         C: CAPA
         S: +OK *
         S: TOP
         S: UIDL
         S: RESP-CODES
         S: AUTH-RESP-CODE
         S: PIPELINING
         S: UTF8 USER
         S: EXPIRE 60
         S: LOGIN-DELAY 120
         S: USER
         S: SASL PLAIN
         S: IMPLEMENTATION Postern
         S: .",
    );
}

#[test]
fn a_disk_that_fails_is_told() {
    let mut ann = ann_is_in();
    ann.disk_is_broken = true;
    ann.plays(
        "C: RETR 1
         S: -ERR [SYS/TEMP] the disk does not answer
         C: DELE 1
         S: +OK *
         C: QUIT
         S: -ERR [SYS/TEMP] nothing was deleted",
    );
    assert_eq!(ann.deleted, None);
    assert_eq!(ann.ended, Some(Ending::Quit));
}

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

#[test]
fn no_debug_output_shows_a_password() {
    let mut session = Session::new(Arc::new(settings()), Channel::Encrypted);
    session.receive(b"USER ann\r\nPASS s3cr3t\r\nPASS s3cr3t\r\n");
    let event = session.next();
    assert!(matches!(event, Event::Login(_)));
    let debug = format!("{event:?} {session:?}");
    assert!(debug.contains("ann") && !debug.contains("s3cr3t"), "{debug}");
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
