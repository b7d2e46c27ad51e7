//! The trace of each transaction: what was asked, what was seen, what was answered.
//!
//! The record of a message of which a copy is kept goes into the same commit as the copy. The others wait in the
//! store for the next commit and hold nobody up.

use std::time::Duration;

use postern_events::{Event as Happened, MessageEvent, Route, Stage as At};
use postern_gate::Collector;
use postern_store::{Outcome, TraceRecord, TracedRecipient};
use postern_types::{Address, Refusal, Timestamp};

use crate::client::Client;
use crate::house::House;
use crate::transaction::Transaction;

/// A transaction's record with this outcome and reply.
pub(crate) fn of(
    transaction: &Transaction,
    client: &Client,
    collector: &Collector,
    outcome: Outcome,
    reply: String,
) -> TraceRecord {
    let open = transaction.recipients.iter().map(|recipient| TracedRecipient {
        address: recipient.judged.address.to_string(),
        verdict: recipient.judged.verdict.action.kind().to_string(),
    });
    TraceRecord {
        id: transaction.trace,
        at: Timestamp::now(),
        client: client.ip,
        helo: client.helo.clone(),
        sender: Some(transaction.sender.clone()),
        recipients: open.chain(transaction.refused.iter().cloned()).collect(),
        outcome,
        reply,
        size: transaction.message.size,
        duration_us: micros(transaction.began.elapsed()),
        evidence: collector.record(transaction.judged()),
    }
}

impl House {
    /// Records and reports a transaction that is refused as a whole.
    pub(crate) fn refuse_transaction(
        &self,
        transaction: &Transaction,
        client: &Client,
        collector: &Collector,
        refusal: &Refusal,
        stage: At,
    ) {
        let mut record = of(transaction, client, collector, outcome(refusal), refusal.reply.to_string());
        for recipient in record.recipients.iter_mut().take(transaction.recipients.len()) {
            recipient.verdict.clone_from(&record.reply);
        }
        self.store.record(record);
        let recipients = addresses(transaction);
        let message = message_event(transaction, client, &recipients);
        self.events.emit(&Happened::MessageRefused { message, stage, refusal });
    }

    /// Ends a transaction that nobody finished. It is recorded when there was a recipient.
    pub(crate) fn drop_transaction(&self, transaction: &Transaction, client: &Client, collector: &Collector) {
        let (outcome, reply) = match &transaction.refusal {
            Some(refusal) => (outcome(refusal), refusal.reply.to_string()),
            None if transaction.recipients.is_empty() => return,
            None => (Outcome::Aborted, "the client or its mail server gave up".to_owned()),
        };
        self.store.record(of(transaction, client, collector, outcome, reply));
    }

    /// Reports a message that was taken.
    pub(crate) fn report_taken(&self, transaction: &Transaction, client: &Client, route: Route) {
        let recipients = addresses(transaction);
        let message = message_event(transaction, client, &recipients);
        self.events.emit(&Happened::MessageAccepted { message, route });
    }
}

fn addresses(transaction: &Transaction) -> Vec<&Address> {
    transaction.recipients.iter().map(|recipient| &recipient.judged.address).collect()
}

fn message_event<'a>(
    transaction: &'a Transaction,
    client: &'a Client,
    recipients: &'a Vec<&'a Address>,
) -> MessageEvent<'a> {
    MessageEvent {
        trace: transaction.trace,
        client: client.ip,
        helo: &client.helo,
        sender: &transaction.sender,
        recipients,
        size: transaction.message.size,
        duration: transaction.began.elapsed(),
    }
}

fn outcome(refusal: &Refusal) -> Outcome {
    if refusal.reply.code.is_permanent() { Outcome::Refused } else { Outcome::Deferred }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
