//! Links from digests, the sessions that they open, and the note of what a digest has told.

use std::time::Duration;

use postern_types::Timestamp;

use super::{House, PREFIX, address, body, record, sender, to_mailbox};
use crate::{
    Acceptance, DigestNote, Link, LinkOpening, LinkUse, MessageCopy, Outcome, Placed, QuarantineId, Release,
    Retention, StoreError, TokenHash,
};

const HOUR: Duration = Duration::from_secs(3600);
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn link(token: u8, recipient: &str) -> Link {
    Link {
        token: TokenHash([token; 32]),
        recipient: address(recipient),
        at: START,
        expires_at: START.plus(HOUR),
        used_at: None,
    }
}

fn by(browser: u8, session: u8, now: Timestamp) -> LinkUse {
    LinkUse {
        browser: TokenHash([browser; 32]),
        session: TokenHash([session; 32]),
        now,
        lasts: Duration::from_secs(1800),
    }
}

#[tokio::test]
async fn a_link_opens_one_session_for_its_recipient() {
    let house = House::new().await;
    let store = &house.store;
    store.put_link(link(1, "Anna@example.test")).await.unwrap();
    let token = TokenHash([1; 32]);
    for _ in 0..3 {
        assert_eq!(store.link(token).await.unwrap().unwrap().used_at, None, "a look uses nothing up");
    }
    let opened = store.open_link(token, by(7, 70, START)).await.unwrap();
    let LinkOpening::Opened(session) = opened else { panic!("{opened:?}") };
    assert_eq!(session.recipient, address("anna@example.test"));
    assert_eq!(store.open_link(token, by(8, 80, START)).await.unwrap(), LinkOpening::Used);
    assert_eq!(store.link(token).await.unwrap().unwrap().used_at, Some(START));
    let session = |n: u8, now| store.web_session(TokenHash([n; 32]), now);
    assert!(session(70, START).await.unwrap().is_some());
    assert!(session(80, START).await.unwrap().is_none());
    assert!(session(70, START.plus(Duration::from_secs(1800))).await.unwrap().is_none(), "it has ended");
    store.end_web_session(TokenHash([70; 32])).await.unwrap();
    assert!(session(70, START).await.unwrap().is_none());
}

#[tokio::test]
async fn a_button_pressed_twice_opens_for_the_same_browser_and_a_moment_only() {
    let house = House::new().await;
    let store = &house.store;
    store.put_link(link(1, "anna@example.test")).await.unwrap();
    let token = TokenHash([1; 32]);
    for (browser, session, seconds, opens) in
        [(7, 70, 0, true), (7, 71, 1, true), (8, 72, 1, false), (7, 73, 120, false)]
    {
        let now = START.plus(Duration::from_secs(seconds));
        let opened = store.open_link(token, by(browser, session, now)).await.unwrap();
        assert_eq!(matches!(opened, LinkOpening::Opened(_)), opens, "{browser} after {seconds} s");
    }
}

#[tokio::test]
async fn a_link_ends_and_an_unknown_one_opens_nothing() {
    let house = House::new().await;
    house.store.put_link(link(1, "anna@example.test")).await.unwrap();
    let open = |token: u8, now| house.store.open_link(TokenHash([token; 32]), by(7, 70, now));
    assert_eq!(open(1, START.plus(HOUR)).await.unwrap(), LinkOpening::Expired);
    assert_eq!(open(2, START).await.unwrap(), LinkOpening::Unknown);
    let since = |at| house.store.links_since(address("ANNA@example.test"), at);
    assert_eq!((since(START).await.unwrap(), since(START.plus(HOUR)).await.unwrap()), (1, 0));
}

#[tokio::test]
async fn of_many_who_use_a_link_at_once_one_gets_in() {
    let house = House::new().await;
    house.store.put_link(link(1, "anna@example.test")).await.unwrap();
    let mut all = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = house.store.clone();
        all.spawn(async move { store.open_link(TokenHash([1; 32]), by(n, 100 + n, START)).await.unwrap() });
    }
    let opened = all.join_all().await;
    assert_eq!(opened.iter().filter(|opening| matches!(opening, LinkOpening::Opened(_))).count(), 1);
}

#[tokio::test]
async fn what_has_ended_is_purged_links_later_than_sessions() {
    let house = House::new().await;
    let store = &house.store;
    store.put_link(link(1, "anna@example.test")).await.unwrap();
    store.open_link(TokenHash([1; 32]), by(7, 70, START)).await.unwrap();
    let purge = |now| {
        let before = Timestamp::from_millis(0);
        let retention =
            Retention { now, lists_before: before, traces_before: before, evidence_before: before };
        store.purge(retention)
    };
    assert_eq!(purge(START).await.unwrap().links, 0);
    assert_eq!(purge(START.plus(HOUR)).await.unwrap().links, 1);
    assert!(store.link(TokenHash([1; 32])).await.unwrap().is_some(), "it can still be told that it ended");
    assert_eq!(purge(START.plus(HOUR * 24 * 31)).await.unwrap().links, 1);
    assert!(store.link(TokenHash([1; 32])).await.unwrap().is_none());
}

