//! Programs that people use fetch their mail.

use crate::world::{PASSWORD, PREFIX, World, world};
use postern_testnet::real_client::{
    Afterwards, Login, Server, curl_pop3, fetchmail, getmail, openssl_s_client, python_poplib,
};

const ANN: Login<'static> = Login { user: "ann@example.test", password: PASSWORD };
const LETTER: &str = "Subject: Gr\u{fc}\u{df}e\r\n\r\nDear Ann,\r\n.\r\n..\r\nJ\u{fc}rgen\r\n";

fn doors(world: &World) -> [Server; 3] {
    [Server::open(world.pop3), Server::starttls(world.pop3), Server::tls(world.pop3s)]
}

#[tokio::test]
async fn pythons_poplib() {
    let world = world().await;
    world.deliver(LETTER).await;
    let size = PREFIX.len() + LETTER.len();
    let whole = format!("{PREFIX}{LETTER}").replace("\r\n", "\n");
    for server in doors(&world) {
        let Some(kept) = python_poplib(&server, &ANN, Afterwards::Keep).await else { return };
        assert!(kept.ok(), "{server:?} {}", kept.stderr);
        assert!(kept.stdout.starts_with(&format!("count 1 size {size}\nuidl 1 ")), "{}", kept.stdout);
        assert!(kept.stdout.ends_with(&whole), "{}", kept.stdout);
    }
    assert_eq!(world.count().await, 1);
    let Some(deleted) = python_poplib(&Server::tls(world.pop3s), &ANN, Afterwards::Delete).await else {
        return;
    };
    assert!(deleted.ok(), "{}", deleted.stderr);
    assert_eq!(world.count().await, 0);
}

#[tokio::test]
async fn curl() {
    let world = world().await;
    world.deliver(LETTER).await;
    world.deliver("Subject: two\r\n\r\n").await;
    for server in doors(&world) {
        let Some(list) = curl_pop3(&server, &ANN, "", &[]).await else { return };
        assert!(list.ok(), "{server:?} {}", list.stderr);
        assert_eq!(list.stdout.lines().count(), 2, "{}", list.stdout);
        let Some(first) = curl_pop3(&server, &ANN, "1", &[]).await else { return };
        assert_eq!(first.stdout, format!("{PREFIX}{LETTER}"));
        let Some(ids) = curl_pop3(&server, &ANN, "", &["--request", "UIDL"]).await else { return };
        assert_eq!(ids.stdout.lines().count(), 2, "{}", ids.stdout);
        let plain = ["--login-options", "AUTH=PLAIN"];
        let Some(signed_in) = curl_pop3(&server, &ANN, "2", &plain).await else { return };
        assert!(signed_in.stdout.ends_with("Subject: two\r\n\r\n"), "{}", signed_in.stderr);
    }
    let wrong = Login { password: "wrong", ..ANN };
    let Some(refused) = curl_pop3(&Server::open(world.pop3), &wrong, "", &[]).await else { return };
    assert!(!refused.ok());
}

#[tokio::test]
async fn fetchmail_takes_everything() {
    let world = world().await;
    for server in [Server::open(world.pop3), Server::tls(world.pop3s)] {
        world.deliver(LETTER).await;
        let Some(fetched) = fetchmail(&server, &ANN).await else { return };
        assert!(fetched.ok(), "{server:?} {} {}", fetched.stdout, fetched.stderr);
        assert!(fetched.stdout.contains("Dear Ann,"), "{}", fetched.stdout);
        assert_eq!(world.count().await, 0);
    }
}

#[tokio::test]
async fn getmail_takes_everything() {
    let world = world().await;
    for server in [Server::open(world.pop3), Server::tls(world.pop3s)] {
        world.deliver(LETTER).await;
        let Some(fetched) = getmail(&server, &ANN).await else { return };
        assert!(fetched.ok(), "{server:?} {}", fetched.stderr);
        assert!(fetched.stdout.contains("Dear Ann,"), "{}", fetched.stdout);
        assert_eq!(world.count().await, 0);
    }
}

#[tokio::test]
async fn openssl() {
    let world = world().await;
    for server in [Server::starttls(world.pop3), Server::tls(world.pop3s)] {
        let Some(said) = openssl_s_client(&server, "pop3", "CAPA\nQUIT\n").await else { return };
        assert!(said.stdout.contains("SASL PLAIN"), "{} {}", said.stdout, said.stderr);
        assert!(!said.stdout.contains("\nSTLS"), "TLS is on already");
    }
}
