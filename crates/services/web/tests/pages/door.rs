//! The way in: one link, one session, one recipient, and nobody who only looks.

use std::time::Duration;

use postern_types::Network;

use super::world::{ANN, WEEK, World, confirm, form_token, link_in, world, world_with};

#[tokio::test]
async fn a_link_scanner_changes_nothing() {
    let world = world().await;
    world.hold_simple("held").await;
    let link = world.link(ANN).await;
    for method in ["GET", "HEAD", "GET", "OPTIONS"] {
        let answer = world.client().request(method, &link, &[], b"").await.unwrap();
        assert!(matches!(answer.status, 200 | 405), "{method}: {}", answer.status);
    }
    // A scanner that even submits the form it finds has no cookie from this page.
    let page = world.client().get(&link).await.unwrap();
    assert!(page.body.contains("Open my quarantine"));
    let stranger = world.client().post(&link, &[("form", &form_token(&page))]).await.unwrap();
    assert_eq!(stranger.status, 403);
    // And the recipient still gets in.
    let mut ann = world.client();
    assert_eq!(confirm(&mut ann, &link).await.status, 303);
    assert_eq!(ann.get("/quarantine").await.unwrap().status, 200);
}

#[tokio::test]
async fn a_link_opens_once() {
    let world = world().await;
    let link = world.link(ANN).await;
    assert_eq!(confirm(&mut world.client(), &link).await.status, 303);
    let mut second = world.client();
    let page = second.get(&link).await.unwrap();
    assert_eq!(page.status, 410);
    assert!(page.body.contains("This link has been used"));
    assert!(!page.body.contains("Open my quarantine"));
    let pressed = second.post(&link, &[("form", &form_token(&page))]).await.unwrap();
    assert_eq!(pressed.status, 410);
    assert_eq!(second.get("/quarantine").await.unwrap().status, 403);
}

#[tokio::test]
async fn a_button_pressed_twice_is_pressed_once() {
    let world = world().await;
    let link = world.link(ANN).await;
    let mut ann = world.client();
    let page = ann.get(&link).await.unwrap();
    let token = form_token(&page);
    // The answer to the first press is lost.
    let mut lost = ann.clone();
    assert_eq!(lost.post(&link, &[("form", &token)]).await.unwrap().status, 303);
    assert_eq!(ann.post(&link, &[("form", &token)]).await.unwrap().status, 303);
    assert_eq!(ann.get("/quarantine").await.unwrap().status, 200);
    // Who is in and opens the link again is shown the way.
    assert!(ann.get(&link).await.unwrap().body.contains("Go to held mail"));
}

#[tokio::test]
async fn a_link_ends_after_a_week_and_a_session_after_half_an_hour() {
    let world = world().await;
    let (first, second) = (world.link(ANN).await, world.link(ANN).await);
    let mut ann = world.client();
    confirm(&mut ann, &first).await;
    world.clock.advance(Duration::from_secs(1799));
    assert_eq!(ann.get("/quarantine").await.unwrap().status, 200);
    world.clock.advance(Duration::from_secs(1));
    let over = ann.get("/quarantine").await.unwrap();
    assert_eq!(over.status, 403);
    assert!(over.body.contains("Please come in by your link"));
    world.clock.advance(WEEK);
    let mut late = world.client();
    let page = late.get(&second).await.unwrap();
    assert_eq!(page.status, 410);
    assert!(page.body.contains("This link is too old"));
    assert_eq!(late.post(&second, &[("form", &form_token(&page))]).await.unwrap().status, 410);
}

#[tokio::test]
async fn a_used_link_sends_a_new_one_to_its_recipient_and_not_often() {
    let world = world().await;
    let link = world.link(ANN).await;
    confirm(&mut world.client(), &link).await;
    let before = world.mailbox(ANN).await.len();
    let mut client = world.client();
    let page = client.get(&link).await.unwrap();
    let ask = format!("{link}/new");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.post(&ask, &[("form", &form_token(&page))]).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 429, 429], "three links within an hour, the digest's among them");
    let mails = world.mailbox(ANN).await;
    assert_eq!(mails.len(), before + 2);
    let new = link_in(mails.last().unwrap());
    assert_ne!(new, link);
    assert_eq!(confirm(&mut world.client(), &new).await.status, 303);
}

