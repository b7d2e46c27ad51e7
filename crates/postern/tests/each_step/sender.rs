//! The host that sends: one attempt at a message, which may end early.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use postern_testnet::{Client, ClientError};

/// Where a sender cuts the connection: when it has heard the answer before, and has not said this.
pub(crate) const STEPS: [&str; 8] =
    ["EHLO", "MAIL", "RCPT", "DATA", "message", "final dot", "answer", "QUIT"];

/// A sender.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) ip: Ipv4Addr,
    pub(crate) helo: String,
    pub(crate) from: String,
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// The last reply that counts: to the message, or the one that left nothing to send.
    Reply(String),
    /// The connection was cut, by whomever.
    Cut,
}

/// What no other message has.
pub(crate) fn id() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("message-{}-{:04}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Sender {
    /// Tries once to send one message to these recipients; all of them must be taken, or it gives up.
    pub(crate) async fn tries(
        &self,
        to: SocketAddr,
        recipients: &[String],
        id: &str,
        cut: Option<&str>,
    ) -> Came {
        let Ok(mut c) = Client::connect_from(self.ip, to).await else { return Came::Cut };
        match self.speaks(&mut c, recipients, id, cut).await {
            Ok(reply) => Came::Reply(reply),
            Err(ClientError::Timeout) => panic!("no answer in time\n{}", c.transcript()),
            Err(_) => Came::Cut,
        }
    }

    async fn speaks(
        &self,
        c: &mut Client,
        recipients: &[String],
        id: &str,
        cut: Option<&str>,
    ) -> Result<String, ClientError> {
        let greeting = c.reply().await?;
        if greeting.code != 220 {
            return Ok(greeting.text);
        }
        let mut lines = vec![format!("EHLO {}", self.helo), format!("MAIL FROM:<{}>", self.from)];
        lines.extend(recipients.iter().map(|recipient| format!("RCPT TO:<{recipient}>")));
        lines.push("DATA".into());
        for line in lines {
            ends(cut, &line[..4])?;
            let reply = c.ask(&line).await?;
            if !matches!(reply.code, 250 | 354) {
                let _ = c.ask("QUIT").await;
                return Ok(reply.text);
            }
        }
        ends(cut, "message")?;
        c.write(self.message(id).as_bytes()).await?;
        ends(cut, "final dot")?;
        c.write(b".\r\n").await?;
        ends(cut, "answer")?;
        let reply = c.reply().await?;
        ends(cut, "QUIT").or(Ok::<(), ClientError>(()))?;
        if cut.is_none() {
            let _ = c.ask("QUIT").await;
        }
        Ok(reply.text)
    }

    fn message(&self, id: &str) -> String {
        format!(
            "From: <{}>\r\nTo: <list@guarded.test>\r\nSubject: {id}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
             Message-ID: <{id}@{}>\r\n\r\nText.\r\n",
            self.from, self.helo
        )
    }
}

fn ends(cut: Option<&str>, here: &str) -> Result<(), ClientError> {
    if cut == Some(here) { Err(ClientError::Closed) } else { Ok(()) }
}
