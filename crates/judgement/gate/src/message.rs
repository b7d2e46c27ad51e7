//! What authentication makes of the message: its questions while the body comes, its findings at the end.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use postern_authentication::{Authentication, Body, Known, Plan, Spf};
use postern_dns::Dns;
use postern_policy::{Fact, Finding, Outcome, Test};
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use crate::lookup::Lookup;

/// A message that is being authenticated.
pub(crate) struct InMessage {
    plan: Arc<Plan>,
    body: Body,
    questions: Lookup<Known>,
    known: Option<Known>,
    /// Whether all of the body that matters has come.
    whole: bool,
    found: Option<Authentication>,
}

impl InMessage {
    /// Reads the header and asks for what its signatures and its author need.
    pub(crate) fn begin(header: &[u8], dns: Dns, deadline: Instant) -> Self {
        let plan = Arc::new(Plan::of(header));
        let asked = Arc::clone(&plan);
        let questions = Lookup::start(async move { asked.ask(&dns, deadline).await });
        let (body, whole) = (plan.body(), !plan.needs_body());
        Self { plan, body, questions, known: None, whole, found: None }
    }

    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.body.push(piece);
    }

    pub(crate) fn end(&mut self) {
        self.whole = true;
    }

    /// Whether the body, or its end, is still missing.
    pub(crate) fn is_underway(&self) -> bool {
        !self.whole
    }

    /// What was found, if that is all.
    pub(crate) fn found(&self) -> Option<&Authentication> {
        self.found.as_ref()
    }

    /// Concludes, once everything is here; waits for the DNS. The findings, where they are new. May be broken off
    /// and called again.
    pub(crate) async fn conclude(&mut self, spf: Option<&Spf>, trusted: &[Domain]) -> Option<Vec<Finding>> {
        if !self.whole || self.found.is_some() {
            return None;
        }
        if self.known.is_none() {
            self.known = self.questions.take().await;
        }
        let known = self.known.as_ref()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let found = self.plan.conclude(known, std::mem::take(&mut self.body), spf, trusted, now);
        let findings = findings(&found);
        self.found = Some(found);
        Some(findings)
    }
}

fn findings(found: &Authentication) -> Vec<Finding> {
    let mut findings = Vec::with_capacity(found.dkim.len() + 2);
    for dkim in &found.dkim {
        let named = |name: &Option<Domain>| name.as_ref().map(ToString::to_string).unwrap_or_default();
        let fact = Fact::Dkim {
            result: dkim.result,
            domain: named(&dkim.domain),
            selector: named(&dkim.selector),
            aligned: dkim.aligned,
            because: dkim.problem.clone().unwrap_or_default(),
        };
        findings.push(Finding::new(Test::Dkim, outcome(dkim.result), fact));
    }
    if found.dkim.is_empty() {
        let fact = Fact::NotAsked { why: "the message is not signed".into() };
        findings.push(Finding::new(Test::Dkim, Outcome::Skipped, fact));
    }
    if found.arc.result != Authenticity::None {
        let fact = Fact::Arc {
            result: found.arc.result,
            sealer: found.arc.sealers.last().map(ToString::to_string).unwrap_or_default(),
            hops: u32::try_from(found.arc.sealers.len()).unwrap_or(u32::MAX),
            because: found.arc.problem.clone().unwrap_or_default(),
        };
        findings.push(Finding::new(Test::Arc, outcome(found.arc.result), fact));
    }
    findings.push(dmarc(found));
    findings
}

/// The row whose rule does what the author's domain asks for.
fn dmarc(found: &Authentication) -> Finding {
    use postern_authentication::DmarcPolicy;
    let dmarc = &found.dmarc;
    let failed = dmarc.result == Authenticity::Fail && found.forwarder.is_none();
    let (test, outcome) = match (failed, dmarc.policy) {
        (true, DmarcPolicy::Reject) => (Test::DmarcReject, Outcome::Hit),
        (true, DmarcPolicy::Quarantine) => (Test::DmarcQuarantine, Outcome::Hit),
        (true, DmarcPolicy::None) => (Test::Dmarc, Outcome::Hit),
        (false, _) if dmarc.result == Authenticity::Fail => (Test::Dmarc, Outcome::Clear),
        (false, _) => (Test::Dmarc, outcome(dmarc.result)),
    };
    let fact = Fact::Dmarc {
        result: dmarc.result,
        domain: dmarc.domain.as_ref().map(ToString::to_string).unwrap_or_default(),
        policy: dmarc.policy.to_string(),
        because: dmarc.because.clone(),
        forwarder: found.forwarder.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    Finding::new(test, outcome, fact)
}

/// What a result is as the answer to a question.
fn outcome(result: Authenticity) -> Outcome {
    match result {
        Authenticity::Fail => Outcome::Hit,
        Authenticity::Pass | Authenticity::None => Outcome::Clear,
        _ => Outcome::Unknown,
    }
}
