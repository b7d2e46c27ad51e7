//! The message: its header is judged, its body kept only where somebody's copy is, and its end made safe.
//!
//! A copy for the quarantine is on stable storage before the MTA is told to take its recipient out of the
//! envelope, or to throw the message away: only a [`Durable`] can say so, and only the store's synced commit makes
//! one.

use postern_events::{Route, Stage as At};
use postern_feedback::Taken;
use postern_gate::{Collector, Known, MARK, Trust, shared_mark};
use postern_message::{Fields, Protocol, Received, Transmission};
use postern_milter::{Answer, Change};
use postern_policy::Rdns;
use postern_store::{Acceptance, BodyWriter, Durable, Outcome, StoreError};
use postern_types::{Domain, Refusal, Timestamp};

use crate::client::Client;
use crate::correspondents::learn;
use crate::house::{House, TRACE};
use crate::milter::{Session, Visit};
use crate::transaction::{Intake, Recipient, Transaction};
use crate::{record, refusal};

/// rfc8601: the field that says what authentication has found.
const RESULTS: &str = "Authentication-Results";

impl Session<'_> {
    /// A header field. The MTA wants no answer.
    pub(crate) fn header(&mut self, name: &[u8], value: &[u8]) {
        let limit = self.house.settings.header_size;
        if let Some(Visit { transaction: Some(transaction), .. }) = &mut self.visit {
            let message = &mut transaction.message;
            let length = name.len() + value.len() + 3;
            message.size += length as u64;
            if message.header.len() + length > limit {
                message.stage = Intake::HeaderTooLarge;
            } else {
                for part in [name, b":", value, b"\r\n"] {
                    message.header.extend_from_slice(part);
                }
            }
        }
        // Older MTAs do want one.
        self.protocol.answer(Answer::Continue);
    }

    /// The header is there: it is judged, and what follows is kept where a copy is quarantined.
    pub(crate) async fn end_of_header(&mut self) {
        match self.header_done().await {
            Ok(()) => self.protocol.answer(Answer::Continue),
            Err(refusal) => self.refuse_message(&refusal),
        }
    }

    async fn header_done(&mut self) -> Result<(), Refusal> {
        let Some(Visit { collector, transaction: Some(transaction), .. }) = &mut self.visit else {
            return Ok(());
        };
        let trace = transaction.trace;
        if matches!(transaction.message.stage, Intake::HeaderTooLarge) {
            return Err(refusal::header_too_large(self.house.settings.header_size, trace));
        }
        transaction.message.header.extend_from_slice(b"\r\n");
        transaction.message.size += 2;
        let known = self.house.judge_header(transaction, collector).await?;
        let mut body = None;
        if known == Known::TheHeader || transaction.keeps() {
            let mut writer = self.house.store.body();
            let header = collector.without_forged(&transaction.message.header);
            let written = writer.write(&header).await;
            written.map_err(|error| failed(self.house, transaction, "write", &error))?;
            body = Some(writer);
        }
        transaction.message.stage = Intake::Body(known, body);
        Ok(())
    }

    /// A piece of the body.
    pub(crate) async fn body(&mut self, piece: &[u8]) {
        match self.keep_piece(piece).await {
            Ok(answer) => self.protocol.answer(answer),
            Err(refusal) => self.refuse_message(&refusal),
        }
    }

    async fn keep_piece(&mut self, piece: &[u8]) -> Result<Answer, Refusal> {
        let Some(Visit { collector, transaction: Some(transaction), .. }) = &mut self.visit else {
            return Ok(Answer::Continue);
        };
        transaction.message.size += piece.len() as u64;
        let Intake::Body(known, Some(writer)) = &mut transaction.message.stage else {
            return Ok(Answer::Skip);
        };
        if *known == Known::TheHeader {
            collector.body(piece);
        }
        let written = writer.write(piece).await;
        written.map_err(|error| failed(self.house, transaction, "write", &error))?;
        Ok(Answer::Continue)
    }

    /// The message is over: its copies are made safe, and the MTA is told what to do with the rest.
    pub(crate) async fn end_of_message(&mut self, piece: &[u8]) {
        if let Err(refusal) = self.finish(piece).await {
            self.refuse_message(&refusal);
        }
    }

    async fn finish(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let in_header = |session: &Self| {
            let transaction = session.visit.as_ref().and_then(|visit| visit.transaction.as_ref());
            transaction.is_some_and(|t| !matches!(t.message.stage, Intake::Body(..)))
        };
        // A message may have no header, and then no end of it.
        if in_header(self) {
            self.header_done().await?;
        }
        self.keep_piece(piece).await?;
        let queue_id = self.macro_text("i");
        let tls = self.tls_words();
        let Some(Visit { client, collector, transaction: Some(transaction), .. }) = &mut self.visit else {
            self.protocol.answer(Answer::Continue);
            return Ok(());
        };
        let stage = std::mem::take(&mut transaction.message.stage);
        if let Intake::Body(Known::TheHeader, _) = stage {
            collector.end();
            self.house.judge_message(transaction, collector).await?;
        }
        let kept = match stage {
            Intake::Body(_, Some(writer)) if transaction.keeps() => {
                Some(keep(self.house, transaction, client, collector, writer, tls.as_deref()).await?)
            }
            // Nobody's after all: what was written goes with the writer.
            _ => None,
        };
        learn(self.house, transaction, collector).await;
        match &kept {
            Some(kept) if transaction.passes() => self.withdraw(kept),
            Some(kept) => self.discard(kept),
            None => self.pass(queue_id.as_deref()),
        }
        if let Some(visit) = &mut self.visit {
            visit.messages += 1;
            visit.report(self.house, Taken::Yes);
            visit.transaction = None;
        }
        Ok(())
    }

    /// Nobody's copy is kept: the MTA delivers all of it.
    fn pass(&mut self, queue_id: Option<&str>) {
        self.mark();
        self.protocol.answer(Answer::Continue);
        let Some(Visit { client, collector, transaction: Some(transaction), .. }) = &self.visit else {
            return;
        };
        let reply = match queue_id {
            Some(id) => format!("passed on to the mail server as {id}"),
            None => "passed on to the mail server".to_owned(),
        };
        self.house.store.record(record::of(transaction, client, collector, Outcome::Relayed, reply));
        self.house.report_taken(transaction, client, Route::Proxy);
    }

    /// Some copies are safe here: their recipients leave the envelope, the MTA delivers the rest.
    fn withdraw(&mut self, _: &Durable) {
        let Some(Visit { transaction: Some(transaction), .. }) = &self.visit else { return };
        let kept = transaction.recipients.iter().filter(|recipient| recipient.is_kept());
        for name in kept.flat_map(|recipient| &recipient.named) {
            let change = Change::DeleteRecipient(name.clone());
            if let Err(error) = self.protocol.change(change) {
                // It was negotiated, and this is the end of a message: it cannot be refused.
                tracing::error!(trace = %transaction.trace, %error, "a quarantined recipient stays in the envelope");
            }
        }
        self.mark();
        self.protocol.answer(Answer::Continue);
        if let Some(Visit { client, transaction: Some(transaction), .. }) = &self.visit {
            self.house.report_taken(transaction, client, Route::Mixed);
        }
    }

    /// All copies are safe here: the MTA says yes and throws its own away.
    fn discard(&mut self, _: &Durable) {
        self.protocol.answer(Answer::Discard);
        if let Some(Visit { client, transaction: Some(transaction), .. }) = &self.visit {
            self.house.report_taken(transaction, client, Route::Quarantine);
        }
    }

    /// The fields that we add; forged ones go.
    fn mark(&mut self) {
        let Some(Visit { collector, transaction: Some(transaction), .. }) = &self.visit else { return };
        let trace = transaction.trace;
        for change in marks(transaction, collector) {
            if let Err(error) = self.protocol.change(change) {
                tracing::warn!(%trace, %error, "a message is not marked");
            }
        }
    }

    fn refuse_message(&mut self, refusal: &Refusal) {
        self.refuse(refusal);
        let Some(visit) = &mut self.visit else { return };
        visit.report(self.house, Taken::No);
        if let Some(transaction) = visit.transaction.take() {
            self.house.refuse_transaction(&transaction, &visit.client, &visit.collector, refusal, At::End);
        }
    }
}

