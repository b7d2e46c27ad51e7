//! `[listen]`, `[tls]`, `[limits]`, `[trust]`, `[signin]`: who may come in, where, and how often.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use postern_types::Network;

use crate::choice::choice;
use crate::schema::settings;
use crate::units::{Percent, Rate};

settings! {
    /// Where the server listens. Each is a list of addresses with port; an empty list switches the
    /// service off. Sockets that systemd hands over take the place of the list of the same name.
    pub struct Listen in Table("listen") {
        /// Mail from other servers (RFC 5321, usually port 25). STARTTLS is offered when `tls` has a certificate.
        smtp: Vec<SocketAddr> = ["0.0.0.0:25", "[::]:25"];
        /// Mail from other servers with TLS from the first byte.
        smtps: Vec<SocketAddr> = [];
        /// Mail from a local mail server by LMTP (RFC 2033). Never open it to the internet.
        lmtp: Vec<SocketAddr> = [];
        /// Fetching mail by POP3 (RFC 1939, usually port 110). STLS is offered when `tls` has a certificate.
        pop3: Vec<SocketAddr> = [];
        /// Fetching mail by POP3 with TLS from the first byte (usually port 995).
        pop3s: Vec<SocketAddr> = [];
        /// Questions of another mail server by the milter protocol (see `[milter]`). Never open it to the internet.
        milter: Vec<SocketAddr> = [];
        /// Questions of a Postfix by its policy delegation protocol (see `[policy_service]`), likewise.
        policy: Vec<SocketAddr> = [];
        /// The pages where recipients see what is held for them, over HTTPS (usually port 443, see `[web]`).
        web: Vec<SocketAddr> = [];
        /// Metrics and health over HTTP, for your own monitoring (see `watch.reach`).
        watch: Vec<SocketAddr> = ["127.0.0.1:9025"];
    }
}

impl Listen {
    /// Every list with its name.
    #[must_use]
    pub fn all(&self) -> [(&'static str, &[SocketAddr]); 9] {
        [
            ("smtp", &self.smtp),
            ("smtps", &self.smtps),
            ("lmtp", &self.lmtp),
            ("pop3", &self.pop3),
            ("pop3s", &self.pop3s),
            ("milter", &self.milter),
            ("policy", &self.policy),
            ("web", &self.web),
            ("watch", &self.watch),
        ]
    }
}

settings! {
    /// The server's certificate. Both files are read again when they change.
    pub struct Tls in Table("tls") {
        /// The certificate and its chain, PEM. A relative path starts at the folder of this file.
        /// Without it there is no TLS.
        certificate: Option<PathBuf> = optional;
        /// The private key of the certificate, PEM; readable for `server.user` only.
        key: Option<PathBuf> = optional;
        /// The oldest version of TLS that is spoken. Mail servers that know only older versions are
        /// served without TLS, which is worse: raise this for POP3, not for the sake of SMTP.
        minimum: MinimumTls = "1.2";
    }
}

choice! {
    /// The oldest version of TLS.
    pub enum MinimumTls {
        /// RFC 5246 with modern ciphers only
        V1_2 = "1.2",
        /// RFC 8446
        V1_3 = "1.3",
    }
}

settings! {
    /// How many connections at once and how often, for all services together, and when the server has
    /// too much to do. Who goes over a limit is answered `421` or `452` and may come back.
    pub struct Limits in Table("limits") {
        /// Connections at the same time; `0` is no limit.
        connections: u32 = 10000, 0 ..= 1000000;
        /// Connections at the same time from one host (an IPv4 address, an IPv6 /64); `0` is no limit.
        per_host: u32 = 50, 0 ..= 1000000;
        /// Connections at the same time from one network (an IPv4 /24, an IPv6 /48); `0` is no limit.
        per_network: u32 = 200, 0 ..= 1000000;
        /// New connections from one host; left out, there is no limit.
        rate_per_host: Option<Rate> = optional, "1/min" ..= "1000000/s";
        /// New connections from one network (an IPv4 /24, an IPv6 /48); left out, there is no limit.
        rate_per_network: Option<Rate> = optional, "1/min" ..= "1000000/s";
        /// The share of these two rates over which a client is let in and the test `connection_rate` hits.
        /// `100 %` is never.
        rate_soft: Percent = "50 %", "1 %" ..= "100 %";
        /// Networks that none of these limits holds for. The loopback addresses are not in it
        /// unless written.
        exempt: Vec<Network> = [];
        /// The share of `connections` in use from which on clients that wait get only `smtp.timeout_stressed`.
        stress_high: Percent = "80 %", "1 %" ..= "100 %";
        /// The share at which that ends.
        stress_low: Percent = "70 %", "0 %" ..= "99 %";
        /// The share of `connections` in use from which on new connections are put off with `421`.
        shed_high: Percent = "95 %", "1 %" ..= "100 %";
        /// The share at which that ends. Well below `shed_high`, so that it does not flutter.
        shed_low: Percent = "85 %", "0 %" ..= "99 %";
    }
}

settings! {
    /// Who may say who somebody else is. What these networks tell is believed, so name single
    /// addresses of your own proxies and filters.
    pub struct Trust in Table("trust") {
        /// May send XCLIENT: the session goes on as if the named client had connected.
        xclient: Vec<Network> = [];
        /// May send XFORWARD: for one message, the named client is judged, logged and stands in the trace.
        xforward: Vec<Network> = [];
        /// Says in `X-Forwarded-For` who asks for the quarantine's pages, as a reverse proxy does. It is never shut out itself.
        x_forwarded_for: Vec<Network> = ["127.0.0.0/8", "::1"];
        /// Must begin every connection with a PROXY protocol header (version 1 or 2), as a load balancer does.
        proxy_protocol: Vec<Network> = [];
    }
}

settings! {
    /// Signing in to fetch mail: what guessing passwords costs.
    pub struct Signin in Table("signin") {
        /// Wrong passwords from one address, or for one account, that cost nothing.
        free_failures: u32 = 3, 0 ..= 100;
        /// How long the answer waits after the next one; each further one doubles the wait.
        delay: Duration = "1 s", "0 s" ..= "1 min";
        /// The longest wait; also the most that strangers can make an owner wait.
        delay_max: Duration = "30 s", "0 s" ..= "5 min";
        /// How long wrong passwords are remembered.
        window: Duration = "10 min", "10 s" ..= "1 d";
        /// Wrong passwords from one address within the window until it is banned.
        ban_after: u32 = 10, 1 ..= 10000;
        /// Wrong passwords from one network (an IPv4 /24, an IPv6 /64) until it is banned.
        ban_network_after: u32 = 50, 1 ..= 100000;
        /// How long a ban lasts.
        ban_for: Duration = "1 h", "1 s" ..= "52 w";
        /// Networks that are never banned: put your own office here. They still wait after wrong passwords.
        never_ban: Vec<Network> = ["127.0.0.0/8", "::1"];
    }
}
