//! Scripted hosts, and the client that talks to them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::net::Ipv4Addr;
use std::time::Duration;

use postern_testnet::{
    Act, Certificate, Client, Gate, Internet, RunningPeer, SmtpPeer, SmtpSource, Stage, fresh_address,
};

async fn start(peer: SmtpPeer) -> (RunningPeer, Client) {
    let running = peer.start_at((fresh_address(), 0).into()).await.unwrap();
    let mut c = Client::connect(running.address()).await.unwrap();
    c.set_patience(Duration::from_secs(10));
    (running, c)
}

const MESSAGE: &str = "Subject: hello\r\n\r\n.dot\r\nend\r\n";

#[tokio::test]
async fn a_message_is_kept_as_it_came() {
    let (peer, mut c) = start(SmtpPeer::new()).await;
    c.expect("220 peer.test ESMTP").await;
    c.send("EHLO client.test").await;
    c.expect("250-peer.test\n250-PIPELINING\n*").await;
    c.send("MAIL FROM:<ann@example.org> SIZE=100").await;
    c.expect("250 2.1.0 *").await;
    c.send("RCPT TO:<bob@example.test>").await;
    c.expect("250 2.1.5 *").await;
    c.send("DATA").await;
    c.expect("354 *").await;
    c.send_bytes(b"a\r\n..\r\nbare\n.\nstill\r\n.\r\n").await;
    c.expect("250 *").await;
    c.send("QUIT").await;
    c.expect("221 *").await;
    c.expect_closed().await;

    let [message] = &peer.messages()[..] else { panic!("one message") };
    assert_eq!(message.body, b"a\r\n.\r\nbare\n.\nstill\r\n");
    assert_eq!((&*message.from, &*message.from_parameters), ("ann@example.org", "SIZE=100"));
    assert_eq!((&*message.to, &*message.helo), (&["bob@example.test".to_owned()][..], "client.test"));
    assert_eq!(peer.commands_of(1).len(), 5);
    assert_eq!(peer.count("RCPT*"), 1);
}

#[tokio::test]
async fn users_are_unknown_or_known() {
    let (_peer, mut c) = start(SmtpPeer::new().only_users(&["ann@example.test"])).await;
    c.expect("220 *").await;
    let refusal = c.deliver("client.test", "", &["bob@example.test"], MESSAGE).await.unwrap();
    assert_eq!(refusal.text, "550 5.1.1 No such user here");
}

