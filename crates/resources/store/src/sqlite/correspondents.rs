//! What is learned from outgoing mail: whom somebody of ours writes to.

use std::time::Duration;

use postern_types::{Address, Timestamp};
use rusqlite::Connection;

use super::profiles::{by_key, key, owners};
use super::{directory, lists};
use crate::profile::Learn;
use crate::{ListEntry, ListKind, ListOwner, StoreError, Subject};

/// Correspondents that are learned from one message.
const LEARNED_AT_ONCE: usize = 100;
/// An entry is kept longer only when that makes a difference: most mail goes to the same people.
const WORTH_WRITING: Duration = Duration::from_secs(86_400);

/// Puts those who were written to on the writer's allow list.
pub(crate) fn learn(
    connection: &Connection,
    sender: &Address,
    recipients: &[Address],
    expires_at: Timestamp,
) -> Result<usize, StoreError> {
    let is_ours = |address: &Address| match address.domain() {
        Some(domain) => Ok::<_, StoreError>(directory::find(connection, domain)?.is_some()),
        // An address literal is nobody's domain.
        None => Ok(true),
    };
    let now = Timestamp::now();
    if expires_at <= now || !is_ours(sender)? || !learns(connection, sender)? {
        return Ok(0);
    }
    let owner = ListOwner::Recipient(sender.clone());
    let (mut new, mut changed) = (0, false);
    for recipient in recipients.iter().take(LEARNED_AT_ONCE) {
        if is_ours(recipient)? {
            continue;
        }
        let subject = Subject::Address(recipient.clone());
        match lists::find(connection, ListKind::Allow, &owner, &subject)? {
            None if !lists::has_room(connection, &owner)? => break,
            Some(ListEntry { expires_at: None, .. }) => continue,
            Some(ListEntry { expires_at: Some(ends), .. }) if expires_at.since(ends) < WORTH_WRITING => {
                continue;
            }
            Some(_) => lists::prolong(connection, &owner, &subject, expires_at)?,
            None => {
                let entry = ListEntry {
                    list: ListKind::Allow,
                    owner: owner.clone(),
                    subject,
                    reason: format!("you wrote to {recipient}"),
                    trace: None,
                    strikes: 1,
                    created_at: now,
                    expires_at: Some(expires_at),
                };
                lists::insert(connection, &entry)?;
                new += 1;
            }
        }
        changed = true;
    }
    if changed {
        lists::announce(connection)?;
    }
    Ok(new)
}

/// Whether the sender's profiles let its correspondents be learned: they do unless one says no.
fn learns(connection: &Connection, sender: &Address) -> Result<bool, StoreError> {
    for owner in owners(connection, sender, &[])? {
        if let Some(learn) = by_key(connection, &key(&owner))?.learn {
            return Ok(learn == Learn::Yes);
        }
    }
    Ok(true)
}
