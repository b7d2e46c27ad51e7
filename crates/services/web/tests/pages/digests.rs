//! Digests: what they tell, to whom, and only once.

use std::sync::Arc;
use std::time::Duration;

use postern_message::{Bounds, Fields, Summary};
use postern_signin::Clock as _;
use postern_types::Zone;
use postern_web::SentTo;

use super::world::{ANN, BOB, WEEK, World, address, confirm, link_in, world, world_with};

async fn send_all(world: &World) -> Vec<(String, u64, SentTo)> {
    let now = world.clock.now();
    let mut sent = Vec::new();
    for due in world.digests.due(now, None).await.unwrap() {
        let done = world.digests.send(&due, now).await.unwrap();
        sent.push((done.recipient.to_string(), done.count, done.outcome));
    }
    sent
}

#[tokio::test]
async fn a_digest_tells_what_is_new_and_nobody_hears_of_nothing() {
    let world = world().await;
    assert!(send_all(&world).await.is_empty());
    world.hold_simple("first <offer>").await;
    world.hold_simple("second offer").await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(send_all(&world).await, [(ANN.to_owned(), 2, SentTo::Mailboxes(1))]);
    assert!(send_all(&world).await.is_empty(), "once");
    world.hold_simple("third offer").await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(send_all(&world).await.len(), 1);
    let mails = world.mailbox(ANN).await;
    assert_eq!(mails.len(), 2);
    assert!(world.mailbox(BOB).await.is_empty());

    let first = Summary::read(mails[0].as_bytes(), &Bounds::default());
    assert_eq!(first.subject.as_deref(), Some("2 messages are held for you"));
    assert_eq!(first.from[0].address, "postmaster@example.test");
    let text = first.text.unwrap();
    assert!(text.contains("first <offer>") && text.contains("second offer"), "{text}");
    assert!(text.contains("Why:  The address of the computer that sent it is on a DNS block list"), "{text}");
    let html = first.parts[2].content(mails[0].as_bytes());
    let html = String::from_utf8_lossy(&html);
    assert!(html.contains("first &#60;offer&#62;") && !html.contains("<img") && !html.contains("<script"));
    let fields = |name| Fields::new(mails[0].as_bytes()).named(name).unwrap().text().into_owned();
    assert_eq!((fields("Return-Path"), fields("Auto-Submitted")), ("<>".into(), "auto-generated".into()));

    let second = Summary::read(mails[1].as_bytes(), &Bounds::default());
    assert_eq!(second.subject.as_deref(), Some("1 message is held for you"));
    assert!(!second.text.unwrap().contains("first"));
}

#[tokio::test]
async fn everybody_behind_an_alias_gets_a_link_of_their_own() {
    let world = world().await;
    let name = postern_store::AliasName::parse("sales@example.test").unwrap();
    world.store.add_alias(name, vec![address(ANN), address(BOB)]).await.unwrap();
    world.hold("sales@example.test", "eve@evil.test", "Subject: for sales\n\nx\n").await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(send_all(&world).await, [("sales@example.test".to_owned(), 1, SentTo::Mailboxes(2))]);
    let links = [link_in(&world.mailbox(ANN).await[0]), link_in(&world.mailbox(BOB).await[0])];
    assert_ne!(links[0], links[1]);
    for link in links {
        assert_eq!(confirm(&mut world.client(), &link).await.status, 303);
    }
}

#[tokio::test]
async fn who_receives_no_mail_any_more_gets_none() {
    let world = world().await;
    world.hold("gone@example.test", "eve@evil.test", "Subject: x\n\nx\n").await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(send_all(&world).await, [("gone@example.test".to_owned(), 1, SentTo::Nobody)]);
}

#[tokio::test]
async fn two_programs_send_one_digest() {
    let world = world().await;
    world.hold_simple("offer").await;
    let now = world.clock.now().plus(WEEK);
    let due = world.digests.due(now, None).await.unwrap();
    let (one, two) = tokio::join!(world.digests.send(&due[0], now), world.digests.send(&due[0], now));
    let mut outcomes = [one.unwrap().outcome, two.unwrap().outcome];
    outcomes.sort_by_key(|outcome| *outcome == SentTo::ToldAlready);
    assert_eq!(outcomes, [SentTo::Mailboxes(1), SentTo::ToldAlready]);
    assert_eq!(world.mailbox(ANN).await.len(), 1);
}

#[tokio::test]
async fn a_preview_sends_nothing_and_its_link_opens_nothing() {
    let world = world().await;
    world.hold_simple("offer").await;
    let now = world.clock.now().plus(WEEK);
    let due = world.digests.due(now, None).await.unwrap();
    let text = world.digests.preview(&due[0], now).await.unwrap();
    assert!(text.contains("offer") && text.contains("/q/…"), "{text}");
    assert!(world.mailbox(ANN).await.is_empty());
    assert_eq!(world.digests.due(now, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn times_are_shown_as_the_clock_on_the_wall_shows_them() {
    // Two hours east of UTC, all year round.
    let counts = [0_u32, 0, 0, 0, 1, 5].map(u32::to_be_bytes).concat();
    let clock = [&7200_i32.to_be_bytes()[..], &[1, 0], b"CEST\0"].concat();
    let zone = Zone::parse(&[b"TZif".as_slice(), &[0; 16], &counts, &clock].concat()).unwrap();
    let world = world_with(|settings| settings.zone = Arc::new(zone.clone())).await;
    let id = world.hold_simple("an offer").await;
    let shown = zone.show(world.clock.now());
    assert!(shown.ends_with(" CEST"), "{shown}");
    world.clock.advance(Duration::from_secs(60));
    send_all(&world).await;
    let mail = world.mailbox(ANN).await.pop().unwrap();
    let text = Summary::read(mail.as_bytes(), &Bounds::default()).text.unwrap();
    assert!(text.contains(&format!("Came: {shown}")), "{text}");
    let mut ann = world.inside(ANN).await;
    for path in ["/quarantine".to_owned(), format!("/quarantine/{}", id.as_i64())] {
        let page = ann.get(&path).await.unwrap().body;
        assert!(page.contains(&shown) && !page.contains("UTC"), "{page}");
    }
}
