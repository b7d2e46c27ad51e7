//! An accepted message as a job of the writer: body, copies and trace in one commit.

use std::sync::Arc;

use postern_types::{ReversePath, Timestamp, TraceId};
use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::bodies::{self, BodyId};
use super::columns::{address_key, signed};
use super::group::{Committed, Job};
use super::{Engine, digests, mailbox, traces};
use crate::body::Content;
use crate::files::BodyFolder;
use crate::{Acceptance, DigestNote, MessageCopy, Placed, QuarantineId, QueueId, StoreError};

type Answer = Result<(Vec<Placed>, Committed), StoreError>;

struct Accept {
    folder: Arc<BodyFolder>,
    acceptance: Acceptance,
    note: Option<DigestNote>,
    placed: Option<Vec<Placed>>,
    answer: oneshot::Sender<Answer>,
}

/// Has the message stored and waits for the commit.
pub(crate) async fn submit(engine: &Engine, acceptance: Acceptance) -> Answer {
    submit_with(engine, acceptance, None).await
}

/// The same for a digest, with what its commit notes.
pub(crate) async fn submit_with(engine: &Engine, acceptance: Acceptance, note: Option<DigestNote>) -> Answer {
    let (answer, answered) = oneshot::channel();
    let folder = engine.folder();
    engine.submit(Box::new(Accept { folder, acceptance, note, placed: None, answer })).await?;
    answered.await.unwrap_or(Err(StoreError::Closed))
}

impl Job for Accept {
    fn weight(&self) -> usize {
        self.acceptance.body.weight()
    }

    fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    fn is_repeatable(&self) -> bool {
        true
    }

    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(note) = &self.note {
            digests::note(connection, note, self.acceptance.record.at)?;
        }
        self.placed = Some(store(connection, &self.acceptance)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<Committed, StoreError>) {
        let Self { folder, acceptance, placed, answer, .. } = *self;
        match (&outcome, placed.is_some(), acceptance.body.content) {
            (Ok(_), true, Content::File(mut file)) => file.keep(),
            (Err(_), true, Content::File(file)) => folder.set_aside(file),
            _ => {}
        }
        if outcome.is_ok() {
            folder.committed();
        }
        let placed = placed.ok_or(StoreError::Closed);
        // A session that is gone gets no 250; its client will send the message again.
        let _ = answer.send(outcome.and_then(|committed| Ok((placed?, committed))));
    }
}

fn store(connection: &Connection, acceptance: &Acceptance) -> Result<Vec<Placed>, StoreError> {
    let Acceptance { sender, body, copies, record } = acceptance;
    let id = bodies::insert(connection, body, copies.len())?;
    let message = Stored { id, size: body.size(), trace: record.id, at: record.at };
    let placed: Result<Vec<_>, _> =
        copies.iter().map(|copy| message.place(connection, sender, copy)).collect();
    traces::insert(connection, record)?;
    placed
}

/// A body that is in the store, on its way to its places.
#[derive(Clone, Copy)]
pub(super) struct Stored {
    pub(super) id: BodyId,
    /// Of the body alone.
    pub(super) size: u64,
    pub(super) trace: TraceId,
    pub(super) at: Timestamp,
}

impl Stored {
    /// Puts one copy where it belongs. The body counts it already.
    pub(super) fn place(
        self,
        connection: &Connection,
        sender: &ReversePath,
        copy: &MessageCopy,
    ) -> Result<Placed, StoreError> {
        match copy {
            MessageCopy::Mailbox { account, prefix } => mailbox::append(connection, *account, self, prefix),
            MessageCopy::Quarantine { recipient, account, reason, verdict, expires_at, prefix } => {
                let (size, prefix) = self.prefix(connection, prefix)?;
                let mut insert = connection.prepare_cached(
                    "INSERT INTO quarantine (trace, sender, recipient, recipient_key, account, reason, verdict,
                         size, at, expires_at, state, body, prefix)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12)",
                )?;
                insert.execute(params![
                    self.trace.to_i64(),
                    sender.to_string(),
                    recipient.to_string(),
                    address_key(recipient),
                    account.map(|account| account.0),
                    reason,
                    verdict,
                    size,
                    self.at.as_millis(),
                    expires_at.as_millis(),
                    self.id.0,
                    prefix,
                ])?;
                Ok(Placed::Quarantine(QuarantineId(connection.last_insert_rowid())))
            }
            MessageCopy::Queue { recipient, route, parameters, expires_at, prefix } => {
                let (size, prefix) = self.prefix(connection, prefix)?;
                let mut insert = connection.prepare_cached(
                    "INSERT INTO queue (trace, sender, recipient, route, parameters, size, at, next_at,
                         expires_at, body, prefix)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10)",
                )?;
                insert.execute(params![
                    self.trace.to_i64(),
                    sender.to_string(),
                    recipient.to_string(),
                    route,
                    parameters,
                    size,
                    self.at.as_millis(),
                    expires_at.as_millis(),
                    self.id.0,
                    prefix,
                ])?;
                Ok(Placed::Queue(QueueId(connection.last_insert_rowid())))
            }
        }
    }

    /// Stores the lines before the body; their id, and the size of the whole copy.
    pub(super) fn prefix(self, connection: &Connection, prefix: &[u8]) -> Result<(i64, i64), StoreError> {
        let id = bodies::insert_prefix(connection, prefix)?;
        Ok((signed(self.size + prefix.len() as u64), id))
    }
}
