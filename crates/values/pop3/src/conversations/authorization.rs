//! Signing in, STLS and CAPA.

use super::*;
use crate::{Cleartext, Expire};
use std::time::Duration;

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
fn no_debug_output_shows_a_password() {
    let mut session = Session::new(Arc::new(settings()), Channel::Encrypted);
    session.receive(b"USER ann\r\nPASS s3cr3t\r\nPASS s3cr3t\r\n");
    let event = session.next();
    assert!(matches!(event, Event::Login(_)));
    let debug = format!("{event:?} {session:?}");
    assert!(debug.contains("ann") && !debug.contains("s3cr3t"), "{debug}");
}
