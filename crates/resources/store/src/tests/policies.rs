//! Policies: kept as long as evidence of their time, and traces page by page.

use postern_types::{Timestamp, TraceId};

use super::{House, record};
use crate::{Outcome, Retention, TraceRecord};

const DAY: i64 = 86_400_000;

fn at(days: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + days * DAY)
}

async fn purge(house: &House, evidence_before: Timestamp) {
    let retention = Retention { now: at(0), lists_before: at(0), traces_before: at(0), evidence_before };
    house.store.purge(retention).await.unwrap();
}

#[tokio::test]
async fn a_policy_is_kept_from_its_first_use_on() {
    let house = House::new().await;
    house.store.use_policy("one", r#"{"version":"one"}"#, at(0)).await.unwrap();
    house.store.use_policy("two", r#"{"version":"two"}"#, at(10)).await.unwrap();
    // The same again: a restart.
    house.store.use_policy("two", r#"{"version":"two"}"#, at(11)).await.unwrap();
    let one = house.store.policy("one").await.unwrap().unwrap();
    assert_eq!((one.json.as_str(), one.first_at, one.last_at), (r#"{"version":"one"}"#, at(0), Some(at(10))));
    let two = house.store.policy("two").await.unwrap().unwrap();
    assert_eq!((two.first_at, two.last_at), (at(10), None));
    assert_eq!(house.store.policy("three").await.unwrap(), None);
    // Taken back into use.
    house.store.use_policy("one", r#"{"version":"one"}"#, at(20)).await.unwrap();
    let one = house.store.policy("one").await.unwrap().unwrap();
    assert_eq!((one.first_at, one.last_at), (at(0), None));
    assert_eq!(house.store.policy("two").await.unwrap().unwrap().last_at, Some(at(20)));
}

#[tokio::test]
async fn a_policy_goes_after_the_evidence_of_its_time() {
    let house = House::new().await;
    house.store.use_policy("old", "{}", at(0)).await.unwrap();
    house.store.use_policy("new", "{}", at(10)).await.unwrap();
    let kept = async |version| house.store.policy(version).await.unwrap().is_some();
    purge(&house, at(10)).await;
    assert!(kept("old").await, "evidence of the tenth day is still there");
    purge(&house, at(12)).await;
    assert!(!kept("old").await);
    purge(&house, at(1000)).await;
    assert!(kept("new").await, "what is in use is never removed");
}

#[tokio::test]
async fn traces_come_page_by_page_with_their_evidence() {
    let house = House::new().await;
    let mut records: Vec<TraceRecord> = (0..7).map(|_| record(Outcome::Refused)).collect();
    records[3].evidence.clear();
    for record in &records {
        house.store.record(record.clone());
    }
    let house = house.reopen().await;
    let (mut from, end) = (TraceId::floor(at(-10_000)), TraceId::floor(at(10_000)));
    let (mut all, mut pages) = (Vec::new(), Vec::new());
    loop {
        let page = house.store.judged(from, end, 3).await.unwrap();
        pages.push(page.traces.len());
        all.extend(page.traces);
        match page.next {
            Some(next) => from = next,
            None => break,
        }
    }
    assert_eq!(pages, [3, 3, 1]);
    assert_eq!(all, records);
    let none = house.store.judged(TraceId::floor(at(-10_000)), records[0].id, 3).await.unwrap();
    assert!(none.traces.is_empty() && none.next.is_none());
}

#[tokio::test]
async fn a_page_with_much_evidence_ends_early() {
    let house = House::new().await;
    for version in ["a", "b", "c", "d"] {
        house.store.record(TraceRecord { evidence: "x".repeat(3 << 20), ..record(Outcome::Refused) });
        // Takes the record with it into its commit.
        house.store.use_policy(version, "{}", at(0)).await.unwrap();
    }
    let (from, end) = (TraceId::floor(at(-10_000)), TraceId::floor(at(10_000)));
    let page = house.store.judged(from, end, 100).await.unwrap();
    assert_eq!(page.traces.len(), 2);
    let rest = house.store.judged(page.next.unwrap(), end, 100).await.unwrap();
    assert_eq!((rest.traces.len(), rest.next), (2, None));
}
