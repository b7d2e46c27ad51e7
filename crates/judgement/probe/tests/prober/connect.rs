//! Connect back, to a host and to its neighbours.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use postern_probe::{Answer, Connect, Neighbours, NotAllowed, Question, Settings};
use postern_testnet::{SmtpPeer, Stage, fresh_address};

use crate::world::{DAY, PORT, World, answer, denied, fresh, settings, v4};

async fn back(prober: &postern_probe::Prober, ip: Ipv4Addr) -> Connect {
    match answer(prober, Question::ConnectBack(ip.into())).await {
        Answer::Connect(connect) => connect,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn silence_counts_only_where_somebody_else_has_answered() {
    let mut world = World::new().await;
    let host = world.host(SmtpPeer::new()).await;
    // Addresses of networks of their own, so that each has its own budget.
    let nobody = |block: u8| Ipv4Addr::new(127, 0, block, 77);
    let prober = world.prober(settings()).await;
    let unknown = back(&prober, nobody(201)).await;
    assert!(matches!(unknown, Connect::Unknown { .. }), "perhaps nothing gets out of here: {unknown}");
    assert_eq!(back(&prober, v4(&host)).await, Connect::Answers);
    assert_eq!(host.commands(), ["QUIT"], "not a word more than is needed");
    assert_eq!(back(&prober, nobody(202)).await, Connect::Silent);
    // A restart does not forget it.
    drop(prober);
    world = world.restart().await;
    let prober = world.prober(settings()).await;
    assert_eq!(back(&prober, nobody(203)).await, Connect::Silent);
    world.pass(8 * DAY);
    assert!(matches!(back(&prober, nobody(204)).await, Connect::Unknown { .. }));
}

#[tokio::test]
async fn another_greeting_is_no_answer() {
    let world = World::new().await;
    let host = world.host(SmtpPeer::new().reply(Stage::Connect, "554 No SMTP service here")).await;
    let prober = world.prober(settings()).await;
    assert!(matches!(back(&prober, v4(&host)).await, Connect::Unknown { .. }));
}

#[tokio::test]
async fn neighbours_are_left_in_peace_unless_the_operator_says_otherwise() {
    let world = World::new().await;
    let ip: IpAddr = fresh_address().into();
    let prober = world.prober(settings()).await;
    assert!(matches!(denied(&prober, Question::Neighbours(ip)).await, NotAllowed::Off(_)));
    assert!(world.ledger().await.is_empty());
}

#[tokio::test]
async fn a_handful_of_neighbours_has_one_connection_each_for_weeks() {
    let world = World::new().await;
    // A network of its own: no other test has hosts there.
    let at = |last: u8| {
        let [_, b, c, _] = fresh_address().octets();
        Ipv4Addr::new(127, b ^ 0x80, c, last)
    };
    let [answering, client] = [at(100), at(101)];
    let host = SmtpPeer::new().start_at(SocketAddr::from((answering, PORT))).await.unwrap();
    let prober = world.prober(Settings { neighbours: 4, ..settings() }).await;
    answer(&prober, Question::ConnectBack(v4(&world.host(SmtpPeer::new()).await).into())).await;
    world.pass(60);
    let before = world.ledger().await.len();
    let seen = answer(&prober, Question::Neighbours(client.into())).await;
    assert_eq!(seen, Answer::Neighbours(Neighbours { answering: 1, silent: 3 }));
    assert_eq!(world.ledger().await.len() - before, 4);
    // The next host of the network has the same neighbours.
    world.pass(20 * DAY);
    let again = fresh(&prober, Question::Neighbours(at(120).into())).await;
    assert_eq!(again, Answer::Neighbours(Neighbours { answering: 1, silent: 3 }));
    assert_eq!(host.clients().len(), 1);
}
