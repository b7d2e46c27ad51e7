//! The engine behind the store's interface: SQLite. (Scaffold: filled in by the next commits.)
use crate::files::BodyFolder;
use crate::*;
use std::path::{Path, PathBuf};
use std::sync::Arc;
pub(crate) struct Connection;
#[derive(Clone, Copy)]
pub(crate) struct Committed(());
#[derive(Debug)]
pub(crate) struct Engine {
    options: Options,
    dir: PathBuf,
}
pub(crate) struct Gone {
    pub(crate) messages: usize,
    pub(crate) files: usize,
}
impl Engine {
    pub(crate) fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        Ok(Self { options, dir: dir.into() })
    }
    pub(crate) async fn write<T, F>(&self, _: usize, _: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Err(StoreError::Closed)
    }
    pub(crate) async fn read<T, F>(&self, _: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Err(StoreError::Closed)
    }
    pub(crate) async fn resolve(&self, _: &postern_types::ForwardPath) -> Result<Resolution, StoreError> {
        Err(StoreError::Closed)
    }
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        let _ = Committed(());
        Err(StoreError::Closed)
    }
    pub(crate) async fn remove_dropped_files(&self) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }
    #[allow(clippy::unwrap_used, reason = "scaffold")]
    pub(crate) fn folder(&self) -> Arc<BodyFolder> {
        Arc::new(BodyFolder::open(&self.dir, Role::Server, 0).unwrap())
    }
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
    pub(crate) fn stats(&self) -> Stats {
        Stats::default()
    }
    pub(crate) fn record(&self, _: TraceRecord) {}
    pub(crate) fn forget_resolved(&self) {}
}
macro_rules! scaffold { ($($m:ident { $($f:ident($($a:ty),*) -> $r:ty;)* })*) => { $(pub(crate) mod $m {
    #[allow(unused_imports, reason = "scaffold")] use {crate::*, super::*, postern_types::*};
    $(pub(crate) fn $f($(_: $a),*) -> Result<$r, StoreError> { Err(StoreError::Closed) })* })* } }
pub(crate) mod accept {
    use crate::*;
    pub(crate) async fn submit(
        _: &super::Engine,
        _: Acceptance,
    ) -> Result<(Vec<Placed>, super::Committed), StoreError> {
        Err(StoreError::Closed)
    }
}
scaffold! {
    directory {
        add_domain(&Connection, &Domain, &Route) -> (); set_route(&Connection, &Domain, &Route) -> (); remove_domain(&Connection, &Domain) -> ();
        domain(&Connection, &Domain) -> LocalDomain; domains(&Connection) -> Vec<LocalDomain>;
        add_account(&Connection, &Address, &str) -> AccountId; remove_account(&Connection, &Address) -> ();
        set_password_hash(&Connection, &Address, &str) -> (); account(&Connection, &Address) -> Option<Account>;
        accounts(&Connection, Option<&Domain>) -> Vec<Account>; add_alias(&Connection, &AliasName, &[Address]) -> ();
        remove_alias(&Connection, &AliasName) -> (); aliases(&Connection, Option<&Domain>) -> Vec<Alias>;
    }
    mailbox {
        mailbox(&Connection, AccountId, &str) -> Mailbox; list(&Connection, MailboxId) -> Vec<Entry>;
        read(&Connection, &BodyFolder, MailboxId, u32) -> MessageReader; delete(&Connection, MailboxId, &[u32]) -> Gone;
        set_flags(&Connection, MailboxId, u32, Flags) -> (); purge_abandoned(&Connection) -> Gone;
    }
    traces { trace(&Connection, TraceId) -> TraceRecord; search(&Connection, &TraceQuery) -> Vec<TraceRecord>; }
    quarantine {
        list(&Connection, &QuarantineQuery) -> Vec<Quarantined>; one(&Connection, QuarantineId) -> Quarantined;
        read(&Connection, &BodyFolder, QuarantineId) -> MessageReader;
        release(&Connection, QuarantineId, &ReleaseTo, Timestamp) -> Release; delete(&Connection, QuarantineId) -> usize;
    }
    queue {
        lease(&Connection, Timestamp, Timestamp, usize) -> Vec<Queued>; next_at(&Connection) -> Option<Timestamp>;
        defer(&Connection, QueueId, Timestamp, &str) -> (); remove(&Connection, QueueId) -> usize;
        one(&Connection, QueueId) -> Queued; list(&Connection, Option<QueueId>, usize) -> Vec<Queued>;
        read(&Connection, &BodyFolder, QueueId) -> MessageReader;
    }
    lists {
        put(&Connection, &ListEntry) -> (); remove(&Connection, ListKind, &ListOwner, &Subject) -> ();
        entries(&Connection, ListKind, Option<&ListOwner>, Timestamp) -> Vec<ListEntry>;
        one(&Connection, ListKind, &ListOwner, &Subject) -> ListEntry;
        networks_of(&Connection, ListKind, std::net::IpAddr) -> Vec<ListEntry>;
        networks(&Connection, ListKind, Timestamp) -> AddressSet; version(&Connection) -> i64;
    }
    probes { get(&Connection, &str, &str, Timestamp) -> Option<ProbeRecord>; put(&Connection, &ProbeRecord) -> (); forget(&Connection, &str, &str) -> (); }
    backup { create(&Path, &Path) -> BackupSummary; verify(&Path) -> BackupSummary; restore(&Path, &Path) -> BackupSummary; }
    purge { step(&Connection, &Retention) -> (Purged, usize); }
}
