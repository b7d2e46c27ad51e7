//! Held messages: whose they are, what they say, and that a release delivers once.

use std::time::Duration;

use postern_signin::Clock as _;
use postern_store::{ListKind, ListOwner, QuarantineQuery, QuarantineState};
use postern_testnet::HttpClient;

use super::world::{ANN, BOB, World, address, confirm, form_token, world};

async fn text(client: &mut HttpClient, path: &str) -> String {
    let page = client.get(path).await.unwrap();
    assert_eq!(page.status, 200, "{path}: {}", page.body);
    page.body
}

#[tokio::test]
async fn the_list_shows_what_is_held_the_latest_first_in_pages() {
    let world = world().await;
    for n in 0..30 {
        world.hold_simple(&format!("offer number {n}")).await;
    }
    world.clock.advance(Duration::from_secs(7300));
    let mut ann = world.inside(ANN).await;
    let first = text(&mut ann, "/quarantine").await;
    assert_eq!(first.matches("<li class=\"card mail\">").count(), 25);
    assert!(first.find("offer number 29").unwrap() < first.find("offer number 28").unwrap());
    assert!(!first.contains("offer number 4<"));
    for shown in ["Eve &#60;eve@evil.test&#62;", "2 hours ago", "on a DNS block list, and 1 other sign"] {
        assert!(first.contains(shown), "{shown}: {first}");
    }
    let (_, rest) = first.split_once("/quarantine?before=").unwrap();
    let older = rest.split('"').next().unwrap();
    let second = text(&mut ann, &format!("/quarantine?before={older}")).await;
    assert_eq!(second.matches("<li class=\"card mail\">").count(), 5);
    assert!(second.contains("offer number 4<") && !second.contains("?before="));
}

#[tokio::test]
async fn a_message_shows_why_and_what_it_says() {
    let world = world().await;
    let id = world.hold_simple("Cheap watches").await.as_i64();
    let mut ann = world.inside(ANN).await;
    let page = text(&mut ann, &format!("/quarantine/{id}")).await;
    for shown in [
        "<h1><bdi>Cheap watches</bdi></h1>",
        "Hello Ann.",
        "Together the signs below weigh 7 points; mail is held from 5 points on.",
        "The address of the computer that sent it is on a DNS block list.",
        "zen.example",
        "5 points",
        "Everything that was tested",
        "eve@evil.test",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
}

#[tokio::test]
async fn somebody_elses_message_is_not_there() {
    let world = world().await;
    let id = world.hold_simple("for Ann only").await.as_i64();
    let mut bob = world.inside(BOB).await;
    assert!(!text(&mut bob, "/quarantine").await.contains("for Ann only"));
    let missing = bob.get("/quarantine/4711").await.unwrap();
    for path in [
        format!("/quarantine/{id}"),
        format!("/quarantine/{id}/release"),
        format!("/quarantine/{id}/allow"),
        format!("/quarantine/{id}/delete"),
    ] {
        let answer = bob.get(&path).await.unwrap();
        assert_eq!((answer.status, &answer.body), (404, &missing.body), "{path}");
    }
    let token = form_token(&bob.get("/quarantine").await.unwrap());
    for action in ["release", "allow", "delete"] {
        let path = format!("/quarantine/{id}/{action}");
        assert_eq!(bob.post(&path, &[("form", &token)]).await.unwrap().status, 404, "{path}");
    }
    assert_eq!(held(&world, ANN).await, 1);
    assert!(world.mailbox(ANN).await.is_empty());
}

async fn held(world: &World, recipient: &str) -> usize {
    let query = QuarantineQuery {
        recipient: Some(address(recipient)),
        state: Some(QuarantineState::Held),
        ..QuarantineQuery::default()
    };
    world.store.quarantine(query).await.unwrap().len()
}

#[tokio::test]
async fn nothing_is_changed_without_the_forms_token() {
    let world = world().await;
    let id = world.hold_simple("held").await.as_i64();
    let mut ann = world.inside(ANN).await;
    let mut bob = world.inside(BOB).await;
    let bobs = form_token(&bob.get("/quarantine").await.unwrap());
    let anns = form_token(&ann.get("/quarantine").await.unwrap());
    let before = world.mailbox(ANN).await.len();
    for action in ["release", "allow", "delete"] {
        let path = format!("/quarantine/{id}/{action}");
        assert_eq!(ann.get(&path).await.unwrap().status, 200, "asking changes nothing");
        for form in [&[][..], &[("form", "")], &[("form", &bobs)]] {
            assert_eq!(ann.post(&path, form).await.unwrap().status, 403, "{path} {form:?}");
        }
        // Right token, but the browser says that another site sent it.
        let fields =
            [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "cross-site")];
        let body = format!("form={anns}");
        assert_eq!(ann.request("POST", &path, &fields, body.as_bytes()).await.unwrap().status, 403);
    }
    assert_eq!(ann.post("/senders", &[("list", "allow"), ("sender", "x@y.test")]).await.unwrap().status, 403);
    assert_eq!(held(&world, ANN).await, 1);
    assert_eq!(world.mailbox(ANN).await.len(), before);
    assert_eq!(world.client().get("/quarantine").await.unwrap().status, 403, "and nobody without a session");
}

