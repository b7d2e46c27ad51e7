//! The store: accounts, mailboxes, bodies, queue, quarantine, lists and traces of one installation.
//!
//! Everything lies in one folder: a SQLite database (WAL, `synchronous=FULL`) and, beside it, the few
//! bodies that are too large for a row. One writer commits the work of many sessions together (group
//! commit), readers run beside it. [`Store`] is a cheap handle; clone it freely.
//!
//! The promise that the rest of the house rests on: [`Store::accept`] gives a [`Durable`] only after the
//! commit that holds every copy, the body and the trace has been synced. Nothing else makes one.
//!
//! No type of the engine appears here, so that a second engine can stand behind the same interface.

mod accept;
mod backup;
mod body;
mod check;
mod digest;
mod directory;
mod error;
mod files;
mod hosts;
mod ledger;
mod links;
mod lists;
mod mailbox;
mod policies;
mod probe;
mod profile;
mod quarantine;
mod queue;
mod rehearsal;
mod resolve;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod trace;

pub use accept::{Acceptance, Durable, MessageCopy, Placed};
pub use backup::{BackupSummary, restore, verify};
pub use body::{Body, BodyWriter, Passing};
pub use check::{Checkup, Damage, Depth, Extent, MAX_DAMAGE};
pub use digest::{DigestDue, DigestNote};
pub use directory::{Account, AccountId, Alias, AliasName, LocalDomain, Route};
pub use error::StoreError;
pub use hosts::{EntryChange, HostChange, HostRecord, Strike, host_of};
pub use ledger::{
    LedgerEntry, LedgerId, LedgerQuery, ProbeBegun, ProbeEnded, ProbeRates, ProbeStart, Probed,
};
pub use links::{Link, LinkOpening, LinkUse, TokenHash, WebSession};
pub use lists::{ListEntry, ListKind, ListOwner, Subject};
pub use mailbox::{Entry, Flags, Mailbox, MailboxId, MessageReader};
pub use policies::{JudgedPage, StoredPolicy};
pub use probe::{Certainty, ProbeRecord};
pub use profile::{FailedMail, Learn, OwnedProfile, ProfileAnswer, StoredProfile};
pub use quarantine::{QuarantineId, QuarantineQuery, QuarantineState, Quarantined, Release, ReleaseTo};
pub use queue::{QueueId, Queued};
pub use resolve::Resolution;
pub use store::{Options, Purged, Retention, Role, Stats, Store};
pub use trace::{Outcome, TraceQuery, TraceRecord, TracedRecipient};
