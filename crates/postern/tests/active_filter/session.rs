//! One SMTP session of a remote host.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use postern_testnet::Client;

use crate::expected::Profile;
use crate::remote::Remote;
use crate::site::DOMAIN;

/// What a remote host heard.
pub(crate) struct Heard {
    /// The reply to each RCPT.
    pub(crate) recipients: Vec<String>,
    /// The reply to the message; none where no recipient was left.
    pub(crate) end: Option<String>,
    pub(crate) transcript: String,
}

/// What no other message has.
pub(crate) fn id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("message-{}-{:04}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Sends one message to these recipients.
pub(crate) async fn run(to: SocketAddr, remote: &Remote, group: &[Profile], id: &str) -> Heard {
    let mut c = Client::connect_from(remote.ip, to).await.unwrap();
    c.expect("220*").await;
    c.send(&format!("EHLO {}", remote.helo)).await;
    c.expect("250*").await;
    c.send(&format!("MAIL FROM:<{}>", remote.sender)).await;
    c.expect("250*").await;
    let mut recipients = Vec::new();
    for profile in group {
        recipients.push(c.ask(&format!("RCPT TO:<{}@{DOMAIN}>", profile.user())).await.unwrap().text);
    }
    let end = if recipients.iter().any(|reply| reply.starts_with('2')) {
        c.send("DATA").await;
        c.expect("354*").await;
        c.send_bytes(message(remote, id).as_bytes()).await;
        Some(c.reply().await.unwrap().text)
    } else {
        None
    };
    c.send("QUIT").await;
    c.expect("221*").await;
    Heard { recipients, end, transcript: c.transcript().to_owned() }
}

fn message(remote: &Remote, id: &str) -> String {
    format!(
        "From: <{}>\r\nTo: <list@{DOMAIN}>\r\nSubject: {id}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
         Message-ID: <{id}@{}>\r\n\r\nText.\r\n.\r\n",
        remote.sender, remote.helo
    )
}
