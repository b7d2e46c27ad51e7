//! `[smtp]`, `[proxy]`, `[dns]`, `[pop3]`: the protocols.

use std::time::Duration;

use postern_types::Domain;

use crate::choice::choice;
use crate::names::DnsServer;
use crate::schema::settings;
use crate::units::Size;

settings! {
    /// Receiving mail. The limits have their counterparts in Postfix, with the same defaults.
    pub struct Smtp in Table("smtp") {
        /// The largest message (RFC 1870). Offered in EHLO; what is larger gets `552`. A MIME
        /// attachment grows by a third on its way.
        message_size: Size = "50 MB", "64 KB" ..= "10 GB";
        /// The largest header of a message; a larger one gets `552`.
        header_size: Size = "102400 B", "1 KB" ..= "16 MB";
        /// The longest command line, with its line end (RFC 5321 §4.5.3.1.4 asks for at least 512).
        command_line: Size = "2048 B", "512 B" ..= "64 KB";
        /// The longest line of a message, without its line end. RFC 5321 §4.5.3.1.6 asks for 998 octets;
        /// longer ones are common. A message with a longer one is refused, never rewritten.
        data_line: Size = "1 MiB", "1 KB" ..= "64 MiB";
        /// Recipients of one message (RFC 5321 §4.5.3.1.8 asks for at least 100); further ones get `452`.
        recipients: u32 = 1000, 100 ..= 100000;
        /// Recipients over that limit that get `452` before each counts as an error.
        recipient_overshoot: u32 = 1000, 0 ..= 100000;
        /// Errors in one session after which every answer waits for `error_delay`.
        errors_soft: u32 = 10, 1 ..= 1000;
        /// Errors in one session after which it is ended with `421`.
        errors_hard: u32 = 20, 1 ..= 1000;
        /// How long each answer waits after `errors_soft` errors.
        error_delay: Duration = "1 s", "0 s" ..= "1 min";
        /// Commands that do nothing (NOOP, RSET, VRFY, HELP) between messages; more count as errors.
        junk_commands: u32 = 100, 1 ..= 10000;
        /// How long a client may stay silent (RFC 5321 §4.5.3.2.7 asks for 5 minutes).
        timeout: Duration = "5 min", "10 s" ..= "1 h";
        /// The same while there is much to do (`limits.stress_high`).
        timeout_stressed: Duration = "10 s", "1 s" ..= "1 h";
        /// What to do with a CR or LF that stands alone. Anything but refusing lets servers disagree
        /// where a message ends, which is how messages are smuggled.
        bare_newline: BareNewline = "refuse";
        /// Whether addresses in MAIL and RCPT need their angle brackets.
        paths: Paths = "strict";
        /// Disk space that must stay free beside the message that comes; with less, MAIL gets `452`.
        minimum_free_disk: Size = "100 MB", "0 B" ..= "100 TB";
        /// How long the greeting waits, to catch clients that talk first; `0 s` switches it off.
        pregreet_delay: Duration = "0 s", "0 s" ..= "1 min";
        /// The text behind the host name in the greeting.
        banner: String = "Postern";
        /// Whether addresses in UTF-8 are accepted (RFC 6531).
        smtputf8: bool = true;
        /// `Received` fields in a message after which it is taken to go in circles (`554 5.4.6`).
        hops: u32 = 50, 5 ..= 1000;
    }
}

choice! {
    /// What to do with a CR or LF that stands alone.
    pub enum BareNewline {
        /// answer `550` and take nothing
        Refuse = "refuse",
        /// make it a CRLF, and never an end of the message
        Normalise = "normalise",
    }
}

choice! {
    /// Whether addresses need their angle brackets.
    pub enum Paths {
        /// as RFC 5321 says
        Strict = "strict",
        /// also without, for devices that leave them out
        Lenient = "lenient",
    }
}