/// The changes of the header of what the MTA delivers.
fn marks(transaction: &Transaction, collector: &Collector) -> Vec<Change> {
    let header = &transaction.message.header;
    let mut changes = Vec::new();
    for name in [MARK, TRACE, RESULTS] {
        let of_name = Fields::with_limit(header, usize::MAX).filter(|field| field.is(name));
        let forged = of_name.map(|field| name != RESULTS || is_forged(collector, field.raw_value()));
        let indexes: Vec<u32> =
            (1..).zip(forged).filter(|(_, forged)| *forged).map(|(index, _)| index).collect();
        // The last first: see `Change::ChangeHeader`.
        changes.extend(indexes.into_iter().rev().map(|index| Change::ChangeHeader {
            index,
            name: name.to_owned(),
            value: Vec::new(),
        }));
    }
    if let Some((name, value)) = collector.report().as_deref().and_then(|field| field.split_once(':')) {
        // rfc8601 §4.1: at the top, so that it is known from what stood there before.
        changes.push(Change::InsertHeader {
            index: 0,
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
        });
    }
    let add =
        |name: &str, value: String| Change::AddHeader { name: name.to_owned(), value: value.into_bytes() };
    changes.push(add(TRACE, transaction.trace.to_string()));
    let mark = shared_mark(transaction.recipients.iter().map(|recipient| &recipient.judged));
    changes.extend(mark.map(|value| add(MARK, value)));
    changes
}

