//! Which mail of an account a session shows: its INBOX, or what is held for it in the quarantine.
//!
//! POP3 has one maildrop for a user name (RFC 1939 §4). So the quarantine has a user name of its own, the
//! account's with `#quarantine` behind it, and the same password. What is deleted there is gone for good; to
//! have a message delivered, it is released.

use postern_pop3::{Entry, UniqueId};
use postern_store::{
    Account, MailboxId, MessageReader, QuarantineId, QuarantineQuery, QuarantineState, Store, StoreError,
};

/// Which mail of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Folder {
    Inbox,
    Quarantine,
}

/// What stands behind a user name that means the quarantine; in any case.
const SUFFIX: &str = "#quarantine";

/// Held messages that are asked for at once, and shown at most.
const STEP: usize = 500;
const MOST: usize = 20_000;

impl Folder {
    /// The user name without what stands behind it, and what that means.
    pub(crate) fn named(user: &str) -> (&str, Self) {
        let start = user.len().checked_sub(SUFFIX.len()).filter(|&at| user.is_char_boundary(at));
        match start.map(|at| user.split_at(at)) {
            Some((name, suffix)) if suffix.eq_ignore_ascii_case(SUFFIX) => (name, Self::Quarantine),
            _ => (user, Self::Inbox),
        }
    }
}

/// The messages of a session, by their numbers, as they were at login.
#[derive(Debug)]
pub(crate) enum Contents {
    Inbox { mailbox: MailboxId, uids: Vec<u32> },
    Quarantine { ids: Vec<QuarantineId> },
}

impl Contents {
    /// Looks what is there, the oldest first.
    pub(crate) async fn list(
        store: &Store,
        account: &Account,
        folder: Folder,
    ) -> Result<(Self, Vec<Entry>), StoreError> {
        match folder {
            Folder::Inbox => inbox(store, account).await,
            Folder::Quarantine => quarantine(store, account).await,
        }
    }

    /// Begins to read a message; `None` where there is none of that number.
    pub(crate) async fn read(
        &self,
        store: &Store,
        message: usize,
    ) -> Option<Result<MessageReader, StoreError>> {
        Some(match self {
            Self::Inbox { mailbox, uids } => store.read(*mailbox, *uids.get(message)?).await,
            Self::Quarantine { ids } => store.read_quarantined(*ids.get(message)?).await,
        })
    }

    /// Deletes messages, all in one commit; those that are gone already are passed over.
    pub(crate) async fn delete(&self, store: &Store, messages: &[usize]) -> Result<usize, StoreError> {
        if messages.is_empty() {
            return Ok(0);
        }
        match self {
            Self::Inbox { mailbox, uids } => {
                let uids: Vec<u32> =
                    messages.iter().filter_map(|&message| uids.get(message).copied()).collect();
                store.delete(*mailbox, &uids).await
            }
            Self::Quarantine { ids } => {
                let ids = messages.iter().filter_map(|&message| ids.get(message).copied()).collect();
                store.delete_all_quarantined(ids).await
            }
        }
    }
}

async fn inbox(store: &Store, account: &Account) -> Result<(Contents, Vec<Entry>), StoreError> {
    let mailbox = store.mailbox(account.id, "INBOX").await?;
    let listed = store.list(mailbox.id).await?;
    let entries = listed.iter().map(|entry| Entry {
        size: entry.size,
        id: UniqueId { validity: mailbox.uid_validity, uid: entry.uid },
    });
    let uids = listed.iter().map(|entry| entry.uid).collect();
    Ok((Contents::Inbox { mailbox: mailbox.id, uids }, entries.collect()))
}

/// What is held for the account's own address, and not yet released.
async fn quarantine(store: &Store, account: &Account) -> Result<(Contents, Vec<Entry>), StoreError> {
    let mut held = Vec::new();
    while held.len() < MOST {
        let query = QuarantineQuery {
            recipient: Some(account.address.clone()),
            state: Some(QuarantineState::Held),
            before: held.last().map(|(id, _)| *id),
            limit: STEP,
        };
        let page = store.quarantine(query).await?;
        held.extend(page.iter().map(|entry| (entry.id, entry.size)));
        if page.len() < STEP {
            break;
        }
    }
    held.reverse();
    // No mailbox has the UIDVALIDITY 0 (rfc9051 §2.3.1.1), and ids of the quarantine are never used again.
    let numbered = |&(id, size): &(QuarantineId, u64)| {
        let uid = u32::try_from(id.as_i64()).ok()?;
        Some((id, Entry { size, id: UniqueId { validity: 0, uid } }))
    };
    let (ids, entries) = held.iter().filter_map(numbered).unzip();
    Ok((Contents::Quarantine { ids }, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_the_suffix_means_the_quarantine() {
        for (user, expected) in [
            ("ann@example.test", ("ann@example.test", Folder::Inbox)),
            ("ann@example.test#quarantine", ("ann@example.test", Folder::Quarantine)),
            ("ann#QUARANTINE", ("ann", Folder::Quarantine)),
            ("#quarantine", ("", Folder::Quarantine)),
            ("ann#quarantin", ("ann#quarantin", Folder::Inbox)),
            ("ä€quarantine", ("ä€quarantine", Folder::Inbox)),
            ("", ("", Folder::Inbox)),
        ] {
            assert_eq!(Folder::named(user), expected, "{user}");
        }
    }
}
