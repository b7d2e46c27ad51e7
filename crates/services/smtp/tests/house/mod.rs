//! A house to test in: the SMTP service with a store in a temporary folder, and a test internet around it.

// Each test file uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use postern_dns::{Dns, Servers};
use postern_events::Events;
use postern_gate::{Gate, NetworkList};
use postern_net::{
    Admission, CertificateFiles, Pressure, Roots, Shutdown, Socket, TlsAcceptor, TlsConnector, TlsSettings,
    Verification, limit, measure, pressure,
};
use postern_policy::Policy;
use postern_smtp_service::{Door, Parts, Service, Settings};
use postern_store::{AliasName, Options, Route, Store, TraceQuery, TraceRecord};
use postern_testnet::{Certificate, Client, Internet};
use postern_types::{Address, Domain, Network, TraceIds};

/// Everything that a test wants different.
pub struct Plan {
    pub settings: Settings,
    pub gate: postern_gate::Settings,
    pub policy: Policy,
    pub limits: limit::Settings,
    pub pressure: pressure::Settings,
    pub feedback: postern_feedback::Feedback,
    /// Whether there is a certificate.
    pub tls: bool,
}

impl Default for Plan {
    fn default() -> Self {
        let mut settings = Settings::new(domain("mx.example.test"));
        // Tests that wait for a time-out wait for this.
        settings.upstream.timeout = Duration::from_secs(2);
        settings.upstream.end_timeout = Duration::from_secs(8);
        settings.upstream.connect_timeout = Duration::from_secs(2);
        settings.error_delay = Duration::from_millis(1);
        settings.minimum_free_disk = 0;
        Self {
            settings,
            gate: postern_gate::Settings::default(),
            policy: Policy::default(),
            limits: limit::Settings::default(),
            pressure: pressure::Settings { free_disk: None, ..pressure::Settings::default() },
            feedback: postern_feedback::Feedback::off(),
            tls: false,
        }
    }
}

pub struct House {
    pub net: Internet,
    pub store: Store,
    pub smtp: SocketAddr,
    pub smtps: SocketAddr,
    pub lmtp: SocketAddr,
    pub shutdown: Shutdown,
    pub certificate: Option<Certificate>,
    pub gate: Gate,
    pub pressure: Pressure,
    pub folder: tempfile::TempDir,
}

