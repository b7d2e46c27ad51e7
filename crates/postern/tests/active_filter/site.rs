//! The deployments: where the filter stands, and where the mail of its recipients ends.

use std::net::SocketAddr;

use postern_store::{
    FailedMail, ListEntry, ListKind, ListOwner, QuarantineQuery, Route, Store, StoredProfile, Subject,
};
use postern_testnet::{Postfix, RunningPostfix, fresh_address};
use postern_types::{Address, Domain, Timestamp};

use crate::expected::{Finding, Profile};
use crate::remote::{LIST, Remote, World};
use crate::running::inetd::inetd;
use crate::running::{House, Server};
use crate::session;

/// Whose mail is filtered.
pub(crate) const DOMAIN: &str = "guarded.test";

/// Where the filter stands (active-filter §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// It is the mail server.
    Server,
    /// In front of the MTA, on another address.
    Proxy,
    /// Started for each connection, with a program as its MTA.
    Wrapper,
    /// Asked by the MTA, by milter.
    Milter,
    /// Asked by the MTA at RCPT, by policy delegation.
    Delegation,
    /// Between two MTAs, which tell and are told whose connection it is.
    Chained,
}

impl Deployment {
    /// The recipients of each message. Policy delegation sees no message, and what it holds is the whole one: there each
    /// recipient gets a message of its own.
    pub(crate) fn groups(self, finding: Finding) -> &'static [&'static [Profile]] {
        match (self, finding) {
            // Who forges is found out when the message is there.
            (Self::Delegation, Finding::Forged) => &[],
            (Self::Delegation, _) => {
                &[&[Profile::Plain], &[Profile::Hold], &[Profile::Mark], &[Profile::Pass], &[Profile::Friend]]
            }
            _ => &[&Profile::ALL, &[Profile::Plain]],
        }
    }

    fn has_mailboxes(self) -> bool {
        self == Self::Server
    }
}

/// The house of a deployment, not yet open.
pub(crate) async fn house(deployment: Deployment) -> House {
    House::build(|plan| {
        let loopback = "[\"127.0.0.0/8\"]";
        for (key, value) in [
            ("gate.tests.dialup.weight", "10"),
            ("gate.tests.relay.action", "\"score\""),
            ("gate.tests.relay.weight", "10"),
            ("gate.tests.user.weight", "10"),
            ("probe.private_networks", loopback),
            ("probe.place_per_minute", "100"),
            ("probe.target_per_minute", "100"),
            ("probe.per_minute", "1000"),
            ("probe.command_timeout", "\"1 s\""),
            ("probe.deadline", "\"3 s\""),
            ("milter.trusted", "[]"),
            // The test's remote hosts come more often than honest ones.
            ("feedback.enabled", "false"),
            ("trust.xforward", loopback),
        ] {
            plan.set(key, value);
        }
        plan.set(&format!("gate.dnsbl.\"{LIST}\".weight"), "10");
        if deployment.has_mailboxes() {
            plan.accounts.extend(Profile::ALL.map(|profile| format!("{}@{DOMAIN}", profile.user())));
        }
    })
    .await
}

/// A deployment at work.
pub(crate) struct Site<'a> {
    pub(crate) deployment: Deployment,
    house: &'a House,
    address: SocketAddr,
    mta: Option<RunningPostfix>,
    _server: Option<Server>,
}

impl<'a> Site<'a> {
    /// Opens the house's doors; `None` where there is no Postfix.
    pub(crate) async fn start(deployment: Deployment, house: &'a House, world: &World<'_>) -> Option<Self> {
        people(house, world).await;
        let mta = match deployment {
            Deployment::Server => None,
            _ => Some(mta(deployment, house)?.start().await.unwrap()),
        };
        if let Some(mta) = mta.as_ref() {
            let route = match deployment {
                Deployment::Wrapper => "wrapped".to_owned(),
                Deployment::Chained => behind(house).to_string(),
                _ => mta.address().to_string(),
            };
            let store = house.store();
            store.add_domain(Domain::parse(DOMAIN).unwrap(), Route::Proxy(route)).await.unwrap();
            store.close().await.unwrap();
        }
        let server = house.start().await;
        let asked = |mta: &Option<RunningPostfix>| mta.as_ref().unwrap().address();
        let (address, server) = match deployment {
            Deployment::Server | Deployment::Proxy => (house.smtp(), Some(server)),
            Deployment::Milter | Deployment::Delegation | Deployment::Chained => (asked(&mta), Some(server)),
            Deployment::Wrapper => {
                drop(server);
                let to = asked(&mta);
                let speaks =
                    format!("exec 3<>/dev/tcp/{}/{}; cat <&3 & cat >&3; kill $!", to.ip(), to.port());
                (inetd(house, &["/bin/bash", "-c", &speaks], 200), None)
            }
        };
        Some(Self { deployment, house, address, mta, _server: server })
    }

