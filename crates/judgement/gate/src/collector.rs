//! [`Collector`]: the evidence of one session, stage by stage.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::{join, join_all, join3};
use postern_authentication::{Report, Sender, Spf, without_forged};
use postern_policy::{
    Evidence, Fact, Finding, Helo, Outcome, Policy, Profile, Rdns, Stage, Test, could_change,
};
use postern_types::{Address, Authenticity, Domain, ReversePath};
use tokio::time::Instant;

use crate::active::Patience;
use crate::gate::Shared;
use crate::loaded::Loaded;
use crate::lookup::Lookup;
use crate::message::InMessage;
use crate::{ConnectBack, active, authentic, dialup, header, helo, reverse, sender};

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
    /// What is known so far. A judgement takes of the findings what belongs to its stage and those before.
    evidence: Evidence,
    /// Whether the client is tested at all.
    tested: bool,
    /// What the session has seen by itself: no HELO or MAIL makes it untrue.
    noted: Vec<Test>,
    connect: Lookup<Answers>,
    helo: Lookup<Answers>,
    mail: Lookup<Answers>,
    spf: Option<Spf>,
    message: Option<InMessage>,
}

#[derive(Default)]
struct Answers {
    rdns: Option<Rdns>,
    spf: Option<Spf>,
    findings: Vec<Finding>,
}

