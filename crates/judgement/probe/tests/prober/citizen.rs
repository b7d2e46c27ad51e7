//! A good citizen: what the hosts that are asked see, however often a question comes.

use std::time::Duration;

use futures_util::future::join_all;
use postern_probe::{Answer, Asked, Breaking, Limits, NotAllowed, Obstacle, Question, Settings, User};
use postern_testnet::{Act, SmtpPeer, Stage, Zone};

use crate::world::{
    DAY, HOUR, MINUTE, World, about, answer, denied, domain, fresh, landed, settings, user, v4,
    was_asked_politely,
};

fn knows_ann(name: &str) -> SmtpPeer {
    SmtpPeer::new().only_users(&[&format!("ann@{name}")])
}

#[tokio::test]
async fn one_question_is_asked_once_however_many_want_to_know() {
    let world = World::new().await;
    let mx = world.domain("one.test", knows_ann("one.test")).await;
    let prober = world.prober(settings()).await;
    let answers = join_all((0..100).map(|_| answer(&prober, about("ann@one.test")))).await;
    assert!(answers.iter().all(|answer| *answer == Answer::User(User::Exists)));
    // The letter case is no new question.
    assert_eq!(fresh(&prober, about("Ann@ONE.test")).await, Answer::User(User::Exists));
    assert_eq!(mx.clients().len(), 1);
    was_asked_politely(&mx);
}

#[tokio::test]
async fn nobody_is_asked_twice_while_the_answer_serves() {
    let mut world = World::new().await;
    let mx = world.domain("kept.test", knows_ann("kept.test")).await;
    let mut prober = world.prober(settings()).await;
    user(&prober, "ann@kept.test").await;
    world.pass(MINUTE);
    user(&prober, "bob@kept.test").await;
    for day in 0..6 {
        drop(prober);
        world = world.restart().await;
        prober = world.prober(settings()).await;
        assert_eq!(fresh(&prober, about("ann@kept.test")).await, Answer::User(User::Exists), "day {day}");
        if day == 0 {
            assert!(matches!(
                fresh(&prober, about("bob@kept.test")).await,
                Answer::User(User::Missing { .. })
            ));
        }
        world.pass(DAY);
    }
    assert_eq!(mx.clients().len(), 2);
}

#[tokio::test]
async fn an_answer_is_renewed_before_it_ends_and_a_failure_erases_nothing() {
    let world = World::new().await;
    let mx = world.domain("renewed.test", knows_ann("renewed.test")).await;
    let prober = world.prober(settings()).await;
    user(&prober, "ann@renewed.test").await;
    world.pass(7 * DAY);
    // Due: the old answer serves at once, the new one is fetched behind it.
    assert_eq!(fresh(&prober, about("ann@renewed.test")).await, Answer::User(User::Exists));
    prober.idle().await;
    assert_eq!(mx.clients().len(), 2);
    // Good for another 31 days; this time it cannot be renewed.
    mx.behave(SmtpPeer::new().reply(Stage::Rcpt, "451 4.7.1 Greylisted"));
    world.pass(8 * DAY);
    for _ in 0..3 {
        assert_eq!(fresh(&prober, about("ann@renewed.test")).await, Answer::User(User::Exists));
        prober.idle().await;
    }
    assert_eq!(mx.clients().len(), 3, "after a failure it is not tried again at once");
    world.pass(3 * HOUR);
    assert_eq!(fresh(&prober, about("ann@renewed.test")).await, Answer::User(User::Exists));
    prober.idle().await;
    assert_eq!(mx.clients().len(), 4);
    // After 31 days it has ended, and nothing is known.
    world.pass(24 * DAY);
    let Asked::Pending(mut pending) = prober.ask(about("ann@renewed.test"), "a test").await else {
        panic!("it does not serve for ever")
    };
    let answer = landed(&mut pending).await;
    assert!(matches!(answer, Answer::User(User::Unverifiable { obstacle: Obstacle::Later, .. })), "{answer}");
}

