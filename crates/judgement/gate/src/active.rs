//! The active tests as the gate makes them: when they are asked, and what their answers come to as findings.
//! Everything else about them is the prober's.

use std::net::IpAddr;
use std::time::{Duration, Instant as Clock};

use postern_dialup::{Smtp, SmtpBeside};
use postern_policy::{Evidence, Fact, Finding, Outcome, Test};
use postern_probe::{Answer, Asked, Connect, Prober, Question, Relay, User, Waited};
use postern_types::{Address, ReversePath};
use tokio::time::Instant;

use crate::UserTest;
use crate::loaded::Loaded;
use crate::lookup::micros;

/// Those that are made at RCPT, in their order: about the client, which is here anyhow, and then about the sender.
pub(crate) const TESTS: [Test; 2] = [Test::Relay, Test::User];

/// Whether a test has still to be asked: it was not, or its answer is not here.
pub(crate) fn wants(evidence: &Evidence, test: Test) -> bool {
    evidence.of(test).next().is_none_or(is_pending)
}

/// A client waits for a pending answer once, not at each of its recipients.
pub(crate) fn patience(evidence: &Evidence) -> Patience {
    if evidence.findings.iter().any(is_pending) { Patience::None } else { Patience::Moment }
}

fn is_pending(finding: &Finding) -> bool {
    matches!(finding.fact, Fact::Pending { .. })
}

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// As long as the settings say.
    Moment,
    /// As long, but not beyond this.
    UntilThen(Instant),
    /// Not at all.
    None,
}

/// The prober, and on whose behalf it is asked.
pub(crate) struct Probe<'a> {
    prober: &'a Prober,
    client: IpAddr,
    patience: Patience,
    moment: Duration,
}

impl Loaded {
    pub(crate) fn probe<'a>(&self, prober: &'a Prober, client: IpAddr, patience: Patience) -> Probe<'a> {
        Probe { prober, client, patience, moment: self.settings.probe_wait }
    }
}

/// What came of a question within a moment.
enum Heard {
    Answer(Answer),
    /// It is on its way.
    Pending,
    /// It is not asked, or the client is not made to wait for it.
    Not(String),
}

impl Probe<'_> {
    async fn hear(&self, question: Question) -> Heard {
        let why = format!("mail from {}", self.client);
        let mut pending = match self.prober.ask(question, &why).await {
            Asked::Fresh(answer) => return Heard::Answer(answer),
            Asked::NotAllowed(why) => return Heard::Not(why.to_string()),
            Asked::Pending(pending) => pending,
        };
        let within = match self.patience {
            Patience::Moment => self.moment,
            Patience::UntilThen(then) => self.moment.min(then.saturating_duration_since(Instant::now())),
            Patience::None => Duration::ZERO,
        };
        match pending.wait_for_client(self.client, within).await {
            Waited::Answer(answer) => Heard::Answer(answer),
            Waited::NotYet => Heard::Pending,
            Waited::AsksClient => Heard::Not("the client is the host that is asked".into()),
        }
    }

    /// Whether the client answers on its SMTP port.
    pub(crate) async fn connect_back(&self) -> Smtp {
        // Its own answer is what is waited for, so that it is asked is no reason not to wait.
        match self.hear(Question::ConnectBack(self.client)).await {
            Heard::Answer(Answer::Connect(Connect::Answers)) => Smtp::Answers,
            Heard::Answer(Answer::Connect(Connect::Silent)) => Smtp::Silent,
            _ => Smtp::Unknown,
        }
    }

    /// Whether its neighbours do.
    pub(crate) async fn beside(&self) -> SmtpBeside {
        match self.hear(Question::Neighbours(self.client)).await {
            Heard::Answer(Answer::Neighbours(near)) => {
                SmtpBeside { answering: near.answering, silent: near.silent }
            }
            _ => SmtpBeside::default(),
        }
    }

    /// Makes one of [`TESTS`]; `None` where there is nothing to ask.
    pub(crate) async fn ask(&self, test: Test, evidence: &Evidence, of: UserTest) -> Option<Finding> {
        let began = Clock::now();
        let (outcome, fact) = match test {
            Test::Relay => self.relay().await,
            _ => self.user(evidence, of).await?,
        };
        Some(Finding { test, outcome, fact, micros: micros(began) })
    }

    async fn relay(&self) -> (Outcome, Fact) {
        let question = Question::Relay(self.client);
        let about = question.to_string();
        match self.hear(question).await {
            Heard::Answer(Answer::Relay(Relay::Open { forms })) => {
                let forms = forms.iter().map(ToString::to_string).collect();
                (Outcome::Hit, Fact::OpenRelay { forms })
            }
            Heard::Answer(Answer::Relay(Relay::Closed)) => (Outcome::Clear, Fact::Nothing),
            Heard::Answer(answer) => no_answer(about, answer.to_string()),
            // Nobody waits for the test of a relay: what it says, it says the next time.
            Heard::Pending => no_answer(about, "it is being found out".into()),
            Heard::Not(why) => (Outcome::Skipped, Fact::NotAsked { why }),
        }
    }

    async fn user(&self, evidence: &Evidence, of: UserTest) -> Option<(Outcome, Fact)> {
        let Some(ReversePath::Address(sender)) = &evidence.sender else { return None };
        let skipped = |why: &str| Some((Outcome::Skipped, Fact::NotAsked { why: why.to_owned() }));
        if is_machine(sender) {
            return skipped("the sender looks like that of a list or a machine");
        }
        if of == UserTest::Authentic && !evidence.sender_is_authentic() {
            return skipped(
                "nothing shows that the sender's domain sends this, and a victim of forgery is not bothered",
            );
        }
        let question = Question::User(sender.clone());
        let about = question.to_string();
        Some(match self.hear(question).await {
            Heard::Answer(Answer::User(User::Exists)) => (Outcome::Clear, Fact::Nothing),
            Heard::Answer(Answer::User(User::Missing { host, said })) => {
                (Outcome::Hit, Fact::NoSuchUser { address: sender.to_string(), host, said })
            }
            Heard::Answer(answer) => no_answer(about, answer.to_string()),
            Heard::Pending => (Outcome::Unknown, Fact::Pending { question: about }),
            Heard::Not(why) => (Outcome::Skipped, Fact::NotAsked { why }),
        })
    }
}

