//! Fetching and deleting.

use super::*;

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