#[tokio::test]
async fn a_greylisting_host_accepts_the_second_attempt() {
    let (peer, mut c) = start(SmtpPeer::new().greylisting()).await;
    for (code, accepted) in [(451, 0), (250, 1)] {
        assert_eq!(c.reply().await.unwrap().code, 220);
        let reply =
            c.deliver("client.test", "ann@example.org", &["bob@example.test"], MESSAGE).await.unwrap();
        assert_eq!((reply.code, peer.message_count()), (code, accepted));
        c = Client::connect(peer.address()).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_refuses_hangs_drops_and_babbles_where_it_is_told() {
    let peer = SmtpPeer::new()
        .first(1, Stage::Mail, "*", Act::Drop)
        .first(1, Stage::Mail, "*", Act::Bytes(b"2xx what\r\n".to_vec()))
        .first(1, Stage::Mail, "*", Act::ReplyAndClose("421 4.3.0 Later".into()))
        .hang(Stage::Rcpt);
    let (peer, mut c) = start(peer).await;
    c.expect("220 *").await;
    c.send("MAIL FROM:<>").await;
    c.expect_closed().await;

    let mut c = Client::connect(peer.address()).await.unwrap();
    c.expect("220 *").await;
    c.send("MAIL FROM:<>").await;
    c.expect("2xx what").await;
    c.send("MAIL FROM:<>").await;
    c.expect("421 4.3.0 Later").await;
    c.expect_closed().await;

    let mut c = Client::connect(peer.address()).await.unwrap();
    c.expect("220 *").await;
    c.send("MAIL FROM:<>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<a@b.test>").await;
    c.set_patience(Duration::from_millis(50));
    assert!(c.reply().await.is_err(), "it hangs");
    assert_eq!(peer.open_connections(), 1);
}

#[tokio::test]
async fn a_host_waits_at_a_gate() {
    let gate = Gate::closed();
    let (peer, mut c) = start(SmtpPeer::new().on(Stage::Mail, "*", Act::Until(gate.clone()))).await;
    c.expect("220 *").await;
    c.send("EHLO client.test").await;
    c.expect("250*").await;
    let asked = async { c.ask("MAIL FROM:<ann@example.org>").await.unwrap().text };
    let opened = async {
        while peer.count("MAIL*") == 0 {
            tokio::task::yield_now().await;
        }
        gate.open();
        "opened"
    };
    // The reply is not there before the gate is open, whoever is asked first.
    tokio::pin!(asked);
    tokio::select! {
        biased;
        reply = &mut asked => panic!("{reply}"),
        done = opened => assert_eq!(done, "opened"),
    }
    assert!(asked.await.starts_with("250 2.1.0 "));
}

#[tokio::test]
async fn a_host_changes_while_a_session_is_open() {
    let (peer, mut c) = start(SmtpPeer::new()).await;
    c.expect("220 *").await;
    c.send("MAIL FROM:<>").await;
    c.expect("250 *").await;
    peer.behave(SmtpPeer::new().reply(Stage::Rcpt, "452 4.2.2 Full\n452 4.2.2 Very"));
    c.send("RCPT TO:<a@b.test>").await;
    c.expect("452 4.2.2 Full").await;
}

#[tokio::test]
async fn the_connection_ends_in_the_middle_of_a_message() {
    let (peer, mut c) = start(SmtpPeer::new().drop_in_body(1000)).await;
    c.expect("220 *").await;
    let message = "x\r\n".repeat(10_000);
    assert!(c.deliver("client.test", "", &["a@b.test"], &message).await.is_err());
    assert_eq!(peer.message_count(), 0);
}

#[tokio::test]
async fn chunks_make_a_message() {
    let (peer, mut c) = start(SmtpPeer::new()).await;
    c.expect("220 *").await;
    for command in ["MAIL FROM:<>", "RCPT TO:<a@b.test>"] {
        c.send(command).await;
        c.expect("250 *").await;
    }
    c.send_bytes(b"BDAT 6\r\n.\r\nab\nBDAT 0 LAST\r\n").await;
    c.expect("250 2.0.0 6 octets received").await;
    c.expect("250 2.0.0 Accepted").await;
    assert_eq!(peer.messages()[0].body, b".\r\nab\n");
}

#[tokio::test]
async fn lmtp_answers_for_each_recipient() {
    let (peer, mut c) = start(SmtpPeer::new().reply_to(Stage::Body, "full@*", "452 4.2.2 Full")).await;
    c.expect("220 *").await;
    c.send("LHLO client.test").await;
    c.expect("250*").await;
    for command in ["MAIL FROM:<>", "RCPT TO:<a@b.test>", "RCPT TO:<full@b.test>"] {
        c.send(command).await;
        c.expect("250 *").await;
    }
    c.send("DATA").await;
    c.expect("354 *").await;
    c.send_bytes(b"x\r\n.\r\n").await;
    c.expect("250 *").await;
    c.expect("452 *").await;
    assert_eq!(peer.messages()[0].to, ["a@b.test"]);
}

#[tokio::test]
async fn sessions_are_encrypted_by_starttls_and_from_the_start() {
    let certificate = Certificate::self_signed(&["peer.test"]).unwrap();
    let (peer, mut c) = start(SmtpPeer::new().starttls(certificate.clone())).await;
    c.expect("220 *").await;
    c.send("EHLO client.test").await;
    c.expect("250-*\n250 STARTTLS").await;
    c.starttls().await;
    assert_eq!(c.deliver("client.test", "", &["a@b.test"], MESSAGE).await.unwrap().code, 250);
    assert!(peer.messages()[0].over_tls);

    let (peer, mut c) = start(SmtpPeer::new().implicit_tls(certificate.clone())).await;
    c.tls(certificate.client().unwrap(), "peer.test").await.unwrap();
    c.expect("220 *").await;
    drop(peer);
    c.expect_closed().await;
}

#[tokio::test]
async fn hosts_have_names_and_see_where_clients_come_from() {
    let net = Internet::start().await.unwrap();
    let peer = net.host("mx1.example.test", SmtpPeer::new()).await.unwrap();
    let source: Ipv4Addr = fresh_address();
    let mut c = Client::connect_from(source, peer.address()).await.unwrap();
    c.expect("220 mx1.example.test *").await;
    assert_eq!(peer.clients()[0].ip(), source);
}

#[tokio::test]
async fn a_sink_counts_what_smtp_source_sends() {
    let (peer, _c) = start(SmtpPeer::sink()).await;
    let load = SmtpSource::new(peer.address(), "a@b.test").messages(200, 10);
    let Some(finished) = load.run().await else { return };
    assert!(finished.ok(), "{finished:?}");
    assert!(peer.wait_for_messages(200).await);
    assert_eq!((peer.message_count(), peer.messages().len()), (200, 0));
}