async fn hold(house: &House, recipient: &str) -> QuarantineId {
    let copy = MessageCopy::Quarantine {
        recipient: address(recipient),
        account: None,
        reason: "score 12".into(),
        verdict: "{}".into(),
        expires_at: Timestamp::now().plus(HOUR),
        prefix: PREFIX.into(),
    };
    let held = super::accept(&house.store, b"Subject: held\r\n\r\n", vec![copy]).await.unwrap();
    let Placed::Quarantine(id) = held.placed[0] else { panic!("not held") };
    id
}

async fn tell(house: &House, note: DigestNote) -> Result<Vec<Placed>, StoreError> {
    let body = body(&house.store, b"Subject: digest\r\n\r\n").await?;
    let (copies, record) = (vec![to_mailbox(house.anna)], record(Outcome::Accepted));
    let durable =
        house.store.accept_digest(Acceptance { sender: sender(), body, copies, record }, note).await?;
    Ok(durable.placed().to_vec())
}

#[tokio::test]
async fn a_digest_tells_of_each_held_copy_once() {
    let house = House::new().await;
    let store = &house.store;
    let later = || Timestamp::now().plus(HOUR);
    assert!(store.digests_due(later(), None).await.unwrap().is_empty());
    let first = hold(&house, "Anna@example.test").await;
    let second = hold(&house, "anna@example.test").await;
    hold(&house, "bert@example.test").await;
    let anna = address("anna@example.test");
    let due = store.digests_due(later(), Some(anna.clone())).await.unwrap();
    assert_eq!((due.len(), due[0].after, due[0].up_to, due[0].count), (1, None, second, 2));
    assert_eq!(store.digests_due(later(), None).await.unwrap().len(), 2);
    let before = Timestamp::from_millis(0);
    assert!(store.digests_due(before, None).await.unwrap().is_empty(), "what came later waits");

    let note = DigestNote { link: Some(link(1, "anna@example.test")), told: Some((anna.clone(), second)) };
    tell(&house, note.clone()).await.unwrap();
    assert!(store.link(TokenHash([1; 32])).await.unwrap().is_some());
    assert!(store.digests_due(later(), Some(anna.clone())).await.unwrap().is_empty());

    // Another process had the same in mind: it is refused, and nothing of it is kept.
    let again = DigestNote { link: Some(link(2, "anna@example.test")), ..note };
    let refused = tell(&house, again).await.unwrap_err();
    assert!(matches!(refused, StoreError::Exists { .. }), "{refused}");
    assert_eq!(house.list(house.anna).await.len(), 1);
    assert!(store.link(TokenHash([2; 32])).await.unwrap().is_none());

    let third = hold(&house, "anna@example.test").await;
    let house = house.reopen().await;
    let due = house.store.digests_due(later(), Some(anna.clone())).await.unwrap();
    assert_eq!((due[0].after, due[0].up_to, due[0].count), (Some(second), third, 1));
    let to = house.store.release_destination(&anna).await.unwrap().unwrap();
    assert!(matches!(house.store.release(third, to).await.unwrap(), Release::Delivered(_)));
    assert!(
        house.store.digests_due(later(), Some(anna)).await.unwrap().is_empty(),
        "it is not held any more"
    );
    assert_ne!(first, second);
}

#[tokio::test]
async fn somebody_elses_held_copy_is_as_if_it_were_not_there() {
    let house = House::new().await;
    let id = hold(&house, "Anna@example.test").await;
    let store = &house.store;
    assert_eq!(store.quarantined_for(address("anna@EXAMPLE.test"), id).await.unwrap().id, id);
    let theirs = store.quarantined_for(address("bert@example.test"), id).await.unwrap_err();
    let none = store.quarantined_for(address("bert@example.test"), QuarantineId(4711)).await.unwrap_err();
    assert_eq!(theirs.to_string().replace(&id.0.to_string(), "4711"), none.to_string());
}

#[tokio::test]
async fn several_held_copies_go_in_one_commit() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(hold(&house, "anna@example.test").await);
    }
    house.store.delete_quarantined(ids[1]).await.unwrap();
    assert_eq!(house.store.delete_all_quarantined(ids).await.unwrap(), 2);
    assert!(house.store.quarantine(crate::QuarantineQuery::default()).await.unwrap().is_empty());
}
