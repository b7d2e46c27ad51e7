//! SPF at MAIL, and what authentication brought at the end of the message, as findings.

use std::time::Instant as Clock;

use postern_authentication::{Identity, Sender, Spf};
use postern_dns::Dns;
use postern_policy::{Fact, Finding, Outcome, Test};
use postern_types::Authenticity;
use tokio::time::Instant;

use crate::loaded::Loaded;
use crate::lookup::micros;

/// The tests that rest on authentication.
const TESTS: [Test; 7] = [
    Test::Spf,
    Test::SpfSoftFail,
    Test::Dkim,
    Test::Arc,
    Test::Dmarc,
    Test::DmarcQuarantine,
    Test::DmarcReject,
];

/// Whether any test wants to know who stands behind a message. They share their questions.
pub(crate) fn is_asked(loaded: &Loaded) -> bool {
    loaded.settings.authentication.enabled && TESTS.iter().any(|&test| loaded.asks(test))
}

/// SPF for the sender, and the finding that it makes.
pub(crate) async fn spf(dns: &Dns, sender: &Sender<'_>, deadline: Instant) -> (Spf, Finding) {
    let began = Clock::now();
    let spf = postern_authentication::spf(dns, sender, deadline).await;
    let (test, outcome) = match spf.result {
        Authenticity::Fail => (Test::Spf, Outcome::Hit),
        Authenticity::SoftFail => (Test::SpfSoftFail, Outcome::Hit),
        Authenticity::TempError | Authenticity::PermError => (Test::Spf, Outcome::Unknown),
        _ => (Test::Spf, Outcome::Clear),
    };
    let because = spf.term.clone().or_else(|| spf.problem.clone()).unwrap_or_default();
    let fact = Fact::Spf {
        result: spf.result,
        helo: spf.identity == Identity::Helo,
        domain: spf.domain.clone(),
        because,
        explanation: spf.explanation.clone().unwrap_or_default(),
    };
    let finding = Finding { test, outcome, fact, micros: micros(began) };
    (spf, finding)
}

/// Whether SPF shows that the domain knows this address: it passes, and not because everybody does.
pub(crate) fn knows_the_address(spf: &Spf) -> bool {
    let everybody = |term: &str| term.trim_start_matches('+').eq_ignore_ascii_case("all");
    spf.result.is_pass() && !spf.term.as_deref().is_some_and(everybody)
}
