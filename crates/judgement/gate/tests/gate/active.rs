//! The active tests in the gate: when they are asked, and what their answers come to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use postern_events::Events;
use postern_gate::{Collector, ConnectBack, Gate, Settings, UserTest};
use postern_policy::{
    Action, ActionKind, Decision, Fact, Listed, Outcome, Points, Policy, Profile, RuleAction, Stage, Test,
    Verdict, judge,
};
use postern_probe::{Parts, Prober, system_clock};
use postern_store::{LedgerQuery, Options, Store};
use postern_testnet::{RunningPeer, SmtpPeer, Stage as At, Zone, fresh_address};
use tempfile::TempDir;

use crate::world::{World, domain, fact, helo, outcome, sender, stranger};

const PORT: u16 = 2525;

/// A world with a prober, and mail from `mx.sender.test`, which SPF lets send.
struct Active {
    world: World,
    gate: Gate,
    prober: Prober,
    store: Store,
    _folder: TempDir,
    client: IpAddr,
    policy: Policy,
}

impl Active {
    async fn new(settings: Settings) -> Self {
        let world = World::new().await;
        let client = fresh_address();
        world
            .server
            .add(Zone::new("sender.test").mx(10, "mx").txt("@", &format!("v=spf1 ip4:{client} -all")));
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let parts = Parts {
            dns: world.dns.clone(),
            store: store.clone(),
            events: Events::new(),
            clock: system_clock(),
        };
        let settings_of_prober = postern_probe::Settings {
            port: PORT,
            private: vec!["127.0.0.0/8".parse().unwrap()],
            limits: postern_probe::Limits {
                place_per_minute: 100,
                target_per_minute: 100,
                ..Default::default()
            },
            ..postern_probe::Settings::new(domain("mx.postern.test"))
        };
        let prober = Prober::new(settings_of_prober, parts);
        prober.set_domains([domain("ours.test")]);
        let settings = Settings { probe_wait: Duration::from_secs(30), ..settings };
        let gate = world.gate(settings).await;
        gate.set_prober(prober.clone());
        // Four points and a half speak against a client without a name: in doubt with the user test's four.
        let mut policy = Policy::default();
        policy.tests[Test::Rdns].weight = Points::hundredths(450);
        Self { world, gate, prober, store, _folder: folder, client: client.into(), policy }
    }

    async fn mx(&self, peer: SmtpPeer) -> RunningPeer {
        let mx = peer.start_at(SocketAddr::from((fresh_address(), PORT))).await.unwrap();
        self.world.server.add(Zone::new("sender.test").a("mx", v4(&mx)));
        mx
    }

    fn session(&self, from: &str) -> Collector {
        let mut session = stranger(&self.gate, &self.client.to_string());
        session.helo(helo(&format!("[{}]", self.client)));
        session.mail(&sender(from));
        session
    }

    async fn judged(&self, session: &mut Collector, profile: &Profile) -> Verdict {
        judge(session.settle(&self.policy, profile).await, &self.policy, profile, Stage::Rcpt)
    }

    async fn connections(&self) -> usize {
        self.prober.idle().await;
        self.store.probe_ledger(LedgerQuery { limit: 1000, ..LedgerQuery::default() }).await.unwrap().len()
    }
}

fn v4(host: &RunningPeer) -> Ipv4Addr {
    match host.address().ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(_) => panic!("an IPv6 host"),
    }
}

fn knows_ann() -> SmtpPeer {
    SmtpPeer::new().only_users(&["ann@sender.test"])
}

#[tokio::test]
async fn in_doubt_the_sender_s_own_mail_host_is_asked() {
    let active = Active::new(Settings::default()).await;
    let _mx = active.mx(knows_ann()).await;
    let mut ann = active.session("ann@sender.test");
    let verdict = active.judged(&mut ann, &Profile::default()).await;
    assert_eq!(verdict.action, Action::Deliver, "{:?}", ann.known().findings);
    assert_eq!(outcome(ann.known(), Test::User), Outcome::Clear);

    let mut bob = active.session("bob@sender.test");
    let verdict = active.judged(&mut bob, &Profile::default()).await;
    assert_eq!(verdict.action, Action::Quarantine);
    let Fact::NoSuchUser { address, host, .. } = fact(bob.known(), Test::User) else {
        panic!("he is not there")
    };
    assert_eq!((address.as_str(), host.as_str()), ("bob@sender.test", "mx.sender.test"));
    // The evidence of the message holds it too.
    let evidence = bob.evidence(Stage::Data).await;
    assert_eq!(outcome(evidence, Test::User), Outcome::Hit);
    // And the next transaction begins without it.
    bob.mail(&sender("ann@sender.test"));
    assert_eq!(bob.evidence(Stage::Data).await.of(Test::User).count(), 0);
}

