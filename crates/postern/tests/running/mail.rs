//! Messages whose every byte follows from their id, and senders that keep a ledger of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use postern_testnet::{Client, ClientError, ReplyText};
use tokio::sync::mpsc::UnboundedSender;

pub const SENDER: &str = "carl@example.org";

/// A message of about `size` octets, CRLF lines, some of which begin with dots.
pub fn message(id: &str, size: usize) -> String {
    let mut text = format!(
        "From: <{SENDER}>\r\nTo: <ann@example.test>\r\nSubject: {id}\r\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{id}@example.org>\r\n\r\n"
    );
    let mut line = 0;
    while text.len() < size {
        let dots = ".".repeat(line % 3);
        text.push_str(&format!("{dots}{line} of {id}, so that no piece can stand for another\r\n"));
        line += 1;
    }
    text
}

/// The message as DATA carries it, with its end.
pub fn data(text: &str) -> Vec<u8> {
    let mut data = text.replace("\r\n.", "\r\n..").into_bytes();
    data.extend_from_slice(b".\r\n");
    data
}

/// The id of a message, from its `Message-ID`.
pub fn id_of(message: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let line = text.lines().find_map(|line| line.strip_prefix("Message-ID: <"))?;
    Some(line.strip_suffix("@example.org>")?.to_owned())
}

/// What became of every message that was tried.
#[derive(Default)]
pub struct Ledger {
    next: AtomicU64,
    book: Mutex<Book>,
}

/// By id.
#[derive(Clone, Default)]
pub struct Book {
    /// Answered 250, with that answer.
    pub answered: BTreeMap<String, String>,
    /// The whole message was sent, or part of it, and no answer came.
    pub unknown: BTreeSet<String>,
    /// Answered 4yz; a client would try again.
    pub put_off: BTreeSet<String>,
    /// Answered something else, with that answer.
    pub wrong: BTreeMap<String, String>,
}

impl Ledger {
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// Notes what became of a message; whether it was answered 250.
    fn enter(&self, id: String, outcome: &Result<ReplyText, ClientError>) -> bool {
        let mut book = self.book();
        match outcome {
            Ok(reply) if reply.code == 250 => drop(book.answered.insert(id, reply.text.clone())),
            Ok(reply) if reply.code / 100 == 4 => drop(book.put_off.insert(id)),
            Ok(reply) => drop(book.wrong.insert(id, reply.text.clone())),
            Err(_) => drop(book.unknown.insert(id)),
        }
        matches!(outcome, Ok(reply) if reply.code == 250)
    }

    /// A new id; its number gives the size: most are small, some do not fit in a row of the store.
    fn next(&self) -> (String, String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = format!("m{number:06}");
        let text = text_of(&id);
        (id, text)
    }
}

/// The text of a ledger's message.
pub fn text_of(id: &str) -> String {
    let number: u64 = id[1..].parse().unwrap();
    let size = match number % 9 {
        0 => 300_000,
        1..=2 => 40_000,
        _ => 3_000,
    };
    message(id, size)
}

/// How a sender takes its leave from the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// One message in each session, as most MTAs do.
    Short,
    /// As many as the server lets.
    Long,
}

/// Sends messages until the server is gone, or nobody listens to `tell` any more, which hears of each
/// one whether it was answered 250.
pub async fn send_on(
    smtp: SocketAddr,
    to: &'static str,
    sessions: Sessions,
    ledger: Arc<Ledger>,
    tell: UnboundedSender<bool>,
) {
    while !tell.is_closed() {
        let Ok(mut client) = Client::connect(smtp).await else { return };
        if session(&mut client, to, sessions, &ledger, &tell).await.is_err() {
            return;
        }
    }
}

async fn session(
    client: &mut Client,
    to: &str,
    sessions: Sessions,
    ledger: &Ledger,
    tell: &UnboundedSender<bool>,
) -> Result<(), ClientError> {
    client.reply().await?;
    client.ask("EHLO client.example.org").await?;
    loop {
        let (id, text) = ledger.next();
        let outcome = transaction(client, to, &text).await;
        let accepted = ledger.enter(id, &outcome);
        outcome?;
        if tell.send(accepted).is_err() || sessions == Sessions::Short {
            client.ask("QUIT").await?;
            return Ok(());
        }
    }
}

/// MAIL, RCPT, DATA and the message; the last answer, or the first that is no success.
async fn transaction(client: &mut Client, to: &str, text: &str) -> Result<ReplyText, ClientError> {
    for line in [format!("MAIL FROM:<{SENDER}>"), format!("RCPT TO:<{to}>"), "DATA".into()] {
        let reply = client.ask(&line).await?;
        if reply.code / 100 > 3 {
            let reset = client.ask("RSET").await?;
            assert_eq!(reset.code, 250);
            return Ok(reply);
        }
    }
    client.write(&data(text)).await?;
    client.reply().await
}
