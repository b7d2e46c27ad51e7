//! From evidence to verdicts, the same for every service: at RCPT for one recipient, at the header where that is all
//! there is to know, else at the end of the message for all of them.
//!
//! Signatures want the body. Until it is over nothing of such a message may leave; only what no signature could save is
//! refused at its header.

use postern_policy::{Policy, Profile, Stage, judge};
use postern_types::{Address, Refusal, TraceId};

use crate::Collector;
use crate::judged::{Judged, Placement, Recipient, Seen};

/// What a judgement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Everything that there is to know.
    Everything,
    /// Everything but what the body tells: signatures want it.
    TheHeader,
}

impl Collector {
    /// Judges a recipient at RCPT, on what is known then and on what the active tests say where that is in doubt.
    pub async fn judge_recipient(
        &mut self,
        address: Address,
        profile: Profile,
        policy: &Policy,
        seen: &mut Seen,
    ) -> Judged {
        let evidence = self.settle(policy, &profile).await;
        let verdict = judge(evidence, policy, &profile, Stage::Rcpt);
        let seen = seen.share(evidence);
        Judged::new(address, profile, verdict, seen)
    }

    /// Reads the header, and judges it as far as it can be.
    ///
    /// # Errors
    /// The refusal of the whole message.
    pub async fn judge_header(
        &mut self,
        header: &[u8],
        recipients: &mut [impl Recipient],
        policy: &Policy,
        trace: TraceId,
    ) -> Result<Known, Refusal> {
        let addresses: Vec<&Address> =
            recipients.iter().map(|recipient| &recipient.judged().address).collect();
        self.headers(header, &addresses);
        if self.awaits_body() {
            self.refuse_early(recipients, policy, trace).await?;
            return Ok(Known::TheHeader);
        }
        self.judge_message(recipients, policy, trace).await?;
        Ok(Known::Everything)
    }

    /// The verdict with everything known. A refusal holds for the whole message only when every recipient's
    /// verdict is one; else the copies that fail are kept in quarantine, never dropped or bounced.
    ///
    /// # Errors
    /// That refusal.
    pub async fn judge_message(
        &mut self,
        recipients: &mut [impl Recipient],
        policy: &Policy,
        trace: TraceId,
    ) -> Result<(), Refusal> {
        let evidence = self.evidence(Stage::Data).await;
        let mut refused = Vec::new();
        for recipient in recipients.iter_mut() {
            let too_late = recipient.is_too_late();
            let judged = recipient.judged_mut();
            let verdict = judge(evidence, policy, &judged.profile, Stage::Data);
            refused.extend(verdict.refusal(trace));
            // What is known now may speak for the message, as the signature of a sender who is allowed.
            if !too_late || Placement::of(&verdict) == Placement::Quarantine {
                judged.put(verdict);
            }
        }
        match refused.pop() {
            Some(refusal) if refused.len() + 1 == recipients.len() => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Refuses a message that is refused for everybody whatever its signatures are worth. They can save it only
    /// where a recipient allows the sender, if it is the sender.
    async fn refuse_early(
        &mut self,
        recipients: &mut [impl Recipient],
        policy: &Policy,
        trace: TraceId,
    ) -> Result<(), Refusal> {
        let evidence = self.evidence(Stage::Data).await;
        let mut verdicts = Vec::with_capacity(recipients.len());
        let mut last = None;
        for judged in recipients.iter().map(Recipient::judged) {
            let verdict = judge(evidence, policy, &judged.profile, Stage::Data);
            last = verdict.refusal(trace);
            if last.is_none() || judged.allows_the_sender() {
                return Ok(());
            }
            verdicts.push(verdict);
        }
        for (recipient, verdict) in recipients.iter_mut().zip(verdicts) {
            // The placement stays: nothing is placed.
            recipient.judged_mut().verdict = verdict;
        }
        last.map_or(Ok(()), Err)
    }
}
