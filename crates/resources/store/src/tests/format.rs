//! The database's format: yesterday's file is opened, tomorrow's is refused.

use std::path::Path;

use rusqlite::Connection;

use super::{House, PREFIX, accept, address, content, to_mailbox};
use crate::{Options, Outcome, QuarantineQuery, Store, StoreError, TraceQuery};

/// A dump of a store of format 1. Never changed: later formats must read it.
const V1: &str = include_str!("format-1.sql");

fn open_dump(dir: &Path, dump: &str) -> Result<Store, StoreError> {
    let connection = Connection::open(dir.join("postern.db")).unwrap();
    connection.execute_batch(dump).unwrap();
    connection.close().unwrap();
    Store::open(dir, Options::default())
}

#[tokio::test]
async fn a_store_of_format_1_is_opened_with_all_that_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_dump(dir.path(), V1).unwrap();
    let anna = store.account(address("anna@example.test")).await.unwrap().unwrap();
    assert_eq!(anna.password_hash, "hash");
    let inbox = store.mailbox(anna.id, "INBOX").await.unwrap();
    assert_eq!((inbox.uid_validity, inbox.uid_next), (1_795_000_000, 2));
    let entries = store.list(inbox.id).await.unwrap();
    let text = store.read(inbox.id, entries[0].uid).await.unwrap().read_all().await.unwrap();
    assert_eq!(text, [PREFIX, b"Subject: yesterday\r\n\r\ntext\r\n"].concat());
    assert_eq!(store.aliases(None).await.unwrap()[0].name.to_string(), "@example.test");
    assert_eq!(store.quarantine(QuarantineQuery::default()).await.unwrap().len(), 1);
    assert_eq!(store.queue(None, 10).await.unwrap().len(), 1);
    let traces = store.traces(TraceQuery::default()).await.unwrap();
    assert_eq!((traces.len(), traces[0].outcome), (1, Outcome::Accepted));
    accept(&store, &content(1, 100), vec![to_mailbox(anna.id)]).await.unwrap();
    assert_eq!(store.list(inbox.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_store_of_a_newer_format_is_refused() {
    let house = House::new().await;
    let (data, House { dir: _dir, store, .. }) = (house.data(), house);
    store.close().await.unwrap();
    let connection = Connection::open(data.join("postern.db")).unwrap();
    connection.pragma_update(None, "user_version", 4711).unwrap();
    connection.close().unwrap();
    for options in [Options::default(), Options::tool()] {
        let error = Store::open(&data, options).unwrap_err();
        assert!(matches!(error, StoreError::Newer { found: 4711, .. }), "{error}");
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    for (dump, version) in [("CREATE TABLE theirs (x)", 0), ("CREATE TABLE theirs (x)", 1)] {
        let dir = tempfile::tempdir().unwrap();
        let dump = format!("{dump}; PRAGMA user_version = {version};");
        let error = open_dump(dir.path(), &dump).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
    }
}

#[test]
fn a_tool_changes_no_format_under_a_running_server() {
    let dir = tempfile::tempdir().unwrap();
    // The server of an older program: it holds the lock, the database has an older format.
    let lock = std::fs::File::create(dir.path().join("postern.lock")).unwrap();
    lock.lock().unwrap();
    let error = Store::open(dir.path(), Options::tool()).unwrap_err();
    assert!(matches!(error, StoreError::InUse), "{error}");
    drop(lock);
    Store::open(dir.path(), Options::tool()).unwrap();
}
