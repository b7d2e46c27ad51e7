//! The end of a message: it is made safe, and only then answered.
//!
//! For copies in our store, one synced commit ([`Durable`]). For recipients of the MTA behind, its own 250
//! ([`Relayed`]). For both kinds in one message: the body is synced to our disk first, then the
//! MTA is asked for its 250, then our copies become visible in one commit. If the MTA says no, the body goes
//! away again and nothing was kept; what is left to fail after the MTA's 250 is one small
//! commit.

use std::collections::HashSet;
use std::time::Instant;

use postern_events::{Event as Happened, Route as Went, Stage as At};
use postern_feedback::Taken;
use postern_gate::{MARK, Placement};
use postern_message::{delivered_to, return_path};
use postern_smtp::server::BodyEnd;
use postern_store::{Acceptance, Body, BodyWriter, Durable, MessageCopy, StoreError};
use postern_types::{Refusal, Timestamp};

use crate::protocol::Proof;
use crate::refusal;
use crate::session::Session;
use crate::transaction::{Behind, Destination, Intake, Recipient, Transaction};
use crate::upstream::Relayed;

impl Session {
    /// The message is over: makes it safe and answers 250, or refuses it.
    pub(crate) async fn body_end(&mut self, end: BodyEnd) {
        if let Some(refusal) = end.refusal() {
            return self.refuse_message(&refusal);
        }
        let all_header = self.transaction.as_ref().and_then(|t| t.message.as_ref());
        if all_header.is_some_and(|message| matches!(message.stage, Intake::Header)) {
            self.header_done().await;
        }
        match self.make_safe().await {
            Err(refusal) => self.refuse_message(&refusal),
            Ok(proof) => {
                let trace = self.trace();
                let reply = self.protocol.accept(&proof, trace);
                self.messages += 1;
                self.report_accepted(&proof);
                if matches!(proof, Proof::Relayed(_)) {
                    self.record_relayed(&reply);
                }
                self.end_transaction().await;
            }
        }
    }

    /// Everything promised is safe: the proof of it, or why not.
    async fn make_safe(&mut self) -> Result<Proof, Refusal> {
        let Some(transaction) = &mut self.transaction else { return Err(refusal::no_transaction()) };
        let Some(message) = &mut transaction.message else { return Err(refusal::no_transaction()) };
        let stage = std::mem::replace(&mut message.stage, Intake::Header);
        let sinks = match stage {
            Intake::Streaming(sinks) => sinks,
            Intake::Held(body) => return self.make_held_safe(body).await,
            Intake::Refused(refusal) => return Err(refusal),
            Intake::Header => return Err(refusal::no_transaction()),
        };
        match (sinks.body, sinks.upstream) {
            (Some(body), false) => Ok(Proof::Stored(self.store_copies(body).await?)),
            (None, true) => Ok(Proof::Relayed(self.relay().await?)),
            (Some(body), true) => self.store_and_relay(body).await,
            (None, false) => Err(refusal::no_transaction()),
        }
    }

    async fn store_and_relay(&mut self, body: BodyWriter) -> Result<Proof, Refusal> {
        let body = body.finish().await.map_err(|error| self.not_stored(&error, "sync"))?;
        self.relay_and_accept(body).await
    }

    /// The body is on our disk, and the MTA behind has it all: its answer, then our commit.
    pub(crate) async fn relay_and_accept(&mut self, body: Body) -> Result<Proof, Refusal> {
        let trace = self.trace();
        let acceptance = self.acceptance(body);
        let relayed = self.relay().await?;
        let durable = self.service.store.accept(acceptance).await.map_err(|error| {
            tracing::error!(%trace, %error, "the MTA behind has its part of the message, ours could not be stored");
            self.not_stored(&error, "accept")
        })?;
        Ok(Proof::Both(durable, relayed))
    }

    pub(crate) async fn store_copies(&mut self, body: BodyWriter) -> Result<Durable, Refusal> {
        let body = body.finish().await.map_err(|error| self.not_stored(&error, "sync"))?;
        let acceptance = self.acceptance(body);
        self.service.store.accept(acceptance).await.map_err(|error| self.not_stored(&error, "accept"))
    }

    /// Ends the message at the MTA behind and takes its answer.
    pub(crate) async fn relay(&mut self) -> Result<Relayed, Refusal> {
        let trace = self.trace();
        let wanted = self.transaction.as_ref().map_or(0, |transaction| transaction.relayed_recipients());
        let (dot, answer) = (self.until_dot(), self.until_answer());
        let behind = self.transaction.as_mut().and_then(|transaction| transaction.upstream.as_mut());
        let Some(Behind { route, session, announced }) = behind else {
            return Err(refusal::no_transaction());
        };
        // The MTA's 250 counts for the recipients that this session there has accepted, and for nobody else.
        if *announced != wanted {
            return Err(refusal::no_transaction());
        }
        let asked = Instant::now();
        // Too late for the dot: without it the MTA forgets the message.
        let answer = match dot.check() {
            Ok(()) => answer.keep(session.finish()).await,
            Err(error) => Err(error),
        };
        let route = route.clone();
        match answer {
            Ok(Ok(relayed)) => {
                self.service.events.emit(&Happened::Relayed {
                    trace,
                    upstream: &route,
                    reply: relayed.reply(),
                    duration: asked.elapsed(),
                });
                Ok(relayed)
            }
            Ok(Err(reply)) => Err(refusal::upstream_said(reply)),
            Err(error) => Err(self.upstream_failed(&route, &error)),
        }
    }

