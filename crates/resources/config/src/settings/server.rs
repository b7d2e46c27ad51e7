//! `[server]`, `[keep]`, `[watch]`, `[log]`: the process itself and how it is seen.

use std::path::PathBuf;
use std::time::Duration;

use postern_types::Domain;

use crate::choice::choice;
use crate::schema::settings;

settings! {
    /// The server itself.
    pub struct Server in Table("server") {
        /// The server's full name in the DNS. It stands in the greeting, in EHLO and in `Received`; the
        /// PTR record of the server's address should give it, and its A or AAAA record should lead back.
        hostname: Domain = required;
        /// The folder that holds everything the server keeps: mail, accounts, traces. A relative path
        /// starts at the folder of this file. It must belong to `user` alone (mode 0700).
        data: PathBuf = "/var/lib/postern";
        /// The system user that the server becomes after it has opened its ports. Needed when it is
        /// started as root, which it refuses to stay.
        user: Option<String> = optional;
        /// How long a stop may take. Sessions that wait are ended with `421` at once; sessions in the
        /// middle of a message get this long to finish it.
        shutdown_deadline: Duration = "30 s", "0 s" ..= "10 min";
    }
}

settings! {
    /// How long things are kept that nobody deletes.
    pub struct Keep in Table("keep") {
        /// The trace of each transaction: who sent what to whom, and what was answered.
        traces: Duration = "90 d", "1 h" ..= "520 w";
        /// The evidence and verdict of a trace, for `postern trace`.
        evidence: Duration = "30 d", "1 h" ..= "520 w";
        /// List entries that have ended, so that hosts that offend again are known.
        lists: Duration = "90 d", "0 s" ..= "520 w";
    }
}

settings! {
    /// What the server says of itself on the port `listen.watch`: metrics, health.
    pub struct Watch in Table("watch") {
        /// Who may ask: there is no password.
        reach: Reach = "loopback";
        /// Names that requests may use for this host, besides `localhost` and `server.hostname`. Others are
        /// refused, so that no web page can read the metrics through its visitor's browser.
        names: Vec<Domain> = [];
        /// Days before a certificate's end from which on `/health` and `postern doctor` warn.
        certificate_alarm: Duration = "14 d", "0 d" ..= "365 d";
    }
}

choice! {
    /// Who may ask for metrics and health.
    pub enum Reach {
        /// programs on this host
        Loopback = "loopback",
        /// whoever the firewall lets through
        Network = "network",
    }
}

settings! {
    /// The log, written to standard error, where systemd or the terminal takes it.
    pub struct Log in Table("log") {
        /// How a line looks.
        format: LogFormat = "text";
        /// The least important lines that are still written.
        level: LogLevel = "info";
    }
}

choice! {
    /// How a log line looks.
    pub enum LogFormat {
        /// for people
        Text = "text",
        /// one object a line, for programs
        Json = "json",
    }
}

choice! {
    /// How important a log line must be to be written.
    pub enum LogLevel {
        /// what needs somebody now
        Error = "error",
        /// and what may need somebody soon
        Warn = "warn",
        /// and one line for each session and message
        Info = "info",
        /// and each step, for finding faults
        Debug = "debug",
        /// and each line of each protocol
        Trace = "trace",
    }
}
