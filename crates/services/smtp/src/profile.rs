//! A recipient's profile: what it wants done with mail that fails, and what its own lists say of this sender.

use postern_policy::Profile;
use postern_store::AccountId;
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
        answer.map(|answer| postern_gate::profile(&answer)).map_err(|error| {
            let trace = self.trace();
            self.service.store_failed(trace, "profile", &error);
            refusal::store_failed(&error, trace)
        })
    }
}
