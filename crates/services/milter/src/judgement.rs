//! The verdict on a message: at its header where that is all there is to know, else at its end. How it is reached is
//! the gate's, for every service the same.

use postern_feedback::{Report, Taken, Told};
use postern_gate::{Collector, Known};
use postern_types::Refusal;

use crate::house::House;
use crate::transaction::Transaction;

impl House {
    /// Shows the collector the header, and judges it.
    pub(crate) async fn judge_header(
        &self,
        transaction: &mut Transaction,
        collector: &mut Collector,
    ) -> Result<Known, Refusal> {
        let Transaction { trace, recipients, message, .. } = transaction;
        collector.judge_header(&message.header, recipients, &self.policy(), *trace).await
    }

    /// The verdict with everything known.
    pub(crate) async fn judge_message(
        &self,
        transaction: &mut Transaction,
        collector: &mut Collector,
    ) -> Result<(), Refusal> {
        let Transaction { trace, recipients, .. } = transaction;
        collector.judge_message(recipients, &self.policy(), *trace).await
    }

    /// Tells the feedback list what came of a transaction. `told` is what it has heard of the session.
    pub(crate) fn report_offences(
        &self,
        transaction: &Transaction,
        collector: &Collector,
        taken: Taken,
        told: &mut Told,
    ) {
        let open = transaction.recipients.iter().map(|recipient| &recipient.judged.verdict);
        let refused = transaction.refused_by.iter().map(|judged| &judged.verdict);
        let report = Report::of_transaction(transaction.trace, collector.known(), open, refused, taken);
        if let Some(report) = report.filter(|report| told.is_new(report)) {
            self.feedback.report(report);
        }
    }
}
