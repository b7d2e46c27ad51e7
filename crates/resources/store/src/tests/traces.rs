//! Traces: written with what they tell of, found again.

use std::time::Duration;

use postern_types::{Network, Timestamp, TraceId};

use super::{House, record};
use crate::{Options, Outcome, StoreError, TraceQuery, TraceRecord, TracedRecipient};

#[tokio::test]
async fn an_accepted_messages_trace_is_there_with_it() {
    let house = House::new().await;
    let durable = house.deliver(b"text").await.unwrap();
    let trace = house.store.trace(durable.trace).await.unwrap();
    assert_eq!((trace.outcome, trace.evidence.as_str()), (Outcome::Accepted, r#"{"findings":[]}"#));
    let unknown = house.store.trace(TraceId::floor(Timestamp::from_millis(0))).await.unwrap_err();
    assert_eq!(unknown.to_string(), "there is no trace 0000000000000");
}

#[tokio::test]
async fn a_refusal_is_recorded_without_waiting() {
    let house = House::with(Options { trace_delay: Duration::from_millis(20), ..Options::default() }).await;
    let refused = TraceRecord { sender: None, evidence: String::new(), ..record(Outcome::Refused) };
    house.store.record(refused.clone());
    let found = async {
        loop {
            match house.store.trace(refused.id).await {
                Ok(found) => return found,
                Err(StoreError::NotFound { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), found).await.expect("never committed");
    assert_eq!(found, refused);
}

#[tokio::test]
async fn waiting_refusals_go_with_the_next_commit_and_with_closing() {
    let house = House::with(Options { trace_delay: Duration::from_secs(3600), ..Options::default() }).await;
    let (first, second) = (record(Outcome::Refused), record(Outcome::Aborted));
    house.store.record(first.clone());
    house.deliver(b"text").await.unwrap();
    assert_eq!(house.store.trace(first.id).await.unwrap(), first);
    house.store.record(second.clone());
    let house = house.reopen().await;
    assert_eq!(house.store.trace(second.id).await.unwrap(), second);
}

#[tokio::test]
async fn under_pressure_refusals_are_dropped_and_counted() {
    let options = Options { waiting_traces: 3, trace_delay: Duration::from_secs(3600), ..Options::default() };
    let house = House::with(options).await;
    for _ in 0..10 {
        house.store.record(record(Outcome::Refused));
    }
    assert_eq!(house.store.stats().traces_dropped, 7);
    house.deliver(b"text").await.unwrap();
    assert_eq!(house.store.traces(TraceQuery::default()).await.unwrap().len(), 4);
}

#[tokio::test]
async fn traces_are_found_by_time_host_sender_recipient_and_outcome() {
    let house = House::new().await;
    let start = Timestamp::now();
    let refused = TraceRecord {
        client: "2001:db8::7".parse().unwrap(),
        recipients: vec![
            TracedRecipient { address: "carla@example.test".into(), verdict: "550 5.1.1\r\nno".into() },
            TracedRecipient { address: "100%_x@example.test".into(), verdict: "550".into() },
        ],
        ..record(Outcome::Refused)
    };
    house.store.record(refused.clone());
    let accepted = house.deliver(b"text").await.unwrap().trace;
    let find = async |query: TraceQuery| -> Vec<TraceId> {
        house.store.traces(query).await.unwrap().iter().map(|trace| trace.id).collect()
    };
    let all = TraceQuery::default;
    assert_eq!(find(all()).await, [accepted, refused.id]);
    assert_eq!(find(TraceQuery { limit: 1, ..all() }).await, [accepted]);
    assert_eq!(find(TraceQuery { before: Some(accepted), ..all() }).await, [refused.id]);
    assert!(find(TraceQuery { until: Some(start), ..all() }).await.is_empty());
    assert_eq!(find(TraceQuery { since: Some(start), ..all() }).await.len(), 2);
    let network = Network::parse("2001:db8::/32").ok();
    assert_eq!(find(TraceQuery { client: network, ..all() }).await, [refused.id]);
    let outcome = Some(Outcome::Accepted);
    assert_eq!(find(TraceQuery { outcome, ..all() }).await, [accepted]);
    for (text, expected) in [("CARLA@", vec![refused.id]), ("100%_X", vec![refused.id]), ("%a%", vec![])] {
        let recipient = Some(text.to_owned());
        assert_eq!(find(TraceQuery { recipient, ..all() }).await, expected, "{text}");
    }
    assert_eq!(find(TraceQuery { sender: Some("Bert@".into()), ..all() }).await.len(), 2);
    let clean = house.store.trace(refused.id).await.unwrap();
    assert_eq!(clean.recipients[0].verdict, "550 5.1.1  no", "a trace cannot be forged by its text");
}
