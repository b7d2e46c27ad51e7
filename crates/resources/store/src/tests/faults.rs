//! What fails is said, harms nobody else, and is over when it is over.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{House, accept, body, body_files, content, record, sender, to_mailbox, whole};
use crate::{Acceptance, Options, Outcome, Store, StoreError};

/// Runs SQL on the writer's connection, in its transaction.
async fn on_writer(store: &Store, sql: &'static str) {
    store.engine.write(0, move |c| Ok(c.execute_batch(sql)?)).await.unwrap();
}

/// No 250 for any of these, others are served, and nothing of the message stays.
async fn refused(house: &House, size: usize) -> StoreError {
    let before = house.list(house.anna).await;
    let error = house.deliver(&content(1, size)).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert_eq!(house.list(house.anna).await, before, "reading goes on");
    error
}

#[tokio::test]
async fn a_full_database_refuses_and_recovers() {
    let house = House::new().await;
    house.deliver(b"before").await.unwrap();
    on_writer(&house.store, "PRAGMA max_page_count = 1").await;
    assert!(matches!(refused(&house, 200_000).await, StoreError::Full));
    assert!(matches!(refused(&house, 200_000).await, StoreError::Full));
    on_writer(&house.store, "PRAGMA max_page_count = 1000000").await;
    house.deliver(b"after").await.unwrap();
    assert_eq!(house.list(house.anna).await.len(), 2);
}

#[tokio::test]
async fn a_read_only_database_refuses_and_recovers() {
    let house = House::new().await;
    on_writer(&house.store, "PRAGMA query_only = ON").await;
    assert!(matches!(refused(&house, 100).await, StoreError::ReadOnly));
    // A body in a file does not outlive its message.
    assert!(matches!(refused(&house, 300_000).await, StoreError::ReadOnly));
    assert_eq!(body_files(&house.data()), 0);
    // Not even this could be written: reach around the job.
    let data = house.data();
    let house = house.reopen().await;
    house.deliver(b"after").await.unwrap();
    assert_eq!((house.list(house.anna).await.len(), body_files(&data)), (1, 0));
}

#[tokio::test]
async fn a_commit_that_fails_makes_nothing_durable() {
    let house = House::new().await;
    // Deferred foreign keys are checked by COMMIT itself: the latest moment at which it can fail.
    let doom = "PRAGMA defer_foreign_keys = ON; UPDATE mailboxes SET account = 4711";
    let store = house.store.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let doomed = tokio::spawn(async move {
        let work = move |c: &crate::sqlite::Connection| {
            let _ = begin.send(());
            let _ = stopped.recv();
            Ok(c.execute_batch(doom)?)
        };
        store.engine.write(0, work).await
    });
    begun.await.unwrap();
    let other = house.store.clone();
    let record_of = record(Outcome::Accepted);
    let large = body(&other, &content(1, 300_000)).await.unwrap();
    let copies = vec![crate::MessageCopy::Quarantine {
        recipient: super::address("anna@example.test"),
        account: None,
        reason: String::new(),
        verdict: String::new(),
        expires_at: record_of.at,
        prefix: Vec::new(),
    }];
    let companion = tokio::spawn(async move {
        other.accept(Acceptance { sender: sender(), body: large, copies, record: record_of }).await
    });
    while house.store.stats().waiting < 2 {
        tokio::task::yield_now().await;
    }
    house.store.record(record(Outcome::Refused));
    stop.send(()).unwrap();
    assert!(doomed.await.unwrap().is_err());
    let error = companion.await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(house.store.quarantine(crate::QuarantineQuery::default()).await.unwrap().is_empty());
    assert_eq!(house.store.stats().traces_dropped, 1);
    // The file may be named by a commit that reached the disk after all, until another has taken its place.
    assert_eq!(body_files(&house.data()), 1);
    house.deliver(b"after").await.unwrap();
    assert_eq!(body_files(&house.data()), 0);
    house.deliver(&content(2, 300_000)).await.unwrap();
    assert_eq!(body_files(&house.data()), 1, "only that of the failed commit went");
}

