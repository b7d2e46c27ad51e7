//! The user test: what each kind of domain makes of it, and what its mail hosts see.

use std::time::Duration;

use postern_probe::{Limits, NotAllowed, Obstacle, Settings, Timeouts, User, Waited};
use postern_testnet::{Act, Fault, SmtpPeer, Stage, Zone, fresh_address};

use crate::world::{World, about, denied, settings, user, v4, was_asked_politely};

fn obstacle(user: &User) -> Option<Obstacle> {
    match user {
        User::Unverifiable { obstacle, .. } => Some(*obstacle),
        _ => None,
    }
}

#[tokio::test]
async fn a_sender_that_exists_and_one_that_does_not() {
    let world = World::new().await;
    let mx = world.domain("sender.test", SmtpPeer::new().only_users(&["ann@sender.test"])).await;
    let prober = world.prober(settings()).await;
    assert_eq!(user(&prober, "ann@sender.test").await, User::Exists);
    let commands = mx.commands();
    assert_eq!(commands[..3], ["EHLO mx.postern.test", "MAIL FROM:<>", "RCPT TO:<ann@sender.test>"]);
    assert!(commands[3].starts_with("RCPT TO:<no-such-user-"), "a name that nobody has: {commands:?}");
    assert_eq!(commands[4..], ["RSET", "QUIT"]);

    world.pass(60);
    let User::Missing { host, said } = user(&prober, "bob@sender.test").await else {
        panic!("he is not there")
    };
    assert_eq!((host.as_str(), said.as_str()), ("mx.sender.test", "550 5.1.1 No such user here"));
    // That the domain knows its users is known by now.
    assert_eq!(
        mx.commands_of(2),
        ["EHLO mx.postern.test", "MAIL FROM:<>", "RCPT TO:<bob@sender.test>", "RSET", "QUIT"]
    );
    was_asked_politely(&mx);
}