    /// What the store keeps of this message.
    fn acceptance(&self, body: Body) -> Acceptance {
        let size = body.size();
        // The caller holds a transaction; without one there is nothing to accept, and the store says so.
        let Some(transaction) = &self.transaction else {
            let record = self.blank_record();
            return Acceptance { sender: postern_types::ReversePath::Null, body, copies: Vec::new(), record };
        };
        let sender = transaction.mail.path.clone();
        Acceptance {
            sender,
            body,
            copies: self.copies(transaction),
            record: self.accepted_record(transaction, size),
        }
    }

    /// One copy for each mailbox and each quarantined recipient, with the lines that stand before the body.
    fn copies(&self, transaction: &Transaction) -> Vec<MessageCopy> {
        let only = (transaction.recipients.len() == 1).then(|| transaction.recipients.first()).flatten();
        let mut received = self.collector.report().unwrap_or_default().into_bytes();
        received.extend(self.received(only));
        let mut copies = Vec::with_capacity(transaction.recipients.len());
        for recipient in transaction.recipients.iter().filter(|recipient| recipient.is_stored()) {
            let prefix = prefix(transaction, recipient, &received);
            match (&recipient.destination, recipient.judged.placement) {
                (destination, Placement::Quarantine) => {
                    copies.push(self.quarantined(recipient, destination, prefix));
                }
                (Destination::Mailboxes(accounts), _) => {
                    copies.extend(
                        accounts
                            .iter()
                            .map(|&account| MessageCopy::Mailbox { account, prefix: prefix.clone() }),
                    );
                }
                // Filtered out above: it is the MTA's.
                (Destination::Upstream, _) => {}
            }
        }
        dedup(copies)
    }

    fn quarantined(&self, recipient: &Recipient, destination: &Destination, prefix: Vec<u8>) -> MessageCopy {
        let account = match destination {
            Destination::Mailboxes(accounts) => accounts.first().copied(),
            Destination::Upstream => None,
        };
        let expires_at = Timestamp::now().plus(self.service.settings.quarantine_for);
        recipient.judged.quarantined(account, expires_at, prefix)
    }

    pub(crate) fn not_stored(&self, error: &StoreError, what: &str) -> Refusal {
        let trace = self.trace();
        self.service.store_failed(trace, what, error);
        refusal::store_failed(error, trace)
    }

    /// Refuses the message and ends the transaction.
    fn refuse_message(&mut self, refusal: &Refusal) {
        let refusal = &refusal.clone().traced(self.trace());
        self.protocol.refuse_message(refusal);
        // An MTA in the middle of DATA must not see the final dot: its connection goes with the transaction.
        self.refuse_transaction(refusal, At::End);
    }

    fn report_accepted(&self, proof: &Proof) {
        let Some(transaction) = &self.transaction else { return };
        let quarantined = Recipient::is_quarantined;
        let route = match proof {
            Proof::Stored(_) if transaction.recipients.iter().all(quarantined) => Went::Quarantine,
            Proof::Stored(_) if transaction.recipients.iter().any(quarantined) => Went::Mixed,
            Proof::Stored(_) => Went::Mailbox,
            Proof::Relayed(_) => Went::Proxy,
            Proof::Both(..) => Went::Mixed,
        };
        let told = self.told(transaction);
        self.service.events.emit(&Happened::MessageAccepted { message: told.message(), route });
    }

    /// Ends an accepted transaction, with its session at the MTA behind.
    async fn end_transaction(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        self.report_transaction(&transaction, Taken::Yes);
        if let Some(behind) = transaction.upstream {
            behind.session.quit().await;
        }
        self.forget_origin();
    }
}

/// What stands before the body in a recipient's copy (rfc5321 §4.4: `Return-Path` first).
fn prefix(transaction: &Transaction, recipient: &Recipient, received: &[u8]) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(received.len() + 128);
    // rfc5321 §4.4: Return-Path at the final delivery only, which the MTA behind makes for its recipients;
    // it would also take our Delivered-To for a loop.
    if recipient.destination != Destination::Upstream {
        prefix.extend_from_slice(return_path(&transaction.mail.path).as_bytes());
        prefix.extend_from_slice(delivered_to(&recipient.judged.address).as_bytes());
    }
    prefix.extend_from_slice(received);
    if recipient.judged.placement == Placement::Tag {
        prefix.extend_from_slice(mark(&recipient.judged.mark()).as_bytes());
    }
    prefix
}

/// The field that marks a message which is delivered although something speaks against it.
pub(crate) fn mark(value: &str) -> String {
    format!("{MARK}: {value}\r\n")
}

/// Several recipients may be aliases of one account: it gets one copy (rfc5321 §3.9 leaves that to us). A recipient
/// that was named more than once has one copy in quarantine.
fn dedup(copies: Vec<MessageCopy>) -> Vec<MessageCopy> {
    let (mut accounts, mut held) = (HashSet::new(), HashSet::new());
    copies
        .into_iter()
        .filter(|copy| match copy {
            MessageCopy::Mailbox { account, .. } => accounts.insert(*account),
            MessageCopy::Quarantine { recipient, .. } => held.insert(recipient.to_string().to_lowercase()),
            MessageCopy::Queue { .. } => true,
        })
        .collect()
}