#[tokio::test]
async fn a_release_delivers_once_however_often_it_is_pressed() {
    let world = world().await;
    let id = world.hold_simple("please deliver").await.as_i64();
    let ann = world.inside(ANN).await;
    let before = world.mailbox(ANN).await.len();
    let path = format!("/quarantine/{id}/release");
    let token = form_token(&ann.clone().get(&path).await.unwrap());
    let mut presses = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut browser, path, token) = (ann.clone(), path.clone(), token.clone());
        presses.spawn(async move {
            browser.post(&path, &[("form", &token)]).await.unwrap().field("location").to_owned()
        });
    }
    let mut places = presses.join_all().await;
    places.sort();
    assert_eq!(places[..7], vec!["/quarantine?done=again".to_owned(); 7]);
    assert_eq!(places[7], "/quarantine?done=released");
    let mails = world.mailbox(ANN).await;
    assert_eq!(mails.len(), before + 1);
    assert!(mails.last().unwrap().contains("please deliver"));
    let mut ann = ann;
    assert!(text(&mut ann, "/quarantine?done=released").await.contains("on its way to your mailbox"));
    assert!(text(&mut ann, &path).await.contains("It has been released"));
    assert!(text(&mut ann, &format!("/quarantine/{id}")).await.contains("This message has been released"));
}

#[tokio::test]
async fn release_and_allow_lets_the_sender_through_for_this_recipient_only() {
    let world = world().await;
    let id = world.hold_simple("newsletter").await.as_i64();
    let mut ann = world.inside(ANN).await;
    let done = confirm(&mut ann, &format!("/quarantine/{id}/allow")).await;
    assert_eq!(done.field("location"), "/quarantine?done=allowed");
    let entries = world.store.listed(ListKind::Allow, None, world.clock.now()).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].owner, ListOwner::Recipient(address(ANN)));
    assert_eq!(entries[0].subject.to_string(), "eve@evil.test");
    assert!(text(&mut ann, "/senders").await.contains("eve@evil.test"));
}

#[tokio::test]
async fn a_bounce_has_no_sender_to_allow() {
    let world = world().await;
    let id = world.hold(ANN, "", "Subject: bounce\n\nx\n").await.as_i64();
    let mut ann = world.inside(ANN).await;
    assert!(!text(&mut ann, &format!("/quarantine/{id}")).await.contains("/allow"));
    assert_eq!(ann.get(&format!("/quarantine/{id}/allow")).await.unwrap().status, 404);
}

#[tokio::test]
async fn what_is_deleted_is_gone() {
    let world = world().await;
    let id = world.hold_simple("junk").await.as_i64();
    let mut ann = world.inside(ANN).await;
    let done = confirm(&mut ann, &format!("/quarantine/{id}/delete")).await;
    assert_eq!(done.field("location"), "/quarantine?done=deleted");
    assert_eq!(ann.get(&format!("/quarantine/{id}")).await.unwrap().status, 404);
    assert!(text(&mut ann, "/quarantine").await.contains("Nothing is held"));
}

#[tokio::test]
async fn a_release_for_the_mta_behind_goes_through_the_queue_once() {
    let world = world().await;
    let recipient = "zoe@behind.test";
    let id = world.hold(recipient, "eve@evil.test", "Subject: to the MTA\n\nx\n").await.as_i64();
    // The digest goes there too.
    let due = world.digests.due(world.clock.now().plus(super::world::WEEK), None).await.unwrap();
    world.digests.send(&due[0], world.clock.now()).await.unwrap();
    let queued = world.store.queue(None, 10).await.unwrap();
    assert_eq!((queued.len(), queued[0].sender.to_string().as_str()), (1, ""));
    let digest = world.store.read_queued(queued[0].id).await.unwrap().read_all().await.unwrap();
    let link = super::world::link_in(&String::from_utf8(digest).unwrap());
    let mut zoe = world.client();
    confirm(&mut zoe, &link).await;
    let path = format!("/quarantine/{id}/release");
    let token = form_token(&zoe.get(&path).await.unwrap());
    for _ in 0..3 {
        assert_eq!(zoe.post(&path, &[("form", &token)]).await.unwrap().status, 303);
    }
    let queued = world.store.queue(None, 10).await.unwrap();
    assert_eq!(queued.len(), 2);
    assert_eq!(queued[1].route.as_deref(), Some("127.0.0.1:2525"));
}

#[tokio::test]
async fn a_recipient_without_a_mailbox_any_more_keeps_the_message_held() {
    let world = world().await;
    let id = world.hold_simple("held").await.as_i64();
    let mut ann = world.inside(ANN).await;
    world.store.remove_account(address(ANN)).await.unwrap();
    assert_eq!(confirm(&mut ann, &format!("/quarantine/{id}/release")).await.status, 409);
    assert_eq!(held(&world, ANN).await, 1);
}
