//! What happens to messages: sent while they are read, deleted in one commit at QUIT.

use std::io;
use std::time::Instant;

use postern_events::{Event as Happened, SessionEnd};
use postern_pop3::{Denial, Extent, Wanted};
use postern_store::{Account, MessageReader, Store, StoreError};
use postern_types::Address;

use crate::folder::{Contents, Folder};
use crate::maildrops::Lock;
use crate::session::{Flow, Session};

/// How much of a message is encoded and written at once.
const PIECE: usize = 32 * 1024;

/// The maildrop of a session: a folder as it was at login, and the lock on it.
pub(crate) struct Maildrop {
    account: Address,
    contents: Contents,
    _lock: Lock,
    since: Instant,
}

impl Maildrop {
    /// Looks what is in a folder of an account.
    pub(crate) async fn open(
        store: &Store,
        account: &Account,
        folder: Folder,
        lock: Lock,
    ) -> Result<(Self, postern_pop3::Maildrop), StoreError> {
        let (contents, entries) = Contents::list(store, account, folder).await?;
        let since = Instant::now();
        let maildrop = Self { account: account.address.clone(), contents, _lock: lock, since };
        Ok((maildrop, postern_pop3::Maildrop::new(entries)))
    }
}

impl Session {
    /// Answers [`postern_pop3::Event::Retrieve`]: the message goes from the store to the client
    /// piece by piece.
    pub(crate) async fn retrieve(&mut self, message: usize, extent: Extent) -> io::Result<Flow> {
        let Some(maildrop) = &self.maildrop else { return Ok(Flow::End(SessionEnd::Broken)) };
        let read = maildrop.contents.read(&self.service.parts.store, message).await;
        let Some(read) = read else { return Ok(Flow::End(SessionEnd::Broken)) };
        let mut reader = match read {
            Ok(reader) => reader,
            Err(error) => {
                self.protocol.content_denied(&self.unreadable(&error));
                return Ok(Flow::GoOn);
            }
        };
        self.protocol.content_begins();
        match self.send(&mut reader).await? {
            Ok(()) => {
                self.protocol.content_ends();
                // TOP is a look at a message: who fetches it comes again.
                self.fetched += u32::from(extent == Extent::Whole);
                Ok(Flow::GoOn)
            }
            Err(error) => {
                // Half a message is out. Without the terminator the client knows that it is not whole.
                self.service.store_failed("read a message", &error);
                Ok(Flow::End(SessionEnd::Broken))
            }
        }
    }

    async fn send(&mut self, reader: &mut MessageReader) -> io::Result<Result<(), StoreError>> {
        loop {
            let chunk = match reader.next().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            for piece in chunk.chunks(PIECE) {
                let before = self.protocol.output().len();
                let wanted = self.protocol.content(piece);
                self.octets += (self.protocol.output().len() - before) as u64;
                if wanted == Wanted::Enough {
                    return Ok(Ok(()));
                }
                if self.protocol.output().len() >= PIECE {
                    self.flush().await?;
                }
            }
        }
    }

    /// What the client hears of a message that cannot be read.
    fn unreadable(&self, error: &StoreError) -> Denial {
        if let StoreError::NotFound { .. } = error {
            // Another program has deleted it since this session began.
            return Denial::plain("this message was deleted meanwhile");
        }
        self.service.store_failed("read a message", error);
        match error {
            StoreError::Corrupt { .. } => Denial::permanent("this message is damaged"),
            _ => Denial::temporary("this message cannot be read just now"),
        }
    }

    /// Answers [`postern_pop3::Event::Update`]: all marked messages go in one commit, or none.
    pub(crate) async fn update(&mut self, delete: &[usize]) {
        let Some(maildrop) = &self.maildrop else { return };
        match maildrop.contents.delete(&self.service.parts.store, delete).await {
            Ok(deleted) => {
                // Before the client hears of it: it may come back at once.
                self.leave_maildrop(deleted);
                self.protocol.updated();
            }
            Err(error) => {
                self.service.store_failed("delete messages", &error);
                self.leave_maildrop(0);
                self.protocol.update_denied(&Denial::temporary("nothing was deleted, try again later"));
            }
        }
    }

    /// Gives the maildrop back, if there is one, and tells what was done with it.
    pub(crate) fn leave_maildrop(&mut self, deleted: usize) {
        let Some(maildrop) = self.maildrop.take() else { return };
        self.service.parts.events.emit(&Happened::Pop3Session {
            client: self.client,
            account: &maildrop.account,
            fetched: self.fetched,
            deleted: u32::try_from(deleted).unwrap_or(u32::MAX),
            octets: self.octets,
            duration: maildrop.since.elapsed(),
        });
    }
}
