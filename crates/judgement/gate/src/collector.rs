//! [`Collector`]: the evidence of one session, stage by stage.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::{join, join_all, join3};
use postern_authentication::Sender;
use postern_policy::{Evidence, Fact, Finding, Helo, Outcome, Rdns, Stage, Test};
use postern_types::{Address, Domain, ReversePath};
use tokio::time::Instant;

use crate::gate::Shared;
use crate::loaded::Loaded;
use crate::lookup::Lookup;
use crate::{authentic, dialup, header, helo, reverse, sender};

/// The longest text of a client that evidence keeps, in bytes.
const SAID_MAX: usize = 255;

/// Whether a client is one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is not: everything is tested.
    Stranger,
    /// It is on a trusted network or has signed in: only loops are looked for.
    Ours,
}

/// The evidence of one session. Its questions end when it is dropped.
pub struct Collector {
    shared: Arc<Shared>,
    loaded: Arc<Loaded>,
    evidence: Evidence,
    /// Whether the client is tested at all.
    tested: bool,
    /// What the session has seen by itself; each at its test's stage.
    noted: Vec<Finding>,
    connect: Part,
    helo: Part,
    mail: Part,
    data: Vec<Finding>,
    /// Up to which stage `evidence.findings` holds what is known.
    assembled: Option<Stage>,
}

/// What one stage has brought, and what is still on its way.
struct Part {
    findings: Vec<Finding>,
    lookup: Lookup<Answers>,
}

#[derive(Default)]
struct Answers {
    rdns: Option<Rdns>,
    findings: Vec<Finding>,
}

impl Part {
    const EMPTY: Self = Self { findings: Vec::new(), lookup: Lookup::NOTHING };
}

impl Collector {
    pub(crate) fn new(shared: Arc<Shared>, mut evidence: Evidence, trust: Trust) -> Self {
        let loaded = shared.loaded.load_full();
        let ip = evidence.client.ip;
        evidence.client.trusted = trust == Trust::Ours;
        let allowed = evidence.of(Test::AllowList).any(|finding| finding.outcome == Outcome::Hit);
        let tested = !allowed && trust == Trust::Stranger;
        let findings = evidence.findings.clone();
        let lookup = if tested {
            Lookup::start(about_client(Arc::clone(&shared), Arc::clone(&loaded), ip))
        } else {
            Lookup::NOTHING
        };
        Self {
            shared,
            loaded,
            evidence,
            tested,
            noted: Vec::new(),
            connect: Part { findings, lookup },
            helo: Part::EMPTY,
            mail: Part::EMPTY,
            data: Vec::new(),
            assembled: None,
        }
    }

    /// The client spoke before it was greeted, and said this.
    pub fn spoke_first(&mut self, said: &[u8]) {
        let said = String::from_utf8_lossy(&said[..said.len().min(80)]).into_owned();
        self.note(Test::EarlyTalk, Fact::SpokeFirst { said });
    }

    /// The client sent commands ahead where it must wait: before EHLO was answered, after HELO, behind DATA.
    pub fn did_not_wait(&mut self) {
        self.note(Test::Pipelining, Fact::Nothing);
    }

    /// The client connects more often than it should.
    pub fn over_rate(&mut self, per_minute: u32, limit: u32) {
        self.note(Test::ConnectionRate, Fact::Rate { per_minute, limit });
    }

    /// TLS has begun; `what` names version and cipher.
    pub fn tls(&mut self, what: String) {
        self.evidence.client.tls = Some(what);
    }

    /// The client has given its name; a transaction that was begun is over (RFC 5321 §4.1.4).
    pub fn helo(&mut self, mut said: Helo) {
        truncate(&mut said.name);
        self.helo = Part::EMPTY;
        self.forget(Stage::Helo);
        self.evidence.sender = None;
        if self.tested {
            let ip = self.evidence.client.ip;
            let look = helo::look(&said.name, ip, &self.loaded, &self.shared.domains.load());
            self.helo.findings = look.findings;
            if let Some(name) = look.ask {
                let (shared, deadline) = (Arc::clone(&self.shared), self.deadline());
                self.helo.lookup = Lookup::start(async move {
                    let finding = helo::resolve(&shared.dns, &name, deadline).await;
                    Answers { rdns: None, findings: vec![finding] }
                });
            }
        }
        self.evidence.helo = Some(said);
    }

    /// The client has named the sender: a new transaction, what was known about the last is forgotten.
    pub fn mail(&mut self, sender: &ReversePath) {
        self.forget(Stage::Mail);
        self.evidence.sender = Some(sender.clone());
        if !self.tested {
            return;
        }
        if let Some(address) = sender.address().filter(|_| self.loaded.asks(Test::SenderList)) {
            self.mail.findings.push(sender::listed(address, &self.loaded));
        }
        // Our own domains take mail, whatever the DNS says; an address literal needs no DNS.
        let domain = sender.address().and_then(Address::domain);
        let domain = domain.filter(|domain| !self.shared.domains.load().contains(domain)).cloned();
        let asks_domain = domain.is_some() && self.loaded.asks(Test::SenderDomain);
        if asks_domain || self.loaded.asks(Test::Dialup) || authentic::is_asked(&self.loaded) {
            let (shared, loaded) = (Arc::clone(&self.shared), Arc::clone(&self.loaded));
            let said = Said {
                ip: self.evidence.client.ip,
                helo: self.evidence.helo.as_ref().map(|helo| helo.name.clone()).unwrap_or_default(),
                sender: sender.clone(),
                domain,
            };
            self.mail.lookup = Lookup::start(about_sender(shared, loaded, said, self.deadline()));
        }
    }

