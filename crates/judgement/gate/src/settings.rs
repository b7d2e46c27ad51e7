//! What the gate is told: lists, zones, rules, deadlines.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use postern_policy::Test;
use postern_types::{Domain, Network, Secret};

/// Everything the gate is told by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names of this host: no stranger may give them in HELO.
    pub our_names: Vec<Domain>,
    /// Addresses of this host: no stranger may give them in HELO.
    pub our_addresses: Vec<IpAddr>,
    /// Clients that are not tested.
    pub allow: Vec<NetworkList>,
    /// Clients that are refused.
    pub block: Vec<NetworkList>,
    /// Senders that are refused.
    pub blocked_senders: Vec<SenderList>,
    /// The DNS lists to ask.
    pub dnsbl: Vec<Dnsbl>,
    /// How often healthy DNS lists are checked. Default 15 min.
    pub dnsbl_check: Duration,
    /// How soon they are checked again while one is switched off. Default 1 min.
    pub dnsbl_retry: Duration,
    /// How long the questions of one stage may take together. Default 5 s.
    pub deadline: Duration,
    /// How many neighbours on each side of a client's address are asked for their names, where these could
    /// tell whether it is a dial-up one. Default 4.
    pub dialup_neighbours: u8,
    /// Whether a client whose name leaves it in doubt is connected back to. Default: it is.
    pub connect_back: ConnectBack,
    /// About which senders their own mail host is asked. Default: those whose domain is shown to send.
    pub user_test: UserTest,
    /// How long the answer of an active test is waited for before it counts as pending. Default 2 s.
    pub probe_wait: Duration,
    /// Rules for header fields.
    pub header_rules: Vec<HeaderRule>,
    /// More `Received` fields than this mean a loop. Default 50.
    pub hops: u32,
    /// Tests that are not made at all, because no policy in use looks at them.
    pub off: Vec<Test>,
    /// Sender authentication.
    pub authentication: Authentication,
}

/// How senders are authenticated.
#[derive(Clone, Debug)]
pub struct Authentication {
    /// Whether they are at all. They are not, either, where all tests that rest on it are off.
    pub enabled: bool,
    /// The name under which results are reported in `Authentication-Results`, and under which reports from
    /// outside are taken out. Default: the first of `our_names`.
    pub authserv_id: Option<Domain>,
    /// Domains whose ARC chains are believed where DMARC fails: forwarders that change what they pass on.
    pub trusted_forwarders: Vec<Domain>,
    /// How long keys and policies may take. Default 5 s.
    pub deadline: Duration,
}

impl Default for Authentication {
    fn default() -> Self {
        let deadline = Duration::from_secs(5);
        Self { enabled: true, authserv_id: None, trusted_forwarders: Vec::new(), deadline }
    }
}

impl Settings {
    /// The name under which results are reported.
    #[must_use]
    pub fn authserv_id(&self) -> Option<&Domain> {
        self.authentication.authserv_id.as_ref().or_else(|| self.our_names.first())
    }
}

/// Whether the dial-up test connects back to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ConnectBack {
    /// Where its name leaves it in doubt.
    #[default]
    InDoubt,
    /// Never.
    Never,
}

/// About which senders their own mail host is asked, where the score is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UserTest {
    /// Those whose domain is shown to send: a victim of forgery is not bothered.
    #[default]
    Authentic,
    /// All of them.
    Everybody,
}

/// A named list of networks.
#[derive(Clone, Debug, Default)]
pub struct NetworkList {
    /// Its name in evidence.
    pub name: String,
    /// Its entries.
    pub entries: Vec<Network>,
    /// A file with more: an address or network on each line, `#` begins a comment.
    pub file: Option<PathBuf>,
}

/// A named list of senders.
#[derive(Clone, Debug, Default)]
pub struct SenderList {
    /// Its name in evidence.
    pub name: String,
    /// Its entries: `user@example.org` (letter case does not count), or `example.org` for every
    /// address there and below.
    pub entries: Vec<String>,
    /// A file with more: one on each line, `#` begins a comment.
    pub file: Option<PathBuf>,
}

/// A DNS list to ask (RFC 5782).
#[derive(Clone, Debug, PartialEq)]
pub struct Dnsbl {
    /// Its zone, as it is named in evidence and policy.
    pub zone: Domain,
    /// A private label that is put before the zone in questions and never shown.
    pub key: Option<Secret<String>>,
    /// The answers that count. Empty: each one in 127.0.0.0/8 that is no error code.
    pub codes: Vec<Code>,
    /// Whether it is asked about IPv6 addresses too.
    pub ipv6: bool,
    /// How its health is checked.
    pub check: DnsblCheck,
}

/// Answers of a DNS list and what they mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// The answers: an address or network of 127.0.0.0/8.
    pub answers: Network,
    /// What they mean, in a few words for the sender; may be empty.
    pub meaning: String,
}

/// How a DNS list's health is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsblCheck {
    /// RFC 5782 §5: 127.0.0.2 is listed, 127.0.0.1 and a name that is no address are not.
    TestEntries,
    /// It has no test entries: it is believed as long as it answers, and does not list what is no address.
    Believed,
}

/// A rule for a header field.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// Its name in evidence and policy.
    pub name: String,
    /// The field's name; letter case does not count.
    pub field: String,
    /// What its value is held against.
    pub test: HeaderTest,
}

/// What a header field's value is held against; letter case does not count. Encoded words (RFC 2047)
/// are held against it both as they stand and decoded.
#[derive(Clone, Debug)]
pub enum HeaderTest {
    /// The text stands somewhere in the value.
    Contains(String),
    /// The text is the value.
    Equals(String),
    /// The regular expression fits somewhere in the value.
    Regex(String),
    /// There is no such field.
    Missing,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            our_names: Vec::new(),
            our_addresses: Vec::new(),
            allow: Vec::new(),
            block: Vec::new(),
            blocked_senders: Vec::new(),
            dnsbl: Vec::new(),
            dnsbl_check: Duration::from_secs(15 * 60),
            dnsbl_retry: Duration::from_secs(60),
            deadline: Duration::from_secs(5),
            dialup_neighbours: 4,
            connect_back: ConnectBack::default(),
            user_test: UserTest::default(),
            probe_wait: Duration::from_secs(2),
            header_rules: Vec::new(),
            hops: 50,
            off: Vec::new(),
            authentication: Authentication::default(),
        }
    }
}

impl Dnsbl {
    /// A list with the usual meaning of answers and the test entries of RFC 5782.
    #[must_use]
    pub fn new(zone: Domain) -> Self {
        Self { zone, key: None, codes: Vec::new(), ipv6: true, check: DnsblCheck::TestEntries }
    }
}
