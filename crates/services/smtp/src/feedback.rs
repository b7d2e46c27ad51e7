//! What the feedback list is told: what came of each transaction, and of the session's recipients.

use std::net::IpAddr;

use postern_feedback::{Offence, Outcome, Report};
use postern_policy::Verdict;
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
    /// What has been reported of whom: the same again in one session is one mistake, not many.
    reported: Vec<(IpAddr, Offence)>,
}

/// Reports that are remembered; a neighbour's session may go on for ever.
const REPORTED: usize = 64;

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

    /// Reports what the recipients of the session's client show: it is over, or another client is named.
    pub(crate) fn report_session(&mut self) {
        let known = std::mem::take(&mut self.shown.known);
        let unknown = std::mem::take(&mut self.shown.unknown);
        let report = Report::of_recipients(self.trace, self.collector.known(), unknown, known);
        self.report(report);
    }

    fn report(&mut self, report: Option<Report>) {
        let Some(report) = report else { return };
        if let Outcome::Caught(caught) = &report.outcome {
            let this = (report.ip, caught.offence);
            if self.shown.reported.contains(&this) {
                return;
            }
            self.shown.reported.truncate(REPORTED - 1);
            self.shown.reported.insert(0, this);
        }
        self.service.feedback.report(report);
    }
}
