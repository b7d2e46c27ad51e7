//! The relay test: what open and closed hosts make of it, and how seldom it is made.

use std::net::IpAddr;

use postern_probe::{Answer, Form, Limits, NotAllowed, Question, Relay, Settings};
use postern_testnet::{SmtpPeer, Stage, fresh_address};

use crate::world::{DAY, World, answer, denied, fresh, settings, v4, was_asked_politely};

async fn relay(prober: &postern_probe::Prober, ip: IpAddr) -> Relay {
    match answer(prober, Question::Relay(ip)).await {
        Answer::Relay(relay) => relay,
        other => panic!("{other}"),
    }
}

/// All hosts of these tests are in one network.
fn generous() -> Settings {
    Settings { limits: Limits { place_per_minute: 9, ..settings().limits }, ..settings() }
}

fn closed() -> SmtpPeer {
    SmtpPeer::new().reply(Stage::Rcpt, "554 5.7.1 Relay access denied")
}

#[tokio::test]
async fn an_open_host_is_asked_no_more_than_it_takes() {
    let world = World::new().await;
    let host = world.host(SmtpPeer::new()).await;
    let prober = world.prober(settings()).await;
    assert_eq!(relay(&prober, v4(&host).into()).await, Relay::Open { forms: vec![Form::Plain] });
    assert_eq!(
        host.commands(),
        [
            "EHLO mx.postern.test",
            "MAIL FROM:<relay-test@ours.test>",
            "RCPT TO:<nobody@ours-too.test>",
            "RSET",
            "QUIT"
        ]
    );
}

#[tokio::test]
async fn a_closed_host_hears_every_form_and_all_of_them_are_ours() {
    let world = World::new().await;
    let host = world.host(closed()).await;
    let prober = world.prober(settings()).await;
    assert_eq!(relay(&prober, v4(&host).into()).await, Relay::Closed);
    let there = v4(&host);
    let recipients: Vec<String> =
        host.commands().into_iter().filter(|command| command.starts_with("RCPT")).collect();
    assert_eq!(
        recipients,
        [
            "RCPT TO:<nobody@ours-too.test>".to_owned(),
            "RCPT TO:<nobody@[127.0.0.1]>".to_owned(),
            format!("RCPT TO:<nobody%ours-too.test@[{there}]>"),
            format!("RCPT TO:<ours-too.test!nobody@[{there}]>"),
            format!("RCPT TO:<\"nobody@ours-too.test\"@[{there}]>"),
        ]
    );
    assert_eq!(host.count("MAIL FROM:<relay-test@ours.test>"), 5);
    assert_eq!(host.count("RSET"), 5);
    assert_eq!(host.clients().len(), 1);
    was_asked_politely(&host);
}

#[tokio::test]
async fn hosts_with_a_hole_and_hosts_that_take_any_name() {
    let world = World::new().await;
    let accept = |pattern: &str| {
        SmtpPeer::new().reply_to(Stage::Rcpt, pattern, "250 2.1.5 OK").reply(Stage::Rcpt, "550 5.7.1 No")
    };
    let percent = world.host(accept("*<nobody%*")).await;
    let own_name = SmtpPeer::new()
        .reply_to(Stage::Rcpt, "*<nobody@*", "550 5.7.1 No")
        .reply(Stage::Rcpt, "250 2.1.5 A mailbox of mine");
    let catch_all = world.host(own_name).await;
    let no_sender = world.host(SmtpPeer::new().reply(Stage::Mail, "550 5.7.1 Not from there")).await;
    let later = world.host(SmtpPeer::new().reply(Stage::Rcpt, "451 4.7.1 Later")).await;
    let gone = world.host(SmtpPeer::new().drop_at(Stage::Rcpt)).await;
    let prober = world.prober(generous()).await;
    assert_eq!(relay(&prober, v4(&percent).into()).await, Relay::Open { forms: vec![Form::Percent] });
    assert!(matches!(relay(&prober, v4(&catch_all).into()).await, Relay::Unclear { .. }));
    assert_eq!(relay(&prober, v4(&no_sender).into()).await, Relay::Closed);
    assert!(matches!(relay(&prober, v4(&later).into()).await, Relay::Unclear { .. }));
    assert!(matches!(relay(&prober, v4(&gone).into()).await, Relay::Unclear { .. }));
    let nobody = fresh_address();
    assert!(matches!(relay(&prober, nobody.into()).await, Relay::Unreachable { .. }));
    world.pass(DAY);
    // Where nobody was, nothing was tested; where somebody hung up, it was.
    assert!(matches!(relay(&prober, nobody.into()).await, Relay::Unreachable { .. }));
    assert_eq!(
        world.ledger().await.iter().filter(|line| line.begun.target.starts_with(&nobody.to_string())).count(),
        2
    );
    assert!(matches!(
        fresh(&prober, Question::Relay(v4(&gone).into())).await,
        Answer::Relay(Relay::Unclear { .. })
    ));
    assert_eq!(gone.clients().len(), 1);
}

#[tokio::test]
async fn a_host_is_tested_once_in_thirty_days_and_open_for_seven() {
    let mut world = World::new().await;
    let (open, shut) = (world.host(SmtpPeer::new()).await, world.host(closed()).await);
    let question = |host| Question::Relay(v4(host).into());
    let mut prober = world.prober(generous()).await;
    answer(&prober, question(&open)).await;
    answer(&prober, question(&shut)).await;
    for day in 0..30 {
        let about_open = question(&open);
        if day < 7 {
            assert!(
                matches!(fresh(&prober, about_open).await, Answer::Relay(Relay::Open { .. })),
                "day {day}"
            );
        } else {
            assert!(matches!(denied(&prober, about_open).await, NotAllowed::Lately(_)), "day {day}");
        }
        assert!(matches!(fresh(&prober, question(&shut)).await, Answer::Relay(Relay::Closed)), "day {day}");
        world.pass(DAY);
        if day % 10 == 5 {
            drop(prober);
            world = world.restart().await;
            prober = world.prober(generous()).await;
        }
    }
    assert_eq!((open.clients().len(), shut.clients().len()), (1, 1));
    answer(&prober, question(&open)).await;
    answer(&prober, question(&shut)).await;
    assert_eq!((open.clients().len(), shut.clients().len()), (2, 2));
}

#[tokio::test]
async fn by_hand_an_operator_may_ask_again_and_his_own_host_too() {
    let world = World::new().await;
    let host = world.host(closed()).await;
    let own = Settings { own: vec![v4(&host).into()], private: Vec::new(), ..settings() };
    let prober = world.prober(own.clone()).await;
    assert!(matches!(denied(&prober, Question::Relay(v4(&host).into())).await, NotAllowed::Ours(_)));
    for _ in 0..2 {
        assert_eq!(prober.by_hand(Question::Relay(v4(&host).into())).await, Ok(Answer::Relay(Relay::Closed)));
    }
    assert_eq!(host.clients().len(), 2);
    let out = Settings { opt_out_networks: vec!["127.0.0.0/8".parse().unwrap()], ..own };
    let prober = world.prober(out).await;
    let refused = prober.by_hand(Question::Relay(v4(&host).into())).await;
    assert!(matches!(refused, Err(NotAllowed::OptedOut(_))), "{refused:?}");
    assert_eq!(host.clients().len(), 2);
}