#[tokio::test]
async fn what_is_no_clear_word_accuses_nobody() {
    let reject_at_data = SmtpPeer::new().reply(Stage::Data, "550 5.1.1 No such user, after all");
    for (name, peer, expected, of_domain) in [
        ("catch-all", SmtpPeer::new(), Obstacle::CatchAll, true),
        ("at-data", reject_at_data, Obstacle::CatchAll, true),
        ("grey", SmtpPeer::new().greylisting(), Obstacle::Later, false),
        ("busy", SmtpPeer::new().reply(Stage::Connect, "421 4.3.2 Busy"), Obstacle::Later, false),
        ("dislikes", SmtpPeer::new().reply(Stage::Rcpt, "550 5.7.1 Go away"), Obstacle::RefusesUs, true),
        ("closed", SmtpPeer::new().reply(Stage::Connect, "554 5.7.1 No"), Obstacle::RefusesUs, true),
        (
            "no-null",
            SmtpPeer::new().reply(Stage::Mail, "550 5.7.1 No null sender"),
            Obstacle::RefusesUs,
            true,
        ),
        ("mumbles", SmtpPeer::new().reply(Stage::Rcpt, "550 mailbox unavailable"), Obstacle::Unclear, false),
        ("drops", SmtpPeer::new().drop_at(Stage::Rcpt), Obstacle::Unreachable, true),
        (
            "nonsense",
            SmtpPeer::new().on(Stage::Rcpt, "*", Act::Bytes(b"what?\r\n".to_vec())),
            Obstacle::Unreachable,
            true,
        ),
    ] {
        let world = World::new().await;
        let name = format!("{name}.test");
        let mx = world.domain(&name, peer).await;
        let prober = world.prober(settings()).await;
        let found = user(&prober, &format!("ann@{name}")).await;
        assert_eq!(obstacle(&found), Some(expected), "{name}: {found}");
        was_asked_politely(&mx);
        // What holds for the whole domain answers for everybody there.
        let other = prober.ask(about(&format!("bob@{name}")), "a test").await;
        let known = matches!(other, postern_probe::Asked::Fresh(_));
        assert_eq!(known, of_domain, "{name}: {other:?}");
        assert_eq!(mx.clients().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_host_that_hangs_costs_a_deadline_and_no_more() {
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt, Stage::Rset, Stage::Quit] {
        let world = World::new().await;
        let mx = world.domain("hang.test", SmtpPeer::new().only_users(&["ann@hang.test"]).hang(stage)).await;
        let timeouts = Timeouts { command: Duration::from_millis(300), ..Timeouts::default() };
        let prober = world.prober(Settings { timeouts, ..settings() }).await;
        let found = user(&prober, "ann@hang.test").await;
        match stage {
            // It had answered by then.
            Stage::Quit => assert_eq!(found, User::Exists),
            // The rule for RCPT comes behind those for known users.
            Stage::Rcpt => assert_eq!(found, User::Exists),
            _ => assert_eq!(obstacle(&found), Some(Obstacle::Unreachable), "{stage:?}"),
        }
        was_asked_politely(&mx);
    }
}

#[tokio::test]
async fn domains_that_cannot_be_asked() {
    let world = World::new().await;
    let ours = fresh_address();
    world.dns.add(Zone::new("null.test").mx(0, "."));
    world.dns.add(Zone::new("nothing.test").txt("@", "no mail host"));
    world.dns.add(Zone::new("loops.test").mx(10, "mx").a("mx", ours));
    world.dns.add(Zone::new("backup.test").mx(5, "mx").a("mx", fresh_address()).mx(10, "mx.postern.test."));
    world.dns.add(Zone::new("inside.test").mx(10, "mx").a("mx", [10, 0, 0, 1].into()));
    world.dns.add(Zone::new("metadata.test").a("@", [169, 254, 169, 254].into()));
    world.dns.fault("broken.test", Fault::ServFail);
    let prober = world.prober(Settings { own: vec![ours.into()], ..settings() }).await;
    for (name, expected) in [
        ("null.test", Obstacle::NullMx),
        ("nothing.test", Obstacle::NoMailHost),
        ("nowhere.test", Obstacle::NoMailHost),
        ("loops.test", Obstacle::LeadsToUs),
        ("backup.test", Obstacle::LeadsToUs),
        ("inside.test", Obstacle::NotPublic),
        ("metadata.test", Obstacle::NotPublic),
        ("broken.test", Obstacle::NoDns),
    ] {
        assert_eq!(obstacle(&user(&prober, &format!("ann@{name}")).await), Some(expected), "{name}");
    }
    assert!(world.ledger().await.is_empty(), "nobody was connected to");
    assert!(matches!(denied(&prober, about("ann@ours.test")).await, NotAllowed::Ours(_)));
    assert!(matches!(denied(&prober, about("ann@mx.postern.test")).await, NotAllowed::Ours(_)));
    assert!(matches!(denied(&prober, about("ann@[127.0.0.1]")).await, NotAllowed::Literal(_)));
}

#[tokio::test]
async fn mail_hosts_are_asked_in_their_order() {
    let world = World::new().await;
    let knows = || SmtpPeer::new().only_users(&["ann@order.test"]);
    let (first, second, third) = (
        world.host(SmtpPeer::new().reply(Stage::Connect, "421 4.3.2 Full")).await,
        world.host(knows()).await,
        world.host(knows()).await,
    );
    world.dns.add(
        Zone::new("order.test")
            .mx(30, "c")
            .mx(10, "a")
            .mx(20, "b")
            .a("a", v4(&first))
            .a("b", v4(&second))
            .a("c", v4(&third)),
    );
    let prober = world.prober(settings()).await;
    assert_eq!(user(&prober, "ann@order.test").await, User::Exists);
    let seen = [first, second, third].map(|host| host.clients().len());
    assert_eq!(seen, [1, 1, 0]);
}

#[tokio::test]
async fn an_address_without_mx_and_one_with_two_families() {
    let world = World::new().await;
    let implicit = world.host(SmtpPeer::new().only_users(&["ann@implicit.test"])).await;
    let both = world.host(SmtpPeer::new().only_users(&["ann@both.test"])).await;
    world.dns.add(Zone::new("implicit.test").a("@", v4(&implicit)));
    // Nobody listens at the IPv6 address.
    world.dns.add(
        Zone::new("both.test").mx(10, "mx").aaaa("mx", std::net::Ipv6Addr::LOCALHOST).a("mx", v4(&both)),
    );
    let prober = world.prober(settings()).await;
    assert_eq!(user(&prober, "ann@implicit.test").await, User::Exists);
    assert_eq!(user(&prober, "ann@both.test").await, User::Exists);
    let targets: Vec<String> = world.ledger().await.into_iter().map(|line| line.begun.target).collect();
    assert!(targets.contains(&"[::1]:2525 (mx.both.test)".to_owned()), "IPv6 comes first: {targets:?}");
}

#[tokio::test]
async fn of_many_dead_mail_hosts_only_a_few_are_tried() {
    let world = World::new().await;
    let mut zone = Zone::new("many.test");
    for host in 0..20 {
        let name = format!("mx{host}");
        zone = zone.mx(10, &name);
        for _ in 0..10 {
            zone = zone.a(&name, fresh_address());
        }
    }
    world.dns.add(zone);
    let limits = Limits { hosts: 3, ..Limits::default() };
    let prober = world.prober(Settings { limits, ..settings() }).await;
    assert_eq!(obstacle(&user(&prober, "ann@many.test").await), Some(Obstacle::Unreachable));
    assert_eq!(world.ledger().await.len(), 3);
}

#[tokio::test]
async fn an_old_server_and_one_without_smtputf8() {
    let world = World::new().await;
    let old = world.domain("old.test", SmtpPeer::new().helo_only().only_users(&["ann@old.test"])).await;
    let ascii = SmtpPeer::new().extensions(&["PIPELINING"]).only_users(&[]);
    let ascii = world.domain("ascii.test", ascii).await;
    let prober = world.prober(settings()).await;
    assert_eq!(user(&prober, "ann@old.test").await, User::Exists);
    assert_eq!(old.commands()[..2], ["EHLO mx.postern.test", "HELO mx.postern.test"]);
    assert_eq!(obstacle(&user(&prober, "jürgen@ascii.test").await), Some(Obstacle::Unreachable));
    was_asked_politely(&ascii);
    was_asked_politely(&old);
}

#[tokio::test]
async fn who_is_asked_is_known_while_the_question_is_on_its_way() {
    let world = World::new().await;
    let mx = world.domain("small.test", SmtpPeer::new().hang(Stage::Mail)).await;
    let prober = world.prober(settings()).await;
    let postern_probe::Asked::Pending(mut pending) = prober.ask(about("ann@small.test"), "a test").await
    else {
        panic!("nothing is known")
    };
    let client = mx.address().ip();
    assert_eq!(pending.wait_for_client(client, Duration::from_secs(60)).await, Waited::AsksClient);
    let other = fresh_address().into();
    assert_eq!(pending.wait_for_client(other, Duration::from_millis(1)).await, Waited::NotYet);
}