#[tokio::test]
async fn a_locked_database_is_busy_and_then_not() {
    let house = House::new().await;
    on_writer(&house.store, "PRAGMA busy_timeout = 20").await;
    let other = rusqlite::Connection::open(house.data().join("postern.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(refused(&house, 100).await, StoreError::Busy));
    other.execute_batch("ROLLBACK").unwrap();
    house.deliver(b"after").await.unwrap();
}

#[tokio::test]
async fn one_server_at_a_time_but_tools_beside_it() {
    let house = House::new().await;
    let second = Store::open(&house.data(), Options::default()).unwrap_err();
    assert!(matches!(second, StoreError::InUse), "{second}");
    let tool = Store::open(&house.data(), Options::tool()).unwrap();
    accept(&tool, &content(1, 300_000), vec![to_mailbox(house.anna)]).await.unwrap();
    house.deliver(b"text").await.unwrap();
    assert_eq!(house.list(house.anna).await.len(), 2);
    tool.close().await.unwrap();
    house.reopen().await.deliver(b"again").await.unwrap();
}

/// Changes bytes in a file, wherever `old` stands in it. Returns how often.
fn overwrite(path: &Path, old: &[u8], new: &[u8]) -> usize {
    let mut bytes = Vec::new();
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    let mut count = 0;
    for at in 0..bytes.len().saturating_sub(old.len()) {
        if bytes[at..].starts_with(old) {
            file.seek(SeekFrom::Start(at as u64)).unwrap();
            file.write_all(new).unwrap();
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn a_body_that_has_changed_on_disk_is_not_shown_and_harms_no_other() {
    let house = House::new().await;
    house.deliver(b"NEEDLE in a small body").await.unwrap();
    house.deliver(b"another").await.unwrap();
    let mut large = content(1, 300_000);
    large[290_000..290_006].copy_from_slice(b"NEEDLE");
    house.deliver(&large).await.unwrap();
    let (data, anna, House { dir: _dir, store, .. }) = (house.data(), house.anna, house);
    store.close().await.unwrap();
    assert!(overwrite(&data.join("postern.db"), b"NEEDLE", b"NOODLE") > 0);
    let file = fs::read_dir(data.join("bodies")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(file.map(|path| overwrite(&path, b"NEEDLE", b"NOODLE")).sum::<usize>(), 1);

    let store = Store::open(&data, Options::default()).unwrap();
    let inbox = store.mailbox(anna, "INBOX").await.unwrap().id;
    let read = async |uid| store.read(inbox, uid).await?.read_all().await;
    for damaged in [1, 3] {
        let error = read(damaged).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
    assert_eq!(read(2).await.unwrap(), whole(b"another"));
    assert_eq!(store.delete(inbox, &[1, 3]).await.unwrap(), 2, "it can be deleted");
}

#[tokio::test]
async fn a_missing_body_file_is_said() {
    let house = House::new().await;
    house.deliver(&content(1, 300_000)).await.unwrap();
    for entry in fs::read_dir(house.data().join("bodies")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let error = house.read(house.anna, 1).await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
}

#[tokio::test]
async fn damaged_pages_are_an_error_not_a_crash() {
    let house = House::new().await;
    for n in 0..50 {
        house.deliver(&content(n, 20_000)).await.unwrap();
    }
    let (data, anna, House { dir: _dir, store, .. }) = (house.data(), house.anna, house);
    store.close().await.unwrap();
    let path = data.join("postern.db");
    let mut bytes = fs::read(&path).unwrap();
    // Every page but the first three loses its head.
    for page in bytes.chunks_mut(8192).skip(3) {
        page[..16].fill(0xa5);
    }
    fs::write(&path, bytes).unwrap();
    let error = match Store::open(&data, Options::default()) {
        Err(error) => error,
        Ok(store) => match store.mailbox(anna, "INBOX").await {
            Err(error) => error,
            Ok(inbox) => store.list(inbox.id).await.map(|_| ()).unwrap_err(),
        },
    };
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.is_transient());
}

#[test]
fn what_is_no_store_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("postern.db"), "this is a text, not a database, and long enough").unwrap();
    let error = Store::open(dir.path(), Options::default()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let missing = Store::open(Path::new("/nonexistent/folder"), Options::default()).unwrap_err();
    assert!(missing.to_string().contains("/nonexistent/folder"), "{missing}");
}
