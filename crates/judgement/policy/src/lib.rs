//! Evidence, and the pure judgement over it.
//!
//! Collectors (`postern-gate`) write what they saw into an [`Evidence`]; [`judge`] turns it into a
//! [`Verdict`] under a [`Policy`] and a recipient's [`Profile`]; [`explain`] says it in words and
//! finds the smallest change that would have changed it. No I/O and no clock: a stored
//! verdict can be replayed from its evidence, byte for byte.
//!
//! A new test is a variant and a row in `test.rs`; its settings, its trace and its
//! explanation follow from the row.

mod change;
mod counterfactual;
mod difference;
mod evidence;
mod explain;
mod fact;
mod forged;
mod judge;
mod knob;
mod policy;
mod profile;
mod record;
mod test;
mod verdict;

pub use change::{Alternative, Change, Turned};
pub use counterfactual::{Case, counterfactuals};
pub use difference::{Part, differences};
pub use evidence::{Client, Evidence, Finding, Helo, Message, Outcome, Rdns};
pub use explain::{Explanation, Line, explain, explain_case};
pub use fact::Fact;
pub use forged::Vouching;
pub use judge::{could_change, judge};
pub use policy::{Mode, Points, Policy, Rule, RuleAction, Rules, Thresholds, ZoneRule};
pub use profile::{About, Ceiling, Listed, Profile};
pub use record::{RecipientVerdict, Record, RecordView, VerdictView};
pub use test::{Answer, Entry, Reach, Stage, Test};
pub use verdict::{Action, ActionKind, Decision, Reason, Refused, Standing, Verdict};
