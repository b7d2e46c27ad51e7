//! `[milter]`, `[policy_service]`: another mail server asks Postern what to do with its mail.

use std::path::PathBuf;
use std::time::Duration;

use postern_types::Network;

use crate::schema::settings;

settings! {
    /// The milter protocol, by which Postfix and Sendmail ask about the mail that they receive. It is served on
    /// `listen.milter` and on `socket`; by default on neither.
    pub struct Milter in Table("milter") {
        /// A local socket, such as `"/var/spool/postfix/postern/milter.sock"`. Everybody who may enter its folder
        /// may connect. A relative path starts at the folder of this file.
        socket: Option<PathBuf> = optional;
        /// Clients of the mail server that are its own: their mail is not tested, and those whom they write to
        /// are learned. So it is for clients that have signed in at the mail server. Nothing is learned from programs on
        /// the mail server's own host, nor from an account that writes in another's name.
        trusted: Vec<Network> = ["127.0.0.0/8", "::1"];
        /// Connections of mail servers at the same time; one more is closed at once, and the mail server
        /// does what it is set to do without its filter.
        connections: u32 = 1000, 1 ..= 100000;
        /// How long the mail server may be silent. It is silent as long as its own client is.
        timeout: Duration = "2 h", "1 min" ..= "1 d";
    }
}

settings! {
    /// Postfix's policy delegation, by which it asks about each recipient before there is a message. It is served
    /// on `listen.policy` and on `socket`; by default on neither. Mail that would be quarantined is put on hold
    /// in Postfix's own queue. `trusted`, `connections` and `timeout` of `[milter]` hold here too.
    pub struct PolicyService in Table("policy_service") {
        /// A local socket, such as `"/var/spool/postfix/postern/policy.sock"`, as for `milter.socket`.
        socket: Option<PathBuf> = optional;
    }
}