impl Collector {
    pub(crate) fn new(shared: Arc<Shared>, mut evidence: Evidence, trust: Trust) -> Self {
        let loaded = shared.loaded.load_full();
        let ip = evidence.client.ip;
        evidence.client.trusted = trust == Trust::Ours;
        let allowed = evidence.of(Test::AllowList).any(|finding| finding.outcome == Outcome::Hit);
        let tested = !allowed && trust == Trust::Stranger;
        let connect = if tested {
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
            connect,
            helo: Lookup::NOTHING,
            mail: Lookup::NOTHING,
            spf: None,
            message: None,
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
        self.helo = Lookup::NOTHING;
        self.forget(Stage::Helo);
        self.evidence.sender = None;
        if self.tested {
            let ip = self.evidence.client.ip;
            let look = helo::look(&said.name, ip, &self.loaded, &self.shared.domains.load());
            self.add(look.findings);
            if let Some(name) = look.ask {
                let (shared, deadline) = (Arc::clone(&self.shared), self.deadline());
                self.helo = Lookup::start(async move {
                    let finding = helo::resolve(&shared.dns, &name, deadline).await;
                    Answers { findings: vec![finding], ..Answers::default() }
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
            let listed = sender::listed(address, &self.loaded);
            self.add([listed]);
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
            self.mail = Lookup::start(about_sender(shared, loaded, said, self.deadline()));
        }
    }

    /// The message's header has been read; `recipients` are those that were accepted.
    pub fn headers(&mut self, header: &[u8], recipients: &[&Address]) {
        let look = if self.tested { header::look } else { header::look_for_loops };
        let look = look(header, recipients, &self.loaded);
        self.evidence.message = Some(look.message);
        self.evidence.findings.retain(|finding| finding.test.stage() < Stage::Data);
        self.add(look.findings);
        let asked = self.tested && authentic::is_asked(&self.loaded);
        let deadline = Instant::now() + self.loaded.settings.authentication.deadline;
        self.message = asked.then(|| InMessage::begin(header, self.shared.dns.clone(), deadline));
    }

    /// Whether signatures want the body: until [`end`](Self::end), the evidence at [`Stage::Data`] holds nothing of
    /// DKIM, ARC and DMARC. Else it holds everything once the header is known.
    #[must_use]
    pub fn awaits_body(&self) -> bool {
        self.message.as_ref().is_some_and(InMessage::is_underway)
    }

    /// A piece of the body, behind the empty line that ends the header.
    pub fn body(&mut self, piece: &[u8]) {
        if let Some(message) = &mut self.message {
            message.push(piece);
        }
    }

    /// The message is over.
    pub fn end(&mut self) {
        if let Some(message) = &mut self.message {
            message.end();
        }
    }

    /// The `Authentication-Results` field for the message (RFC 8601), with its line end, of what
    /// [`evidence`](Self::evidence) has brought. `None` where the sender is not authenticated.
    #[must_use]
    pub fn report(&self) -> Option<String> {
        let authserv_id = self.loaded.settings.authserv_id()?;
        let message = self.message.as_ref()?;
        let ip = self.evidence.client.ip;
        let iprev = match self.evidence.client.rdns {
            Rdns::NotAsked => None,
            Rdns::Confirmed { .. } => Some(Authenticity::Pass),
            Rdns::Unconfirmed { .. } => Some(Authenticity::Fail),
            // rfc8601 §2.7.3: no name is permerror
            Rdns::Missing => Some(Authenticity::PermError),
            Rdns::Unknown => Some(Authenticity::TempError),
        };
        let report = Report {
            authserv_id,
            spf: self.spf.as_ref(),
            message: message.found(),
            iprev: iprev.map(|result| (result, ip)),
        };
        Some(report.to_field())
    }

    /// The header without `Authentication-Results` that a stranger has written in our name (RFC 8601 §5).
    #[must_use]
    pub fn without_forged<'a>(&self, header: &'a [u8]) -> Cow<'a, [u8]> {
        let enabled = self.loaded.settings.authentication.enabled;
        match self.loaded.settings.authserv_id() {
            Some(authserv_id) if enabled && !self.evidence.client.trusted => {
                without_forged(header, authserv_id)
            }
            _ => Cow::Borrowed(header),
        }
    }

    /// Everything that is known up to `stage`; what is known of later stages stays in it, and a judgement at `stage`
    /// does not look at that. Waits for the questions of these stages, each at most until its deadline. May be
    /// broken off and called again.
    pub async fn evidence(&mut self, stage: Stage) -> &Evidence {
        let stages = [Stage::Connect, Stage::Helo, Stage::Mail];
        for at in stages.into_iter().filter(|at| *at <= stage) {
            let lookup = match at {
                Stage::Connect => &mut self.connect,
                Stage::Helo => &mut self.helo,
                _ => &mut self.mail,
            };
            if let Some(answers) = lookup.take().await {
                self.add(answers.findings);
                if let Some(rdns) = answers.rdns {
                    self.evidence.client.rdns = rdns;
                }
                if answers.spf.is_some() {
                    self.spf = answers.spf;
                }
            }
        }
        if let Some(message) = self.message.as_mut().filter(|_| stage >= Stage::Data) {
            let trusted = &self.loaded.settings.authentication.trusted_forwarders;
            if let Some(findings) = message.conclude(self.spf.as_ref(), trusted).await {
                self.add(findings);
            }
        }
        &self.evidence
    }

    /// Everything that is known at RCPT; and where that leaves the verdict for a recipient with this profile in doubt,
    /// what the active tests say. They are the last to be asked, and one that could change nothing is not. An
    /// answer that takes longer than a moment is pending; the next call has it when it is there.
    pub async fn settle(&mut self, policy: &Policy, profile: &Profile) -> &Evidence {
        self.evidence(Stage::Rcpt).await;
        let prober = self.shared.prober.load_full().filter(|_| self.tested);
        for test in active::TESTS {
            let Some(prober) = &prober else { break };
            let wanted = self.loaded.asks(test) && active::wants(&self.evidence, test);
            if wanted && could_change(&self.evidence, policy, profile, Stage::Rcpt, test) {
                let patience = active::patience(&self.evidence);
                let probe = self.loaded.probe(prober, self.evidence.client.ip, patience);
                if let Some(finding) = probe.ask(test, &self.evidence, self.loaded.settings.user_test).await {
                    self.evidence.findings.retain(|known| known.test != test);
                    self.add([finding]);
                }
            }
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

    /// Adds findings where they belong in the order of the session, however the answers came in.
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.evidence.findings.extend(findings);
        self.evidence.findings.sort_by_key(|finding| finding.test);
    }

    fn note(&mut self, test: Test, fact: Fact) {
        if self.tested && !self.noted.contains(&test) && self.loaded.asks(test) {
            self.noted.push(test);
            self.add([Finding::new(test, Outcome::Hit, fact)]);
        }
    }

    /// Takes out of the evidence what was known about `from` and the stages behind it, and ends the transaction.
    fn forget(&mut self, from: Stage) {
        self.mail = Lookup::NOTHING;
        self.spf = None;
        self.message = None;
        let noted = &self.noted;
        self.evidence.findings.retain(|known| known.test.stage() < from || noted.contains(&known.test));
        self.evidence.message = None;
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
    Answers { rdns, findings, ..Answers::default() }
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
    let prober = shared.prober.load_full().filter(|_| loaded.settings.connect_back == ConnectBack::InDoubt);
    let probe = prober.as_deref().map(|prober| loaded.probe(prober, said.ip, Patience::UntilThen(deadline)));
    let dialup = async {
        if loaded.asks(Test::Dialup) {
            let neighbours = loaded.settings.dialup_neighbours;
            let asked =
                dialup::Asked { dns: &shared.dns, ip: said.ip, near: neighbours, memory: &shared.weighed };
            Some(asked.find(domain, probe.as_ref(), deadline).await)
        } else {
            None
        }
    };
    let (receives, spf, dialup) = join3(receives, spf, dialup).await;
    let (spf, about_spf) = spf.unzip();
    let known = spf.as_ref().is_some_and(authentic::knows_the_address);
    let dialup = dialup.map(|found| if known { found.cleared_by_spf() } else { found });
    let dialup = match dialup {
        Some(found) => Some(found.connected_back(probe.as_ref()).await),
        None => None,
    };
    Answers {
        spf,
        findings: receives.into_iter().chain(about_spf).chain(dialup).collect(),
        ..Answers::default()
    }
}

fn truncate(text: &mut String) {
    if text.len() > SAID_MAX {
        let end = (0..=SAID_MAX).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
}
