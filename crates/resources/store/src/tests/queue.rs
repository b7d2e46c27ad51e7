//! The queue as a delivery worker uses it.

use postern_types::Timestamp;

use super::{House, accept, address, body_files, content};
use crate::{MessageCopy, Placed, QueueId, StoreError};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

async fn enqueue(house: &House, text: &[u8]) -> QueueId {
    let copy = MessageCopy::Queue {
        recipient: address("carla@elsewhere.test"),
        route: Some("10.0.0.1:25".into()),
        parameters: String::new(),
        expires_at: Timestamp::from_millis(i64::MAX),
        prefix: Vec::new(),
    };
    match accept(&house.store, text, vec![copy]).await.unwrap().placed[..] {
        [Placed::Queue(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_leased_entry_is_hidden_until_its_lease_ends() {
    let house = House::new().await;
    let store = &house.store;
    let first = enqueue(&house, &content(1, 300_000)).await;
    let second = enqueue(&house, b"text").await;
    let now = Timestamp::now().as_millis() + 1000;
    let lease = async |from: i64, until: i64, limit: usize| -> Vec<QueueId> {
        let leased = store.lease_queued(at(from), at(until), limit).await.unwrap();
        leased.iter().map(|entry| entry.id).collect()
    };
    assert_eq!(lease(now, now + 100, 1).await, [first]);
    assert_eq!(lease(now, now + 100, 10).await, [second]);
    assert!(lease(now + 99, now + 200, 10).await.is_empty());
    assert_eq!(store.next_queued_at().await.unwrap(), Some(at(now + 100)));

    // The worker of the first says how it went; that of the second died.
    store.defer_queued(first, at(now + 5000), "450 4.2.0 greylisted".into()).await.unwrap();
    assert_eq!(lease(now + 100, now + 200, 10).await, [second]);
    let entry = store.queued(first).await.unwrap();
    assert_eq!((entry.attempts, entry.last_reply.as_str()), (1, "450 4.2.0 greylisted"));
    assert_eq!(store.queued(second).await.unwrap().attempts, 2);

    let ids = |entries: Vec<crate::Queued>| entries.iter().map(|entry| entry.id).collect::<Vec<_>>();
    assert_eq!(ids(store.queue(None, 0).await.unwrap()), [first, second]);
    assert_eq!(ids(store.queue(Some(first), 1).await.unwrap()), [second]);
    store.remove_queued(first).await.unwrap();
    assert_eq!(body_files(&house.data()), 0);
    let gone = store.remove_queued(first).await.unwrap_err();
    assert!(matches!(gone, StoreError::NotFound { .. }), "{gone}");
    store.remove_queued(second).await.unwrap();
    assert_eq!(store.next_queued_at().await.unwrap(), None);
}
