//! Sessions with a real store: fetching, deleting, locking, and what happens when they break.

use std::path::Path;
use std::time::Duration;

use crate::world::{PREFIX, sign_in, world, world_with};
use postern_net::Outcome;
use postern_pop3_service::Settings;
use postern_testnet::Client;
use postern_types::{AddressSet, Domain};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LETTER: &str = "Subject: hello\r\n\r\nDear Ann,\r\n.hidden dot\r\n";

#[tokio::test]
async fn a_message_comes_as_it_was_stored() {
    let world = world().await;
    world.deliver(LETTER).await;
    let mut ann = world.ann().await;
    ann.send("STAT").await;
    ann.expect(&format!("+OK 1 {}", PREFIX.len() + LETTER.len())).await;
    ann.send("RETR 1").await;
    ann.expect("+OK *").await;
    assert_eq!(ann.dotted().await.unwrap(), format!("{PREFIX}{LETTER}"));
    ann.send("TOP 1 1").await;
    ann.expect("+OK *").await;
    assert_eq!(ann.dotted().await.unwrap(), format!("{PREFIX}Subject: hello\r\n\r\nDear Ann,\r\n"));
    ann.send("QUIT").await;
    ann.expect("+OK bye, 0 messages deleted").await;
    ann.expect_closed().await;
    world.all_sessions_over().await;
    let metrics = world.events.open_metrics();
    for line in [
        "postern_pop3_fetched_total 1",
        "postern_pop3_deleted_total 0",
        "postern_sessions{service=\"pop3\"} 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "no {line:?} in\n{metrics}");
    }
}

#[tokio::test]
async fn deletions_happen_at_quit_and_ids_stay() {
    let world = world().await;
    for number in 1..=3 {
        world.deliver(&format!("Subject: {number}\r\n\r\n")).await;
    }
    let mut ann = world.ann().await;
    ann.send("UIDL").await;
    ann.expect("+OK *").await;
    let before = ann.dotted().await.unwrap();
    ann.send("DELE 2").await;
    ann.expect("+OK *").await;
    assert_eq!(world.count().await, 3, "nothing goes before QUIT");
    ann.send("QUIT").await;
    ann.expect("+OK bye, 1 messages deleted").await;
    assert_eq!(world.count().await, 2);

    world.deliver("Subject: 4\r\n\r\n").await;
    let mut ann = world.ann().await;
    ann.send("UIDL").await;
    ann.expect("+OK *").await;
    let after = ann.dotted().await.unwrap();
    let ids = |listing: &str| -> Vec<String> {
        listing.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    };
    let (before, after) = (ids(&before), ids(&after));
    assert_eq!(after[..2], [before[0].clone(), before[2].clone()]);
    assert!(!before.contains(&after[2]), "an id is never used again");
}

#[tokio::test]
async fn a_connection_that_dies_deletes_nothing() {
    let world = world().await;
    world.deliver(LETTER).await;
    let mut ann = world.ann().await;
    ann.send("DELE 1").await;
    ann.expect("+OK *").await;
    drop(ann);
    world.all_sessions_over().await;
    assert_eq!(world.count().await, 1);
    // The lock is gone with the session.
    let mut ann = world.ann().await;
    ann.send("STAT").await;
    ann.expect("+OK 1 *").await;
}

