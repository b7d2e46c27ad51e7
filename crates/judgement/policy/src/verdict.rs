//! The verdict: what happens, and every reason for it.

use std::fmt;

use postern_types::{Blame, Refusal, TraceId};
use serde::{Deserialize, Deserializer, Serialize};

use crate::evidence::known_only;
use crate::{Points, Profile, RuleAction, Stage, Test, Thresholds};

/// What follows from evidence under a policy for one recipient. Serialises to the same bytes for the
/// same evidence, policy, profile and stage.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// How far the session had come.
    pub stage: Stage,
    /// The recipient's wishes that were counted.
    pub profile: Profile,
    /// The policy's version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub policy: String,
    /// What happens.
    pub action: Action,
    /// What decided it.
    #[serde(deserialize_with = "known_or_nothing")]
    pub decided_by: Decision,
    /// The sum of what counts.
    pub score: Points,
    /// The thresholds it was held against.
    pub thresholds: Thresholds,
    /// Why an entry of the recipient that allows the sender did not count, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overruled: Option<String>,
    /// What would have happened if rules in shadow mode counted, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ActionKind>,
    /// One reason for each hit, in the order of the evidence.
    #[serde(deserialize_with = "known_only")]
    pub reasons: Vec<Reason>,
}

/// What happens to a message (before its end: whether the session goes on).
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Action {
    /// It is delivered; the session goes on.
    #[default]
    Deliver,
    /// It is delivered with a mark.
    Tag,
    /// It is kept where the recipient can look at it.
    Quarantine,
    /// The sender is told no.
    Refuse(Refused),
}

/// An action without its details. Ordered from mild to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// [`Action::Deliver`]
    Deliver,
    /// [`Action::Tag`]
    Tag,
    /// [`Action::Quarantine`]
    Quarantine,
    /// [`Action::Refuse`]
    Refuse,
}

/// A refusal in which the trace id is still to be filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The reply code.
    pub code: u16,
    /// The enhanced code.
    pub enhanced: (u8, u16, u16),
    /// The public text, ASCII; `{trace}` stands for the trace id.
    pub text: String,
    /// Whose fault it is.
    pub blame: Blame,
    /// The cause in our own words.
    pub cause: String,
    /// Whether the connection ends with it.
    #[serde(default)]
    pub closes: bool,
}

/// What decided a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Decision {
    /// Nothing stood against it.
    #[default]
    Nothing,
    /// The client is one of ours.
    Trusted,
    /// The operator allows the client's address.
    AllowList,
    /// The recipient allows the sender.
    RecipientAllows {
        /// The entry that fits.
        entry: String,
    },
    /// The recipient blocks the sender.
    RecipientBlocks {
        /// The entry that fits.
        entry: String,
    },
    /// The rule of one test that quarantines or rejects by itself.
    Rule {
        /// The test.
        test: Test,
    },
    /// The score reached a threshold.
    Score {
        /// The threshold.
        threshold: Points,
    },
    /// The answer to a test is on its way, and would change what happens.
    Awaited {
        /// The test.
        test: Test,
    },
}

/// One hit, and what it came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The test that hit.
    pub test: Test,
    /// What it saw, in words.
    pub words: String,
    /// What its rule does.
    pub action: RuleAction,
    /// What its rule weighs.
    pub weight: Points,
    /// What it added to the score.
    pub contribution: Points,
    /// Whether it counts.
    pub standing: Standing,
    /// The key of the settings that would change it.
    pub setting: String,
}

/// Whether a hit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    #[default]
    Counted,
    /// Its rule is in shadow mode.
    Shadow,
    /// The client or the sender is allowed whatever the tests say.
    Exempt,
    /// Its rule is off, or does not reach the null sender.
    Off,
}

impl Verdict {
    /// The refusal, where the verdict is one, with the trace id filled in.
    #[must_use]
    pub fn refusal(&self, trace: TraceId) -> Option<Refusal> {
        match &self.action {
            Action::Refuse(refused) => Some(refused.refusal(trace)),
            _ => None,
        }
    }
}

impl Action {
    /// The action without its details.
    #[must_use]
    pub fn kind(&self) -> ActionKind {
        match self {
            Self::Deliver => ActionKind::Deliver,
            Self::Tag => ActionKind::Tag,
            Self::Quarantine => ActionKind::Quarantine,
            Self::Refuse(_) => ActionKind::Refuse,
        }
    }
}

impl Refused {
    /// The refusal as a reply.
    #[must_use]
    pub fn refusal(&self, trace: TraceId) -> Refusal {
        let text = self.text.replace("{trace}", &trace.to_string());
        let refusal = Refusal::new(self.blame, self.code, self.enhanced, text).because(self.cause.clone());
        if self.closes { refusal.and_close() } else { refusal }
    }
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deliver => "delivered",
            Self::Tag => "tagged",
            Self::Quarantine => "quarantined",
            Self::Refuse => "refused",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing stands against it"),
            Self::Trusted => f.write_str("the client is one of ours"),
            Self::AllowList => f.write_str("the operator allows the client's address"),
            Self::RecipientAllows { entry } => write!(f, "the recipient allows {entry}"),
            Self::RecipientBlocks { entry } => write!(f, "the recipient blocks {entry}"),
            Self::Rule { test } => write!(f, "the rule for {test}"),
            Self::Score { threshold } => write!(f, "the score reached {threshold}"),
            Self::Awaited { test } => write!(f, "the answer to {test} is awaited"),
        }
    }
}

/// A decision of a newer version that this one can't read is read as none.
fn known_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decision, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Read {
        Known(Decision),
        Newer(serde::de::IgnoredAny),
    }
    Ok(match Read::deserialize(deserializer)? {
        Read::Known(decision) => decision,
        Read::Newer(_) => Decision::Nothing,
    })
}
