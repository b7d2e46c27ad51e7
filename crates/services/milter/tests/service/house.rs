//! A house to test in: both services with a store in a temporary folder, and a test internet around them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use postern_dns::{Dns, Servers};
use postern_events::Events;
use postern_feedback::Feedback;
use postern_gate::{Gate, HeaderRule, HeaderTest, NetworkList, SenderList};
use postern_milter_service::{Door, Parts, Service, Settings};
use postern_net::{LocalSocket, Shutdown, Socket, measure};
use postern_policy::{Policy, Rule, RuleAction, Test};
use postern_store::{
    FailedMail, ListOwner, Options, QuarantineQuery, Store, StoredProfile, TraceQuery, TraceRecord,
};
use postern_testnet::{Internet, Zone};
use postern_types::{Address, Domain, Network, TraceIds};

/// Everything that a test wants different.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) gate: postern_gate::Settings,
    pub(crate) policy: Policy,
    pub(crate) feedback: Feedback,
}

pub(crate) struct House {
    pub(crate) net: Internet,
    pub(crate) store: Store,
    pub(crate) milter: SocketAddr,
    pub(crate) policy: SocketAddr,
    pub(crate) local: PathBuf,
    pub(crate) shutdown: Shutdown,
    pub(crate) _folder: tempfile::TempDir,
}

/// One copy in the quarantine.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) recipient: String,
    pub(crate) reason: String,
    pub(crate) text: String,
}

/// A host that no list has.
pub(crate) const CLEAN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 8);
/// A host on the operator's block list.
pub(crate) const BLOCKED: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// One of ours, on another host than the MTA.
pub(crate) const OFFICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
/// One of ours.
pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

impl House {
    /// Tests of the client are off: the addresses of a test have no names of their own. What is on:
    ///
    /// - [`BLOCKED`] is refused at the connection;
    /// - mail from `spammer@example.org` fails and is refused;
    /// - mail from `doubtful@example.org` fails and is quarantined;
    /// - a subject with "pills" is refused at the end;
    /// - bob wants what fails in quarantine, tom wants it marked, pia wants everything.
    pub(crate) async fn start() -> Self {
        Self::build(|_| {}).await
    }

    pub(crate) async fn build(change: impl FnOnce(&mut Plan)) -> Self {
        let mut plan =
            Plan { settings: settings(), gate: gate_settings(), policy: policy(), feedback: Feedback::off() };
        change(&mut plan);
        let net = Internet::start().await.unwrap();
        net.dns().add(Zone::new("example.org").mx(10, "mx").a("mx", Ipv4Addr::new(127, 9, 9, 9)));
        let folder = tempfile::Builder::new().prefix("postern-milter-").tempdir().unwrap();
        // The local socket is for every user, Postfix's among them.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let store = Store::open(&folder.path().join("store"), Options::default()).unwrap();
        for (who, failed) in
            [("bob", FailedMail::Quarantine), ("tom", FailedMail::Tag), ("pia", FailedMail::Pass)]
        {
            let owner = ListOwner::Recipient(address(&format!("{who}@example.test")));
            let profile = StoredProfile { failed: Some(failed), ..StoredProfile::default() };
            store.set_profile(owner, profile).await.unwrap();
        }
        let servers = Servers::List(vec![net.dns().address()]);
        let dns = Dns::new(postern_dns::Settings { servers, ..Default::default() }).unwrap();
        let events = Events::new();
        let gate = Gate::new(plan.gate, dns, events.clone()).unwrap();
        gate.set_domains([domain("example.test")]);
        let shutdown = Shutdown::new();
        let service = Service::new(Parts {
            settings: plan.settings,
            store: store.clone(),
            gate,
            policy: Arc::new(ArcSwap::from_pointee(plan.policy)),
            events,
            disk: Arc::new(measure::FreeDisk::new(folder.path())),
            feedback: plan.feedback,
            shutdown: shutdown.clone(),
            ids: Arc::new(TraceIds::new(1)),
        });
        let open = |door| {
            let socket = Socket::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            let address = socket.address();
            tokio::spawn(Arc::clone(&service).serve(door, socket.listen().unwrap()));
            address
        };
        let (milter, policy) = (open(Door::Milter), open(Door::Policy));
        let local = folder.path().join("milter.sock");
        let socket = LocalSocket::bind(&local).unwrap();
        tokio::spawn(Arc::clone(&service).serve_local(Door::Milter, socket.listen().unwrap()));
        Self { net, store, milter, policy, local, shutdown, _folder: folder }
    }

    /// The traces, newest first, as soon as there are `count`: those of refusals come with the next commit.
    pub(crate) async fn traces(&self, count: usize) -> Vec<TraceRecord> {
        for _ in 0..500 {
            let traces = self.store.traces(TraceQuery { limit: 100, ..TraceQuery::default() }).await.unwrap();
            if traces.len() >= count {
                return traces;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no {count} traces within 10 s");
    }

    /// What the quarantine holds, in the order of recipients.
    pub(crate) async fn quarantine(&self) -> Vec<Held> {
        let mut held = Vec::new();
        for entry in self.store.quarantine(QuarantineQuery::default()).await.unwrap() {
            let bytes = self.store.read_quarantined(entry.id).await.unwrap().read_all().await.unwrap();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            held.push(Held { recipient: entry.recipient.to_string(), reason: entry.reason, text });
        }
        held.sort_by(|a, b| a.recipient.cmp(&b.recipient));
        held
    }
}

fn settings() -> Settings {
    let mut settings = Settings::new(domain("mx.example.test"));
    settings.trusted = [OURS, OFFICE].map(|ip| Network::single(ip.into())).into_iter().collect();
    settings.minimum_free_disk = 0;
    settings
}

fn gate_settings() -> postern_gate::Settings {
    let wanted = [Test::AllowList, Test::BlockList, Test::SenderList, Test::HeaderRule, Test::Hops];
    postern_gate::Settings {
        block: vec![NetworkList {
            name: "test".into(),
            entries: vec![Network::single(BLOCKED.into())],
            file: None,
        }],
        blocked_senders: vec![SenderList {
            name: "senders".into(),
            entries: vec!["spammer@example.org".into()],
            file: None,
        }],
        header_rules: vec![
            HeaderRule {
                name: "pills".into(),
                field: "Subject".into(),
                test: HeaderTest::Contains("pills".into()),
            },
            HeaderRule {
                name: "doubt".into(),
                field: "Subject".into(),
                test: HeaderTest::Contains("doubtful".into()),
            },
        ],
        off: Test::ALL.iter().copied().filter(|test| !wanted.contains(test)).collect(),
        ..postern_gate::Settings::default()
    }
}

fn policy() -> Policy {
    let mut policy = Policy::default();
    let rule = |action| Rule::new(action, postern_policy::Points::ZERO);
    policy.header_rules.insert("pills".into(), rule(RuleAction::Reject));
    policy.header_rules.insert("doubt".into(), rule(RuleAction::Quarantine));
    policy
}

/// A short honest message.
pub(crate) const MESSAGE: &str = "From: <carl@example.org>\r\nTo: <ann@example.test>\r\nSubject: Hello\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nDear Ann,\r\n100 % yours\r\n";

/// [`MESSAGE`] with another subject.
pub(crate) fn about(subject: &str) -> String {
    MESSAGE.replace("Subject: Hello", &format!("Subject: {subject}"))
}