#[tokio::test]
async fn two_clients_do_not_share_a_maildrop() {
    let world = world().await;
    let mut first = world.ann().await;
    let mut second = world.connect().await;
    sign_in(&mut second, "ANN@example.test").await;
    second.expect("-ERR [IN-USE] *").await;
    sign_in(&mut second, "bob@example.test").await;
    second.expect("+OK 0 messages*").await;
    first.send("QUIT").await;
    first.expect("+OK *").await;
    // At once, without waiting for the first connection to close.
    let mut third = world.connect().await;
    sign_in(&mut third, "ann@example.test").await;
    third.expect("+OK 0 messages*").await;
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_message_frees_the_maildrop() {
    let world = world().await;
    let line = "x".repeat(76) + "\r\n";
    world.deliver(&format!("Subject: large\r\n\r\n{}", line.repeat(50_000))).await;
    let mut ann = world.ann().await;
    ann.send("RETR 1").await;
    ann.expect("+OK *").await;
    ann.line().await.unwrap();
    drop(ann);
    world.all_sessions_over().await;
    world.ann().await;
}

#[tokio::test]
async fn a_large_message_is_streamed() {
    const LINES: usize = 40_000;
    let world = world().await;
    let line = "y".repeat(798) + "\r\n";
    let text = format!("Subject: large\r\n\r\n{}", line.repeat(LINES));
    world.deliver(&text).await;
    drop(text);
    reset_peak_memory();
    let before = peak_memory();
    let mut ann = TcpStream::connect(world.pop3).await.unwrap();
    let commands = format!("USER ann@example.test\r\nPASS {}\r\nRETR 1\r\n", crate::world::PASSWORD);
    ann.write_all(commands.as_bytes()).await.unwrap();
    let (mut lines, mut tail) = (0, Vec::new());
    let mut chunk = vec![0; 64 * 1024];
    while !tail.ends_with(b"\r\n.\r\n") {
        let got = ann.read(&mut chunk).await.unwrap();
        assert_ne!(got, 0, "the connection ended early");
        lines += chunk[..got].iter().filter(|&&b| b == b'\n').count();
        tail.extend_from_slice(&chunk[..got]);
        tail.drain(..tail.len().saturating_sub(5));
    }
    // Greeting, answers to USER, PASS and RETR; Return-Path, Subject, the empty line; the terminator.
    assert_eq!(lines, LINES + 8);
    if let (Some(before), Some(after)) = (before, peak_memory()) {
        let grown = after.saturating_sub(before) / 1024;
        assert!(grown < 16, "{grown} MiB more for a message of 32 MB");
    }
}

/// The most memory that this process has had, in KiB.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// From now on the peak is counted anew (proc(5), `clear_refs`).
fn reset_peak_memory() {
    // Where it cannot be, the peak is that of the preparations, and the test proves less.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[tokio::test]
async fn a_message_that_is_gone_or_damaged_is_told() {
    let world = world().await;
    world.deliver(LETTER).await;
    let line = "z".repeat(76) + "\r\n";
    world.deliver(&format!("Subject: in a file\r\n\r\n{}", line.repeat(10_000))).await;
    let mut ann = world.ann().await;
    let account = world.account("ann@example.test").await;
    let mailbox = world.store.mailbox(account, "INBOX").await.unwrap().id;
    let uid = world.store.list(mailbox).await.unwrap()[0].uid;
    world.store.delete(mailbox, &[uid]).await.unwrap();
    ann.send("RETR 1").await;
    ann.expect("-ERR this message was deleted meanwhile").await;

    assert_eq!(damage_files(&world.folder.path().join("data")), 1);
    ann.send("RETR 2").await;
    ann.expect("+OK *").await;
    let rest = ann.rest().await.unwrap();
    assert!(!rest.ends_with(b"\r\n.\r\n"), "no terminator says that the message is whole");
}

/// Changes every file that holds a large body; how many there were.
fn damage_files(folder: &Path) -> usize {
    let mut damaged = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damaged += damage_files(&path);
            continue;
        }
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes.ends_with(b"zz\r\n") {
            let last = bytes.len() - 3;
            bytes[last] = b'!';
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    damaged
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let world = world().await;
    world.deliver(LETTER).await;
    let mut ann = world.connect().await;
    let commands = format!(
        "USER ann@example.test\r\nPASS {}\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nQUIT\r\n",
        crate::world::PASSWORD
    );
    ann.send_bytes(commands.as_bytes()).await;
    ann.expect("+OK and the password?").await;
    ann.expect("+OK 1 messages *").await;
    ann.expect("+OK 1 *").await;
    ann.expect("+OK * octets").await;
    assert_eq!(ann.dotted().await.unwrap(), format!("{PREFIX}{LETTER}"));
    ann.expect("+OK message 1 goes at QUIT").await;
    ann.expect("+OK bye, 1 messages deleted").await;
    assert_eq!(world.count().await, 0);
}

#[tokio::test]
async fn outside_loopback_passwords_need_tls() {
    let world = world_with(|plan| plan.settings.cleartext_from = AddressSet::default()).await;
    let mut ann = world.connect().await;
    ann.send("USER ann@example.test").await;
    ann.expect("-ERR no passwords without TLS: say STLS first").await;
    ann.send("STLS").await;
    ann.expect("+OK begin TLS").await;
    ann.tls(world.certificate.client().unwrap(), "localhost").await.unwrap();
    sign_in(&mut ann, "ann@example.test").await;
    ann.expect("+OK 0 messages*").await;

    let mut ann = Client::connect_tls(world.pop3s).await.unwrap();
    ann.expect("+OK mx.example.test POP3 ready").await;
    sign_in(&mut ann, "bob@example.test").await;
    ann.expect("+OK 0 messages*").await;
    let metrics = world.events.open_metrics();
    assert!(
        metrics.contains("postern_tls_handshakes_total{service=\"pop3\",version=\"1.3\"} 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_name_without_domain_is_of_the_default_domain() {
    let world = world_with(|plan| {
        plan.settings.default_domain = Some(Domain::parse("example.test").unwrap());
    })
    .await;
    let mut ann = world.connect().await;
    sign_in(&mut ann, "ann").await;
    ann.expect("+OK 0 messages*").await;
}

#[tokio::test]
async fn logins_in_quick_succession_wait_for_their_time() {
    let world = world_with(|plan| plan.settings.protocol.login_delay = Duration::from_secs(60)).await;
    let mut ann = world.ann().await;
    ann.send("QUIT").await;
    ann.expect("+OK *").await;
    world.clock.advance(Duration::from_secs(20));
    let mut ann = world.connect().await;
    sign_in(&mut ann, "ann@example.test").await;
    ann.expect("-ERR [LOGIN-DELAY] *wait 40 seconds").await;
    world.clock.advance(Duration::from_secs(40));
    sign_in(&mut ann, "ann@example.test").await;
    ann.expect("+OK 0 messages*").await;
}

#[tokio::test]
async fn silent_clients_are_let_go_without_deleting() {
    let world = world_with(|plan| {
        plan.settings = Settings { idle_timeout: Duration::from_millis(50), ..plan.settings.clone() };
    })
    .await;
    world.deliver(LETTER).await;
    let mut ann = world.ann().await;
    // Slow machines may be too late for this command: then the session is over as it should be.
    let _ = ann.ask("DELE 1").await;
    ann.expect_closed().await;
    world.all_sessions_over().await;
    assert_eq!(world.count().await, 1);
}

#[tokio::test]
async fn too_many_connections_are_turned_away() {
    let world = world_with(|plan| plan.limits.per_host = 1).await;
    let _first = world.connect().await;
    let mut second = Client::connect(world.pop3).await.unwrap();
    second.expect("-ERR [SYS/TEMP] too many connections from this host, try again later").await;
    second.expect_closed().await;
}

#[tokio::test]
async fn the_server_stops_between_commands() {
    let world = world().await;
    world.deliver(LETTER).await;
    let mut ann = world.ann().await;
    ann.send("DELE 1").await;
    ann.expect("+OK *").await;
    world.shutdown.begin(Duration::from_secs(60));
    ann.expect("-ERR [SYS/TEMP] the server is stopping*").await;
    ann.expect_closed().await;
    assert_eq!(world.shutdown.wait().await, Outcome::Finished);
    assert_eq!(world.count().await, 1, "only QUIT deletes");
}
