//! Disks that are full, read-only, failing; data that is damaged: mail is put off, nothing is lost, nothing ends.

use std::fs;
use std::path::Path;
use std::time::Duration;

use postern_testnet::{Client, ReplyText, RunningPeer, SmtpPeer, fresh_address, glob_matches};

use crate::running::disk::Disk;
use crate::running::strace::{self, Fault};
use crate::running::{self, House, Plan, Server, mail};

/// Sends one message; the answer.
async fn send(house: &House, to: &str, id: &str, size: usize) -> ReplyText {
    let mut c = Client::connect(house.smtp()).await.unwrap();
    c.expect("220 *").await;
    let text = mail::message(id, size);
    c.deliver("client.example.org", mail::SENDER, &[to], &text).await.unwrap()
}

/// Sends messages of many sizes to Ann, each of which must be put off, without loss and without a
/// crash; meanwhile mail is read, and mail for others goes on to the MTA behind.
async fn all_are_put_off(house: &House, server: &mut Server, kept: usize, why: &str) {
    for (number, size) in [1_000, 100_000, 300_000, 1_000].into_iter().enumerate() {
        let reply = send(house, "ann@example.test", &format!("put-off-{number}"), size).await;
        assert_eq!(reply.code / 10, 45, "{why}: {reply}");
    }
    assert!(server.runs(), "{why}: {}", server.log());
    let mut reader = running::pop3(house, "ann@example.test").await;
    reader.send("STAT").await;
    reader.expect(&format!("+OK {kept} *")).await;
    reader.send("RETR 1").await;
    reader.expect("+OK *").await;
    assert!(reader.dotted().await.unwrap().contains("Message-ID: <"), "{why}: mail is read");
    reader.send("QUIT").await;
    reader.expect("+OK *").await;
    let reply = send(house, "dora@behind.test", "passed-on", 2_000).await;
    assert_eq!(reply.code, 250, "{why}: what needs no room here goes on: {reply}");
}

/// Exactly these messages are in Ann's mailbox, each whole.
async fn holds(house: &House, ids: &[String], size: usize) {
    let mut left: Vec<&String> = ids.iter().collect();
    for (_, bytes) in house.inbox("ann@example.test").await {
        let id = mail::id_of(&bytes).unwrap();
        let at = left.iter().position(|left| **left == id).unwrap_or_else(|| panic!("{id} is there"));
        assert!(bytes.ends_with(mail::message(&id, size).as_bytes()), "{id} has changed");
        left.remove(at);
    }
    assert!(left.is_empty(), "lost: {left:?}");
}

/// A house with an MTA behind, too.
async fn house_with_mta(change: impl FnOnce(&mut Plan)) -> (House, RunningPeer) {
    let mta = SmtpPeer::new().start(fresh_address()).await.unwrap();
    let behind = mta.address();
    let house = House::build(|plan| {
        plan.behind.push(("behind.test".into(), behind));
        change(plan);
    });
    (house.await, mta)
}

