//! Looking whether the store is whole.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::{House, accept, address, content, record, to_mailbox};
use crate::{Checkup, Damage, Depth, Extent, MessageCopy, Outcome, QuarantineQuery, Release, ReleaseTo};

const QUICK: Depth = Depth::Quick(Duration::from_secs(60));

impl House {
    /// Changes the store behind its back, as a broken disk or a curious administrator does.
    fn tamper(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.data().join("postern.db")).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
        connection.execute_batch(sql).unwrap();
    }

    async fn damage(&self, depth: Depth) -> Vec<Damage> {
        self.store.check(depth).await.unwrap().damage
    }

    fn body_file(&self) -> PathBuf {
        let name = crate::files::names(&self.data().join("bodies")).unwrap().into_iter().next().unwrap();
        self.data().join("bodies").join(name)
    }
}

#[tokio::test]
async fn a_store_that_was_used_is_whole() {
    let house = House::new().await;
    let held = MessageCopy::Quarantine {
        recipient: address("anna@example.test"),
        account: Some(house.anna),
        reason: String::new(),
        verdict: String::new(),
        expires_at: record(Outcome::Accepted).at.plus(Duration::from_secs(3600)),
        prefix: b"Return-Path: <>\r\n".to_vec(),
    };
    for size in [10, 300_000] {
        let copies = vec![to_mailbox(house.anna), held.clone(), held.clone()];
        accept(&house.store, &content(7, size), copies).await.unwrap();
    }
    let kept = house.store.quarantine(QuarantineQuery::default()).await.unwrap();
    let to = ReleaseTo::Mailboxes(vec![house.anna]);
    assert!(matches!(house.store.release(kept[0].id, to).await.unwrap(), Release::Delivered(_)));
    house.store.delete_quarantined(kept[1].id).await.unwrap();
    let checkup = house.store.check(QUICK).await.unwrap();
    assert_eq!(checkup, Checkup { messages: 3, files: 1, ..Checkup::default() });
    let checkup = house.store.check(Depth::Full).await.unwrap();
    assert!(checkup.damage.is_empty() && checkup.bytes > 300_000, "{checkup:?}");
}

#[tokio::test]
async fn no_time_is_not_damage() {
    let house = House::new().await;
    house.deliver(&content(1, 300_000)).await.unwrap();
    let checkup = house.store.check(Depth::Quick(Duration::ZERO)).await.unwrap();
    assert_eq!((checkup.extent, checkup.damage), (Extent::Part, vec![]));
}

#[tokio::test]
async fn a_file_that_is_missing_cut_or_changed_is_named() {
    let house = House::new().await;
    house.deliver(&content(1, 300_000)).await.unwrap();
    let path = house.body_file();
    let file = path.file_name().unwrap().to_str().unwrap().to_owned();
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    changed[200_000] ^= 1;
    fs::write(&path, changed).unwrap();
    assert_eq!(house.damage(QUICK).await, [], "it was not read");
    assert_eq!(house.damage(Depth::Full).await, [Damage::FileChanged { file: file.clone() }]);
    fs::write(&path, &whole[..299_999]).unwrap();
    assert_eq!(house.damage(QUICK).await, [Damage::FileChanged { file: file.clone() }]);
    fs::remove_file(&path).unwrap();
    assert_eq!(house.damage(QUICK).await, [Damage::FileMissing { file }]);
}

#[tokio::test]
async fn rows_that_have_changed_are_found() {
    let house = House::new().await;
    house.deliver(b"a small body").await.unwrap();
    house.deliver(b"another").await.unwrap();
    house.tamper("UPDATE parts SET octets = X'00' WHERE octets = CAST('another' AS BLOB)");
    assert_eq!(house.damage(QUICK).await, []);
    let [Damage::Changed { part }] = house.damage(Depth::Full).await[..] else { panic!() };
    house.tamper("UPDATE parts SET copies = 2 WHERE octets = X'00'");
    let damage = house.damage(Depth::Full).await;
    assert_eq!(damage, [Damage::Count { parts: 1 }, Damage::Changed { part }]);
    house.tamper("DELETE FROM parts WHERE octets = X'00'");
    assert_eq!(house.damage(QUICK).await, [Damage::LostText { copies: 1 }]);
    house.tamper("UPDATE accounts SET domain = 4711");
    let lost = Damage::Reference { table: "accounts".into(), rows: 1 };
    assert_eq!(house.damage(QUICK).await, [lost, Damage::LostText { copies: 1 }]);
}

#[tokio::test]
async fn a_damaged_page_is_found_while_the_store_is_open() {
    let house = House::new().await;
    for n in 0..50 {
        house.deliver(&content(n, 20_000)).await.unwrap();
    }
    let house = house.reopen().await;
    let path = house.data().join("postern.db");
    let mut bytes = fs::read(&path).unwrap();
    // Pages of the middle lose their heads.
    for page in bytes.chunks_mut(8192).skip(60).step_by(20) {
        page[..16].fill(0xa5);
    }
    fs::write(&path, bytes).unwrap();
    for depth in [QUICK, Depth::Full] {
        let damage = house.damage(depth).await;
        assert!(damage.iter().any(|damage| matches!(damage, Damage::Database(_))), "{damage:?}");
    }
}