/// Whether a stranger has written these results in our name.
fn is_forged(collector: &Collector, value: &[u8]) -> bool {
    let field = [RESULTS.as_bytes(), b":", value, b"\r\n\r\n"].concat();
    collector.without_forged(&field).len() < field.len()
}

/// Makes the quarantined copies safe, in one commit.
async fn keep(
    house: &House,
    transaction: &Transaction,
    client: &Client,
    collector: &Collector,
    writer: BodyWriter,
    tls: Option<&str>,
) -> Result<Durable, Refusal> {
    if let Some(refusal) = house.cannot_keep(transaction.message.size, transaction.trace) {
        return Err(refusal);
    }
    let body = writer.finish().await.map_err(|error| failed(house, transaction, "sync", &error))?;
    let mut prefix = collector.report().unwrap_or_default().into_bytes();
    prefix.extend(received(house, transaction, client, collector, tls));
    let kept = transaction.recipients.iter().filter(|recipient| recipient.is_kept());
    let expires_at = Timestamp::now().plus(house.settings.quarantine_for);
    let copy = |r: &Recipient| r.judged.quarantined(r.account, expires_at, prefix.clone());
    let copies = kept.map(copy).collect();
    let outcome = if transaction.passes() { Outcome::Accepted } else { Outcome::Quarantined };
    let reply = format!("250 2.0.0 OK, kept as {}", transaction.trace);
    let record = record::of(transaction, client, collector, outcome, reply);
    let acceptance = Acceptance { sender: transaction.sender.clone(), body, copies, record };
    let durable = house.store.accept(acceptance).await;
    durable.map_err(|error| failed(house, transaction, "accept", &error))
}

/// The `Received` field that the MTA would have made: it does not tell its own to filters.
fn received(
    house: &House,
    transaction: &Transaction,
    client: &Client,
    collector: &Collector,
    tls: Option<&str>,
) -> Vec<u8> {
    let name = match collector.rdns() {
        Rdns::Confirmed { name } => Domain::parse(name).ok(),
        _ => None,
    };
    let protocol = if transaction.message.extended { Protocol::Esmtp } else { Protocol::Smtp };
    let authenticated = collector.known().client.trusted && client.trust == Trust::Stranger;
    let mut out = Vec::with_capacity(256);
    Received {
        helo: &client.helo,
        name: name.as_ref(),
        ip: client.ip,
        by: &house.settings.hostname,
        with: Transmission { protocol, tls: tls.is_some(), authenticated, utf8: false },
        tls,
        id: transaction.trace,
        recipient: None,
        at: Timestamp::now(),
    }
    .encode(&mut out);
    out
}

fn failed(house: &House, transaction: &Transaction, what: &str, error: &StoreError) -> Refusal {
    house.store_failed(transaction.trace, what, error);
    refusal::store_failed(error, transaction.trace)
}
