//! A recipient's profile as the judgement wants it, from what the store answers.

use postern_policy::{About, Ceiling, Listed, Profile};
use postern_store::{FailedMail, ListKind, ProfileAnswer, Subject};

/// What a recipient wants done with mail that fails, and what its own lists say of this sender and host.
#[must_use]
pub fn profile(answer: &ProfileAnswer) -> Profile {
    let failed = match answer.failed {
        Some(FailedMail::Pass) => Ceiling::Pass,
        Some(FailedMail::Tag) => Ceiling::Tag,
        Some(FailedMail::Quarantine) => Ceiling::Quarantine,
        Some(FailedMail::Reject) | None => Ceiling::Reject,
    };
    let Some(entry) = answer.decisive() else { return Profile { failed, ..Profile::default() } };
    let about = match entry.subject {
        Subject::Network(_) => About::Host,
        Subject::Address(_) | Subject::Domain(_) => About::Sender,
    };
    let words = entry.subject.to_string();
    let sender = match entry.list {
        ListKind::Allow => Listed::Allowed { entry: words },
        ListKind::Block => Listed::Blocked { entry: words },
        // Nobody's own: it is asked at the door.
        ListKind::Feedback => Listed::No,
    };
    Profile { failed, sender, about }
}
