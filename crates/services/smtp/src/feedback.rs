//! What the feedback list is told: what came of each transaction, and of the session's recipients.

use postern_feedback::{Offence, Outcome, Report};
use postern_policy::Verdict;
use postern_types::{EnhancedCode, Refusal};

use crate::session::Session;
use crate::transaction::Transaction;

/// What a session has shown of itself so far.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// Recipients that exist.
    known: u32,
    /// Recipients that do not.
    unknown: u32,
    /// What has been reported: the same again in one session is one mistake, not many.
    reported: Vec<Offence>,
}

/// Whether a transaction's recipients got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The message was answered 250.
    Yes,
    /// It was not.
    No,
}

impl Session {
    /// Counts an answer to RCPT.
    pub(crate) fn note_recipient(&mut self, refused: Option<&Refusal>) {
        match refused {
            None => self.shown.known = self.shown.known.saturating_add(1),
            // rfc3463 X.1.1: there is no such mailbox.
            Some(refusal) if refusal.reply.enhanced == Some(EnhancedCode::new(5, 1, 1)) => {
                self.shown.unknown = self.shown.unknown.saturating_add(1);
            }
            Some(_) => {}
        }
    }

    /// Reports a transaction that is over.
    pub(crate) fn report_transaction(&mut self, transaction: &Transaction, taken: Taken) {
        let verdicts: Vec<&Verdict> =
            transaction.recipients.iter().map(|recipient| &recipient.verdict).collect();
        let refused = transaction.refused_by.iter().map(|judged| &judged.verdict);
        let (accepted, refused): (Vec<_>, Vec<_>) = match taken {
            Taken::Yes => (verdicts, refused.collect()),
            Taken::No => (Vec::new(), verdicts.into_iter().chain(refused).collect()),
        };
        let report = Report::of(transaction.trace, self.collector.known(), &accepted, &refused);
        self.report(report);
    }

    /// Reports a session that is over.
    pub(crate) fn report_session(&mut self) {
        let Shown { known, unknown, .. } = self.shown;
        let report = Report::of_recipients(self.trace, self.collector.known(), unknown, known);
        self.report(report);
    }

    fn report(&mut self, report: Option<Report>) {
        let Some(report) = report else { return };
        if let Outcome::Caught(caught) = &report.outcome {
            if self.shown.reported.contains(&caught.offence) {
                return;
            }
            self.shown.reported.push(caught.offence);
        }
        self.service.feedback.report(report);
    }
}