#[tokio::test]
async fn a_full_disk_puts_mail_off_until_there_is_room() {
    const SIZE: usize = 50_000;
    let Some(disk) = Disk::new(24) else { return };
    let (house, _mta) = house_with_mta(|plan| plan.data = Some(disk.path().join("data"))).await;
    let mut server = house.start().await;
    disk.fill_but(1_000);
    let mut kept = Vec::new();
    let last = loop {
        let id = format!("kept-{}", kept.len());
        let reply = send(&house, "ann@example.test", &id, SIZE).await;
        if reply.code != 250 {
            break reply;
        }
        kept.push(id);
        assert!(kept.len() < 100, "the disk is full by now");
    };
    assert_eq!(last.code, 452, "{last}");
    assert!(!kept.is_empty());
    server.logs("*the disk that holds the mail store is full*").await;
    // Smaller ones may still find some room: no longer.
    disk.fill_but(0);
    all_are_put_off(&house, &mut server, kept.len(), "full").await;
    disk.clear();
    kept.push("after".into());
    let reply = send(&house, "ann@example.test", "after", SIZE).await;
    assert_eq!(reply.code, 250, "there is room again: {reply}");
    // A crash now is no worse than any other.
    server.kill().await;
    let mut server = house.start().await;
    holds(&house, &kept, SIZE).await;
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn mail_is_put_off_before_the_disk_is_full() {
    let Some(disk) = Disk::new(24) else { return };
    let house = House::build(|plan| {
        plan.data = Some(disk.path().join("data"));
        plan.set("smtp.minimum_free_disk", "\"4 MB\"");
    });
    let house = house.await;
    let server = house.start().await;
    let mut c = house.client().await;
    c.send("MAIL FROM:<carl@example.org> SIZE=30000000").await;
    c.expect("452 4.3.1 *").await;
    disk.fill_but(3_000);
    // How much is free is looked up now and then, not each time.
    until(&mut c, "452 4.3.1 *").await;
    server.logs("*smtp.minimum_free_disk*").await;
    disk.clear();
    until(&mut c, "250 2.1.0 *").await;
    house.honest_mail_flows("room again").await;
}

/// Asks for a transaction until the answer fits.
async fn until(c: &mut Client, pattern: &str) {
    for _ in 0..200 {
        let reply = c.ask("MAIL FROM:<carl@example.org>").await.unwrap();
        if reply.code == 250 {
            c.send("RSET").await;
            c.expect("250 *").await;
        }
        if glob_matches(pattern, &reply.text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no {pattern}:\n{}", c.transcript());
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_puts_mail_off_until_it_can() {
    if !strace::may_trace().await {
        return;
    }
    let (house, _mta) = house_with_mta(|_| {}).await;
    let mut server = house.start().await;
    let mut kept = Vec::new();
    let log = house.data.join("postern.db-wal");
    let faults = [
        ("read-only", "pwrite64,pwritev,write", "EROFS"),
        ("a failing disk", "pwrite64,pwritev,write", "EIO"),
        ("a failing sync", "fsync,fdatasync", "EIO"),
    ];
    for (why, calls, error) in faults {
        kept.push(format!("before-{error}-{}", kept.len()));
        let reply = send(&house, "ann@example.test", kept.last().unwrap(), 5_000).await;
        assert_eq!(reply.code, 250, "{why}: {reply}");
        let fault = Fault::on(server.pid(), &log, calls, error).await;
        all_are_put_off(&house, &mut server, kept.len(), why).await;
        fault.off().await;
    }
    server.logs("*store*").await;
    kept.push("after".into());
    let reply = send(&house, "ann@example.test", "after", 5_000).await;
    assert_eq!(reply.code, 250, "{reply}");
    server.kill().await;
    let mut server = house.start().await;
    holds(&house, &kept, 5_000).await;
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_disk_that_cannot_be_read_puts_recipients_off() {
    if !strace::may_trace().await {
        return;
    }
    let house = House::new().await;
    let mut server = house.start().await;
    // Nobody has been looked up yet, so nobody is known from memory.
    let fault = Fault::on(server.pid(), &house.data.join("postern.db"), "pread64", "EIO").await;
    let reply = send(&house, "ann@example.test", "unread", 2_000).await;
    assert_eq!(reply.code, 451, "not 550: she may well be there: {reply}");
    server.logs("*resolve*").await;
    assert!(server.runs());
    fault.off().await;
    house.honest_mail_flows("readable again").await;
}

#[tokio::test]
async fn a_store_that_cannot_be_written_at_all_is_said_at_the_start() {
    let Some(disk) = Disk::new(16) else { return };
    let house = House::build(|plan| plan.data = Some(disk.path().join("data"))).await;
    let mut server = house.start().await;
    house.honest_mail_flows("before").await;
    assert!(server.stop().await.success());
    disk.remount("ro");
    let Err(log) = house.try_start(&[]).await else { panic!("it starts on a read-only disk") };
    assert!(log.contains("read-only"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    disk.remount("rw");
    let _server = house.start().await;
    house.honest_mail_flows("after").await;
}

#[tokio::test]
async fn damaged_mail_is_told_and_harms_no_other() {
    let house = House::new().await;
    let mut server = house.start().await;
    let messages =
        [("whole", 2_000), ("a-damaged-row", 20_000), ("a-damaged-file", 300_000), ("also-whole", 300_000)];
    for (id, size) in messages {
        assert_eq!(send(&house, "ann@example.test", id, size).await.code, 250);
    }
    assert!(server.stop().await.success());
    damage(&house.data.join("postern.db"), "150 of a-damaged-row");
    for file in fs::read_dir(house.data.join("bodies")).unwrap() {
        damage(&file.unwrap().path(), "1500 of a-damaged-file");
    }
    let server = house.start().await;
    let mut reader = running::pop3(&house, "ann@example.test").await;
    for number in [1, 4] {
        reader.send(&format!("RETR {number}")).await;
        reader.expect("+OK *").await;
        assert!(reader.dotted().await.unwrap().contains("whole"));
    }
    reader.send("RETR 2").await;
    reader.expect("-ERR *").await;
    server.logs("*damaged*").await;
    reader.send("QUIT").await;
    reader.expect("+OK*").await;
    // The end of a large message is reached before the damage can be seen: the reader must not take
    // it for whole.
    let mut reader = running::pop3(&house, "ann@example.test").await;
    reader.send("RETR 3").await;
    let cut = match reader.reply().await {
        Ok(reply) if reply.text.starts_with("+OK") => reader.dotted().await.is_err(),
        other => other.is_ok(),
    };
    assert!(cut, "{}", &reader.transcript()[..500]);
    assert_eq!(send(&house, "bob@example.test", "beside-damaged-mail", 2_000).await.code, 250);
    assert_eq!(house.inbox("bob@example.test").await.len(), 1);
}

/// Changes the text wherever it stands in the file.
fn damage(file: &Path, text: &str) {
    let mut bytes = fs::read(file).unwrap();
    let places: Vec<usize> = (0..bytes.len().saturating_sub(text.len()))
        .filter(|at| bytes[*at..].starts_with(text.as_bytes()))
        .collect();
    for at in &places {
        bytes[*at] ^= 0x40;
    }
    if !places.is_empty() {
        fs::write(file, bytes).unwrap();
    }
}
