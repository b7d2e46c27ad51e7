//! The end of a message that was held until its signatures could be checked.
//!
//! Its results stand before it (`Authentication-Results`), and the verdict may still keep it from the MTA behind: so
//! it waits here, in memory up to the store's bound and else in a file that is not synced, since nothing was promised
//! for it. Now it is judged, and goes the ways that `finish.rs` tells of.

use postern_store::{Body, BodyWriter, Passing, StoreError};
use postern_types::Refusal;

use crate::protocol::Proof;
use crate::session::Session;

/// A held body to be read from.
enum Held<'a> {
    Kept(&'a mut Body),
    Passing(&'a mut Passing),
}

impl Held<'_> {
    async fn piece(&mut self, at: u64) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Kept(body) => body.piece(at).await,
            Self::Passing(passing) => passing.piece(at).await,
        }
    }
}

impl Session {
    /// Judges the held message and makes it safe.
    pub(crate) async fn make_held_safe(&mut self, body: BodyWriter) -> Result<Proof, Refusal> {
        self.collector.end();
        self.judge_message().await?;
        let ways = self.transaction.as_ref().map(|transaction| (transaction.stores(), transaction.relays()));
        match ways.unwrap_or_default() {
            (_, false) => {
                // Who is left has nothing to do with the MTA behind.
                if let Some(transaction) = &mut self.transaction {
                    transaction.upstream = None;
                }
                Ok(Proof::Stored(self.store_copies(body).await?))
            }
            (false, true) => {
                let passing = body.finish_passing().await;
                let mut passing = passing.map_err(|error| self.not_stored(&error, "write"))?;
                self.open_upstream_late().await?;
                self.send_held(Held::Passing(&mut passing)).await?;
                Ok(Proof::Relayed(self.relay().await?))
            }
            (true, true) => {
                // Safe on the disk before the MTA is asked to take its part.
                let body = body.finish_on_disk().await;
                let mut body = body.map_err(|error| self.not_stored(&error, "sync"))?;
                self.open_upstream_late().await?;
                self.send_held(Held::Kept(&mut body)).await?;
                self.relay_and_accept(body).await
            }
        }
    }

    /// Sends the whole message to the MTA behind, which has answered DATA.
    async fn send_held(&mut self, mut held: Held<'_>) -> Result<(), Refusal> {
        let mut open = true;
        self.mark_upstream(&mut open).await?;
        let mut at = 0;
        loop {
            let piece = held.piece(at).await.map_err(|error| self.not_stored(&error, "read"))?;
            if piece.is_empty() {
                return Ok(());
            }
            at += piece.len() as u64;
            self.pass_on(&piece, &mut open).await?;
        }
    }
}
