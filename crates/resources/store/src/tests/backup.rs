//! Backup of a store that is at work, and the way back.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{House, accept, body_files, content, to_mailbox, whole};
use crate::{Options, Store, StoreError, restore, verify};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_mail_comes_and_goes_is_whole() {
    let house = House::new().await;
    let inbox = house.inbox(house.anna).await;
    let stop = Arc::new(AtomicBool::new(false));
    let traffic = {
        let (store, anna, stop) = (house.store.clone(), house.anna, Arc::clone(&stop));
        tokio::spawn(async move {
            let mut uid = 0;
            while !stop.load(Ordering::Relaxed) {
                uid += 1;
                let size = if uid % 3 == 0 { 300_000 } else { 5_000 };
                accept(&store, &content(u64::from(uid), size), vec![to_mailbox(anna)]).await.unwrap();
                if uid > 20 {
                    store.delete(inbox, &[uid - 20]).await.unwrap();
                }
            }
            uid
        })
    };
    while house.list(house.anna).await.len() < 20 {
        tokio::task::yield_now().await;
    }
    let dest = house.dir.path().join("backup");
    let made = house.store.backup(&dest).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let last = traffic.await.unwrap();
    assert!(made.messages >= 20 && made.files > 0, "{made:?}");
    assert_eq!(verify(&dest).await.unwrap(), made);

    let to = house.dir.path().join("restored");
    assert_eq!(restore(&dest, &to).await.unwrap(), made);
    let restored = Store::open(&to, Options::default()).unwrap();
    let inbox = restored.mailbox(house.anna, "INBOX").await.unwrap().id;
    let entries = restored.list(inbox).await.unwrap();
    assert_eq!(entries.len() as u64, made.messages);
    for entry in entries {
        assert!(entry.uid <= last);
        let size = if entry.uid % 3 == 0 { 300_000 } else { 5_000 };
        let text = restored.read(inbox, entry.uid).await.unwrap().read_all().await.unwrap();
        assert!(text == whole(&content(u64::from(entry.uid), size)), "UID {}", entry.uid);
    }
    assert_eq!(body_files(&to) as u64, made.files);
}

#[tokio::test]
async fn files_of_deleted_messages_stay_while_they_are_held() {
    let house = House::new().await;
    house.deliver(&content(1, 300_000)).await.unwrap();
    let inbox = house.inbox(house.anna).await;
    // As a backup in another process does.
    let hold = crate::files::hold_shared(&house.data().join(crate::files::FOLDER)).unwrap();
    house.store.delete(inbox, &[1]).await.unwrap();
    assert_eq!(body_files(&house.data()), 1);
    drop(hold);
    house.store.drop_files(1).await;
    assert_eq!(body_files(&house.data()), 0);
}

#[tokio::test]
async fn a_damaged_backup_is_found_out_and_not_restored() {
    let house = House::new().await;
    house.deliver(b"small").await.unwrap();
    house.deliver(&content(1, 300_000)).await.unwrap();
    let dest = house.dir.path().join("backup");
    house.store.backup(&dest).await.unwrap();
    let body = fs::read_dir(dest.join("bodies")).unwrap().next().unwrap().unwrap().path();
    for path in [dest.join("postern.db"), body.clone(), dest.join("manifest.txt")] {
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let to = house.dir.path().join("restored");
        for error in [verify(&dest).await.unwrap_err(), restore(&dest, &to).await.unwrap_err()] {
            assert!(matches!(error, StoreError::Corrupt { .. }), "{}: {error}", path.display());
        }
        assert!(!to.exists());
        fs::write(&path, &whole).unwrap();
        verify(&dest).await.unwrap();
    }
    fs::remove_file(&body).unwrap();
    let error = verify(&dest).await.unwrap_err();
    assert!(error.to_string().contains("is missing"), "{error}");
    fs::remove_file(dest.join("manifest.txt")).unwrap();
    let error = verify(&dest).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error}");
}

#[tokio::test]
async fn nothing_is_written_over() {
    let house = House::new().await;
    let dest = house.dir.path().join("backup");
    house.store.backup(&dest).await.unwrap();
    let again = house.store.backup(&dest).await.unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }), "{again}");
    verify(&dest).await.unwrap();
    let error = restore(&dest, &house.data()).await.unwrap_err();
    assert!(matches!(error, StoreError::Exists { .. }), "{error}");
    assert_eq!(house.store.domains().await.unwrap().len(), 1);
}