#[tokio::test]
async fn a_session_cookie_is_for_this_host_over_tls_and_out_of_scripts_reach() {
    let world = world().await;
    let link = world.link(ANN).await;
    let opened = confirm(&mut world.client(), &link).await;
    let cookie = opened.field("set-cookie");
    assert!(cookie.starts_with("__Host-quarantine="), "{cookie}");
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=1800"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
}

#[tokio::test]
async fn closing_ends_the_session_on_the_server() {
    let world = world().await;
    let mut ann = world.inside(ANN).await;
    let mut copy = ann.clone();
    let page = ann.get("/quarantine").await.unwrap();
    assert_eq!(ann.post("/leave", &[("form", "wrong")]).await.unwrap().status, 403);
    let left = ann.post("/leave", &[("form", &form_token(&page))]).await.unwrap();
    assert!(left.body.contains("You are signed out"));
    assert_eq!(copy.get("/quarantine").await.unwrap().status, 403, "a copied cookie is of no use");
}

#[tokio::test]
async fn guessing_links_is_shut_out() {
    let world = world().await;
    let link = world.link(ANN).await;
    let mut guesser = world.client_from([127, 9, 9, 9]);
    let mut guesses = Vec::new();
    for n in 0..22_u8 {
        let token = if n % 2 == 0 { format!("{n:A<43}") } else { "nonsense".to_owned() };
        guesses.push(guesser.get(&format!("/q/{token}")).await.unwrap().status);
    }
    assert_eq!(guesses[..20], [404; 20]);
    assert_eq!(guesses[20..], [429; 2]);
    assert_eq!(guesser.get(&link).await.unwrap().status, 429, "a right one does not help any more");
    assert_eq!(world.client_from([127, 9, 8, 1]).get(&link).await.unwrap().status, 200);
    world.clock.advance(Duration::from_secs(601));
    assert_eq!(guesser.get(&link).await.unwrap().status, 200);
}

/// A world behind a reverse proxy at 127.0.0.1.
async fn world_behind_a_proxy() -> World {
    world_with(|settings| {
        settings.proxies = vec![Network::parse("127.0.0.1").unwrap()];
        settings.limits.wrong_link_delay = Duration::from_millis(1);
    })
    .await
}

#[tokio::test]
async fn behind_a_proxy_a_guesser_is_shut_out_and_nobody_else() {
    let world = world_behind_a_proxy().await;
    let link = world.link(ANN).await;
    let status = async |peer: [u8; 4], forwarded: &str, path: &str| {
        let fields = [("X-Forwarded-For", forwarded)];
        world.client_from(peer).request("GET", path, &fields, b"").await.unwrap().status
    };
    let proxy = [127, 0, 0, 1];
    for n in 0..20 {
        // Whatever it says itself stands before what the proxy saw.
        assert_eq!(status(proxy, &format!("198.51.100.{n}, 192.0.2.66"), "/q/nonsense").await, 404);
    }
    assert_eq!(status(proxy, "192.0.2.66", &link).await, 429);
    assert_eq!(status(proxy, "192.0.2.1", &link).await, 200);
    // Who is no proxy speaks for itself only.
    for n in 0..20 {
        assert_eq!(status([127, 9, 9, 9], &format!("198.51.100.{n}"), "/q/nonsense").await, 404);
    }
    assert_eq!(status([127, 9, 9, 9], "198.51.100.99", &link).await, 429);
    assert_eq!(status(proxy, "198.51.100.1", &link).await, 200);
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_slowed_down_and_not_shut_out() {
    let world = world_behind_a_proxy().await;
    let link = world.link(ANN).await;
    let mut client = world.client_from([127, 0, 0, 1]);
    for _ in 0..30 {
        assert_eq!(client.get("/q/nonsense").await.unwrap().status, 404);
    }
    assert_eq!(client.get(&link).await.unwrap().status, 200, "everybody would be shut out with the guesser");
}
