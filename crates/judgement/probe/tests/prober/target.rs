//! The hosts that are connected to have their own limits, whatever domains lead to them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use postern_probe::{Asked, Limits, NotAllowed, Obstacle, Question, Settings, User};
use postern_testnet::{Act, SmtpPeer, Stage, Zone};

use crate::world::{DAY, MINUTE, PORT, World, about, landed, settings, user, v4};

fn is_held_back(user: &User) -> bool {
    matches!(user, User::Unverifiable { obstacle: Obstacle::HeldBack, .. })
}

#[tokio::test]
async fn a_host_has_its_minute_and_its_day_and_a_restart_gives_it_no_other() {
    let mut world = World::new().await;
    let mx = world.host(SmtpPeer::new().only_users(&[])).await;
    for name in ["a", "b", "c", "d", "e"] {
        world.dns.add(Zone::new(&format!("{name}.test")).mx(10, "mx").a("mx", v4(&mx)));
    }
    let limits = Limits { target_per_minute: 2, target_per_day: 3, ..Limits::default() };
    let few = || Settings { limits, ..settings() };
    let mut prober = world.prober(few()).await;
    for name in ["a", "b"] {
        assert!(matches!(user(&prober, &format!("ann@{name}.test")).await, User::Missing { .. }));
    }
    for _ in 0..3 {
        assert!(
            is_held_back(&user(&prober, "ann@c.test").await),
            "that was no answer, nor is it kept as one"
        );
        drop(prober);
        world = world.restart().await;
        prober = world.prober(few()).await;
    }
    // It opened nothing, so it took nothing from the domain's own minute.
    world.pass(MINUTE);
    assert!(matches!(user(&prober, "ann@c.test").await, User::Missing { .. }));
    world.pass(MINUTE);
    let today = user(&prober, "ann@d.test").await;
    assert!(today.to_string().contains("often enough today"), "{today}");
    drop(prober);
    world = world.restart().await;
    prober = world.prober(few()).await;
    assert!(is_held_back(&user(&prober, "ann@d.test").await));
    assert_eq!(mx.clients().len(), 3);
    let events = world.events.open_metrics();
    assert!(events.contains("postern_probes_held_back_total{probe=\"user\"} 5"), "{events}");
    world.pass(DAY);
    assert!(matches!(user(&prober, "ann@d.test").await, User::Missing { .. }));
}

#[tokio::test]
async fn the_hosts_of_a_network_and_those_of_a_provider_share_one_budget() {
    let world = World::new().await;
    let knows = || SmtpPeer::new().only_users(&[]);
    let (one, beside) = (world.host(knows()).await, world.host(knows()).await);
    let far = world.far_domain("provider.test", knows()).await;
    world.dns.add(Zone::new("a.test").mx(10, "mx").a("mx", v4(&one)));
    world.dns.add(Zone::new("b.test").mx(10, "mx").a("mx", v4(&beside)));
    world.dns.add(Zone::new("eu.provider.test").a("mx1", v4(&one)));
    world.dns.add(Zone::new("c.test").mx(10, "mx1.eu.provider.test."));
    world.dns.add(Zone::new("d.test").mx(10, "mx.provider.test."));
    let limits = Limits { target_per_minute: 1, ..Limits::default() };
    let prober = world.prober(Settings { limits, ..settings() }).await;
    for (name, is_asked) in [("a", true), ("b", false), ("c", false), ("d", true)] {
        let found = user(&prober, &format!("ann@{name}.test")).await;
        assert_eq!(!is_held_back(&found), is_asked, "{name}: {found}");
    }
    world.pass(MINUTE);
    for (name, is_asked) in [("c", true), ("provider", false)] {
        let found = user(&prober, &format!("ann@{name}.test")).await;
        assert_eq!(!is_held_back(&found), is_asked, "{name}: {found}");
    }
    assert_eq!([one, beside, far].map(|host| host.clients().len()), [2, 0, 1]);
}