    /// Where remote hosts connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has an active test ask its question, and waits for the answer.
    pub(crate) async fn prime(&self, remote: &Remote, probe: &str) {
        let store = self.house.store();
        // On a machine that is very busy, the DNS may be too late for a question to be asked at the first visit.
        for visit in 1..=5 {
            let heard = session::run(self.address, remote, &[Profile::Plain], &session::id()).await;
            let answered = async {
                while !is_answered(&store, remote, probe).await {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            };
            let patience = std::time::Duration::from_secs(8);
            if tokio::time::timeout(patience, answered).await.is_ok() {
                break;
            }
            assert!(visit < 5, "{}: nobody was asked\n{}", remote.name, heard.transcript);
        }
        store.close().await.unwrap();
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn settle(&self) {
        if let Some(mta) = &self.mta {
            assert!(mta.wait_for_empty_queue().await, "{}", mta.log());
        }
    }

    /// Copies of a message in a recipient's mailbox, and in quarantine (or held by the MTA).
    pub(crate) async fn copies(&self, profile: Profile, id: &str) -> (usize, usize) {
        let there = self.mailbox(profile).await.iter().filter(|text| text.contains(id)).count();
        let held = match &self.mta {
            Some(mta) if self.deployment == Deployment::Delegation => {
                mta.held_messages().iter().filter(|text| text.contains(id)).count()
            }
            _ => self.quarantined(profile, id).await,
        };
        (there, held)
    }

    /// Whether the copy in the mailbox has the mark.
    pub(crate) async fn is_marked(&self, profile: Profile, id: &str) -> bool {
        let mailbox = self.mailbox(profile).await;
        mailbox.iter().any(|text| text.contains(id) && text.contains("X-Postern-Verdict: suspicious"))
    }

    async fn mailbox(&self, profile: Profile) -> Vec<String> {
        let address = format!("{}@{DOMAIN}", profile.user());
        match &self.mta {
            Some(mta) => mta.mailbox(&address),
            None => {
                let messages = self.house.inbox(&address).await;
                messages.into_iter().map(|(_, text)| String::from_utf8_lossy(&text).into_owned()).collect()
            }
        }
    }

    async fn quarantined(&self, profile: Profile, id: &str) -> usize {
        let store = self.house.store();
        let recipient = Some(Address::parse(&format!("{}@{DOMAIN}", profile.user())).unwrap());
        let held =
            store.quarantine(QuarantineQuery { recipient, ..QuarantineQuery::default() }).await.unwrap();
        let mut count = 0;
        for copy in held {
            let text = store.read_quarantined(copy.id).await.unwrap().read_all().await.unwrap();
            count += usize::from(String::from_utf8_lossy(&text).contains(id));
        }
        store.close().await.unwrap();
        count
    }

    /// No remote host got a message or was asked twice.
    pub(crate) fn remotes_were_treated_well(&self, world: &World<'_>) {
        for (what, postfix) in &world.postfixes {
            let log = postfix.log();
            assert!(!log.contains("postfix/cleanup"), "{what}: no message was ever begun there\n{log}");
        }
    }
}

/// Whether what was found out about the remote host is known, so that it is not asked again.
async fn is_answered(store: &Store, remote: &Remote, probe: &str) -> bool {
    let subject = if probe == "user" { remote.sender.clone() } else { remote.ip.to_string() };
    store.probe(probe, &subject, Timestamp::now()).await.unwrap().is_some()
}

/// What each recipient wants, and whom the friendly one knows.
async fn people(house: &House, world: &World<'_>) {
    let store = house.store();
    let address = |profile: Profile| Address::parse(&format!("{}@{DOMAIN}", profile.user())).unwrap();
    for (profile, failed) in [
        (Profile::Hold, FailedMail::Quarantine),
        (Profile::Mark, FailedMail::Tag),
        (Profile::Pass, FailedMail::Pass),
    ] {
        let wish = StoredProfile { failed: Some(failed), ..StoredProfile::default() };
        store.set_profile(ListOwner::Recipient(address(profile)), wish).await.unwrap();
    }
    for remote in world.remotes() {
        let entry = ListEntry {
            list: ListKind::Allow,
            owner: ListOwner::Recipient(address(Profile::Friend)),
            subject: Subject::Address(Address::parse(&remote.sender).unwrap()),
            reason: "a friend".into(),
            trace: None,
            strikes: 0,
            created_at: Timestamp::now(),
            expires_at: None,
        };
        store.put_listed(entry).await.unwrap();
    }
    store.close().await.unwrap();
}

/// The port behind the chained filter, beside the port in front of it.
fn behind(house: &House) -> SocketAddr {
    SocketAddr::new(house.smtp().ip(), 2526)
}

/// The protected MTA.
fn mta(deployment: Deployment, house: &House) -> Option<Postfix> {
    let users: Vec<&str> = Profile::ALL.iter().map(|profile| profile.user()).collect();
    let mta = Postfix::find("mx.guarded.test")?.mailboxes(DOMAIN, &users);
    Some(match deployment {
        Deployment::Milter => mta
            .setting("smtpd_milters", &format!("inet:{}", house.milter()))
            .setting("milter_default_action", "tempfail"),
        Deployment::Delegation => mta
            .listen(fresh_address(), 25)
            .setting("smtpd_recipient_restrictions", &format!("check_policy_service inet:{}", house.policy())),
        Deployment::Chained => mta
            .setting("smtpd_proxy_filter", &house.smtp().to_string())
            .service(&format!(
                "{} inet n - n - - smtpd -o smtpd_proxy_filter= -o smtpd_authorized_xforward_hosts=127.0.0.0/8",
                behind(house)
            )),
        Deployment::Server | Deployment::Proxy | Deployment::Wrapper => mta,
    })
}