#[tokio::test]
async fn who_is_not_in_doubt_is_not_asked_about() {
    let active = Active::new(Settings::default()).await;
    let _mx = active.mx(knows_ann()).await;
    let allows = Listed::Allowed { entry: "sender.test".into() };
    let friend = Profile { sender: allows, ..Profile::default() };
    let mut session = active.session("bob@sender.test");
    assert_eq!(active.judged(&mut session, &friend).await.action, Action::Deliver);
    assert_eq!(active.connections().await, 0, "people we write to");

    for from in ["", "news-bounces@sender.test", "bounces+1=x@sender.test", "owner-list@sender.test"] {
        let mut session = active.session(from);
        active.judged(&mut session, &Profile::default()).await;
    }
    assert_eq!(active.connections().await, 0, "the null sender and lists");

    // SPF says nothing about this one: whoever is forged is not bothered.
    active.world.server.add(Zone::new("victim.test").mx(10, "mx.sender.test."));
    let mut session = active.session("ann@victim.test");
    active.judged(&mut session, &Profile::default()).await;
    assert_eq!(outcome(session.known(), Test::User), Outcome::Skipped);
    assert_eq!(active.connections().await, 0, "a victim of forgery");

    let mut clean = active.policy.clone();
    clean.tests[Test::Rdns].weight = Points::ZERO;
    let mut session = active.session("bob@sender.test");
    session.settle(&clean, &Profile::default()).await;
    assert_eq!(active.connections().await, 0, "nothing speaks against it");
    let mut guilty = active.policy.clone();
    guilty.tests[Test::Rdns].weight = Points::hundredths(1000);
    session.settle(&guilty, &Profile::default()).await;
    assert_eq!(active.connections().await, 0, "enough speaks against it");
}

#[tokio::test]
async fn the_operator_may_have_everybody_asked_about() {
    let active = Active::new(Settings { user_test: UserTest::Everybody, ..Settings::default() }).await;
    let _mx = active.mx(SmtpPeer::new().only_users(&[])).await;
    active.world.server.add(Zone::new("other.test").mx(10, "mx.sender.test."));
    let mut session = active.session("bob@other.test");
    assert_eq!(active.judged(&mut session, &Profile::default()).await.action, Action::Quarantine);
    assert_eq!(active.connections().await, 1);
}

#[tokio::test]
async fn a_client_comes_back_for_an_answer_once_and_is_then_judged() {
    let active = Active::new(Settings::default()).await;
    let mx = active.mx(knows_ann().hang(At::Mail)).await;
    active
        .gate
        .reload(Settings { probe_wait: Duration::from_millis(10), ..Settings::default() })
        .await
        .unwrap();
    let mut session = active.session("bob@sender.test");
    let verdict = active.judged(&mut session, &Profile::default()).await;
    assert_eq!(verdict.decided_by, Decision::Awaited { test: Test::User });
    let Action::Refuse(refused) = &verdict.action else { panic!("{verdict:?}") };
    assert_eq!((refused.code, refused.enhanced), (451, (4, 7, 1)));
    // For a friend of the sender there is nothing to wait for.
    let friend = Profile { sender: Listed::Allowed { entry: "sender.test".into() }, ..Profile::default() };
    assert_eq!(active.judged(&mut session, &friend).await.action, Action::Deliver);
    // Whoever else asks joins the same question.
    while mx.count("MAIL*") == 0 {
        let again = active.judged(&mut session, &Profile::default()).await;
        assert_eq!(again.decided_by, Decision::Awaited { test: Test::User });
        tokio::task::yield_now().await;
    }
    assert_eq!(mx.clients().len(), 1);
}

#[tokio::test]
async fn the_mail_host_that_is_asked_is_not_made_to_wait_when_it_is_the_client() {
    let active = Active::new(Settings::default()).await;
    let IpAddr::V4(client) = active.client else { panic!("IPv4") };
    let mx = knows_ann().hang(At::Mail).start_at(SocketAddr::from((client, PORT))).await.unwrap();
    active.world.server.add(Zone::new("sender.test").a("mx", client));
    let mut session = active.session("bob@sender.test");
    // It would wait for half a minute.
    let verdict = active.judged(&mut session, &Profile::default()).await;
    assert_eq!(verdict.action.kind(), ActionKind::Deliver);
    assert_eq!(outcome(session.known(), Test::User), Outcome::Skipped);
    assert!(mx.clients().len() <= 1);
}

