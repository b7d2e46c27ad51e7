//! The verdict on a message: at its header where that is all there is to know, else at its end.

use postern_feedback::{Offence, Outcome, Report};
use postern_gate::Collector;
use postern_policy::{Action, Listed, Stage, Verdict, judge};
use postern_types::{Address, Refusal};

use crate::house::House;
use crate::transaction::{Placement, Transaction};

/// What a judgement rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Everything that there is to know.
    Everything,
    /// Everything but what the body tells: signatures want it.
    TheHeader,
}

/// Whether a transaction's recipients got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// They did.
    Yes,
    /// They did not, or nobody knows.
    No,
}

impl House {
    /// Shows the collector the header, and judges it.
    pub(crate) async fn judge_header(
        &self,
        transaction: &mut Transaction,
        collector: &mut Collector,
    ) -> Result<Known, Refusal> {
        let addresses: Vec<&Address> =
            transaction.recipients.iter().map(|recipient| &recipient.address).collect();
        collector.headers(&transaction.message.header, &addresses);
        if collector.awaits_body() {
            self.refuse_early(transaction, collector).await?;
            return Ok(Known::TheHeader);
        }
        self.judge_message(transaction, collector).await?;
        Ok(Known::Everything)
    }

    /// The verdict with everything known. A refusal holds for the whole message only when every recipient's
    /// verdict is one; else the copies that fail are kept in quarantine, never dropped or bounced.
    pub(crate) async fn judge_message(
        &self,
        transaction: &mut Transaction,
        collector: &mut Collector,
    ) -> Result<(), Refusal> {
        let policy = self.policy();
        let evidence = collector.evidence(Stage::Data).await;
        let mut refused = Vec::new();
        for recipient in &mut transaction.recipients {
            // What is known now may speak for the message too, as the signature of a sender who is allowed.
            recipient.verdict = judge(evidence, &policy, &recipient.profile, Stage::Data);
            recipient.placement = Placement::of(&recipient.verdict);
            refused.extend(recipient.verdict.refusal(transaction.trace));
        }
        match refused.pop() {
            Some(refusal) if refused.len() + 1 == transaction.recipients.len() => Err(refusal),
            _ => Ok(()),
        }
    }

    /// Refuses a message that is refused for everybody whatever its signatures are worth. They can save it only
    /// where a recipient allows the sender, if it is the sender.
    async fn refuse_early(
        &self,
        transaction: &mut Transaction,
        collector: &mut Collector,
    ) -> Result<(), Refusal> {
        let policy = self.policy();
        let evidence = collector.evidence(Stage::Data).await;
        let mut verdicts = Vec::with_capacity(transaction.recipients.len());
        for recipient in &transaction.recipients {
            let verdict = judge(evidence, &policy, &recipient.profile, Stage::Data);
            let allowed = matches!(recipient.profile.sender, Listed::Allowed { .. });
            if allowed || !matches!(verdict.action, Action::Refuse(_)) {
                return Ok(());
            }
            verdicts.push(verdict);
        }
        let refusal = verdicts.last().and_then(|verdict| verdict.refusal(transaction.trace));
        for (recipient, verdict) in transaction.recipients.iter_mut().zip(verdicts) {
            recipient.verdict = verdict;
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Tells the feedback list what came of a transaction. `reported` is what it has heard of the session: the
    /// same again is one mistake, not many.
    pub(crate) fn report_offences(
        &self,
        transaction: &Transaction,
        collector: &Collector,
        taken: Taken,
        reported: &mut Vec<Offence>,
    ) {
        let open: Vec<&Verdict> = transaction.recipients.iter().map(|recipient| &recipient.verdict).collect();
        let refused = transaction.refused_by.iter().map(|judged| &judged.verdict);
        let (accepted, refused): (Vec<_>, Vec<_>) = match taken {
            Taken::Yes => (open, refused.collect()),
            Taken::No => (Vec::new(), open.into_iter().chain(refused).collect()),
        };
        let Some(report) = Report::of(transaction.trace, collector.known(), &accepted, &refused) else {
            return;
        };
        if let Outcome::Caught(caught) = &report.outcome {
            if reported.contains(&caught.offence) {
                return;
            }
            reported.push(caught.offence);
        }
        self.feedback.report(report);
    }
}
