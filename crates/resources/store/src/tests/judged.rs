//! Quarantine, lists, probe answers, and their end.

use std::time::Duration;

use postern_types::{Network, ReversePath, Timestamp};

use super::{House, PREFIX, accept, address, body_files, content, domain, to_mailbox, uid, whole};
use crate::{
    AccountId, Certainty, ListEntry, ListKind, ListOwner, MessageCopy, Placed, ProbeRecord, QuarantineId,
    QuarantineQuery, QuarantineState, Release, ReleaseTo, Retention, StoreError, Subject,
};

const HOUR: Duration = Duration::from_secs(3600);

fn held(recipient: &str, account: Option<AccountId>, expires_at: Timestamp) -> MessageCopy {
    MessageCopy::Quarantine {
        recipient: address(recipient),
        account,
        reason: "the host is on a block list".into(),
        verdict: r#"{"score":750}"#.into(),
        expires_at,
        prefix: PREFIX.into(),
    }
}

/// One message, held for Anna.
async fn hold(house: &House, text: &[u8]) -> QuarantineId {
    let later = Timestamp::now().plus(HOUR);
    let copies = vec![held("Anna@example.test", Some(house.anna), later)];
    match accept(&house.store, text, copies).await.unwrap().placed[..] {
        [Placed::Quarantine(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_message_goes_to_a_mailbox_the_quarantine_and_the_queue_together() {
    let house = House::new().await;
    let later = Timestamp::now().plus(HOUR);
    let queued = MessageCopy::Queue {
        recipient: address("carla@elsewhere.test"),
        route: None,
        parameters: "NOTIFY=NEVER".into(),
        expires_at: later,
        prefix: Vec::new(),
    };
    let copies = vec![to_mailbox(house.anna), held("bert@example.test", None, later), queued];
    let durable = accept(&house.store, b"text", copies).await.unwrap();
    let [Placed::Mailbox { .. }, Placed::Quarantine(held), Placed::Queue(queued)] = durable.placed[..] else {
        panic!("{durable:?}");
    };
    let entry = house.store.quarantined(held).await.unwrap();
    assert_eq!((entry.trace, entry.state), (durable.trace, QuarantineState::Held));
    assert_eq!(entry.sender, ReversePath::Address(address("bert@sender.example")));
    assert_eq!((entry.recipient, entry.account), (address("bert@example.test"), None));
    assert_eq!(
        (entry.reason.as_str(), entry.verdict.as_str()),
        ("the host is on a block list", r#"{"score":750}"#)
    );
    assert_eq!(entry.size, (PREFIX.len() + 4) as u64);
    let entry = house.store.queued(queued).await.unwrap();
    assert_eq!((entry.parameters.as_str(), entry.size, entry.attempts), ("NOTIFY=NEVER", 4, 0));
    let read = house.store.read_quarantined(held).await.unwrap().read_all().await.unwrap();
    assert_eq!(read, whole(b"text"));
    assert_eq!(house.store.read_queued(queued).await.unwrap().read_all().await.unwrap(), b"text");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_message_is_released_exactly_once() {
    let house = House::new().await;
    let id = hold(&house, b"text").await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (store, anna) = (house.store.clone(), house.anna);
        tasks.push(tokio::spawn(async move {
            store.release(id, ReleaseTo::Mailboxes(vec![anna])).await.unwrap()
        }));
    }
    let mut delivered = Vec::new();
    for task in tasks {
        if let Release::Delivered(placed) = task.await.unwrap() {
            delivered.extend(placed.into_iter().map(uid));
        }
    }
    assert_eq!(delivered, [1]);
    assert_eq!(house.list(house.anna).await.len(), 1);
    assert_eq!(house.store.quarantined(id).await.unwrap().state, QuarantineState::Released);
    // What was released stays when the held copy goes.
    house.store.delete_quarantined(id).await.unwrap();
    assert_eq!(house.read(house.anna, 1).await.unwrap(), whole(b"text"));
    let gone = house.store.release(id, ReleaseTo::Mailboxes(vec![house.anna])).await;
    assert!(matches!(gone, Err(StoreError::NotFound { .. })));
}

#[tokio::test]
async fn a_release_for_an_alias_reaches_everybody_behind_it() {
    let house = House::new().await;
    let id = hold(&house, b"text").await;
    let bert = house.store.add_account(address("bert@example.test"), "!".into()).await.unwrap();
    house.store.release(id, ReleaseTo::Mailboxes(vec![house.anna, bert])).await.unwrap();
    for account in [house.anna, bert] {
        assert_eq!(house.read(account, 1).await.unwrap(), whole(b"text"));
    }
    house.store.delete_quarantined(id).await.unwrap();
    assert_eq!(house.read(bert, 1).await.unwrap(), whole(b"text"));
}

#[tokio::test]
async fn a_release_that_cannot_be_delivered_leaves_the_message_held() {
    let house = House::new().await;
    let id = hold(&house, b"text").await;
    let nobody = house.store.release(id, ReleaseTo::Mailboxes(vec![AccountId(4711)])).await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
    assert_eq!(house.store.quarantined(id).await.unwrap().state, QuarantineState::Held);
    let later = Timestamp::now().plus(HOUR);
    let to = ReleaseTo::Queue { route: Some("10.0.0.1:25".into()), expires_at: later };
    let released = house.store.release(id, to).await.unwrap();
    let Release::Delivered(placed) = released else { panic!("not delivered") };
    let [Placed::Queue(queued)] = placed[..] else { panic!("not queued: {placed:?}") };
    let entry = house.store.queued(queued).await.unwrap();
    assert_eq!(
        (entry.route.as_deref(), entry.recipient),
        (Some("10.0.0.1:25"), address("Anna@example.test"))
    );
    assert_eq!(house.store.read_queued(queued).await.unwrap().read_all().await.unwrap(), whole(b"text"));
}

#[tokio::test]
async fn what_the_next_hop_never_takes_is_held_again() {
    let house = House::new().await;
    let (id, other) = (hold(&house, b"text").await, hold(&house, b"other").await);
    let gives_up = Timestamp::now().plus(HOUR * 24 * 365);
    for round in 0..2 {
        let to = ReleaseTo::Queue { route: None, expires_at: gives_up };
        let Release::Delivered(placed) = house.store.release(id, to).await.unwrap() else {
            panic!("not delivered in round {round}")
        };
        let [Placed::Queue(queued)] = placed[..] else { panic!("not queued: {placed:?}") };
        house.store.release(other, ReleaseTo::Mailboxes(vec![house.anna])).await.unwrap();
        house.store.give_up_queued(queued).await.unwrap();
        let entry = house.store.quarantined(id).await.unwrap();
        assert_eq!(entry.state, QuarantineState::Held);
        assert!(entry.expires_at > gives_up, "long enough to be seen");
        assert_eq!(house.store.quarantined(other).await.unwrap().state, QuarantineState::Released);
        assert!(house.store.queue(None, 10).await.unwrap().is_empty());
    }
    house.store.release(id, ReleaseTo::Mailboxes(vec![house.anna])).await.unwrap();
    assert_eq!(house.read(house.anna, 2).await.unwrap(), whole(b"text"));
}

#[tokio::test]
async fn the_quarantine_is_listed_by_recipient_state_and_page() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(hold(&house, &content(n, 100)).await);
    }
    house.store.release(ids[0], ReleaseTo::Mailboxes(vec![house.anna])).await.unwrap();
    let list = async |query: QuarantineQuery| -> Vec<QuarantineId> {
        house.store.quarantine(query).await.unwrap().iter().map(|entry| entry.id).collect()
    };
    ids.reverse();
    assert_eq!(list(QuarantineQuery::default()).await, ids);
    let annas = QuarantineQuery {
        recipient: Some(address("anna@example.test")),
        state: Some(QuarantineState::Held),
        limit: 2,
        ..QuarantineQuery::default()
    };
    assert_eq!(list(annas.clone()).await, ids[..2]);
    assert_eq!(list(QuarantineQuery { before: Some(ids[1]), ..annas }).await, ids[2..4]);
    let berts = Some(address("bert@example.test"));
    assert!(list(QuarantineQuery { recipient: berts, ..QuarantineQuery::default() }).await.is_empty());
}

fn listed(list: ListKind, subject: &str, expires_at: Option<Timestamp>) -> ListEntry {
    ListEntry {
        list,
        owner: ListOwner::Everybody,
        subject: Subject::Network(Network::parse(subject).unwrap()),
        reason: "sent to a trap".into(),
        trace: None,
        strikes: 1,
        created_at: Timestamp::from_millis(1000),
        expires_at,
    }
}

#[tokio::test]
async fn lists_keep_networks_senders_and_owners_apart() {
    let house = House::new().await;
    let store = &house.store;
    let now = Timestamp::from_millis(10_000);
    let block = ListKind::Block;
    let before = store.lists_version().await.unwrap();
    for (subject, expires_at) in
        [("192.0.2.0/24", None), ("198.51.100.1", Some(10_000)), ("2001:db8::/32", Some(10_001))]
    {
        let expires_at = expires_at.map(Timestamp::from_millis);
        store.put_listed(listed(block, subject, expires_at)).await.unwrap();
    }
    store.put_listed(listed(ListKind::Allow, "203.0.113.0/24", None)).await.unwrap();
    let personal = ListEntry {
        owner: ListOwner::Recipient(address("Anna@example.test")),
        subject: Subject::Address(address("Pest@sender.example")),
        ..listed(block, "0.0.0.0/0", None)
    };
    store.put_listed(personal.clone()).await.unwrap();
    let of_domain = ListEntry {
        owner: ListOwner::Domain(domain("example.test")),
        subject: Subject::Domain(domain("sender.example")),
        ..personal
    };
    store.put_listed(of_domain.clone()).await.unwrap();
    assert_eq!(store.lists_version().await.unwrap(), before + 6);

    let set = store.listed_networks(block, now).await.unwrap();
    for (ip, inside) in
        [("192.0.2.9", true), ("198.51.100.1", false), ("2001:db8::1", true), ("203.0.113.1", false)]
    {
        assert_eq!(set.contains(ip.parse().unwrap()), inside, "{ip}");
    }
    let owner = ListOwner::Recipient(address("anna@EXAMPLE.test"));
    let annas = store.listed(block, Some(owner.clone()), now).await.unwrap();
    assert_eq!(annas.len(), 1);
    assert_eq!(annas[0].subject, Subject::Address(address("pest@sender.example")));
    assert_eq!(store.listed(block, None, now).await.unwrap().len(), 4);
    assert_eq!(store.listed(block, Some(of_domain.owner.clone()), now).await.unwrap(), [of_domain]);
    let pest = Subject::Address(address("PEST@sender.example"));
    store.remove_listed(block, owner.clone(), pest.clone()).await.unwrap();
    let missing = store.remove_listed(block, owner, pest).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no entry for PEST@sender.example on this list");
}

#[tokio::test]
async fn a_second_offence_adds_a_strike_and_moves_the_end() {
    let house = House::new().await;
    let first = listed(ListKind::Feedback, "192.0.2.7", Some(Timestamp::from_millis(5_000)));
    house.store.put_listed(first.clone()).await.unwrap();
    let again = ListEntry {
        reason: "guessed recipients".into(),
        created_at: Timestamp::from_millis(4_000),
        expires_at: Some(Timestamp::from_millis(50_000)),
        ..first.clone()
    };
    house.store.put_listed(again.clone()).await.unwrap();
    let expected = ListEntry { strikes: 2, created_at: first.created_at, ..again };
    let found = house.store.listed_entry(ListKind::Feedback, first.owner, first.subject).await.unwrap();
    assert_eq!(found, expected);
    let why = house.store.listed_networks_of(ListKind::Feedback, [192, 0, 2, 7].into()).await.unwrap();
    assert_eq!(why, [expected]);
    assert!(
        house.store.listed_networks_of(ListKind::Feedback, [192, 0, 2, 8].into()).await.unwrap().is_empty()
    );
}

fn answer(certainty: Certainty, facts: &str, at: i64, expires_at: i64) -> ProbeRecord {
    ProbeRecord {
        probe: "user".into(),
        subject: "bert@sender.example".into(),
        certainty,
        facts: facts.into(),
        at: Timestamp::from_millis(at),
        refresh_at: Timestamp::from_millis(at + 1),
        expires_at: Timestamp::from_millis(expires_at),
    }
}

#[tokio::test]
async fn a_failed_probe_never_erases_a_good_answer_that_still_serves() {
    let house = House::new().await;
    let store = &house.store;
    let ask = async |now: i64| {
        let found = store.probe("user", "bert@sender.example", Timestamp::from_millis(now)).await.unwrap();
        found.map(|record| record.facts)
    };
    store.put_probe(answer(Certainty::Inconclusive, "timeout", 10, 100)).await.unwrap();
    assert_eq!(ask(50).await.as_deref(), Some("timeout"));
    store.put_probe(answer(Certainty::Conclusive, "exists", 50, 1000)).await.unwrap();
    store.put_probe(answer(Certainty::Inconclusive, "timeout", 999, 2000)).await.unwrap();
    assert_eq!(ask(999).await.as_deref(), Some("exists"));
    assert_eq!(ask(1000).await, None);
    store.put_probe(answer(Certainty::Inconclusive, "timeout", 1000, 2000)).await.unwrap();
    assert_eq!(ask(1000).await.as_deref(), Some("timeout"));
    store.put_probe(answer(Certainty::Conclusive, "gone", 1001, 2000)).await.unwrap();
    assert_eq!(ask(1001).await.as_deref(), Some("gone"));
    store.forget_probe("user", "bert@sender.example").await.unwrap();
    assert_eq!(ask(1001).await, None);
}

#[tokio::test]
async fn what_has_expired_is_purged_and_nothing_else() {
    let house = House::new().await;
    let store = &house.store;
    let now = Timestamp::now();
    let large = content(1, 300_000);
    for expires_at in [now, now.plus(HOUR)] {
        accept(store, &large, vec![held("anna@example.test", None, expires_at)]).await.unwrap();
    }
    store.put_listed(listed(ListKind::Feedback, "192.0.2.7", Some(Timestamp::from_millis(5)))).await.unwrap();
    store.put_listed(listed(ListKind::Feedback, "192.0.2.8", None)).await.unwrap();
    store.put_probe(answer(Certainty::Conclusive, "exists", 1, 5)).await.unwrap();
    assert_eq!(body_files(&house.data()), 2);
    let retention = Retention {
        now,
        lists_before: now,
        traces_before: Timestamp::from_millis(0),
        evidence_before: now.plus(HOUR),
    };
    let purged = store.purge(retention).await.unwrap();
    assert_eq!((purged.quarantined, purged.listed, purged.probes), (1, 1, 1));
    assert_eq!((purged.traces, purged.evidence), (0, 2));
    assert_eq!(body_files(&house.data()), 1);
    assert_eq!(store.quarantine(QuarantineQuery::default()).await.unwrap().len(), 1);
    assert_eq!(store.listed(ListKind::Feedback, None, now).await.unwrap().len(), 1);
    let again = store.purge(Retention { traces_before: now.plus(HOUR), ..retention }).await.unwrap();
    assert_eq!((again.quarantined, again.traces), (0, 2));
}
