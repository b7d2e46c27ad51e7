//! The deployments (active-filter §1), with a line that can be cut at each place where one program speaks to another.

use std::net::SocketAddr;

use postern_store::{FailedMail, ListOwner, QuarantineQuery, Route, StoredProfile};
use postern_testnet::{Postfix, RunningPostfix, fresh_address};
use postern_types::{Address, Domain};

use crate::link::{Language, Link};
use crate::running::disk::Disk;
use crate::running::inetd::inetd;
use crate::running::{House, Server};

/// Whose mail is filtered.
const DOMAIN: &str = "guarded.test";

/// Where the filter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deployment {
    /// It is the mail server.
    Server,
    /// In front of the MTA, on another address.
    Proxy,
    /// The MTA is on another port of the same address.
    SingleHost,
    /// Started for each connection, with a program as its MTA.
    Wrapper,
    /// Asked by the MTA, by milter.
    Milter,
    /// Asked by the MTA at RCPT, by policy delegation.
    Delegation,
    /// Between two MTAs.
    Chained,
}

/// A deployment at work.
pub(crate) struct Site {
    pub(crate) deployment: Deployment,
    pub(crate) house: House,
    /// Where senders connect.
    pub(crate) address: SocketAddr,
    /// The lines between our programs, in the order in which a message passes them.
    pub(crate) links: Vec<Link>,
    /// What the data is on, where that can be filled.
    pub(crate) disk: Option<Disk>,
    mta: Option<RunningPostfix>,
    _server: Option<Server>,
}

/// The recipient whose copy is delivered, and the one whose copy is held, though the mail fails.
pub(crate) fn recipients() -> [String; 2] {
    ["pass", "hold"].map(|user| format!("{user}@{DOMAIN}"))
}

/// The recipient for whom mail that fails is refused.
pub(crate) fn strict() -> String {
    format!("strict@{DOMAIN}")
}

impl Site {
    /// Everything stands; `None` where there is no Postfix.
    pub(crate) async fn start(deployment: Deployment) -> Option<Self> {
        let disk = Disk::new(32);
        let house = house(deployment, disk.as_ref()).await;
        wishes(&house).await;
        let any = SocketAddr::from((fresh_address(), 0));
        let mut links = Vec::new();
        let (address, mta, server) = match deployment {
            Deployment::Server => (house.smtp(), None, Some(house.start().await)),
            Deployment::Proxy | Deployment::SingleHost => {
                let mta = mta()?.start().await.unwrap();
                let from = if deployment == Deployment::Proxy { any } else { (house.smtp().ip(), 0).into() };
                links.push(Link::lay(Language::Smtp, from, mta.address()).await);
                behind(&house, links[0].address.to_string()).await;
                (house.smtp(), Some(mta), Some(house.start().await))
            }
            Deployment::Wrapper => {
                let mta = mta()?.start().await.unwrap();
                links.push(Link::lay(Language::Smtp, any, mta.address()).await);
                behind(&house, "wrapped".into()).await;
                // It makes what a server's first start would.
                drop(house.start().await);
                let to = links[0].address;
                // As `sendmail -bs` does, it ends when either side does.
                let speaks = format!(
                    "exec 3<>/dev/tcp/{}/{}; cat <&0 >&3 & cat <&3 & wait -n; kill $(jobs -p)",
                    to.ip(),
                    to.port()
                );
                (inetd(&house, &["/bin/bash", "-c", &speaks], 200), Some(mta), None)
            }
            Deployment::Milter => {
                links.push(Link::lay(Language::Milter, any, house.milter()).await);
                let mta = mta()?
                    .setting("smtpd_milters", &format!("inet:{}", links[0].address))
                    .setting("milter_default_action", "tempfail");
                front(&house, mta).await
            }
            Deployment::Delegation => {
                links.push(Link::lay(Language::Policy, any, house.policy()).await);
                let question = format!("check_policy_service inet:{}", links[0].address);
                let mta = mta()?.setting("smtpd_recipient_restrictions", &question);
                front(&house, mta).await
            }
            Deployment::Chained => {
                links.push(Link::lay(Language::Smtp, any, house.smtp()).await);
                let inside = SocketAddr::new(house.smtp().ip(), 2526);
                let second = SocketAddr::from((fresh_address(), 0));
                links.push(Link::lay(Language::Smtp, second, inside).await);
                behind(&house, links[1].address.to_string()).await;
                let options = "-o smtpd_proxy_filter= -o smtpd_authorized_xforward_hosts=127.0.0.0/8";
                let mta = mta()?
                    .setting("smtpd_proxy_filter", &links[0].address.to_string())
                    .service(&format!("{inside} inet n - n - - smtpd {options}"));
                front(&house, mta).await
            }
        };
        Some(Self { deployment, house, address, links, disk, mta, _server: server })
    }

