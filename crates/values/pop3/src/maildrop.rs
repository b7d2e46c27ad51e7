//! A maildrop as a session sees it: messages numbered at login, marks for deletion.

use std::fmt;

/// A message's unique-id (RFC 1939 §7, UIDL): the mailbox's UIDVALIDITY and the message's
/// UID, so it is stable for as long as these are. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UniqueId {
    /// UIDVALIDITY of the mailbox.
    pub validity: u32,
    /// UID of the message.
    pub uid: u32,
}

/// One message of a maildrop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Octets, with CRLF line ends and without byte-stuffing.
    pub size: u64,
    /// The unique-id.
    pub id: UniqueId,
}

/// The messages of a session: fixed at login (RFC 1939 §4: numbers do not change).
#[derive(Clone, Debug, Default)]
pub struct Maildrop {
    entries: Vec<Entry>,
    deleted: Vec<bool>,
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}{:08x}", self.validity, self.uid)
    }
}

impl Maildrop {
    /// A maildrop with these messages, oldest first.
    #[must_use]
    pub fn new(entries: Vec<Entry>) -> Self {
        let deleted = vec![false; entries.len()];
        Self { entries, deleted }
    }

    /// How many messages are not marked, and their octets together.
    #[must_use]
    pub fn stat(&self) -> (usize, u64) {
        self.left().fold((0, 0), |(count, octets), (_, entry)| (count + 1, octets + entry.size))
    }

    /// All messages in their order, marked or not.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The message of a number (from 1), unless it is marked.
    pub(crate) fn get(&self, number: u64) -> Option<(usize, Entry)> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let entry = *self.entries.get(index)?;
        (!self.deleted[index]).then_some((index, entry))
    }

    /// The messages that are not marked, with their index.
    pub(crate) fn left(&self) -> impl Iterator<Item = (usize, Entry)> {
        self.left_from(0)
    }

    /// As [`Maildrop::left`], from an index on.
    pub(crate) fn left_from(&self, first: usize) -> impl Iterator<Item = (usize, Entry)> {
        let entries = self.entries.iter().copied().enumerate().skip(first);
        entries.filter(|&(index, _)| !self.deleted[index])
    }

    pub(crate) fn mark(&mut self, index: usize) {
        self.deleted[index] = true;
    }

    pub(crate) fn unmark_all(&mut self) {
        self.deleted.fill(false);
    }

    /// The marked messages, ascending.
    pub(crate) fn marked(&self) -> Vec<usize> {
        (0..self.deleted.len()).filter(|&index| self.deleted[index]).collect()
    }
}
