//! Strangers do their worst: memory stays bounded, the server stays up, and an honest client is served.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has seen"
)]

mod crowds;
mod floods;
#[path = "../running/mod.rs"]
mod running;
mod words;

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use running::{House, Server};

/// KiB in a MiB.
const MIB: u64 = 1024;

/// Runs `attack`; the server's memory never grows by more than so many MiB meanwhile, and afterwards
/// it serves as before.
async fn withstands(
    house: &House,
    server: &mut Server,
    what: &str,
    mebibytes: u64,
    attack: impl Future<Output = ()>,
) {
    house.honest_mail_flows(&format!("before {what}")).await;
    server.forget_peak();
    let before = server.memory();
    attack.await;
    assert!(server.runs(), "{what}:\n{}", server.log());
    let grown = server.memory().peak - before.resident;
    println!("{what}: the server grew by {grown} KiB, from {} KiB", before.resident);
    assert!(grown <= mebibytes * MIB, "{what}: the server grew by {grown} KiB");
    house.honest_mail_flows(&format!("after {what}")).await;
}

/// Writes `piece` until so many MiB are sent or the server closes; true when all of it was taken.
async fn flood(stream: &mut TcpStream, piece: &[u8], mebibytes: usize) -> bool {
    let (mut reads, mut writes) = stream.split();
    let mut answers = vec![0; 4096];
    for _ in 0..(mebibytes << 20) / piece.len() {
        let mut rest = piece;
        while !rest.is_empty() {
            tokio::select! {
                written = writes.write(rest) => match written {
                    Ok(written) => rest = &rest[written..],
                    Err(_) => return false,
                },
                // What is not read would stop the server at last, which is not what this is about.
                read = reads.read(&mut answers) => if !matches!(read, Ok(1..)) { return false },
            }
        }
    }
    true
}

async fn raw(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.unwrap()
}

/// Sends all of it and reads all that is answered, until the server closes.
async fn say(to: SocketAddr, text: &str) -> String {
    let mut stream = raw(to).await;
    let (mut reads, mut writes) = stream.split();
    let send = async {
        let _ = writes.write_all(text.as_bytes()).await;
    };
    let mut answers = Vec::new();
    let read = async {
        let _ = reads.read_to_end(&mut answers).await;
    };
    tokio::join!(send, read);
    String::from_utf8_lossy(&answers).into_owned()
}