    /// Groups of recipients that get one message together. What policy delegation holds is the whole of it.
    pub(crate) fn groups(&self) -> Vec<Vec<String>> {
        match self.deployment {
            Deployment::Delegation => recipients().map(|recipient| vec![recipient]).to_vec(),
            _ => vec![recipients().to_vec()],
        }
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn settle(&self) {
        if let Some(mta) = &self.mta {
            assert!(mta.wait_for_empty_queue().await, "{}", mta.log());
        }
    }

    /// What was delivered to a recipient.
    pub(crate) async fn delivered(&self, address: &str) -> Vec<String> {
        match &self.mta {
            None => self.inbox(address).await,
            Some(mta) => mta.mailbox(address),
        }
    }

    /// What is held, for whomever.
    pub(crate) async fn held(&self) -> Vec<String> {
        match &self.mta {
            Some(mta) if self.deployment == Deployment::Delegation => mta.held_messages(),
            _ => self.quarantined().await,
        }
    }

    async fn inbox(&self, address: &str) -> Vec<String> {
        let messages = self.house.inbox(address).await;
        messages.into_iter().map(|(_, text)| String::from_utf8_lossy(&text).into_owned()).collect()
    }

    async fn quarantined(&self) -> Vec<String> {
        let store = self.house.store();
        let query = QuarantineQuery { limit: 10_000, ..QuarantineQuery::default() };
        let mut texts = Vec::new();
        for copy in store.quarantine(query).await.unwrap() {
            let text = store.read_quarantined(copy.id).await.unwrap().read_all().await.unwrap();
            texts.push(String::from_utf8_lossy(&text).into_owned());
        }
        store.close().await.unwrap();
        texts
    }

    /// What was logged, to be read when something has failed.
    pub(crate) fn log(&self) -> String {
        self.mta.as_ref().map(RunningPostfix::log).unwrap_or_default()
    }
}

async fn house(deployment: Deployment, disk: Option<&Disk>) -> House {
    House::build(|plan| {
        let loopback = "[\"127.0.0.0/8\"]";
        for (key, value) in [
            ("gate.tests.user.weight", "10"),
            ("probe.private_networks", loopback),
            ("probe.place_per_minute", "100"),
            ("probe.per_minute", "1000"),
            ("probe.command_timeout", "\"500 ms\""),
            ("probe.deadline", "\"1 s\""),
            ("milter.trusted", "[]"),
            // The test's senders fail more often than honest ones.
            ("feedback.enabled", "false"),
            ("trust.xforward", loopback),
        ] {
            plan.set(key, value);
        }
        if deployment == Deployment::Server {
            plan.accounts.extend(recipients().into_iter().chain([strict()]));
        }
        plan.data = disk.map(|disk| disk.path().join("data"));
    })
    .await
}

/// What the recipients want done with mail that fails.
async fn wishes(house: &House) {
    let store = house.store();
    for (recipient, failed) in recipients().iter().zip([FailedMail::Pass, FailedMail::Quarantine]) {
        let wish = StoredProfile { failed: Some(failed), ..StoredProfile::default() };
        store.set_profile(ListOwner::Recipient(Address::parse(recipient).unwrap()), wish).await.unwrap();
    }
    store.close().await.unwrap();
}

async fn behind(house: &House, route: String) {
    let store = house.store();
    store.add_domain(Domain::parse(DOMAIN).unwrap(), Route::Proxy(route)).await.unwrap();
    store.close().await.unwrap();
}

/// An MTA with mailboxes for the recipients.
fn mta() -> Option<Postfix> {
    let limit = "smtpd_client_connection_rate_limit";
    Some(Postfix::find("mx.guarded.test")?.mailboxes(DOMAIN, &["pass", "hold", "strict"]).setting(limit, "0"))
}

/// The MTA is what senders connect to.
async fn front(house: &House, mta: Postfix) -> (SocketAddr, Option<RunningPostfix>, Option<Server>) {
    let server = house.start().await;
    let mta = mta.start().await.unwrap();
    (mta.address(), Some(mta), Some(server))
}
