//! From an observation to a likelihood, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::address::Spelled;
use crate::mask::{HOLE, Masked, runs};
use crate::name::Name;
use crate::template::{Kinship, Neighbours, is_code};
use crate::word::{self, Kind};
use crate::{Feature, MAX_NAMES, Observation, Smtp, SmtpBeside, Weights};

/// How likely a host is a dial-up one, from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Likelihood(u8);

/// What an observation comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessment {
    /// How likely the host is a dial-up one.
    pub likelihood: Likelihood,
    /// The name that decided: of several, the one that speaks most for the host. Empty where there is none.
    pub name: String,
    /// What was seen, each with its weight.
    pub reasons: Vec<Reason>,
}

/// Something seen, and what it weighs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What was seen.
    pub feature: Feature,
    /// Hundredths of log-odds.
    pub weight: i32,
    /// Where: a piece of the name, or a count. May be empty.
    pub detail: String,
}

impl Likelihood {
    /// From here on a host counts as a dial-up one.
    pub const THRESHOLD: Self = Self(60);

    /// A likelihood; beyond 100 is 100.
    #[must_use]
    pub const fn new(percent: u8) -> Self {
        Self(if percent > 100 { 100 } else { percent })
    }

    /// From 0 to 100.
    #[must_use]
    pub const fn percent(self) -> u8 {
        self.0
    }

    /// The logistic function of hundredths of log-odds.
    fn of(sum: i32) -> Self {
        let share = 100.0 / (1.0 + (-f64::from(sum) / 100.0).exp());
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 100")]
        Self(share.round() as u8)
    }
}

impl Assessment {
    /// Whether the host counts as a dial-up one.
    #[must_use]
    pub fn is_dialup(&self) -> bool {
        self.likelihood >= Likelihood::THRESHOLD
    }
}

/// How likely the host is a dial-up one. Without a name nothing is known, and the likelihood is 0.
#[must_use]
pub fn score(observation: &Observation, weights: &Weights) -> Assessment {
    Looked::at(observation).score(weights)
}

/// An observation whose names have been looked at, which is most of the work; what is known beside the names
/// is weighed when a question is asked.
#[derive(Debug)]
pub struct Looked<'a> {
    observation: &'a Observation,
    names: Vec<(Name, Seen)>,
}

impl<'a> Looked<'a> {
    /// Looks at the names.
    #[must_use]
    pub fn at(observation: &'a Observation) -> Self {
        let spelled = Spelled::new(observation.address);
        let neighbours = Neighbours::new(observation);
        let names = observation.names.iter().filter(|name| !name.is_empty()).take(MAX_NAMES);
        let names = names.map(|name| {
            let name = Name::new(name);
            let seen = look(observation, &name, &spelled, &neighbours);
            (name, seen)
        });
        Self { observation, names: names.collect() }
    }

    /// As [`score`].
    #[must_use]
    pub fn score(&self, weights: &Weights) -> Assessment {
        let beside = beside(self.observation, self.observation.smtp);
        let Some((name, seen)) = self.least(&beside, weights) else {
            return Assessment { likelihood: Likelihood(0), name: String::new(), reasons: Vec::new() };
        };
        let total = sum(seen, &beside, weights);
        let seen = seen.iter().cloned().chain(beside);
        let reason = |(feature, detail)| Reason { feature, weight: weights[feature], detail };
        Assessment {
            likelihood: Likelihood::of(total),
            name: name.as_str().to_owned(),
            reasons: seen.map(reason).collect(),
        }
    }

    /// Whether it could change the answer if the host answered on its SMTP port, or did not: else nobody need
    /// connect to it.
    #[must_use]
    pub fn smtp_matters(&self, weights: &Weights) -> bool {
        let with = |smtp| {
            let beside = beside(self.observation, smtp);
            let least = self.least(&beside, weights);
            least.is_some_and(|(_, seen)| is_dialup(sum(seen, &beside, weights)))
        };
        self.observation.smtp == Smtp::Unknown && with(Smtp::Answers) != with(Smtp::Silent)
    }

