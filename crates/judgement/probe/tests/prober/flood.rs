//! Ten thousand forged senders: the limits hold, and nobody is asked more than he may be.

use postern_probe::{Asked, Limits, NotAllowed, Settings};
use postern_testnet::{SmtpPeer, Zone};

use crate::world::{World, about, settings, v4, was_asked_politely};

/// What comes of so many questions.
#[derive(Debug, Default, PartialEq)]
struct Count {
    pending: usize,
    fresh: usize,
    denied: usize,
}

async fn flood(
    world: &World,
    prober: &postern_probe::Prober,
    senders: usize,
    sender: impl Fn(usize) -> String,
    until: u64,
) -> Count {
    let mut count = Count::default();
    for n in 0..senders {
        match prober.ask(about(&sender(n)), "flood").await {
            Asked::Pending(_) => count.pending += 1,
            Asked::Fresh(_) => count.fresh += 1,
            Asked::NotAllowed(NotAllowed::Store(why)) => panic!("{why}"),
            Asked::NotAllowed(_) => count.denied += 1,
        }
        // The flood lasts this long.
        if n % (senders / 100) == 0 {
            world.pass(until / 100);
            prober.idle().await;
        }
    }
    prober.idle().await;
    count
}

#[tokio::test]
async fn of_one_domain() {
    let world = World::new().await;
    let mx = world.domain("victim.test", SmtpPeer::new().only_users(&["ann@victim.test"])).await;
    let prober = world.prober(settings()).await;
    // Ten minutes: about ten questions. The rest of the senders stay unknown.
    let count = flood(&world, &prober, 10_000, |n| format!("forged{n}@victim.test"), 600).await;
    assert!((9..=11).contains(&mx.clients().len()), "{count:?}");
    assert_eq!((count.pending, count.fresh), (mx.clients().len(), 0));
    was_asked_politely(&mx);
    // Names below it are the same owner's.
    let count = flood(&world, &prober, 100, |n| format!("x@n{n}.victim.test"), 0).await;
    assert!(count.pending <= 1, "{count:?}");
    // A day of it: fifty.
    flood(&world, &prober, 1000, |n| format!("more{n}@victim.test"), 80_000).await;
    assert!(mx.clients().len() <= 50, "{}", mx.clients().len());
}

#[tokio::test]
async fn of_a_domain_that_takes_everybody() {
    let world = World::new().await;
    let mx = world.domain("wide.test", SmtpPeer::new()).await;
    let prober = world.prober(settings()).await;
    let count = flood(&world, &prober, 10_000, |n| format!("forged{n}@wide.test"), 600).await;
    assert_eq!(mx.clients().len(), 1, "that it takes everybody is known after one: {count:?}");
    assert_eq!(count.fresh + count.pending + count.denied, 10_000);
    assert!(count.fresh >= 9_900);
}

#[tokio::test]
async fn of_ten_thousand_domains_at_one_host() {
    let world = World::new().await;
    let mx = world.host(SmtpPeer::new().only_users(&[])).await;
    let mut zone = Zone::new("test").a("mx", v4(&mx));
    for n in 0..10_000 {
        zone = zone.mx_of(&format!("d{n}"), 10, "mx");
    }
    world.dns.add(zone);
    let limits = Limits { per_minute: 20, per_day: 60, ..Limits::default() };
    let prober = world.prober(Settings { limits, ..settings() }).await;
    let count = flood(&world, &prober, 10_000, |n| format!("ann@d{n}.test"), 600).await;
    assert!(mx.clients().len() <= 60, "the day's budget: {count:?}");
    assert_eq!(mx.clients().len(), count.pending);
    assert!(mx.clients().len() >= 20);
    was_asked_politely(&mx);
}
