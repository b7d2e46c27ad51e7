//! Why a message is held, in plain words, from the verdict that was stored with it.

use postern_policy::{Decision, Evidence, Outcome, Policy, Reason, RuleAction, Standing, Verdict, explain};
use postern_store::Quarantined;

use crate::text;

/// Why, for a page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Why {
    /// In a few words, for lists.
    pub(crate) short: String,
    /// What decided it, a sentence.
    pub(crate) decided: String,
    /// What spoke against it, the weightiest first.
    pub(crate) reasons: Vec<Point>,
    /// Everything that was asked, where the evidence is still there.
    pub(crate) asked: Vec<Asked>,
}

/// One thing that spoke against the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    /// What it means, a sentence.
    pub(crate) meaning: String,
    /// What exactly was seen.
    pub(crate) seen: String,
    /// What it weighed: `5 points`, or that it decides by itself.
    pub(crate) weight: String,
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The question, as what a hit would mean.
    pub(crate) meaning: String,
    /// What came of it.
    pub(crate) answer: &'static str,
    /// Whether it spoke against the message.
    pub(crate) hit: bool,
}

impl Why {
    /// Why a held copy is held. What does not read back falls back to the sentence that was stored with it.
    pub(crate) fn of(held: &Quarantined) -> Self {
        match serde_json::from_str::<Verdict>(&held.verdict) {
            Ok(verdict) => Self::of_verdict(&verdict, &held.reason),
            Err(_) => Self::stored(&held.reason),
        }
    }

    fn stored(reason: &str) -> Self {
        let reason = text::line(reason);
        Self { short: reason.clone(), decided: reason, ..Self::default() }
    }

    fn of_verdict(verdict: &Verdict, stored: &str) -> Self {
        let counted = |reason: &&Reason| reason.standing == Standing::Counted;
        let mut reasons: Vec<&Reason> = verdict.reasons.iter().filter(counted).collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse((decides(reason), reason.contribution)));
        let decided = match &verdict.decided_by {
            Decision::RecipientBlocks { entry } => {
                format!("{} is on your list of blocked senders.", text::line(entry))
            }
            Decision::Rule { test } => plain(test.entry().meaning),
            Decision::Score { threshold } => format!(
                "Together the signs below weigh {} points; mail is held from {threshold} points on.",
                verdict.score
            ),
            Decision::Nothing
            | Decision::Trusted
            | Decision::AllowList
            | Decision::RecipientAllows { .. }
            | Decision::Awaited { .. } => {
                return Self::stored(stored);
            }
        };
        let short = match reasons.as_slice() {
            [] => decided.clone(),
            [only] => plain(only.test.entry().meaning),
            [first, rest @ ..] => {
                let more = text::count(rest.len() as u64, "other sign");
                format!("{}, and {more}", plain(first.test.entry().meaning).trim_end_matches('.'))
            }
        };
        Self { short, decided, reasons: reasons.into_iter().map(Point::of).collect(), asked: Vec::new() }
    }

    /// Adds everything that was asked.
    pub(crate) fn with_evidence(mut self, held: &Quarantined, evidence: &Evidence, policy: &Policy) -> Self {
        if let Ok(verdict) = serde_json::from_str::<Verdict>(&held.verdict) {
            let lines = explain(evidence, policy, &verdict).lines;
            self.asked = lines
                .iter()
                .map(|line| Asked {
                    meaning: plain(line.test.entry().meaning),
                    answer: answer(line.outcome),
                    hit: line.outcome == Outcome::Hit,
                })
                .collect();
        }
        self
    }
}

impl Point {
    fn of(reason: &Reason) -> Self {
        let weight = if decides(reason) {
            "enough by itself".to_owned()
        } else {
            format!("{} points", reason.contribution)
        };
        let meaning = plain(reason.test.entry().meaning);
        let seen = plain(&text::line(&reason.words));
        // Some tests see nothing beyond what they mean.
        let seen =
            if seen.trim_end_matches('.') == meaning.trim_end_matches('.') { String::new() } else { seen };
        Self { meaning, seen, weight }
    }
}

fn decides(reason: &Reason) -> bool {
    matches!(reason.action, RuleAction::Quarantine | RuleAction::Reject)
}

fn answer(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hit => "yes",
        Outcome::Clear => "no",
        Outcome::Unknown => "could not be found out",
        Outcome::Skipped => "not asked",
    }
}

/// The table of tests speaks to people who run mail servers; recipients know no clients.
fn plain(meaning: &str) -> String {
    meaning
        .replace("The client's address", "The address of the computer that sent it")
        .replace("the client's address", "the address of the computer that sent it")
        .replace("The client", "The computer that sent it")
        .replace("the client", "the computer that sent it")
        .replace("A stranger", "The computer that sent it")
        .replace("The HELO name", "The name that this computer gives itself (HELO)")
        .replace("Your ", "Its ")
        .replace("You ", "It ")
}

#[cfg(test)]
mod tests {
    use postern_policy::{Client, Fact, Finding, Profile, Stage, Test, judge};
    use postern_store::{QuarantineId, QuarantineState};
    use postern_types::{Address, ReversePath, Timestamp, TraceIds};

    use super::*;

    fn held(verdict: &Verdict) -> Quarantined {
        let at = Timestamp::from_millis(0);
        Quarantined {
            id: QuarantineId::from_i64(1),
            trace: TraceIds::new(1).next(at),
            sender: ReversePath::Null,
            recipient: Address::parse("anna@example.test").unwrap(),
            account: None,
            reason: "the score reached 5: zen".into(),
            verdict: serde_json::to_string(verdict).unwrap(),
            size: 1,
            at,
            expires_at: at,
            state: QuarantineState::Held,
        }
    }

    fn finding(test: Test, outcome: Outcome, fact: Fact) -> Finding {
        Finding::new(test, outcome, fact)
    }

    #[test]
    fn the_weightiest_reason_comes_first() {
        let evidence = Evidence {
            client: Client::default(),
            findings: vec![
                finding(Test::HeloUnqualified, Outcome::Hit, Fact::default()),
                finding(Test::Rdns, Outcome::Clear, Fact::default()),
                finding(Test::EarlyTalk, Outcome::Hit, Fact::default()),
            ],
            ..Evidence::default()
        };
        let policy = Policy::default();
        let verdict = judge(&evidence, &policy, &Profile::default(), Stage::Data);
        let held = held(&verdict);
        let why = Why::of(&held).with_evidence(&held, &evidence, &policy);
        assert_eq!(why.short, "The computer that sent it spoke before it was greeted, and 1 other sign");
        assert_eq!(why.decided, "Together the signs below weigh 6 points; mail is held from 5 points on.");
        assert_eq!(why.reasons[0].weight, "4 points");
        let answers: Vec<_> = why.asked.iter().map(|asked| asked.answer).collect();
        assert_eq!(answers, ["yes", "no", "yes"]);
    }

    #[test]
    fn what_does_not_read_back_falls_back_to_the_stored_sentence() {
        let mut held = held(&Verdict::default());
        assert_eq!(Why::of(&held).short, "the score reached 5: zen");
        held.verdict = "nonsense".into();
        assert_eq!(Why::of(&held).decided, "the score reached 5: zen");
    }
}