    /// The message's header has been read; `recipients` are those that were accepted.
    pub fn headers(&mut self, header: &[u8], recipients: &[&Address]) {
        let look = if self.tested { header::look } else { header::look_for_loops };
        let look = look(header, recipients, &self.loaded);
        self.evidence.message = Some(look.message);
        self.data = look.findings;
        self.assembled = None;
    }

    /// Everything that is known up to `stage`. Waits for the questions of these stages, each at most until its
    /// deadline. May be broken off and called again.
    pub async fn evidence(&mut self, stage: Stage) -> &Evidence {
        let parts = [
            (Stage::Connect, &mut self.connect),
            (Stage::Helo, &mut self.helo),
            (Stage::Mail, &mut self.mail),
        ];
        for (_, part) in parts.into_iter().filter(|(at, _)| *at <= stage) {
            if let Some(answers) = part.lookup.take().await {
                part.findings.extend(answers.findings);
                if let Some(rdns) = answers.rdns {
                    self.evidence.client.rdns = rdns;
                }
                self.assembled = None;
            }
        }
        if self.assembled != Some(stage) {
            self.assemble(stage);
        }
        &self.evidence
    }

    /// What is known so far, without waiting: as the last [`evidence`](Self::evidence) left it, without what a
    /// new HELO or MAIL has made untrue.
    #[must_use]
    pub fn known(&self) -> &Evidence {
        &self.evidence
    }

    /// The client's name, if the answer is here.
    #[must_use]
    pub fn rdns(&self) -> &Rdns {
        &self.evidence.client.rdns
    }

    fn assemble(&mut self, stage: Stage) {
        let parts = [
            (Stage::Connect, &self.connect.findings),
            (Stage::Helo, &self.helo.findings),
            (Stage::Mail, &self.mail.findings),
            (Stage::Data, &self.data),
        ];
        let findings = &mut self.evidence.findings;
        findings.clear();
        for (_, part) in parts.into_iter().filter(|(at, _)| *at <= stage) {
            findings.extend_from_slice(part);
        }
        findings.extend(self.noted.iter().filter(|finding| finding.test.stage() <= stage).cloned());
        // In the order of the session, however the answers came in.
        findings.sort_by_key(|finding| finding.test);
        self.assembled = Some(stage);
    }

    fn note(&mut self, test: Test, fact: Fact) {
        let known = self.noted.iter().any(|finding| finding.test == test);
        if self.tested && !known && self.loaded.asks(test) {
            self.noted.push(Finding::new(test, Outcome::Hit, fact));
            self.assembled = None;
        }
    }

    /// Takes out of the evidence what was known about `from` and the stages behind it, and ends the transaction.
    fn forget(&mut self, from: Stage) {
        self.mail = Part::EMPTY;
        self.data.clear();
        self.evidence.findings.retain(|finding| finding.test.stage() < from);
        self.evidence.message = None;
        self.assembled = None;
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.loaded.settings.deadline
    }
}

/// The name of the client's address and what the DNS lists say about it, all at the same time.
async fn about_client(shared: Arc<Shared>, loaded: Arc<Loaded>, ip: IpAddr) -> Answers {
    let deadline = Instant::now() + loaded.settings.deadline;
    let name = async {
        if loaded.asks(Test::Rdns) || loaded.asks(Test::Fcrdns) {
            Some(reverse::find(&shared.dns, ip, deadline).await)
        } else {
            None
        }
    };
    let zones = if loaded.asks(Test::Dnsbl) { loaded.zones.as_slice() } else { &[] };
    let lists = join_all(zones.iter().map(|zone| zone.find(&shared.dns, &shared.recheck, ip, deadline)));
    let (name, mut findings) = join(name, lists).await;
    let (rdns, about_name) = name.unzip();
    let about_name = about_name.into_iter().flatten();
    findings.extend(about_name.filter(|finding| loaded.asks(finding.test)));
    Answers { rdns, findings }
}

/// Who the client is and whom it names as the sender.
struct Said {
    ip: IpAddr,
    helo: String,
    sender: ReversePath,
    /// The sender's domain, where it is not ours.
    domain: Option<Domain>,
}

/// Whether the sender's domain can receive mail, whether it lets the client send, and whether the client is a
/// dial-up host that it does not send from, all at the same time.
async fn about_sender(shared: Arc<Shared>, loaded: Arc<Loaded>, said: Said, deadline: Instant) -> Answers {
    let domain = said.domain.as_ref();
    let receives = async {
        match domain.filter(|_| loaded.asks(Test::SenderDomain)) {
            Some(domain) => Some(sender::domain(&shared.dns, domain, deadline).await),
            None => None,
        }
    };
    let spf = async {
        if !authentic::is_asked(&loaded) {
            return None;
        }
        let receiver = loaded.settings.our_names.first().map_or("unknown", Domain::as_str);
        let sender = Sender { ip: said.ip, helo: &said.helo, path: &said.sender, receiver };
        Some(authentic::spf(&shared.dns, &sender, deadline).await)
    };
    let dialup = async {
        if loaded.asks(Test::Dialup) {
            let neighbours = loaded.settings.dialup_neighbours;
            Some(dialup::find(&shared.dns, said.ip, neighbours, domain, deadline).await)
        } else {
            None
        }
    };
    let (receives, spf, dialup) = join3(receives, spf, dialup).await;
    let (spf, about_spf) = spf.unzip();
    let known = spf.is_some_and(|spf| authentic::knows_the_address(&spf));
    let dialup = dialup.map(|found| if known { found.cleared_by_spf() } else { found.finding });
    Answers { rdns: None, findings: receives.into_iter().chain(about_spf).chain(dialup).collect() }
}

fn truncate(text: &mut String) {
    if text.len() > SAID_MAX {
        let end = (0..=SAID_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}
