//! The verdict on a message: at its header where that is all there is to know, else at its end.
//!
//! Signatures want the body. Until it is over nothing of such a message leaves for the MTA behind; only
//! what no signature could save is refused at its header.

use postern_policy::{Action, Listed, Stage, judge};
use postern_types::Refusal;

use crate::session::Session;
use crate::transaction::{Destination, Placement};

/// What a judgement rests on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Everything that there is to know.
    Everything,
    /// Everything but what the body tells.
    TheHeader,
}

impl Session {
    /// Shows the collector the header, and judges it.
    pub(crate) async fn judge_header(&mut self) -> Result<Known, Refusal> {
        let Some(transaction) = &self.transaction else { return Ok(Known::Everything) };
        let Some(message) = &transaction.message else { return Ok(Known::Everything) };
        let addresses: Vec<_> = transaction.recipients.iter().map(|recipient| &recipient.address).collect();
        self.collector.headers(message.header.bytes(), &addresses);
        if self.collector.awaits_body() {
            self.refuse_early().await?;
            return Ok(Known::TheHeader);
        }
        self.judge_message().await?;
        Ok(Known::Everything)
    }

    /// The verdict with everything known. A refusal holds for the whole message only when every recipient's
    /// verdict is one; else the copies that fail are kept in quarantine, never dropped or bounced.
    pub(crate) async fn judge_message(&mut self) -> Result<(), Refusal> {
        let policy = self.service.policy.load_full();
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let evidence = self.collector.evidence(Stage::Data).await;
        let mut refused = Vec::new();
        for (at, recipient) in transaction.recipients.iter_mut().enumerate() {
            let verdict = judge(evidence, &policy, &recipient.profile, Stage::Data);
            // What is known now may speak for the message, as the signature of a sender who is allowed. Too late
            // for the MTA behind, which was not told of a recipient who was to be kept from it.
            let kept = recipient.destination == Destination::Upstream
                && recipient.placement == Placement::Quarantine;
            recipient.placement = match &verdict.action {
                Action::Deliver | Action::Tag if kept => continue,
                Action::Deliver => Placement::Deliver,
                Action::Tag => Placement::Tag,
                Action::Quarantine => Placement::Quarantine,
                Action::Refuse(refusal) => {
                    refused.push((at, refusal.refusal(transaction.trace)));
                    Placement::Quarantine
                }
            };
            recipient.verdict = verdict;
        }
        if refused.len() == transaction.recipients.len()
            && let Some((_, refusal)) = refused.pop()
        {
            return Err(refusal);
        }
        Ok(())
    }

    /// Refuses a message that is refused for everybody whatever its signatures are worth. They can save it only
    /// where a recipient allows the sender, if it is the sender.
    async fn refuse_early(&mut self) -> Result<(), Refusal> {
        let policy = self.service.policy.load_full();
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let evidence = self.collector.evidence(Stage::Data).await;
        let mut verdicts = Vec::with_capacity(transaction.recipients.len());
        for recipient in &transaction.recipients {
            let verdict = judge(evidence, &policy, &recipient.profile, Stage::Data);
            let allowed = matches!(recipient.profile.sender, Listed::Allowed { .. });
            if allowed || !matches!(verdict.action, Action::Refuse(_)) {
                return Ok(());
            }
            verdicts.push(verdict);
        }
        let trace = transaction.trace;
        let refusal = verdicts.last().and_then(|verdict| verdict.refusal(trace));
        for (recipient, verdict) in transaction.recipients.iter_mut().zip(verdicts) {
            recipient.verdict = verdict;
        }
        refusal.map_or(Ok(()), Err)
    }
}
