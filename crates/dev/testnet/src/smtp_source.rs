//! Load from Postfix's `smtp-source`: a real sender that opens one connection for each message.

use std::net::SocketAddr;
use std::time::Duration;

use crate::{Finished, Tool};

/// A run of `smtp-source`, to be started with [`SmtpSource::run`].
pub struct SmtpSource {
    server: SocketAddr,
    messages: usize,
    sessions: usize,
    octets: usize,
    from: String,
    to: String,
    lmtp: Protocol,
    count: Count,
    deadline: Duration,
}

enum Protocol {
    Smtp,
    Lmtp,
}

enum Count {
    Silently,
    Aloud,
}

impl SmtpSource {
    /// 100 messages of 10 KB, 10 at a time, to one recipient.
    #[must_use]
    pub fn new(server: SocketAddr, to: &str) -> Self {
        Self {
            server,
            messages: 100,
            sessions: 10,
            octets: 10_240,
            from: "sender@sender.example".into(),
            to: to.into(),
            lmtp: Protocol::Smtp,
            count: Count::Silently,
            deadline: Duration::from_secs(120),
        }
    }

    /// How many messages, and how many sessions at a time.
    #[must_use]
    pub fn messages(mut self, messages: usize, sessions: usize) -> Self {
        (self.messages, self.sessions) = (messages, sessions);
        self
    }

    /// The size of each message.
    #[must_use]
    pub fn octets(mut self, octets: usize) -> Self {
        self.octets = octets;
        self
    }

    /// The envelope sender.
    #[must_use]
    pub fn from(mut self, from: &str) -> Self {
        from.clone_into(&mut self.from);
        self
    }

    /// Speaks LMTP.
    #[must_use]
    pub fn lmtp(mut self) -> Self {
        self.lmtp = Protocol::Lmtp;
        self
    }

    /// Counts aloud: `stdout` holds a rising number for each message whose last dot was sent, so
    /// that it is known how far it came before the server went away.
    #[must_use]
    pub fn counting(mut self) -> Self {
        self.count = Count::Aloud;
        self
    }

    /// How long it may run; two minutes until this is called.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end; `None` (and a skip line) where it is not installed.
    /// It ends with code 0 only when every message was accepted.
    pub async fn run(&self) -> Option<Finished> {
        let mut tool = Tool::find("smtp-source")?.deadline(self.deadline);
        if matches!(self.lmtp, Protocol::Lmtp) {
            tool = tool.arg("-L");
        }
        if matches!(self.count, Count::Aloud) {
            tool = tool.arg("-c");
        }
        let numbers = [("-m", self.messages), ("-s", self.sessions), ("-l", self.octets)];
        for (flag, number) in numbers {
            tool = tool.arg(flag).arg(number.to_string());
        }
        let texts = ["-f", &self.from, "-t", &self.to, "-M", "smtp-source.test", "-S", "load"];
        let server = format!("inet:{}:{}", self.server.ip(), self.server.port());
        Some(tool.args(texts).arg(server).run().await)
    }
}
