//! `[quarantine]`, `[web]`: telling recipients what is held for them, and the pages where they see it.

use std::time::Duration;

use crate::choice::choice;
use crate::names::{TimeZone, WebUrl};
use crate::schema::settings;

settings! {
    /// Telling recipients what is held for them. How long it is held says `gate.quarantine_for`.
    pub struct Quarantine in Table("quarantine") {
        /// When recipients are told by mail what has been held since they were told last. Who has nothing
        /// new gets no mail. With `listen.web`, the mail has a link that opens their quarantine once.
        digest: Digest = "daily";
        /// The hour of the day, in `time_zone`, at which digests go out.
        digest_hour: u8 = 6, 0 ..= 23;
        /// How times are shown in digests and on the pages. The names are those of the system's time zone database
        /// (`timedatectl list-timezones`).
        time_zone: TimeZone = "local";
        /// How long the link in a digest is good.
        link_for: Duration = "7 d", "1 h" ..= "30 d";
    }
}

choice! {
    /// When digests go out.
    pub enum Digest {
        /// once a day, at `digest_hour`
        Daily = "daily",
        /// only by `postern quarantine digest`
        Off = "off",
    }
}

settings! {
    /// The pages where recipients see, read and release what is held for them. They listen on `listen.web`.
    pub struct Web in Table("web") {
        /// Where browsers reach the pages; it stands in the links of digests. Left out, it is `https://` and
        /// `server.hostname`, with the port of `listen.web` where that is not 443.
        url: Option<WebUrl> = optional;
        /// What is spoken on `listen.web`.
        protocol: WebProtocol = "https";
        /// How long a browser that a link has let in stays in.
        session: Duration = "30 min", "1 min" ..= "12 h";
        /// Connections at the same time.
        connections: u32 = 128, 1 ..= 100000;
        /// Of them from one host (an IPv4 address, an IPv6 /64); `0` is no limit. None holds for `trust.x_forwarded_for`.
        per_host: u32 = 16, 0 ..= 100000;
    }
}

choice! {
    /// What is spoken on `listen.web`.
    pub enum WebProtocol {
        /// HTTPS, with the certificate of `[tls]`
        Https = "https",
        /// HTTP, on loopback addresses only: for a proxy on this host that speaks HTTPS and sends `X-Forwarded-For` (see `trust.x_forwarded_for`)
        Http = "http",
    }
}