settings! {
    /// Passing mail on to the servers behind, for domains with `--to`.
    pub struct Proxy in Table("proxy") {
        /// How long a connection to the server behind may take to open, and its TLS handshake.
        connect_timeout: Duration = "5 s", "100 ms" ..= "5 min";
        /// How long the server behind may take for one answer; for that to the end of a message, see `end_timeout`.
        timeout: Duration = "5 min", "1 s" ..= "10 min";
        /// How long the sender of a message waits for the answer to its end. The server behind must have all of it in half
        /// of that (in three quarters where it was held until its signatures were checked), or its connection is closed before the end and the
        /// sender hears `451`. Many senders wait five minutes, where
        /// RFC 5321 asks for ten; one that gives up while the server behind takes the message sends it twice.
        end_timeout: Duration = "270 s", "1 s" ..= "10 min";
        /// Whether the way to the server behind is encrypted.
        tls: ProxyTls = "opportunistic";
        /// What the server behind is told about the real client, where it offers the command.
        announce: Announce = "xforward";
    }
}

choice! {
    /// What the server behind is told about the client.
    pub enum Announce {
        /// nothing
        Nothing = "nothing",
        /// XFORWARD, for its log
        Xforward = "xforward",
        /// XCLIENT: it treats the session as the client's own
        Xclient = "xclient",
    }
}

choice! {
    /// Whether the way to the server behind is encrypted.
    pub enum ProxyTls {
        /// with TLS where the server offers it, whoever it says it is
        Opportunistic = "opportunistic",
        /// only with TLS and a valid certificate
        Require = "require",
        /// never: for a server on the same host
        Off = "off",
    }
}

settings! {
    /// Asking the DNS.
    pub struct Dns in Table("dns") {
        /// The servers to ask, best first. Empty: those of `/etc/resolv.conf`. DNS block lists refuse
        /// questions that come through public resolvers; ask a resolver of your own.
        servers: Vec<DnsServer> = [];
        /// How long one question to one server may take.
        timeout: Duration = "2 s", "100 ms" ..= "30 s";
        /// How often a question is asked before the answer is "unknown".
        attempts: u32 = 2, 1 ..= 10;
        /// How long one question may take in all, with every attempt.
        deadline: Duration = "5 s", "100 ms" ..= "1 min";
        /// Memory for answers, each kept for as long as it says: 8 MiB are some 30,000 answers.
        cache_size: Size = "8 MiB", "64 KiB" ..= "1 GiB";
    }
}

settings! {
    /// Fetching mail (RFC 1939).
    pub struct Pop3 in Table("pop3") {
        /// The domain of a user name without `@`; left out, such names are unknown.
        default_domain: Option<Domain> = optional;
        /// How long a client that is signed in may stay silent (RFC 1939 §3 asks for at least 10 minutes).
        idle_timeout: Duration = "10 min", "1 min" ..= "1 d";
        /// How long a client may take until it is signed in; less while there is much to do.
        signin_timeout: Duration = "3 min", "10 s" ..= "1 h";
        /// How long a client may take to read a piece of 32 KiB.
        write_timeout: Duration = "5 min", "10 s" ..= "1 h";
        /// The least time between two sign-ins to one mailbox (RFC 2449 §6.5, LOGIN-DELAY); `0 s` switches it off.
        login_delay: Duration = "0 s", "0 s" ..= "1 h";
        /// Whether a user name with `#quarantine` behind it (`anna@example.org#quarantine`) shows, with the
        /// same password, the messages that are held for that address instead of its mailbox.
        quarantine: bool = true;
        /// Whether passwords may come over a connection without TLS.
        plaintext: Plaintext = "after-tls";
    }
}

choice! {
    /// Whether passwords may come without TLS.
    pub enum Plaintext {
        /// only after STLS or on `listen.pop3s`; from loopback addresses always
        AfterTls = "after-tls",
        /// also in clear: only where the network itself is safe
        Always = "always",
    }
}
