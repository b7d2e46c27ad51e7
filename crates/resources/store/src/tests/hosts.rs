//! What is remembered of hosts, beside the feedback list.

use std::net::IpAddr;
use std::time::Duration;

use postern_types::{Network, Timestamp};

use super::{House, IDS};
use crate::{
    EntryChange, HostChange, HostRecord, ListKind, ListOwner, Retention, StoreError, Strike, Subject, host_of,
};

const HOUR: Duration = Duration::from_secs(3600);

fn record(host: Network, at: Timestamp) -> HostRecord {
    HostRecord {
        host,
        at,
        strikes: 1.5,
        clean: 0.25,
        level: 1.0,
        domains: 1 << 62 | 1,
        banned_until: at.plus(HOUR),
        parole_until: at.plus(2 * HOUR),
        lifted_at: None,
    }
}

fn strike(at: Timestamp, words: &str) -> Strike {
    Strike { at, offence: "dialup".into(), weight: 100, trace: IDS.next(at), words: words.into() }
}

#[tokio::test]
async fn a_host_is_remembered_with_its_strikes_and_its_block() {
    let house = House::new().await;
    let ip: IpAddr = "2001:db8:0:1::7".parse().unwrap();
    let (host, at) = (host_of(ip), Timestamp::now());
    assert_eq!(host.to_string(), "2001:db8:0:1::/64");
    let caught = strike(at, "has a dial-up name");
    let (kept, trace) = (caught.clone(), caught.trace);
    house
        .store
        .change_hosts(vec![host], move |host, known| {
            assert_eq!(known, None);
            let entry = EntryChange::Put { reason: "caught".into(), trace, until: at.plus(HOUR) };
            Some(HostChange { record: record(host, at), strikes: vec![caught.clone()], entry })
        })
        .await
        .unwrap();
    let house = house.reopen().await;
    assert_eq!(house.store.host(host).await.unwrap(), Some(record(host, at)));
    assert_eq!(house.store.strikes(host).await.unwrap(), [kept]);
    let listed = house.store.listed_networks(ListKind::Feedback, at).await.unwrap();
    assert!(listed.contains(ip) && !listed.contains("2001:db8:0:2::7".parse().unwrap()));

    // Lifted: nothing keeps it out, and what it was caught at can still be read.
    let lifted = house.store.lift(ip, at.plus(HOUR)).await.unwrap();
    assert_eq!(lifted.len(), 1);
    assert!(!house.store.listed_networks(ListKind::Feedback, at).await.unwrap().contains(ip));
    let after = house.store.host(host).await.unwrap().unwrap();
    assert_eq!((after.strikes, after.level, after.lifted_at), (0.0, 0.0, Some(at.plus(HOUR))));
    assert!(after.banned_until <= at.plus(HOUR) && after.parole_until <= at.plus(HOUR));
    assert_eq!(house.store.strikes(host).await.unwrap().len(), 1);
    let stranger = house.store.lift("192.0.2.1".parse().unwrap(), at).await;
    assert!(matches!(stranger, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn the_strikes_of_a_host_are_bounded_and_end() {
    let house = House::new().await;
    let (host, at) = (host_of([192, 0, 2, 1].into()), Timestamp::from_millis(1_800_000_000_000));
    house
        .store
        .change_hosts(vec![host], move |host, _| {
            let strikes = (0..250).map(|n| strike(at, &n.to_string())).collect();
            Some(HostChange { record: record(host, at), strikes, entry: EntryChange::Keep })
        })
        .await
        .unwrap();
    let strikes = house.store.strikes(host).await.unwrap();
    assert_eq!((strikes.len(), strikes[0].words.as_str()), (100, "249"));
    let later = at.plus(100 * HOUR);
    let retention = Retention { now: later, lists_before: later, traces_before: at, evidence_before: at };
    house.store.purge(retention).await.unwrap();
    assert_eq!(house.store.host(host).await.unwrap(), None);
    assert!(house.store.strikes(host).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_follows_is_decided_on_what_is_true_in_the_same_commit() {
    let house = House::new().await;
    let (host, at) = (host_of([192, 0, 2, 1].into()), Timestamp::now());
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let store = house.store.clone();
        tasks.push(tokio::spawn(async move {
            let change = move |host, known: Option<HostRecord>| {
                let strikes = known.map_or(0.0, |known| known.strikes) + 1.0;
                let record = HostRecord { strikes, ..record(host, at) };
                Some(HostChange { record, strikes: Vec::new(), entry: EntryChange::Keep })
            };
            store.change_hosts(vec![host], change).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(house.store.host(host).await.unwrap().unwrap().strikes, 20.0);
    let everybody = ListOwner::Everybody;
    let none = house.store.listed_entry(ListKind::Feedback, everybody, Subject::Network(host)).await;
    assert!(matches!(none, Err(StoreError::NotFound { .. })));
}
