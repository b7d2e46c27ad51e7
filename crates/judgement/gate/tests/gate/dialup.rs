//! The dial-up test: names of the client and its neighbours, and what clears them.

use std::net::IpAddr;

use postern_gate::{Gate, Settings};
use postern_policy::{Fact, Outcome, Stage, Test};
use postern_testnet::{Fault, Zone};

use crate::world::{World, fact, outcome, sender, stranger};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A provider's pool at 203.0.113.0/28, and a customer of his at .14 with a name of her own.
async fn world() -> World {
    let world = World::new().await;
    let mut zone = Zone::new("113.0.203.in-addr.arpa");
    for last in 1..14 {
        zone = zone.ptr(ip(&format!("203.0.113.{last}")), &format!("h{}.wurm.isp.test.", 1000 + last));
    }
    zone = zone.ptr(ip("203.0.113.14"), "kestrel.shop.test.");
    world.server.add(zone);
    world.server.add(Zone::new("isp.test").a("h1005.wurm", [203, 0, 113, 5].into()));
    world
}

async fn gate(world: &World, dialup_neighbours: u8) -> Gate {
    world.gate(Settings { dialup_neighbours, ..Settings::default() }).await
}

async fn asked(gate: &Gate, client: &str, from: &str) -> (Outcome, Fact) {
    let mut session = stranger(gate, client);
    session.mail(&sender(from));
    let evidence = session.evidence(Stage::Rcpt).await;
    (outcome(evidence, Test::Dialup), fact(evidence, Test::Dialup))
}

#[tokio::test]
async fn the_neighbours_names_give_a_pool_away() {
    let world = world().await;
    let (outcome, fact) = asked(&gate(&world, 4).await, "203.0.113.5", "").await;
    assert_eq!(outcome, Outcome::Hit);
    let Fact::Dialup { likelihood, name, because } = &fact else { panic!("{fact:?}") };
    assert!(*likelihood >= 60 && name == "h1005.wurm.isp.test", "{fact}");
    assert!(because.iter().any(|seen| seen.contains("8 of 8")), "{because:?}");
    // The name alone does not tell.
    assert_eq!(asked(&gate(&world, 0).await, "203.0.113.5", "").await.0, Outcome::Clear);
}

#[tokio::test]
async fn a_name_given_by_hand_is_clear_in_the_midst_of_a_pool() {
    let world = world().await;
    let before = world.dns.counts().sent;
    assert_eq!(asked(&gate(&world, 4).await, "203.0.113.14", "").await.0, Outcome::Clear);
    assert!(world.dns.counts().sent - before < 8, "where the name is enough, no neighbour is asked for his");
}

#[tokio::test]
async fn a_domain_whose_mail_host_is_here_clears_the_host() {
    let world = world().await;
    world.server.add(Zone::new("office.test").mx(10, "h1005.wurm.isp.test."));
    world.server.add(Zone::new("self.test").a("@", [203, 0, 113, 5].into()));
    world.server.add(Zone::new("other.test").mx(10, "mx").a("mx", [192, 0, 2, 1].into()));
    world.server.fault("broken.test", Fault::ServFail);
    let gate = gate(&world, 4).await;
    for (from, expected) in [
        ("ann@office.test", Outcome::Clear),
        ("ann@self.test", Outcome::Clear),
        ("ann@other.test", Outcome::Hit),
        ("ann@nowhere.test", Outcome::Hit),
        ("ann@broken.test", Outcome::Unknown),
    ] {
        assert_eq!(asked(&gate, "203.0.113.5", from).await.0, expected, "{from}");
    }
}

#[tokio::test]
async fn what_the_dns_does_not_tell_is_never_a_hit() {
    let world = world().await;
    let gate = gate(&world, 4).await;
    assert_eq!(asked(&gate, "203.0.113.99", "").await.0, Outcome::Skipped, "no name");
    world.server.fault("2.0.192.in-addr.arpa", Fault::ServFail);
    let (outcome, fact) = asked(&gate, "192.0.2.7", "").await;
    assert_eq!(outcome, Outcome::Unknown);
    assert!(matches!(fact, Fact::NoAnswer { .. }), "{fact}");
}
