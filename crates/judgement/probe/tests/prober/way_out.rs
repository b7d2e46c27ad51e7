//! When everything fails everything rests; but it is not for strangers to say that everything fails.

use postern_probe::{Breaking, Connect, Limits, NotAllowed, Obstacle, Prober, Question, Settings, User};
use postern_testnet::{SmtpPeer, Zone, fresh_address};

use crate::world::{MINUTE, World, answer, denied, fresh_network, settings, user};

fn knows_ann(name: &str) -> SmtpPeer {
    SmtpPeer::new().only_users(&[&format!("ann@{name}")])
}

fn is_unreachable(user: &User) -> bool {
    matches!(user, User::Unverifiable { obstacle: Obstacle::Unreachable, .. })
}

/// Asks about senders at so many domains whose mail hosts do not exist.
async fn dead_domains(world: &World, prober: &Prober, names: std::ops::Range<usize>) {
    let mut zone = Zone::new("dead.test");
    for n in names.clone() {
        // In many networks.
        let nowhere = if n % 10 == 0 { fresh_network() } else { fresh_address() };
        zone = zone.mx_of(&format!("d{n}"), 10, &format!("mx{n}")).a(&format!("mx{n}"), nowhere);
    }
    world.dns.add(zone);
    for n in names {
        let found = user(prober, &format!("ann@d{n}.dead.test")).await;
        assert!(is_unreachable(&found), "{n}: {found}");
    }
}

#[tokio::test]
async fn five_hundred_dead_mail_hosts_stop_nobody_from_asking_a_live_one() {
    let world = World::new().await;
    let _alive = world.far_domain("alive.test", knows_ann("alive.test")).await;
    let _well = world.far_domain("well.test", knows_ann("well.test")).await;
    let limits = Limits {
        per_minute: 10_000,
        per_day: 10_000,
        place_per_minute: 1000,
        place_per_day: 1000,
        ..settings().limits
    };
    let prober = world.prober(Settings { limits, ..settings() }).await;
    // Not before anybody has answered …
    dead_domains(&world, &prober, 0..250).await;
    assert_eq!(user(&prober, "ann@alive.test").await, User::Exists);
    // … nor afterwards.
    dead_domains(&world, &prober, 250..500).await;
    assert_eq!(user(&prober, "ann@well.test").await, User::Exists);
}

#[tokio::test]
async fn when_those_who_answered_lately_fail_everything_rests() {
    let world = World::new().await;
    let breaking = Breaking { networks: 3, ..Breaking::default() };
    let prober = world.prober(Settings { breaking, ..settings() }).await;
    let mut hosts = Vec::new();
    for n in 0..6 {
        let name = format!("d{n}.test");
        hosts.push(world.far_domain(&name, knows_ann(&name)).await);
        assert_eq!(user(&prober, &format!("ann@{name}")).await, User::Exists);
    }
    let alive = hosts.pop().unwrap();
    drop(hosts);
    tokio::task::yield_now().await;
    world.pass(MINUTE);
    for n in 0..3 {
        assert!(is_unreachable(&user(&prober, &format!("bob@d{n}.test")).await));
    }
    // Nobody is asked any more, and no client is suspected because it seems to be silent.
    let seen = alive.clients().len();
    let held_back = user(&prober, "bob@d5.test").await;
    assert!(matches!(held_back, User::Unverifiable { obstacle: Obstacle::HeldBack, .. }), "{held_back}");
    assert_eq!(
        denied(&prober, Question::ConnectBack(alive.address().ip())).await,
        NotAllowed::NothingAnswers
    );
    assert_eq!(alive.clients().len(), seen);
    world.pass(5 * MINUTE);
    let silent = answer(&prober, Question::ConnectBack(fresh_address().into())).await;
    assert!(
        matches!(silent, postern_probe::Answer::Connect(Connect::Unknown { .. })),
        "it is still in doubt: {silent}"
    );
    assert!(matches!(user(&prober, "bob@d5.test").await, User::Missing { .. }));
    assert_eq!(alive.clients().len(), seen + 1);
    // It answered, so all is well; what fails now begins to count anew.
    world.pass(MINUTE);
    for n in 3..5 {
        assert!(is_unreachable(&user(&prober, &format!("bob@d{n}.test")).await));
    }
    assert!(matches!(user(&prober, "carl@d5.test").await, User::Missing { .. }));
}
