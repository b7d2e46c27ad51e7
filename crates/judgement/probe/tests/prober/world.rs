//! A DNS, a store, a clock that is set by hand, and probers on them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use postern_dns::{Dns, Servers};
use postern_events::Events;
use postern_probe::{Answer, Asked, Limits, NotAllowed, Parts, Pending, Prober, Question, Settings, User};
use postern_store::{LedgerEntry, LedgerQuery, Options, Store};
use postern_testnet::{DnsServer, RunningPeer, SmtpPeer, Zone, fresh_address};
use postern_types::{Domain, Timestamp};
use tempfile::TempDir;

/// The port of every SMTP host in these tests: no root is needed for it.
pub(crate) const PORT: u16 = 2525;
pub(crate) const MINUTE: u64 = 60;
pub(crate) const HOUR: u64 = 3600;
pub(crate) const DAY: u64 = 86_400;

pub(crate) struct World {
    pub(crate) dns: DnsServer,
    pub(crate) store: Store,
    pub(crate) events: Events,
    folder: TempDir,
    now: Arc<AtomicI64>,
}

/// Hosts of a test are in one network unless it says otherwise: that has room for all of them.
pub(crate) fn settings() -> Settings {
    Settings {
        limits: Limits { target_per_minute: 1000, target_per_day: 10_000, ..Limits::default() },
        port: PORT,
        private: vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
        ..Settings::new(domain("mx.postern.test"))
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let now = Arc::new(AtomicI64::new(Timestamp::now().as_millis()));
        Self { dns: DnsServer::start().await.unwrap(), store, events: Events::new(), folder, now }
    }

    /// A prober as a process has it that has just started.
    pub(crate) async fn prober(&self, settings: Settings) -> Prober {
        let dns = Dns::new(postern_dns::Settings {
            servers: Servers::List(vec![self.dns.address()]),
            timeout: Duration::from_secs(20),
            deadline: Duration::from_secs(20),
            attempts: 1,
            ..postern_dns::Settings::default()
        });
        let now = Arc::clone(&self.now);
        let prober = Prober::new(
            settings,
            Parts {
                dns: dns.unwrap(),
                store: self.store.clone(),
                events: self.events.clone(),
                clock: Arc::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst))),
            },
        );
        prober.set_domains([domain("ours.test"), domain("ours-too.test")]);
        prober.load().await.unwrap();
        prober
    }

    /// Closes the store and opens it again.
    pub(crate) async fn restart(self) -> Self {
        let Self { dns, store, events, folder, now } = self;
        store.close().await.unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        Self { dns, store, events, folder, now }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.now.fetch_add(i64::try_from(seconds * 1000).unwrap(), Ordering::SeqCst);
    }

    /// A host at an address of its own.
    pub(crate) async fn host(&self, peer: SmtpPeer) -> RunningPeer {
        peer.start_at(SocketAddr::from((fresh_address(), PORT))).await.unwrap()
    }

    /// A domain whose mail goes to a host in a network of its own.
    pub(crate) async fn far_domain(&self, name: &str, peer: SmtpPeer) -> RunningPeer {
        let host = peer.start_at(SocketAddr::from((fresh_network(), PORT))).await.unwrap();
        self.dns.add(Zone::new(name).mx(10, "mx").a("mx", v4(&host)));
        host
    }

    /// A domain whose mail goes to a host of its own.
    pub(crate) async fn domain(&self, name: &str, peer: SmtpPeer) -> RunningPeer {
        let host = self.host(peer).await;
        self.dns.add(Zone::new(name).mx(10, "mx").a("mx", v4(&host)));
        host
    }

    /// The ledger, earliest first.
    pub(crate) async fn ledger(&self) -> Vec<LedgerEntry> {
        let query = LedgerQuery { limit: 100_000, ..LedgerQuery::default() };
        let mut ledger = self.store.probe_ledger(query).await.unwrap();
        ledger.reverse();
        ledger
    }
}

/// Asks and waits for the answer.
pub(crate) async fn answer(prober: &Prober, question: Question) -> Answer {
    match prober.ask(question, "a test").await {
        Asked::Fresh(answer) => answer,
        Asked::Pending(mut pending) => landed(&mut pending).await,
        Asked::NotAllowed(why) => panic!("{why}"),
    }
}

pub(crate) async fn landed(pending: &mut Pending) -> Answer {
    pending.wait(Duration::from_secs(60)).await.expect("an answer")
}

/// Asks about a sender and waits for the answer.
pub(crate) async fn user(prober: &Prober, address: &str) -> User {
    match answer(prober, about(address)).await {
        Answer::User(user) => user,
        other => panic!("{other}"),
    }
}

/// Why a question is not asked.
pub(crate) async fn denied(prober: &Prober, question: Question) -> NotAllowed {
    match prober.ask(question, "a test").await {
        Asked::NotAllowed(why) => why,
        other => panic!("{other:?}"),
    }
}

/// What is known without asking anybody.
pub(crate) async fn fresh(prober: &Prober, question: Question) -> Answer {
    match prober.ask(question, "a test").await {
        Asked::Fresh(answer) => answer,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn about(address: &str) -> Question {
    Question::User(address.parse().unwrap())
}

pub(crate) fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// An address in a network where no other host is.
pub(crate) fn fresh_network() -> Ipv4Addr {
    let network = |ip: Ipv4Addr| ip.octets()[..3].to_vec();
    let here = network(fresh_address());
    std::iter::repeat_with(fresh_address).find(|ip| network(*ip) != here).unwrap()
}

pub(crate) fn v4(host: &RunningPeer) -> Ipv4Addr {
    match host.address().ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => panic!("an IPv6 host"),
    }
}

/// Nothing but what a probe may say reached this host, and nothing of a message.
pub(crate) fn was_asked_politely(host: &RunningPeer) {
    let allowed =
        ["EHLO mx.postern.test", "MAIL FROM:*", "RCPT TO:*", "RSET", "QUIT", "HELO mx.postern.test"];
    for command in host.commands() {
        assert!(allowed.iter().any(|glob| postern_testnet::glob_matches(glob, &command)), "{command}");
    }
    assert_eq!(host.message_count(), 0);
    assert_eq!(host.count("DATA*") + host.count("BDAT*"), 0);
}
