//! The quarantine as a maildrop of its own: the account's name with `#quarantine` behind it.

use postern_net::limit;
use postern_pop3_service::QuarantineNames;
use postern_store::QuarantineQuery;
use postern_testnet::Client;
use postern_testnet::real_client::{Afterwards, Login, Server, python_poplib};

use crate::world::{PASSWORD, PREFIX, World, guess, sign_in, somewhere, world, world_with};

const NAME: &str = "ann@example.test#quarantine";

async fn held(world: &World) -> usize {
    world.store.quarantine(QuarantineQuery::default()).await.unwrap().len()
}

async fn open(world: &World, name: &str) -> Client {
    let mut client = world.connect().await;
    sign_in(&mut client, name).await;
    client
}

#[tokio::test]
async fn what_is_held_is_read_and_deleted_apart_from_the_mailbox() {
    let world = world().await;
    world.deliver("Subject: delivered\r\n\r\n").await;
    world.hold("ann@example.test", "Subject: first\r\n\r\n.dot\r\n").await;
    world.hold("Ann@example.test", "Subject: second\r\n\r\n").await;
    world.hold("bob@example.test", "Subject: for Bob\r\n\r\n").await;
    let mut ann = open(&world, NAME).await;
    ann.expect("+OK 2 messages *").await;
    // Both at once: they are two maildrops.
    let mut inbox = open(&world, "ann@example.test").await;
    inbox.expect("+OK 1 messages *").await;
    let mut again = open(&world, NAME).await;
    again.expect("-ERR [IN-USE] *").await;
    ann.send("UIDL").await;
    ann.expect("+OK *").await;
    assert_eq!(ann.dotted().await.unwrap(), "1 0000000000000001\r\n2 0000000000000002\r\n");
    ann.send("RETR 1").await;
    ann.expect("+OK *").await;
    assert_eq!(ann.dotted().await.unwrap(), format!("{PREFIX}Subject: first\r\n\r\n.dot\r\n"));
    ann.send("DELE 2").await;
    ann.expect("+OK *").await;
    assert_eq!(held(&world).await, 3, "nothing goes before QUIT");
    ann.send("QUIT").await;
    ann.expect("+OK bye, 1 messages deleted").await;
    assert_eq!(held(&world).await, 2);
    assert_eq!(world.count().await, 1, "the mailbox has what it had");
    let mut ann = open(&world, "ANN@example.test#Quarantine").await;
    ann.expect("+OK 1 messages *").await;
    ann.send("UIDL 1").await;
    ann.expect("+OK 1 0000000000000001").await;
}

#[tokio::test]
async fn what_was_released_is_not_there() {
    let world = world().await;
    let id = world.hold("ann@example.test", "Subject: first\r\n\r\n").await;
    let to = postern_store::ReleaseTo::Mailboxes(vec![world.account("ann@example.test").await]);
    world.store.release(id, to).await.unwrap();
    let mut ann = open(&world, NAME).await;
    ann.expect("+OK 0 messages *").await;
}

#[tokio::test]
async fn guesses_count_together_with_those_at_the_account() {
    let world = world_with(|plan| plan.limits = limit::Settings::default()).await;
    for _ in 0..4 {
        let mut guesser = world.connect_from(somewhere()).await;
        guesser.expect("+OK *").await;
        assert_eq!(guess(&mut guesser, NAME).await, "-ERR [AUTH] name or password is wrong");
    }
    let mut ann = open(&world, "ann@example.test").await;
    ann.expect("+OK *").await;
    assert!(!world.clock.waits.lock().unwrap().is_empty(), "the account's owner had to wait for them");
}

#[tokio::test]
async fn where_it_is_switched_off_the_name_is_one_like_others() {
    let world = world_with(|plan| plan.settings.quarantine = QuarantineNames::Unknown).await;
    let mut ann = open(&world, NAME).await;
    ann.expect("-ERR [AUTH] *").await;
}

#[tokio::test]
async fn a_real_client_fetches_it() {
    let world = world().await;
    world.hold("ann@example.test", "Subject: first\r\n\r\n").await;
    let login = Login { user: NAME, password: PASSWORD };
    let Some(done) = python_poplib(&Server::tls(world.pop3s), &login, Afterwards::Delete).await else {
        return;
    };
    assert!(
        done.ok() && done.stdout.contains("count 1") && done.stdout.contains("Subject: first"),
        "{done:?}"
    );
    assert_eq!(held(&world).await, 0);
}
