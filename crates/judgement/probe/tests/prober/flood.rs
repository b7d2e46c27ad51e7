//! Ten thousand forged senders: the limits hold, and nobody is asked more than he may be.

use postern_probe::{Asked, Limits, NotAllowed, Settings, User};
use postern_testnet::{SmtpPeer, Zone};

use crate::world::{MINUTE, World, about, settings, user, v4, was_asked_politely};

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
async fn of_two_thousand_domains_at_one_host() {
    let world = World::new().await;
    let victim = world.host(SmtpPeer::new().only_users(&[])).await;
    let mut zone = Zone::new("test").a("mx", v4(&victim));
    for n in 0..2000 {
        // A name of its own makes no other host of it.
        zone = if n % 2 == 0 {
            zone.mx_of(&format!("d{n}"), 10, "mx")
        } else {
            zone.mx_of(&format!("d{n}"), 10, &format!("mx.d{n}")).a(&format!("mx.d{n}"), v4(&victim))
        };
    }
    world.dns.add(zone);
    let other = world.far_domain("other.test", SmtpPeer::new().only_users(&["ann@other.test"])).await;
    for n in 0..10 {
        world.dns.add(Zone::new(&format!("hosted{n}.test")).mx(10, "mx.other.test."));
    }
    let limits = Limits { target_per_day: 40, ..Limits::default() };
    let prober = world.prober(Settings { limits, ..settings() }).await;
    for n in 0..2000 {
        if n % 200 == 0 {
            world.pass(MINUTE / 2);
        }
        prober.ask(about(&format!("ann@d{n}.test")), "flood").await;
        if n % 10 == 9 {
            prober.idle().await;
        }
        if n % 200 == 199 {
            world.pass(MINUTE / 2);
            // Their budget is spent, and nothing of anybody else's.
            let hosted = user(&prober, &format!("ann@hosted{}.test", n / 200)).await;
            assert!(matches!(hosted, User::Missing { .. }), "{n}: {hosted}");
        }
    }
    assert_eq!(other.clients().len(), 10);
    assert_eq!(victim.clients().len(), 40, "the day's budget");
    let victim_asked: Vec<i64> = (world.ledger().await.iter())
        .filter(|line| line.begun.target.starts_with(&victim.address().to_string()))
        .map(|line| line.begun.at.as_millis())
        .collect();
    for minute in victim_asked.windows(7) {
        assert!(minute[6] - minute[0] >= 60_000, "six in a minute");
    }
    // Each has said goodbye before the next comes.
    let commands = victim.commands();
    let sessions: Vec<&[String]> = commands.split(|command| command == "QUIT").collect();
    for session in &sessions[..40] {
        assert_eq!(session.iter().filter(|command| command.starts_with("EHLO")).count(), 1, "{session:?}");
    }
    was_asked_politely(&victim);
}

#[tokio::test]
async fn of_ten_thousand_domains_everywhere() {
    let world = World::new().await;
    let mx = world.host(SmtpPeer::new().only_users(&[])).await;
    let mut zone = Zone::new("test").a("mx", v4(&mx));
    for n in 0..10_000 {
        zone = zone.mx_of(&format!("d{n}"), 10, "mx");
    }
    world.dns.add(zone);
    let limits = Limits { per_minute: 20, per_day: 60, ..settings().limits };
    let prober = world.prober(Settings { limits, ..settings() }).await;
    let count = flood(&world, &prober, 10_000, |n| format!("ann@d{n}.test"), 600).await;
    assert!(mx.clients().len() <= 60, "the day's budget: {count:?}");
    assert_eq!(mx.clients().len(), count.pending);
    assert!(mx.clients().len() >= 20);
    was_asked_politely(&mx);
}
