//! The values that metrics are split by: closed sets, so the number of series is known.

/// A closed set of values, each with the text that metrics and log lines show.
pub trait Label: Copy + Send + Sync + 'static {
    /// The label's name in the metrics.
    const NAME: &'static str;
    /// Every value, in the order of [`Label::index`].
    const ALL: &'static [Self];
    /// The position in [`Label::ALL`].
    fn index(self) -> usize;
    /// The text of the value.
    fn text(self) -> &'static str;
}

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident($label:literal) { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl Label for $name {
            const NAME: &'static str = $label;
            const ALL: &'static [Self] = &[$(Self::$variant,)+];
            fn index(self) -> usize {
                self as usize
            }
            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.text())
            }
        }
    )+};
}

labels! {
    /// Who answers on a port.
    Service("service") {
        /// SMTP and LMTP.
        Smtp = "smtp",
        /// POP3.
        Pop3 = "pop3",
        /// The quarantine's pages.
        Web = "web",
        /// Metrics and health.
        Watch = "watch",
        /// Other MTAs that ask by the milter protocol.
        Milter = "milter",
        /// Postfix, asking by its policy delegation protocol.
        Policy = "policy",
    }
    /// Why a connection was not let in.
    RefusedWhy("why") {
        /// The operator's block-list has the address.
        BlockList = "block-list",
        /// The feedback list has the address.
        Feedback = "feedback-list",
        /// A DNS block-list has the address.
        Dnsbl = "dnsbl",
        /// Too many connections at once from the address.
        PerAddress = "too-many-from-address",
        /// Too many connections at once from the network.
        PerNetwork = "too-many-from-network",
        /// Too many new connections a minute.
        Rate = "too-fast",
        /// Too many connections in all.
        Total = "too-many",
        /// The server sheds load.
        Shedding = "shedding",
        /// The address has failed to sign in too often.
        Banned = "banned",
        /// The server is stopping.
        Stopping = "stopping",
    }
    /// How a session came to its end.
    SessionEnd("end") {
        /// The client said QUIT.
        Quit = "quit",
        /// The client closed the connection.
        Closed = "closed",
        /// The client was silent or too slow.
        Timeout = "timeout",
        /// Too many mistakes.
        Errors = "too-many-errors",
        /// Turned away at the door or in the session.
        Refused = "refused",
        /// The server is stopping.
        Stopping = "stopping",
        /// The connection broke.
        Broken = "broken",
    }
    /// Where an accepted message went.
    Route("route") {
        /// Mailboxes here.
        Mailbox = "mailbox",
        /// The server behind.
        Proxy = "proxy",
        /// The quarantine alone.
        Quarantine = "quarantine",
        /// More than one of them.
        Mixed = "mixed",
    }
    /// The stage of the SMTP session at which something was decided.
    Stage("stage") {
        /// Before the greeting.
        Connect = "connect",
        /// HELO, EHLO or LHLO.
        Helo = "helo",
        /// MAIL FROM.
        Mail = "mail",
        /// RCPT TO.
        Rcpt = "rcpt",
        /// DATA or BDAT, before the message.
        Data = "data",
        /// The end of the message.
        End = "end-of-message",
    }
    /// Whose fault a refusal is: [`postern_types::Blame`] as a label.
    FromBlame("blame") {
        /// The client broke the protocol.
        Protocol = "protocol",
        /// The host that connects is unwanted.
        Client = "client",
        /// The envelope sender is.
        Sender = "sender",
        /// The recipient does not exist or does not want it.
        Recipient = "recipient",
        /// The message itself.
        Content = "content",
        /// We can't just now.
        Us = "us",
        /// The server behind can't, or said no.
        Upstream = "upstream",
    }
    /// How an attempt to sign in ended.
    SignInOutcome("outcome") {
        /// The password is right.
        Ok = "ok",
        /// Unknown account or wrong password.
        Failed = "failed",
        /// Not even looked at: the address is banned for a while.
        Banned = "banned",
    }
    /// Whether a DNS block-list may be believed.
    DnsblState("state") {
        /// 127.0.0.2 is listed and 127.0.0.1 is not.
        Healthy = "healthy",
        /// It does not answer as it should: not asked for now.
        Off = "off",
    }
    /// A test that connects to other hosts.
    Probe("probe") {
        /// Does the client answer on its SMTP port?
        Connect = "connect",
        /// Do its neighbours?
        Neighbours = "neighbours",
        /// Does it relay for strangers?
        Relay = "relay",
        /// Does the sender exist?
        User = "user",
    }
    /// Whether a host could be talked to.
    ProbeReach("reached") {
        /// It could.
        Yes = "yes",
        /// It could not.
        No = "no",
    }
    /// What is wrong with the store.
    StoreFault("fault") {
        /// No space left.
        Full = "full",
        /// It cannot be written.
        ReadOnly = "read-only",
        /// What was read is damaged.
        Corrupt = "corrupt",
        /// Too busy to answer in time.
        Busy = "busy",
        /// Anything else.
        Other = "other",
    }
    /// How loaded the server is.
    Pressure("level") {
        /// Nothing special.
        Normal = "normal",
        /// Shorter timeouts.
        Stressed = "stressed",
        /// New work is put off with 421 and 452.
        Shedding = "shedding",
    }
    /// The version of TLS in use.
    TlsVersion("version") {
        /// TLS 1.2
        Tls12 = "1.2",
        /// TLS 1.3
        Tls13 = "1.3",
    }
}

impl From<postern_types::Blame> for FromBlame {
    fn from(blame: postern_types::Blame) -> Self {
        use postern_types::Blame;
        match blame {
            Blame::Protocol => Self::Protocol,
            Blame::Client => Self::Client,
            Blame::Sender => Self::Sender,
            Blame::Recipient => Self::Recipient,
            Blame::Content => Self::Content,
            Blame::Us => Self::Us,
            Blame::Upstream => Self::Upstream,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consistent<L: Label + PartialEq + std::fmt::Debug>() {
        for (i, &value) in L::ALL.iter().enumerate() {
            assert_eq!(value.index(), i, "{value:?}");
        }
    }

    #[test]
    fn indexes_are_positions() {
        consistent::<Service>();
        consistent::<RefusedWhy>();
        consistent::<Stage>();
        consistent::<FromBlame>();
    }
}