#[tokio::test]
async fn a_sender_that_comes_to_exist_is_believed_again() {
    let world = World::new().await;
    let mx = world.domain("new.test", knows_ann("new.test")).await;
    let prober = world.prober(settings()).await;
    assert!(matches!(user(&prober, "bob@new.test").await, User::Missing { .. }));
    mx.behave(SmtpPeer::new().only_users(&["ann@new.test", "bob@new.test"]));
    world.pass(3 * HOUR);
    assert!(matches!(fresh(&prober, about("bob@new.test")).await, Answer::User(User::Missing { .. })));
    prober.idle().await;
    assert_eq!(fresh(&prober, about("bob@new.test")).await, Answer::User(User::Exists));
}

#[tokio::test]
async fn a_domain_has_its_minute_and_its_day_and_a_restart_gives_it_no_other() {
    let mut world = World::new().await;
    let mx = world.domain("often.test", knows_ann("often.test")).await;
    world.dns.add(Zone::new("below.often.test").mx(10, "mx.often.test."));
    let limits = Limits { place_per_day: 3, ..settings().limits };
    let often = || Settings { limits, ..settings() };
    let mut prober = world.prober(often()).await;
    user(&prober, "a@often.test").await;
    assert!(matches!(denied(&prober, about("b@often.test")).await, NotAllowed::PlaceMinute(_)));
    assert!(matches!(denied(&prober, about("b@below.often.test")).await, NotAllowed::PlaceMinute(_)));
    for name in ["b", "c"] {
        world.pass(MINUTE);
        user(&prober, &format!("{name}@often.test")).await;
    }
    world.pass(MINUTE);
    assert!(matches!(denied(&prober, about("d@often.test")).await, NotAllowed::PlaceDay(_)));
    drop(prober);
    world = world.restart().await;
    prober = world.prober(often()).await;
    assert!(matches!(denied(&prober, about("d@often.test")).await, NotAllowed::PlaceDay(_)));
    assert_eq!(mx.clients().len(), 3);
    world.pass(DAY);
    user(&prober, "d@often.test").await;
}

#[tokio::test]
async fn a_mail_host_has_one_connection_at_a_time() {
    let world = World::new().await;
    let mx = world.host(SmtpPeer::new().first(1, Stage::Rcpt, "*", Act::Hang)).await;
    for name in ["a", "b", "c", "d"] {
        world.dns.add(Zone::new(&format!("{name}.test")).mx(10, "mx").a("mx", v4(&mx)));
    }
    let prober = world.prober(settings()).await;
    let mut pending = Vec::new();
    for name in ["a", "b", "c", "d"] {
        match prober.ask(about(&format!("ann@{name}.test")), "a test").await {
            Asked::Pending(one) => pending.push(one),
            other => panic!("{other:?}"),
        }
    }
    while mx.commands().len() < 3 {
        let _ = pending[0].wait(Duration::from_millis(5)).await;
    }
    assert_eq!((mx.clients().len(), mx.open_connections()), (1, 1), "the others wait for their turn");
}

#[tokio::test]
async fn who_does_not_want_to_be_asked_is_not() {
    let world = World::new().await;
    let mx = world.domain("private.test", SmtpPeer::new()).await;
    world.dns.add(Zone::new("hosted.test").mx(10, "mx.private.test."));
    let prober = world
        .prober(Settings {
            opt_out_domains: vec![domain("private.test")],
            opt_out_networks: vec![mx.address().ip().to_string().parse().unwrap()],
            ..settings()
        })
        .await;
    for address in ["ann@private.test", "ann@below.private.test"] {
        assert!(matches!(denied(&prober, about(address)).await, NotAllowed::OptedOut(_)));
        let by_hand = prober.by_hand(about(address)).await;
        assert!(matches!(by_hand, Err(NotAllowed::OptedOut(_))));
    }
    let hosted = user(&prober, "ann@hosted.test").await;
    assert!(matches!(hosted, User::Unverifiable { obstacle: Obstacle::OptedOut, .. }), "{hosted}");
    for question in [Question::ConnectBack, Question::Relay] {
        assert!(matches!(denied(&prober, question(mx.address().ip())).await, NotAllowed::OptedOut(_)));
    }
    assert!(mx.clients().is_empty());
}