fn no_answer(question: String, why: String) -> (Outcome, Fact) {
    (Outcome::Unknown, Fact::NoAnswer { question, why })
}

/// Whether a sender is that of a list, of bounces, or one that was made for a single message (VERP, BATV, SRS): to
/// ask about it tells nothing and bothers many. In doubt it is.
fn is_machine(sender: &Address) -> bool {
    let local = sender.local().as_str().to_lowercase();
    let of_list =
        ["owner-", "bounce", "return", "srs0", "srs1", "prvs=", "btv1=", "list-", "mailer-daemon", "msprvs"];
    let to_list =
        ["-owner", "-request", "-bounces", "-bounce", "-return", "-admin", "-errors", "+bounces", "-confirm"];
    let digits = local.bytes().filter(u8::is_ascii_digit).count();
    of_list.iter().any(|prefix| local.starts_with(prefix))
        || to_list.iter().any(|suffix| local.ends_with(suffix))
        || local.contains("bounce")
        || local.contains("-return-")
        // The recipient's address in the sender's (VERP), or a tag.
        || local.contains('=')
        || digits >= 8
        || local.len() > 40
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senders_that_machines_have_made_are_known() {
        let is = |text: &str| is_machine(&format!("{text}@sender.test").parse().unwrap());
        for machine in [
            "owner-news",
            "news-owner",
            "news-request",
            "news-bounces",
            "News-Bounces",
            "bounces+1234-ann=example.org",
            "bounce-md_30012345.abc",
            "news-return-17-ann=example.org",
            "SRS0=abcd=xy=example.org=ann",
            "prvs=1234abcdef=ann",
            "btv1==abc==ann",
            "msprvs1=17abc=bounces-12",
            "0100018f2c3d4e5f-a1b2c3d4-000000",
            "20261122094500.12345",
            "a-very-long-name-that-no-person-would-ever-have-chosen",
            "mailer-daemon",
        ] {
            assert!(is(machine), "{machine}");
        }
        for person in ["ann", "ann.b", "ann+shop", "a.b1977", "info", "postmaster", "john.smith-jones", "42"]
        {
            assert!(!is(person), "{person}");
        }
    }
}
