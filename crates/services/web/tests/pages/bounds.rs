//! What visitors may cost, and what every answer carries.

use std::time::Duration;

use postern_types::Network;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::world::{ANN, world, world_with};

#[tokio::test]
async fn every_answer_forbids_everything_that_is_not_needed() {
    let world = world().await;
    let link = world.link(ANN).await;
    let mut ann = world.inside(ANN).await;
    let mut paths = vec!["/", "/quarantine", "/senders", "/nowhere", "/style.css", "/icon.svg", "/q/x"];
    paths.push(&link);
    for path in paths {
        let answer = ann.get(path).await.unwrap();
        assert_eq!(
            answer.field("content-security-policy"),
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "{path}"
        );
        assert_eq!(answer.field("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.field("x-content-type-options"), "nosniff", "{path}");
        let cached = matches!(path, "/style.css" | "/icon.svg");
        assert_eq!(answer.field("cache-control") == "no-store", !cached, "{path}");
        assert!(!answer.body.contains("style=\"") && !answer.body.contains("<script"), "{path}");
    }
}

#[tokio::test]
async fn oversized_requests_are_refused() {
    let world = world().await;
    let mut ann = world.inside(ANN).await;
    let large = "x".repeat(20_000);
    let form = ann.post("/senders", &[("form", "x"), ("list", "allow"), ("sender", &large)]).await.unwrap();
    assert_eq!(form.status, 400);
    let head = ann.request("GET", "/quarantine", &[("X-Large", &"y".repeat(100_000))], b"").await.unwrap();
    assert_eq!(head.status, 431);
    let many: Vec<(String, &str)> = (0..200).map(|n| (format!("X-{n}"), "z")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_eq!(ann.request("GET", "/quarantine", &many, b"").await.unwrap().status, 431);
}

#[tokio::test]
async fn who_sends_slowly_is_cut_off() {
    let world = world_with(|settings| {
        settings.limits.head = Duration::from_millis(200);
        settings.limits.connection = Duration::from_millis(400);
        settings.limits.drain = Duration::from_millis(200);
    })
    .await;
    // A head that never ends, and a body that never comes: both connections end by themselves.
    for request in [
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "POST /leave HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx",
    ] {
        let mut slow = world.client().connect().await.unwrap();
        slow.write_all(request.as_bytes()).await.unwrap();
        slow.flush().await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(30), slow.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "it is still open");
    }
    assert_eq!(world.client().get("/style.css").await.unwrap().status, 200);
}

#[tokio::test]
async fn connections_are_counted() {
    let world = world_with(|settings| {
        settings.limits.connections = 2;
        settings.limits.per_host = 1;
    })
    .await;
    let first = world.client().connect().await.unwrap();
    assert!(world.client().get("/style.css").await.is_err(), "one from a host");
    let second = world.client_from([127, 0, 0, 2]).connect().await.unwrap();
    assert!(world.client_from([127, 0, 0, 3]).get("/style.css").await.is_err(), "two in all");
    drop((first, second));
}

#[tokio::test]
async fn a_proxy_may_bring_as_many_as_there_is_room_for() {
    let world = world_with(|settings| {
        settings.limits.connections = 2;
        settings.limits.per_host = 1;
        settings.proxies = vec![Network::parse("127.0.0.1").unwrap()];
    })
    .await;
    let first = world.client_from([127, 0, 0, 1]).connect().await.unwrap();
    let second = world.client_from([127, 0, 0, 1]).connect().await.unwrap();
    assert!(world.client_from([127, 0, 0, 1]).get("/style.css").await.is_err(), "two in all");
    drop((first, second));
}

#[tokio::test]
async fn a_stop_lets_the_answer_under_way_finish() {
    let world = world().await;
    let mut ann = world.inside(ANN).await;
    assert_eq!(ann.get("/quarantine").await.unwrap().status, 200);
    world.shutdown.begin(Duration::from_secs(5));
    assert!(matches!(world.shutdown.wait().await, postern_net::Outcome::Finished));
    assert!(ann.get("/quarantine").await.is_err());
}