#[tokio::test]
async fn a_host_that_fails_is_left_alone_and_then_tried_once() {
    let world = World::new().await;
    let mx = world.host(SmtpPeer::new().drop_at(Stage::Connect)).await;
    for name in 0..8 {
        world.dns.add(Zone::new(&format!("d{name}.test")).mx(10, "mx").a("mx", v4(&mx)));
    }
    let breaking = Breaking { host_failures: 2, ..Breaking::default() };
    let prober = world.prober(Settings { breaking, ..settings() }).await;
    let ask = async |name: u8| user(&prober, &format!("ann@d{name}.test")).await;
    for (name, seen) in [(0, 1), (1, 2), (2, 2)] {
        assert!(matches!(ask(name).await, User::Unverifiable { obstacle: Obstacle::Unreachable, .. }));
        assert_eq!(mx.clients().len(), seen, "after two failures nobody calls");
    }
    world.pass(10 * MINUTE);
    ask(3).await;
    ask(4).await;
    assert_eq!(mx.clients().len(), 3, "half open: one attempt, which failed");
    mx.behave(SmtpPeer::new().only_users(&["ann@d5.test", "ann@d6.test"]));
    world.pass(20 * MINUTE);
    assert_eq!(ask(5).await, User::Exists);
    assert_eq!(ask(6).await, User::Exists);
    assert_eq!(mx.clients().len(), 5, "it is well again");
}

#[tokio::test]
async fn every_connection_is_in_the_ledger_with_all_that_was_said() {
    let world = World::new().await;
    let mx = world.domain("written.test", SmtpPeer::new().unknown_user("bob")).await;
    let prober = world.prober(settings()).await;
    prober.ask(about("bob@written.test"), "mail from 192.0.2.7").await;
    prober.idle().await;
    let ledger = world.ledger().await;
    let [line] = &ledger[..] else { panic!("{ledger:?}") };
    assert_eq!((line.begun.probe.as_str(), line.begun.subject.as_str()), ("user", "bob@written.test"));
    assert_eq!(line.begun.target, format!("{} (mx.written.test)", mx.address()));
    let network = v4(&mx).octets();
    assert_eq!(line.begun.provider.as_deref(), Some("written.test"));
    assert_eq!(line.begun.network, format!("{}.{}.{}.0/24", network[0], network[1], network[2]));
    assert_eq!(
        (line.begun.place.as_str(), line.begun.reason.as_str()),
        ("written.test", "mail from 192.0.2.7")
    );
    assert_eq!(line.ended.outcome, "550 5.1.1 No such user here");
    let said: Vec<&str> = line.ended.conversation.lines().filter(|line| line.starts_with('>')).collect();
    assert_eq!(
        said,
        ["> EHLO mx.postern.test", "> MAIL FROM:<>", "> RCPT TO:<bob@written.test>", "> RSET", "> QUIT"]
    );
    assert!(line.ended.conversation.contains("< 550 5.1.1 No such user here"));
    assert!(line.ended.duration > Duration::ZERO);
    // What was done and what was held back is counted.
    denied(&prober, about("ann@written.test")).await;
    let metrics = world.events.open_metrics();
    for counted in [
        "postern_probes_total{probe=\"user\",reached=\"yes\"} 1",
        "postern_probes_held_back_total{probe=\"user\"} 1",
    ] {
        assert!(metrics.lines().any(|line| line == counted), "no {counted} in {metrics}");
    }
}
