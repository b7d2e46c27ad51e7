//! Those who guess passwords wait longer and longer, and are shut out; the operator never is.

use std::time::Duration;

use crate::world::{World, guess, sign_in, somewhere, world, world_with};

fn waits(world: &World) -> Vec<u64> {
    world.clock.waits.lock().unwrap().iter().map(Duration::as_secs).collect()
}

/// Guesses three times, as often as one session may.
async fn three_guesses(world: &World, from: std::net::Ipv4Addr, name: &str) {
    let mut eve = world.connect_from(from).await;
    eve.expect("+OK *").await;
    for _ in 0..3 {
        assert_eq!(guess(&mut eve, name).await, "-ERR [AUTH] name or password is wrong");
    }
    eve.expect_closed().await;
}

#[tokio::test]
async fn wrong_passwords_wait_longer_each_time() {
    let world = world().await;
    let eve = somewhere();
    for _ in 0..3 {
        three_guesses(&world, eve, "ann@example.test").await;
    }
    assert_eq!(waits(&world), [1, 2, 4, 8, 16]);
}

#[tokio::test]
async fn an_account_is_the_same_however_it_is_written() {
    let world = world_with(|plan| {
        plan.settings.default_domain = Some("example.test".parse().unwrap());
    })
    .await;
    for name in ["ann", "ANN@example.test", "\"ann\"@example.test.", "ann@EXAMPLE.TEST", "ann"] {
        let mut eve = world.connect_from(somewhere()).await;
        eve.expect("+OK *").await;
        guess(&mut eve, name).await;
    }
    assert_eq!(waits(&world), [1]);
}

#[tokio::test]
async fn unknown_names_are_like_wrong_passwords() {
    let world = world().await;
    for name in ["nobody@example.test", "ann", "ann@elsewhere.test", "\"", "ann@example.test@example.test"] {
        let mut eve = world.connect_from(somewhere()).await;
        eve.expect("+OK *").await;
        assert_eq!(guess(&mut eve, name).await, "-ERR [AUTH] name or password is wrong", "{name}");
    }
    let metrics = world.events.open_metrics();
    assert!(metrics.contains("postern_sign_ins_total{service=\"pop3\",outcome=\"failed\"} 5"), "{metrics}");
}

#[tokio::test]
async fn ten_wrong_passwords_shut_the_address_out_and_nobody_else() {
    let world = world().await;
    let eve = somewhere();
    for _ in 0..3 {
        three_guesses(&world, eve, "nobody@example.test").await;
    }
    let mut last = world.connect_from(eve).await;
    last.expect("+OK *").await;
    guess(&mut last, "nobody@example.test").await;
    // In the session that runs, and at the door.
    sign_in(&mut last, "ann@example.test").await;
    last.expect("-ERR [SYS/TEMP] too many wrong passwords from your address*").await;
    last.expect_closed().await;
    let mut again = world.connect_from(eve).await;
    again.expect("-ERR [SYS/TEMP] too many wrong passwords from your address*").await;
    again.expect_closed().await;

    let mut ann = world.connect_from(somewhere()).await;
    ann.expect("+OK *").await;
    sign_in(&mut ann, "ann@example.test").await;
    ann.expect("+OK 0 messages*").await;

    world.clock.advance(Duration::from_secs(3600));
    let mut eve = world.connect_from(eve).await;
    eve.expect("+OK *").await;
    sign_in(&mut eve, "bob@example.test").await;
    eve.expect("+OK 0 messages*").await;
}

#[tokio::test]
async fn the_operators_networks_wait_but_are_never_shut_out() {
    let world = world_with(|plan| plan.exempt = "127.77.0.0/16").await;
    let desk = somewhere();
    for _ in 0..10 {
        three_guesses(&world, desk, "nobody@example.test").await;
    }
    assert_eq!(waits(&world).last(), Some(&30));
    assert!(world.guard.bans(postern_signin::Clock::now(&*world.clock)).is_empty());
    let mut ann = world.connect_from(desk).await;
    ann.expect("+OK *").await;
    sign_in(&mut ann, "ann@example.test").await;
    ann.expect("+OK 0 messages*").await;
}

#[tokio::test]
async fn guesses_from_everywhere_do_not_lock_the_owner_out() {
    let world = world().await;
    for _ in 0..5 {
        three_guesses(&world, somewhere(), "ann@example.test").await;
    }
    world.clock.waits.lock().unwrap().clear();
    let mut ann = world.connect().await;
    sign_in(&mut ann, "ann@example.test").await;
    ann.expect("+OK 0 messages*").await;
    assert_eq!(waits(&world), [30], "the longest wait, once");
}
