//! The trace of each transaction: what was asked, what was seen, what was answered.
//!
//! An accepted message's record goes into the same commit as the message. The others wait in the store
//! for the next commit and hold nobody up.

use std::time::Duration;

use postern_events::{Event as Happened, MessageEvent, Stage as At};
use postern_feedback::Taken;
use postern_smtp::server::Close;
use postern_store::{Outcome, TraceRecord, TracedRecipient};
use postern_types::{Address, Refusal, Reply, Timestamp};

use crate::refusal;
use crate::session::{Client, Session};
use crate::transaction::{Recipient, Transaction};

impl Session {
    /// Records and reports a transaction that is refused as a whole.
    pub(crate) fn refuse_transaction(&mut self, refusal: &Refusal, stage: At) {
        let Some(transaction) = &mut self.transaction else { return };
        transaction.refusal = Some(refusal.clone());
        let Some(transaction) = &self.transaction else { return };
        let told = self.told(transaction);
        self.service.events.emit(&Happened::MessageRefused { message: told.message(), stage, refusal });
        self.service.store.record(self.refused_record(transaction, refusal));
        if let Some(transaction) = self.transaction.take() {
            self.report_transaction(&transaction, Taken::No);
        }
        self.forget_origin();
    }

    /// Ends a transaction that nobody finished. It is recorded when something in it was refused.
    pub(crate) fn drop_transaction(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        self.report_transaction(&transaction, Taken::No);
        if let Some(refusal) = &transaction.refusal {
            self.service.store.record(self.refused_record(&transaction, refusal));
        } else if !transaction.recipients.is_empty() {
            let mut record = self.transaction_record(&transaction);
            record.outcome = Outcome::Aborted;
            record.reply = "the client gave up".to_owned();
            self.service.store.record(record);
        }
        self.forget_origin();
    }

    /// Records a session that the protocol has ended for the client's errors, if there are not too many: what it
    /// said last has our id.
    pub(crate) fn record_errors(&mut self, why: Close) {
        if matches!(why, Close::Quit | Close::Refused) || !self.service.takes_sample() {
            return;
        }
        let refusal = refusal::gave_up_on(why).traced(self.trace());
        match &mut self.transaction {
            Some(transaction) => transaction.refusal = Some(refusal),
            None => self.record_session(&refusal),
        }
    }

    /// What is told of a transaction as a whole.
    pub(crate) fn told<'a>(&'a self, transaction: &'a Transaction) -> Told<'a> {
        let recipients = transaction.recipients.iter().map(|recipient| &recipient.judged.address).collect();
        Told { client: &self.client, transaction, recipients }
    }

    /// Records a session that was refused before its first MAIL.
    pub(crate) fn record_session(&self, refusal: &Refusal) {
        let mut record = self.blank_record();
        record.outcome = outcome(&refusal.reply);
        record.reply = refusal.reply.to_string();
        self.service.store.record(record);
    }

    /// Records a message that the MTA behind has taken.
    pub(crate) fn record_relayed(&self, reply: &Reply) {
        let Some(transaction) = &self.transaction else { return };
        let mut record = self.transaction_record(transaction);
        record.outcome = Outcome::Relayed;
        record.reply = reply.to_string();
        self.service.store.record(record);
    }

    /// The record that is stored with an accepted message.
    pub(crate) fn accepted_record(&self, transaction: &Transaction, size: u64) -> TraceRecord {
        let mut record = self.transaction_record(transaction);
        let all = transaction.recipients.iter().all(Recipient::is_quarantined);
        record.outcome = if all { Outcome::Quarantined } else { Outcome::Accepted };
        record.size = size;
        record.reply = format!("250 2.0.0 OK, stored as {}", transaction.trace);
        record
    }

    fn refused_record(&self, transaction: &Transaction, refusal: &Refusal) -> TraceRecord {
        let mut record = self.transaction_record(transaction);
        record.outcome = outcome(&refusal.reply);
        record.reply = refusal.reply.to_string();
        for recipient in record.recipients.iter_mut().take(transaction.recipients.len()) {
            recipient.verdict.clone_from(&record.reply);
        }
        record
    }

    /// What is known of the session alone.
    pub(crate) fn blank_record(&self) -> TraceRecord {
        TraceRecord {
            id: self.trace,
            at: Timestamp::now(),
            client: self.client.address.ip(),
            helo: self.client.helo.clone(),
            sender: None,
            recipients: Vec::new(),
            outcome: Outcome::Aborted,
            reply: String::new(),
            size: 0,
            duration_us: 0,
            evidence: self.judgement(None),
        }
    }

    fn transaction_record(&self, transaction: &Transaction) -> TraceRecord {
        let mut recipients: Vec<TracedRecipient> = transaction
            .recipients
            .iter()
            .map(|Recipient { judged, .. }| TracedRecipient {
                address: judged.address.to_string(),
                verdict: judged.verdict.action.kind().to_string(),
            })
            .collect();
        recipients.extend(transaction.refused.iter().cloned());
        TraceRecord {
            id: transaction.trace,
            at: Timestamp::now(),
            client: self.client.address.ip(),
            helo: self.client.helo.clone(),
            sender: Some(transaction.mail.path.clone()),
            recipients,
            outcome: Outcome::Aborted,
            reply: String::new(),
            size: transaction.message.as_ref().map_or(0, |message| message.size),
            duration_us: micros(transaction.began.elapsed()),
            evidence: self.judgement(Some(transaction)),
        }
    }

    /// Evidence and verdicts as JSON.
    fn judgement(&self, transaction: Option<&Transaction>) -> String {
        self.collector.record(transaction.into_iter().flat_map(Transaction::judged))
    }
}

/// A transaction as log and metrics hear of it.
pub(crate) struct Told<'a> {
    client: &'a Client,
    transaction: &'a Transaction,
    recipients: Vec<&'a Address>,
}

impl Told<'_> {
    pub(crate) fn message(&self) -> MessageEvent<'_> {
        let Self { client, transaction, recipients } = self;
        MessageEvent {
            trace: transaction.trace,
            client: client.address.ip(),
            helo: &client.helo,
            sender: &transaction.mail.path,
            recipients,
            size: transaction.message.as_ref().map_or(0, |message| message.size),
            duration: transaction.began.elapsed(),
        }
    }
}

fn outcome(reply: &Reply) -> Outcome {
    if reply.code.is_permanent() { Outcome::Refused } else { Outcome::Deferred }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
