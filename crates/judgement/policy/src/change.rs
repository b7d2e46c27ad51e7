//! One change of the evidence, of the policy or of the recipient's profile, and the words for it.

use std::fmt;

use serde::Serialize;

use crate::{ActionKind, Ceiling, Listed, Mode, Outcome, Points, RuleAction, Test};

/// What would have led to another verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// What would have happened.
    pub becomes: ActionKind,
    /// The change; two, where no single one is enough.
    pub changes: Vec<Change>,
    /// The sentence.
    pub words: String,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Change {
    /// Another answer to one question.
    Finding(Turned),
    /// The operator allows what was not allowed.
    Allow {
        /// The key of the list.
        setting: String,
        /// What would stand on it.
        entry: String,
    },
    /// Another weight: `to` is the nearest that is enough.
    Weight {
        /// The key of the setting.
        setting: String,
        /// The weight as it is.
        from: Points,
        /// The weight that is enough.
        to: Points,
    },
    /// Another threshold: `to` is the nearest that is enough.
    Threshold {
        /// The key of the setting.
        setting: String,
        /// The threshold as it is; `None` is never.
        from: Option<Points>,
        /// The threshold that is enough.
        to: Points,
    },
    /// Another action of a rule.
    Action {
        /// The key of the setting.
        setting: String,
        /// The action as it is.
        from: RuleAction,
        /// The action that would have changed it.
        to: RuleAction,
    },
    /// A rule brought from or to shadow mode.
    Mode {
        /// The key of the setting.
        setting: String,
        /// The mode as it is.
        from: Mode,
        /// The mode that would have changed it.
        to: Mode,
    },
    /// Another entry on the recipient's own lists.
    Sender {
        /// Whose lists.
        recipient: String,
        /// What they say of the sender.
        from: Listed,
        /// What they would have to say.
        to: Listed,
    },
    /// Another wish of the recipient for mail that fails.
    Failed {
        /// Whose wish.
        recipient: String,
        /// The most that may happen, as it is.
        from: Ceiling,
        /// What would have changed it.
        to: Ceiling,
    },
}

/// A finding and the answer that it would have to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Turned {
    /// The test.
    pub test: Test,
    /// The zone, header rule or field, where the test has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What was seen.
    pub words: String,
    /// What a hit does.
    pub action: RuleAction,
    /// What a hit weighs.
    pub weight: Points,
    /// The answer as it is.
    pub from: Outcome,
    /// The answer that would have changed it.
    pub to: Outcome,
}

impl Alternative {
    pub(crate) fn new(becomes: ActionKind, changes: Vec<Change>) -> Self {
        let parts: Vec<String> = changes.iter().map(ToString::to_string).collect();
        // Both parts of two begin with "if": the second does without.
        let condition = parts.join(" and ").replace(" and if ", " and ");
        Self { becomes, changes, words: format!("it would have been {becomes} {condition}") }
    }
}

impl fmt::Display for Alternative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// The condition, from its `if` or `with` on.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finding(turned) => write!(f, "if {turned}"),
            Self::Allow { setting, entry } => write!(f, "if {setting} had {entry}"),
            Self::Weight { setting, from, to } => {
                write!(
                    f,
                    "with {setting} = {to} or {} (it is {from})",
                    if to < from { "less" } else { "more" }
                )
            }
            Self::Threshold { setting, from, to } => threshold(f, setting, *from, *to),
            Self::Action { setting, from, to } => write!(f, "with {setting} = \"{to}\" (it is \"{from}\")"),
            Self::Mode { setting, from, to } => write!(f, "with {setting} = \"{to}\" (it is \"{from}\")"),
            Self::Sender { recipient, to: Listed::Allowed { entry }, .. } => {
                write!(f, "if {recipient} allowed {entry}")
            }
            Self::Sender { recipient, to: Listed::Blocked { entry }, .. } => {
                write!(f, "if {recipient} blocked {entry}")
            }
            Self::Sender { recipient, from, to: Listed::No } => match from {
                Listed::Allowed { entry } => write!(f, "if {recipient} did not allow {entry}"),
                Listed::Blocked { entry } => write!(f, "if {recipient} did not block {entry}"),
                Listed::No => write!(f, "if the lists of {recipient} were others"),
            },
            Self::Failed { recipient, from, to } => {
                write!(f, "if {recipient} wished \"{to}\" for mail that fails (it is \"{from}\")")
            }
        }
    }
}

/// `to` is one hundredth above the score where it goes up, and the score itself where it goes down.
fn threshold(f: &mut fmt::Formatter<'_>, setting: &str, from: Option<Points>, to: Points) -> fmt::Result {
    match from {
        Some(from) if to > from => {
            write!(f, "with {setting} above {} (it is {from})", to.plus(Points::hundredths(-1)))
        }
        Some(from) => write!(f, "with {setting} = {to} or less (it is {from})"),
        None => write!(f, "with {setting} = {to} or less (it is \"never\")"),
    }
}

/// `the address had a name (rdns, which weighs 2)`.
impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { test, label, words, action, weight, from, to } = self;
        let does = match action {
            RuleAction::Reject => "refuses".to_owned(),
            RuleAction::Quarantine => "quarantines".to_owned(),
            RuleAction::Off | RuleAction::Score => format!("weighs {weight}"),
        };
        let label = label.as_deref();
        if *to == Outcome::Hit {
            let answered = if *from == Outcome::Unknown { " had been answered and" } else { "" };
            let about = label.map(|label| format!(" for {label}")).unwrap_or_default();
            return write!(f, "{test}{about}{answered} had been a hit (which {does})");
        }
        let otherwise = test.entry().otherwise;
        if otherwise.is_empty() {
            write!(f, "{test} had not been a hit ({words}; which {does})")
        } else {
            write!(f, "{} ({test}, which {does})", otherwise.replace("{label}", label.unwrap_or("a list")))
        }
    }
}

impl fmt::Display for RuleAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Score => "score",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enforce => "enforce",
            Self::Shadow => "shadow",
        })
    }
}

impl fmt::Display for Ceiling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Tag => "tag",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        })
    }
}
