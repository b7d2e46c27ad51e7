//! What the feedback list is told: what came of each transaction, and of the session's recipients.

use postern_feedback::{Report, Taken, Told};
use postern_types::{EnhancedCode, Refusal, ReversePath};

use crate::session::Session;
use crate::transaction::Transaction;

/// What a session's clients have shown of themselves so far. It has one, unless a trusted neighbour names others.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Recipients that exist, of the client that it has now.
    known: u32,
    /// Recipients that do not.
    unknown: u32,
    /// What has been reported of whom.
    told: Told,
}

impl Session {
    /// Counts an answer to RCPT.
    pub(crate) fn note_recipient(&mut self, refused: Option<&Refusal>) {
        match refused {
            // A bounce has one recipient, whom its sender did not choose: addresses of ours that others forge
            // come back to us by honest hosts.
            Some(_) if self.is_bounces_recipient() => {}
            None => self.shown.known = self.shown.known.saturating_add(1),
            // rfc3463 X.1.1: there is no such mailbox.
            Some(refusal) if refusal.reply.enhanced == Some(EnhancedCode::new(5, 1, 1)) => {
                self.shown.unknown = self.shown.unknown.saturating_add(1);
            }
            Some(_) => {}
        }
    }

    /// Whether this is the first recipient of the null sender (rfc5321 §4.5.5).
    fn is_bounces_recipient(&self) -> bool {
        self.transaction.as_ref().is_some_and(|transaction| {
            transaction.mail.path == ReversePath::Null
                && transaction.recipients.is_empty()
                && transaction.refused.is_empty()
        })
    }

    /// Reports a transaction that is over.
    pub(crate) fn report_transaction(&mut self, transaction: &Transaction, taken: Taken) {
        let open = transaction.recipients.iter().map(|recipient| &recipient.judged.verdict);
        let refused = transaction.refused_by.iter().map(|judged| &judged.verdict);
        let known = self.collector.known();
        let report = Report::of_transaction(transaction.trace, known, open, refused, taken);
        self.report(report);
    }

    /// Reports what the recipients of the session's client show: it is over, or another client is named.
    pub(crate) fn report_session(&mut self) {
        let known = std::mem::take(&mut self.shown.known);
        let unknown = std::mem::take(&mut self.shown.unknown);
        let report = Report::of_recipients(self.trace, self.collector.known(), unknown, known);
        self.report(report);
    }

    fn report(&mut self, report: Option<Report>) {
        let Some(report) = report else { return };
        if self.shown.told.is_new(&report) {
            self.service.feedback.report(report);
        }
    }
}