#[tokio::test]
async fn a_network_has_one_connection_at_a_time_whatever_is_asked() {
    let world = World::new().await;
    let slow = world.domain("slow.test", SmtpPeer::new().hang(Stage::Hello)).await;
    let [a, b, c, d] = v4(&slow).octets();
    let beside = SocketAddr::from((Ipv4Addr::new(a, b, c, d ^ 1), PORT));
    let beside = SmtpPeer::new().start_at(beside).await.unwrap();
    world.dns.add(Zone::new("beside.test").mx(10, "mx").a("mx", v4(&beside)));
    let prober = world.prober(settings()).await;
    assert!(matches!(prober.ask(about("ann@slow.test"), "a test").await, Asked::Pending(_)));
    while slow.commands().is_empty() {
        tokio::task::yield_now().await;
    }
    let mut waiting = Vec::new();
    for question in [about("ann@beside.test"), Question::ConnectBack(beside.address().ip())] {
        match prober.ask(question, "a test").await {
            Asked::Pending(pending) => waiting.push(pending),
            other => panic!("{other:?}"),
        }
    }
    for pending in &mut waiting {
        assert_eq!(pending.wait(Duration::from_millis(50)).await, None);
    }
    assert_eq!((beside.clients().len(), slow.clients().len()), (0, 1));
}

#[tokio::test]
async fn who_waits_for_a_slow_host_keeps_nobody_from_asking_another() {
    let world = World::new().await;
    let slow = world.host(SmtpPeer::new().first(1, Stage::Hello, "*", Act::Hang)).await;
    for name in ["a", "b", "c", "d", "e"] {
        world.dns.add(Zone::new(&format!("{name}.test")).mx(10, "mx").a("mx", v4(&slow)));
    }
    let _other = world.far_domain("other.test", SmtpPeer::new().only_users(&["ann@other.test"])).await;
    let limits = Limits { concurrent: 2, ..Limits::default() };
    let prober = world.prober(Settings { limits, ..settings() }).await;
    for name in ["a", "b", "c", "d", "e"] {
        get_through(&prober, &format!("ann@{name}.test")).await;
    }
    let mut pending = get_through(&prober, "ann@other.test").await;
    assert_eq!(landed(&mut pending).await, postern_probe::Answer::User(User::Exists));
    assert_eq!(slow.clients().len(), 1);
}

#[tokio::test]
async fn processes_that_share_a_store_share_the_limits() {
    let world = World::new().await;
    let mx = world.host(SmtpPeer::new().only_users(&[])).await;
    for n in 0..40 {
        world.dns.add(Zone::new(&format!("d{n}.test")).mx(10, "mx").a("mx", v4(&mx)));
    }
    // Each has begun before any of them has asked, as programs do that are started for each connection.
    let mut probers = Vec::new();
    for _ in 0..40 {
        probers.push(world.prober(Settings { limits: Limits::default(), ..settings() }).await);
    }
    let ask =
        async |(n, prober): (usize, &postern_probe::Prober)| user(prober, &format!("ann@d{n}.test")).await;
    join_all(probers.iter().enumerate().map(ask)).await;
    let mut seen = mx.clients().len();
    assert!((1..=6).contains(&seen), "{seen}");
    for (n, prober) in probers.iter().enumerate() {
        prober.ask(about(&format!("bob@d{n}.test")), "a test").await;
        prober.idle().await;
    }
    seen = mx.clients().len();
    assert_eq!(seen, 6, "a minute's worth");
    let commands = mx.commands();
    for session in commands.split(|command| command == "QUIT").take(6) {
        assert_eq!(session.iter().filter(|command| command.starts_with("EHLO")).count(), 1, "one at a time");
    }
}

/// Asks as soon as there is room.
async fn get_through(prober: &postern_probe::Prober, address: &str) -> postern_probe::Pending {
    for _ in 0..10_000 {
        match prober.ask(about(address), "a test").await {
            Asked::Pending(pending) => return pending,
            Asked::NotAllowed(NotAllowed::Busy) => tokio::time::sleep(Duration::from_millis(1)).await,
            other => panic!("{other:?}"),
        }
    }
    panic!("there is never room for {address}")
}
