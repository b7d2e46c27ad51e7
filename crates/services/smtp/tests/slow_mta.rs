//! An MTA behind that is too slow for the client to wait: one that reads slowly is left before the final dot, so that it
//! cannot have taken what the client will send again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod house;

use std::net::SocketAddr;
use std::time::Duration;

use house::{House, domain, envelope};
use postern_store::QuarantineQuery;
use postern_testnet::{SmtpPeer, Stage};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What an MTA has read behind its 354, once it reads again.
struct Stuck {
    address: SocketAddr,
    read_on: oneshot::Sender<()>,
    message: JoinHandle<Vec<u8>>,
}

/// An MTA that stops reading when it has said 354, and has little room for what comes.
fn stuck_mta() -> Stuck {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(4).unwrap();
    let address = listener.local_addr().unwrap();
    let (read_on, waits) = oneshot::channel();
    let message = tokio::spawn(async move {
        // It is also asked what it offers, and that only.
        let mut wire = loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Some(wire) = to_data(stream).await {
                break wire;
            }
        };
        waits.await.unwrap();
        let mut message = Vec::new();
        // Broken off or ended: what came is what counts.
        let _ = wire.read_to_end(&mut message).await;
        message
    });
    Stuck { address, read_on, message }
}

/// The session as far as 354, if it comes to that.
async fn to_data(stream: TcpStream) -> Option<BufReader<TcpStream>> {
    let mut wire = BufReader::new(stream);
    wire.write_all(b"220 slow\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let data = line == "DATA\r\n";
        wire.write_all(if data { b"354 go on\r\n" } else { b"250 2.1.5 OK\r\n" }).await.ok()?;
        if data {
            return Some(wire);
        }
    }
}

/// A house whose clients wait so long for the answer to a message, and whose MTA has a minute for each of its own.
async fn house(mta: Option<SocketAddr>, end_timeout: Duration) -> House {
    let house = House::build(|plan| {
        plan.gate.our_names = vec![domain("mx.example.test")];
        plan.settings.upstream.timeout = Duration::from_secs(60);
        plan.settings.upstream.end_timeout = end_timeout;
    })
    .await;
    if let Some(mta) = mta {
        house.behind("ours.example", mta).await;
    }
    house
}

/// A message that streams to the MTA behind, and one that is held until its signature has been checked.
fn messages(lines: usize) -> [String; 2] {
    let fields = "From: <carl@example.org>\r\nSubject: much\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
        Message-ID: <1@example.org>\r\n";
    let plain = format!("{fields}\r\n{}", "A line of the body that is long enough\r\n".repeat(lines));
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=none; h=from; bh=AAAA; b=AAAA\r\n";
    [plain.clone(), format!("{signature}{plain}")]
}

/// The message is refused for now, and nothing of it is kept.
async fn is_refused(house: &House, recipients: &[&str], message: &str) {
    let bodies = house.folder.path().join("store/bodies");
    let files = || std::fs::read_dir(&bodies).unwrap().count();
    let before = files();
    let mut c = house.client().await;
    envelope(&mut c, "carl@example.org", recipients).await;
    c.send_bytes(format!("{message}.\r\n").as_bytes()).await;
    c.expect("451 4.4.1 *").await;
    assert!(house.inbox("ann@example.test").await.is_empty());
    assert!(house.store.quarantine(QuarantineQuery::default()).await.unwrap().is_empty());
    assert_eq!(files(), before);
}

#[tokio::test]
async fn an_mta_that_stops_reading_never_gets_the_final_dot() {
    for message in messages(200_000) {
        for recipients in [&["dora@ours.example"][..], &["dora@ours.example", "ann@example.test"]] {
            let mta = stuck_mta();
            let house = house(Some(mta.address), Duration::from_secs(2)).await;
            is_refused(&house, recipients, &message).await;
            mta.read_on.send(()).unwrap();
            let came = mta.message.await.unwrap();
            assert!(!came.is_empty(), "it was left before the message began");
            assert!(
                !came.ends_with(b"\r\n.\r\n") && came.len() < message.len(),
                "{} octets came",
                came.len()
            );
        }
    }
}

#[tokio::test]
async fn an_mta_that_does_not_answer_in_time_is_left() {
    for stage in [Stage::Data, Stage::Body] {
        for message in messages(3) {
            let house = house(None, Duration::from_millis(300)).await;
            let mta = house.net.host("mta.ours.example", SmtpPeer::new().hang(stage)).await.unwrap();
            house.behind("ours.example", mta.address()).await;
            is_refused(&house, &["dora@ours.example"], &message).await;
            assert_eq!(mta.message_count(), 0);
        }
    }
}
