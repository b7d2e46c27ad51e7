//! The TRANSACTION state (RFC 1939 §5, §7): what a client does with its messages.

use crate::command::Command;
use crate::event::Extent;
use crate::maildrop::{Entry, Maildrop};
use crate::output::Output;

/// A maildrop that is open, and a listing that is being written.
pub(crate) struct Transaction {
    pub(crate) maildrop: Maildrop,
    listing: Option<Unwritten>,
}

/// A multi-line LIST or UIDL that is not written to its end yet.
struct Unwritten {
    kind: Kind,
    /// The index to go on at.
    from: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Sizes,
    UniqueIds,
}

/// Whether the listing is written to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listing {
    Done,
    Unfinished,
}

/// A message that the client wants.
pub(crate) struct Retrieve {
    pub(crate) index: usize,
    pub(crate) size: u64,
    pub(crate) extent: Extent,
}

impl Transaction {
    pub(crate) fn new(maildrop: Maildrop) -> Self {
        Self { maildrop, listing: None }
    }

    /// Answers a command, or says which message it needs; an error is a command that has no
    /// place here.
    pub(crate) fn command(
        &mut self,
        command: Command<'_>,
        output: &mut Output,
    ) -> Result<Option<Retrieve>, &'static str> {
        match command {
            Command::Stat => {
                let (count, octets) = self.maildrop.stat();
                output.ok(format_args!("{count} {octets}"));
            }
            Command::List(number) => self.listing(number, Kind::Sizes, output),
            Command::Uidl(number) => self.listing(number, Kind::UniqueIds, output),
            Command::Retr(number) => return Ok(self.retrieve(number, Extent::Whole, output)),
            Command::Top(number, lines) => return Ok(self.retrieve(number, Extent::Top(lines), output)),
            Command::Dele(number) => {
                if let Some((index, _)) = self.message(number, output) {
                    self.maildrop.mark(index);
                    output.ok(format_args!("message {number} goes at QUIT"));
                }
            }
            Command::Noop => output.ok("still here"),
            Command::Rset => {
                self.maildrop.unmark_all();
                let (count, octets) = self.maildrop.stat();
                output.ok(format_args!("{count} messages ({octets} octets)"));
            }
            _ => return Err("you are signed in already"),
        }
        Ok(None)
    }

    /// The message of a number; where there is none, the client hears of it.
    fn message(&self, number: u64, output: &mut Output) -> Option<(usize, Entry)> {
        let message = self.maildrop.get(number);
        if message.is_none() {
            output.err("no such message");
        }
        message
    }

    fn retrieve(&self, number: u64, extent: Extent, output: &mut Output) -> Option<Retrieve> {
        let (index, entry) = self.message(number, output)?;
        Some(Retrieve { index, size: entry.size, extent })
    }

    fn listing(&mut self, number: Option<u64>, kind: Kind, output: &mut Output) {
        match number {
            Some(number) => {
                if let Some((index, entry)) = self.message(number, output) {
                    output.ok(kind.line(index, entry));
                }
            }
            None => {
                let (count, octets) = self.maildrop.stat();
                output.ok(format_args!("{count} messages ({octets} octets)"));
                self.listing = Some(Unwritten { kind, from: 0 });
            }
        }
    }

    /// Whether a listing is half written.
    pub(crate) fn is_listing(&self) -> bool {
        self.listing.is_some()
    }

    /// Writes on at the listing, until it is done or the output is `enough` long.
    pub(crate) fn list(&mut self, output: &mut Output, enough: usize) -> Listing {
        let Some(Unwritten { kind, from }) = self.listing else { return Listing::Done };
        for (index, entry) in self.maildrop.left_from(from) {
            if output.0.len() >= enough {
                self.listing = Some(Unwritten { kind, from: index });
                return Listing::Unfinished;
            }
            output.line(kind.line(index, entry));
        }
        output.line(".");
        self.listing = None;
        Listing::Done
    }
}

impl Kind {
    fn line(self, index: usize, entry: Entry) -> String {
        let number = index + 1;
        match self {
            Self::Sizes => format!("{number} {}", entry.size),
            Self::UniqueIds => format!("{number} {}", entry.id),
        }
    }
}
