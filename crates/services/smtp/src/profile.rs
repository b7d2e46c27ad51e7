//! A recipient's profile: what it wants done with mail that fails, and what its own lists say of this sender.

use postern_policy::{About, Ceiling, Listed, Profile};
use postern_store::{AccountId, FailedMail, ListKind, ProfileAnswer, Subject};
use postern_types::{Address, Refusal, ReversePath};

use crate::refusal;
use crate::session::Session;

impl Session {
    /// The profile of a recipient that was resolved to these accounts, for the sender of the transaction.
    pub(crate) async fn profile_of(
        &self,
        recipient: &Address,
        accounts: &[AccountId],
    ) -> Result<Profile, Refusal> {
        let null = ReversePath::Null;
        let sender = self.transaction.as_ref().map_or(&null, |transaction| &transaction.mail.path);
        let client = self.client.address.ip();
        let answer = self.service.store.profile(recipient, accounts, sender, client).await;
        answer.map(|answer| profile(&answer)).map_err(|error| {
            let trace = self.trace();
            self.service.store_failed(trace, "profile", &error);
            refusal::store_failed(&error, trace)
        })
    }
}

/// The store's answer in the judgement's words.
fn profile(answer: &ProfileAnswer) -> Profile {
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
        ListKind::Block | ListKind::Feedback => Listed::Blocked { entry: words },
    };
    Profile { failed, sender, about }
}