pub fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl House {
    /// With `ann@example.test` and `bob@example.test`, and senders' domain `example.org` in the DNS.
    pub async fn start() -> Self {
        Self::build(|_| {}).await
    }

    pub async fn build(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan = Plan::default();
        change(&mut plan);
        let net = Internet::start().await.unwrap();
        net.dns()
            .add(postern_testnet::Zone::new("example.org").mx(10, "mx").a("mx", Ipv4Addr::new(127, 9, 9, 9)));
        net.name_at("client.example.org", Ipv4Addr::LOCALHOST);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Options::default()).unwrap();
        store.add_domain(domain("example.test"), Route::Mailbox).await.unwrap();
        for user in ["ann@example.test", "bob@example.test"] {
            store.add_account(address(user), "!".to_owned()).await.unwrap();
        }
        let servers = Servers::List(vec![net.dns().address()]);
        let dns = Dns::new(postern_dns::Settings { servers, ..Default::default() }).unwrap();
        let events = Events::new();
        let gate = Gate::new(plan.gate, dns, events.clone()).unwrap();
        gate.set_domains([domain("example.test")]);
        gate.check_zones().await;
        let certificate = plan.tls.then(|| Certificate::self_signed(&["mx.example.test"]).unwrap());
        let tls = certificate.as_ref().map(|certificate| acceptor(certificate, folder.path()));
        let shutdown = Shutdown::new();
        let pressure = Pressure::new(plan.pressure);
        let service = Service::new(Parts {
            settings: plan.settings,
            store: store.clone(),
            gate: gate.clone(),
            policy: Arc::new(ArcSwap::from_pointee(plan.policy)),
            events,
            tls,
            tls_out: TlsConnector::new(Verification::Opportunistic, &Roots::System, Duration::from_secs(5))
                .unwrap(),
            admission: Admission::new(plan.limits),
            pressure: pressure.clone(),
            disk: Arc::new(measure::FreeDisk::new(folder.path())),
            feedback: plan.feedback,
            shutdown: shutdown.clone(),
            ids: Arc::new(TraceIds::new(1)),
        });
        tokio::spawn(Arc::clone(&service).deliver_released());
        let open = |door| {
            let socket = Socket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let address = socket.address();
            tokio::spawn(Arc::clone(&service).serve(door, socket.listen().unwrap()));
            address
        };
        let (smtp, smtps, lmtp) = (open(Door::Smtp), open(Door::SmtpTls), open(Door::Lmtp));
        Self { net, store, smtp, smtps, lmtp, shutdown, certificate, gate, pressure, folder }
    }

    /// A connection on which EHLO has been said.
    pub async fn client(&self) -> Client {
        self.client_from(Ipv4Addr::new(127, 0, 0, 1)).await
    }

    pub async fn client_from(&self, source: Ipv4Addr) -> Client {
        let mut c = Client::connect_from(source, self.smtp).await.unwrap();
        c.expect("220 mx.example.test ESMTP*").await;
        c.send("EHLO client.example.org").await;
        c.expect("250*").await;
        c
    }

    /// The whole messages in an account's INBOX.
    pub async fn inbox(&self, who: &str) -> Vec<String> {
        let account = self.store.account(address(who)).await.unwrap().unwrap();
        let mailbox = self.store.mailbox(account.id, "INBOX").await.unwrap();
        let mut messages = Vec::new();
        for entry in self.store.list(mailbox.id).await.unwrap() {
            let bytes = self.store.read(mailbox.id, entry.uid).await.unwrap().read_all().await.unwrap();
            messages.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        messages
    }

    /// The traces, newest first, as soon as there are `count`: those of refusals come with the next commit.
    pub async fn traces(&self, count: usize) -> Vec<TraceRecord> {
        for _ in 0..500 {
            let traces = self.store.traces(TraceQuery { limit: 100, ..TraceQuery::default() }).await.unwrap();
            if traces.len() >= count {
                return traces;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no {count} traces within 10 s");
    }

    pub async fn alias(&self, name: &str, targets: &[&str]) {
        let targets = targets.iter().map(|target| address(target)).collect();
        self.store.add_alias(AliasName::parse(name).unwrap(), targets).await.unwrap();
    }

    /// A domain whose mail goes to the MTA behind at `to`.
    pub async fn behind(&self, name: &str, to: SocketAddr) {
        self.store.add_domain(domain(name), Route::Proxy(to.to_string())).await.unwrap();
    }
}

pub fn networks(name: &str, entries: &[&str]) -> NetworkList {
    let entries = entries.iter().map(|entry| Network::parse(entry).unwrap()).collect();
    NetworkList { name: name.to_owned(), entries, file: None }
}

pub fn set(entries: &[IpAddr]) -> postern_types::AddressSet {
    entries.iter().map(|&ip| Network::single(ip)).collect()
}

fn acceptor(certificate: &Certificate, folder: &std::path::Path) -> TlsAcceptor {
    let (chain, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&chain, certificate.pem()).unwrap();
    std::fs::write(&key, certificate.key_pem()).unwrap();
    TlsAcceptor::new(TlsSettings::new(vec![CertificateFiles { chain, key }])).unwrap()
}

/// A short honest message.
pub const MESSAGE: &str = "From: <carl@example.org>\r\nTo: <ann@example.test>\r\nSubject: Hello\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nDear Ann,\r\n.. dots\r\n";

/// [`MESSAGE`] as DATA carries it, with its end.
pub fn data() -> Vec<u8> {
    format!("{}.\r\n", MESSAGE.replace("\r\n.", "\r\n..")).into_bytes()
}

/// MAIL and RCPT, each answered 250, then DATA answered 354.
pub async fn envelope(c: &mut Client, from: &str, to: &[&str]) {
    c.send(&format!("MAIL FROM:<{from}>")).await;
    c.expect("250 2.1.0 *").await;
    for recipient in to {
        c.send(&format!("RCPT TO:<{recipient}>")).await;
        c.expect("250 2.1.5 *").await;
    }
    c.send("DATA").await;
    c.expect("354 *").await;
}
