//! `postern wrap` as inetd starts it: standard input, output and error are the connection; the MTA behind is a
//! program that speaks SMTP on its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use postern_testnet::{Client, Postfix};
use running::inetd::inetd;
use running::mail::{self, SENDER};
use running::{House, NAME};

/// Adds a domain as an operator does.
fn postern(house: &House, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.args(["--config", house.config().to_str().unwrap()]).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn session(address: SocketAddr) -> Client {
    let mut c = Client::connect(address).await.unwrap();
    c.expect(&format!("220 {NAME} ESMTP*")).await;
    c.send("EHLO client.example.org").await;
    c.expect("250*").await;
    c
}

#[tokio::test]
async fn mail_for_a_mailbox_is_kept_and_traced() {
    let house = House::new().await;
    let address = inetd(&house, &[], 1);
    let mut c = session(address).await;
    let text = mail::message("wrapped", 4_000);
    let to = ["ann@example.test"];
    let reply = c.deliver("client.example.org", SENDER, &to, &text).await.unwrap();
    assert_eq!(reply.code, 250, "{reply}");
    // No line of the log was heard by the client.
    c.expect_closed().await;
    assert_eq!(house.inbox("ann@example.test").await.len(), 1);
    assert!(postern(&house, &["trace", "search"]).contains(SENDER));
}

#[tokio::test]
async fn a_program_is_the_mta() {
    let Some(postfix) = Postfix::find("mta.behind.test") else { return };
    let mta = postfix.mailboxes("behind.test", &["dora"]).start().await.unwrap();
    // A program that speaks SMTP on its standard input and output, and is a real Postfix.
    let (ip, port) = (mta.address().ip(), mta.address().port());
    let speaks = format!("exec 3<>/dev/tcp/{ip}/{port}; cat <&3 & cat >&3; kill $!");
    let house = House::new().await;
    postern(&house, &["domain", "add", "behind.test", "--wrapped"]);
    let address = inetd(&house, &["/bin/bash", "-c", &speaks], 2);
    let mut c = session(address).await;
    c.send(&format!("MAIL FROM:<{SENDER}>")).await;
    c.expect("250*").await;
    c.send("RCPT TO:<nobody@behind.test>").await;
    c.expect("550 5.1.1 <nobody@behind.test>*").await;
    c.send("RCPT TO:<dora@behind.test>").await;
    c.expect("250*").await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("250*").await;
    c.send("DATA").await;
    c.expect("354*").await;
    let text = mail::message("through-a-program", 40_000);
    c.send_bytes(&mail::data(&text)).await;
    c.expect("250*").await;
    c.send("QUIT").await;
    c.expect("221*").await;
    assert!(mta.wait_for_mailbox("dora@behind.test", 1).await, "{}", mta.log());
    assert!(mta.mailbox("dora@behind.test")[0].contains("through-a-program"));
    assert_eq!(house.inbox("ann@example.test").await.len(), 1);

    // The MTA is away: nothing is promised.
    drop(mta);
    let mut c = session(address).await;
    c.send(&format!("MAIL FROM:<{SENDER}>")).await;
    c.expect("250*").await;
    c.send("RCPT TO:<dora@behind.test>").await;
    c.expect("451*").await;
}

#[tokio::test]
async fn without_the_program_the_domain_waits() {
    let house = House::new().await;
    postern(&house, &["domain", "add", "behind.test", "--wrapped"]);
    let _server = house.start().await;
    let mut c = house.client().await;
    c.send(&format!("MAIL FROM:<{SENDER}>")).await;
    c.expect("250*").await;
    c.send("RCPT TO:<dora@behind.test>").await;
    c.expect("451*").await;
}

#[test]
fn without_a_connection_it_says_how_it_is_started() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.args(["wrap", "--", "/bin/cat"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("Accept=yes"), "{said}");
}