    /// Whether the neighbours' names could change the answer to an observation without any: else they need not
    /// be asked for.
    #[must_use]
    pub fn neighbours_matter(&self, weights: &Weights) -> bool {
        let beside = beside(self.observation, self.observation.smtp);
        let Some((_, seen)) = self.least(&beside, weights) else { return false };
        if seen.iter().any(|(feature, _)| says_server(*feature)) {
            return false;
        }
        let total = plain_sum(seen, &beside, weights);
        let with = |feature| is_dialup(total.saturating_add(weights[feature]));
        with(Feature::TemplateFilled) != with(Feature::NeighboursDiffer)
    }

    /// The name that speaks most for the host: whoever has one name that was given to him by hand is no dial-up
    /// host.
    fn least(&self, beside: &Seen, weights: &Weights) -> Option<(&Name, &Seen)> {
        let names = self.names.iter().map(|(name, seen)| (name, seen));
        names.min_by_key(|(_, seen)| sum(seen, beside, weights))
    }
}

fn is_dialup(sum: i32) -> bool {
    Likelihood::of(sum) >= Likelihood::THRESHOLD
}

/// What was seen, and where in the name or how often.
type Seen = Vec<(Feature, String)>;

/// A word alone accuses nobody (people call machines `client` and `pool` too): without any sign that the
/// name was made by a machine, the odds stay even at most.
fn sum(seen: &Seen, beside: &Seen, weights: &Weights) -> i32 {
    let total = plain_sum(seen, beside, weights);
    if seen.iter().any(|(feature, _)| says_generated(*feature)) { total } else { total.min(0) }
}

fn plain_sum(seen: &Seen, beside: &Seen, weights: &Weights) -> i32 {
    let all = seen.iter().chain(beside);
    all.fold(weights.bias(), |sum, (feature, _)| sum.saturating_add(weights[*feature]))
}

/// Whether a feature says that a machine made the name.
fn says_generated(feature: Feature) -> bool {
    matches!(
        feature,
        Feature::WholeAddress
            | Feature::PartOfAddress
            | Feature::LastOctet
            | Feature::ManyNumbers
            | Feature::LongNumber
            | Feature::TemplateFilled
            | Feature::TemplateNumbered
            | Feature::NeighboursAlike
    )
}

/// Whether a feature says that the host serves.
fn says_server(feature: Feature) -> bool {
    matches!(
        feature,
        Feature::ServerWord | Feature::StaticWord | Feature::HostingWord | Feature::HostingDomain
    )
}

fn look(observation: &Observation, name: &Name, spelled: &Spelled, neighbours: &Neighbours) -> Seen {
    let masked = Masked::new(name.host(), spelled);
    let mut seen = Seen::new();
    let whole = spelled.parts.len();
    match masked.parts {
        0 => {}
        1 => seen.push((Feature::LastOctet, masked.held.clone())),
        parts if parts == whole => seen.push((Feature::WholeAddress, masked.held.clone())),
        _ => seen.push((Feature::PartOfAddress, masked.held.clone())),
    }
    words(&masked, &mut seen);
    if word::is_hosting(name.domain()) {
        seen.push((Feature::HostingDomain, name.domain().to_owned()));
    }
    shape(name, &masked, &mut seen);
    if observation.names.len() > 1 {
        seen.push((Feature::SeveralNames, observation.names.len().to_string()));
    }
    let serves = seen.iter().any(|(feature, _)| says_server(*feature));
    seen.extend(kinship(neighbours.kinship(observation.address, name, &masked), serves));
    seen
}

/// What is known beside the names, if the SMTP port is like that.
fn beside(observation: &Observation, smtp: Smtp) -> Seen {
    let mut seen: Seen = smtp_features(observation, smtp).collect();
    if observation.sender_points_here {
        seen.push((Feature::SenderPointsHere, String::new()));
    }
    if observation.spf_pass {
        seen.push((Feature::SpfPass, String::new()));
    }
    seen
}

/// Who answers on the SMTP port.
fn smtp_features(observation: &Observation, smtp: Smtp) -> impl Iterator<Item = (Feature, String)> {
    let own = match smtp {
        Smtp::Unknown => None,
        Smtp::Answers => Some((Feature::AnswersSmtp, String::new())),
        Smtp::Silent => Some((Feature::SilentSmtp, String::new())),
    };
    let SmtpBeside { answering, silent } = observation.smtp_beside;
    let count = || format!("{answering} of {}", u16::from(answering) + u16::from(silent));
    let beside = match (answering, silent) {
        (0, 0) => None,
        (0, _) => Some((Feature::BesideSilent, count())),
        _ => Some((Feature::BesideAnswers, count())),
    };
    own.into_iter().chain(beside)
}