#[tokio::test]
async fn two_gates_that_ask_each_other_do_not_loop() {
    // What the other one's prober says here: the null sender, to a name of ours.
    let active = Active::new(Settings { user_test: UserTest::Everybody, ..Settings::default() }).await;
    let mut session = active.session("");
    let evidence = session.settle(&active.policy, &Profile::default()).await;
    assert_eq!(evidence.of(Test::User).count(), 0);
    // And its relay test: a sender of its own, and no recipient here, so that nobody settles anything.
    let mut session = active.session("relay-test@sender.test");
    session.evidence(Stage::Rcpt).await;
    assert_eq!(active.connections().await, 0, "nothing is asked before a recipient of ours is named");
}

#[tokio::test]
async fn a_client_that_relays_is_caught_where_the_operator_wants_it_tested() {
    let mut active = Active::new(Settings::default()).await;
    let IpAddr::V4(client) = active.client else { panic!("IPv4") };
    let host = SmtpPeer::new().start_at(SocketAddr::from((client, PORT))).await.unwrap();
    let mut session = active.session("news-bounces@sender.test");
    let evidence = session.settle(&active.policy, &Profile::default()).await;
    assert_eq!(evidence.of(Test::Relay).count(), 0, "off unless it is switched on");
    active.policy.tests[Test::Relay].action = RuleAction::Score;
    let verdict = active.judged(&mut session, &Profile::default()).await;
    assert_eq!(verdict.action, Action::Quarantine, "{:?}", session.known().findings);
    assert_eq!(fact(session.known(), Test::Relay), Fact::OpenRelay { forms: vec!["a plain address".into()] });
    assert_eq!(host.count("RCPT*"), 1);
    assert_eq!(host.count("DATA*"), 0);
}

#[tokio::test]
async fn a_name_in_doubt_is_settled_by_connecting_back() {
    let active = Active::new(Settings { dialup_neighbours: 0, ..Settings::default() }).await;
    // Two hosts with the address in their names; one has a mail server.
    let (with, without) = (fresh_named(&active), fresh_named(&active));
    let host = SmtpPeer::new().start_at(SocketAddr::from((with, PORT))).await.unwrap();
    let likelihood = async |client: Ipv4Addr| {
        let mut session = stranger(&active.gate, &client.to_string());
        session.mail(&sender("ann@elsewhere.test"));
        let evidence = session.evidence(Stage::Rcpt).await;
        let Fact::Dialup { because, .. } = fact(evidence, Test::Dialup) else { panic!("a name") };
        (outcome(evidence, Test::Dialup), because.join("; "))
    };
    let (outcome_with, because) = likelihood(with).await;
    assert_eq!(outcome_with, Outcome::Clear, "{because}");
    assert!(because.contains("the host itself answers on its SMTP port"), "{because}");
    assert_eq!(host.commands(), ["QUIT"]);
    let (outcome_without, because) = likelihood(without).await;
    assert_eq!(outcome_without, Outcome::Hit);
    assert!(because.contains("nobody answers on the host's SMTP port"), "{because}");
    // The second time nobody is asked.
    let before = active.connections().await;
    likelihood(with).await;
    likelihood(without).await;
    assert_eq!(active.connections().await, before);
    // Where SPF shows that the domain sends from here, or the operator does not want it, nobody is.
    let known = fresh_named(&active);
    active
        .world
        .server
        .add(Zone::new("knows.test").mx(10, "mx.isp.test.").txt("@", &format!("v=spf1 ip4:{known} -all")));
    let mut session = stranger(&active.gate, &known.to_string());
    session.mail(&sender("ann@knows.test"));
    assert_eq!(outcome(session.evidence(Stage::Rcpt).await, Test::Dialup), Outcome::Clear);
    let never = Settings { connect_back: ConnectBack::Never, dialup_neighbours: 0, ..Settings::default() };
    active.gate.reload(never).await.unwrap();
    assert_eq!(likelihood(fresh_named(&active)).await.0, Outcome::Hit);
    assert_eq!(active.connections().await, before);
}

/// A host with its address in its name.
fn fresh_named(active: &Active) -> Ipv4Addr {
    let ip = fresh_address();
    let [a, b, c, d] = ip.octets();
    let name = format!("{a}-{b}-{c}-{d}.isp.test");
    active.world.server.add(Zone::new(&name).a("@", ip).ptr(ip.into(), "@"));
    ip
}
