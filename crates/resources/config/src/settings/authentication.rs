//! `[authentication]`: who really sends.

use std::time::Duration;

use postern_types::Domain;

use crate::schema::settings;

settings! {
    /// Sender authentication: SPF, DKIM, DMARC and ARC. What it finds is evidence; what follows is said in
    /// `[gate.tests.spf]`, `[gate.tests.spf_softfail]`, `[gate.tests.dkim]`, `[gate.tests.arc]` and
    /// `[gate.tests.dmarc_reject]`, `[gate.tests.dmarc_quarantine]` and `[gate.tests.dmarc]` for what the author's
    /// domain asks for. Messages get an `Authentication-Results` field, and forged ones lose theirs.
    pub struct Authentication in Table("authentication") {
        /// Whether senders are authenticated. Allow lists and the user test rest on it.
        enabled: bool = true;
        /// The name in `Authentication-Results`. Fields under that name which come from outside are taken out. Unset:
        /// `server.hostname`.
        authserv_id: Option<Domain> = optional;
        /// Domains of forwarders and mailing lists, with all below them, whose word is taken (ARC): a message that they
        /// sealed last, and whose seals hold, is not judged by its author's DMARC policy.
        trusted_forwarders: Vec<Domain> = [];
        /// How long the keys of signatures and the author's policy may take, from the end of the header on. What is not
        /// known by then is "unknown", which never counts against anybody.
        deadline: Duration = "5 s", "100 ms" ..= "1 min";
    }
}