/// The words of the host part, each kind once.
fn words(masked: &Masked, seen: &mut Seen) {
    for (place, kind) in word::words(&masked.text) {
        let feature = match kind {
            Kind::Client => Feature::ClientWord,
            Kind::Server => Feature::ServerWord,
            Kind::Static => Feature::StaticWord,
            Kind::Hosting => Feature::HostingWord,
        };
        if seen.iter().all(|(known, _)| *known != feature) {
            seen.push((feature, masked.text[place].to_owned()));
        }
    }
}

fn shape(name: &Name, masked: &Masked, seen: &mut Seen) {
    let host = name.host();
    if host.is_empty() {
        seen.push((Feature::BareDomain, String::new()));
        return;
    }
    let digits = host.bytes().filter(u8::is_ascii_digit).count();
    // mail100 has a number too.
    if digits >= 6 && 3 * digits >= host.len() {
        seen.push((Feature::ManyNumbers, format!("{digits} of {}", host.len())));
    }
    let tokens = runs(masked.text.as_bytes(), |byte| byte.is_ascii_alphanumeric());
    let long = tokens.map(|token| &masked.text[token]).find(|token| {
        let mut numbers = runs(token.as_bytes(), |byte| byte.is_ascii_digit());
        is_code(token) || numbers.any(|number| number.len() >= 4)
    });
    if let Some(long) = long.filter(|long| !long.contains(HOLE)) {
        seen.push((Feature::LongNumber, long.to_owned()));
    }
}

fn kinship(kinship: Kinship, serves: bool) -> Option<(Feature, String)> {
    let count = |same, of| format!("{same} of {of}");
    match kinship {
        // Those who run many servers number them.
        _ if serves => None,
        Kinship::Strangers => Some((Feature::NeighboursDiffer, String::new())),
        Kinship::Filled { same, of } => Some((Feature::TemplateFilled, count(same, of))),
        Kinship::Numbered { same, of } => Some((Feature::TemplateNumbered, count(same, of))),
        Kinship::Alike { same, of } => Some((Feature::NeighboursAlike, count(same, of))),
        Kinship::Unknown | Kinship::Mixed => None,
    }
}

/// `+4.0: the name holds the whole address (203-0-113-9)`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:+.1}: {}", f64::from(self.weight) / 100.0, self.feature)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

impl fmt::Display for Likelihood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Observation {
        Observation::new("192.0.2.77".parse().unwrap(), vec![name.to_owned()])
    }

    #[test]
    fn an_smtp_port_that_answers_clears_a_host_in_doubt_and_no_other() {
        let weights = Weights::default();
        let with = |name: &str, smtp| score(&Observation { smtp, ..named(name) }, &weights).is_dialup();
        // (the name, whether it is in doubt, by itself, with an SMTP port, without)
        for (name, doubt, alone, answers, silent) in [
            ("192-0-2-77.example.org", true, true, false, true),
            ("192-0-2-77.dsl.example.org", false, true, true, true),
            ("mail-192-0-2-77.example.org", false, false, false, false),
            ("kestrel.example.org", false, false, false, false),
        ] {
            assert_eq!(Looked::at(&named(name)).smtp_matters(&weights), doubt, "{name}");
            let seen = (with(name, Smtp::Unknown), with(name, Smtp::Answers), with(name, Smtp::Silent));
            assert_eq!(seen, (alone, answers, silent), "{name}");
        }
    }

    #[test]
    fn neighbours_that_answer_speak_for_a_host_and_silent_ones_against_it() {
        let weights = Weights::default();
        let likelihood = |answering, silent| {
            let smtp_beside = SmtpBeside { answering, silent };
            score(&Observation { smtp_beside, ..named("192-0-2-77.example.org") }, &weights).likelihood
        };
        assert!(likelihood(0, 4) > likelihood(0, 0) && likelihood(0, 0) > likelihood(1, 3));
    }

    #[test]
    fn a_word_alone_accuses_nobody() {
        for name in ["client.example.org", "pool.ntp.example", "cable.example.com"] {
            let observation = Observation::new("192.0.2.77".parse().unwrap(), vec![name.to_owned()]);
            assert!(!score(&observation, &Weights::default()).is_dialup(), "{name}");
        }
    }
}
