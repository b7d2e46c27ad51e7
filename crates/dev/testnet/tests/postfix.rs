//! A real Postfix as receiver, as sender, and after a crash.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use postern_testnet::{Client, Postfix, RunningPostfix, SmtpPeer, Stage, fresh_address};

const MESSAGE: &str = "Subject: hello\r\n\r\nbody\r\n";

async fn deliver(postfix: &RunningPostfix, to: &[&str]) -> String {
    let mut c = Client::connect(postfix.address()).await.unwrap();
    c.expect("220 *").await;
    c.deliver("client.test", "ann@example.org", to, MESSAGE).await.unwrap().text
}

#[tokio::test]
async fn postfix_has_mailboxes_and_refuses_other_recipients() {
    let Some(postfix) = Postfix::find("mx.example.test") else { return };
    let mut postfix = postfix.mailboxes("example.test", &["ann"]).start().await.unwrap();
    assert!(deliver(&postfix, &["ann@example.test"]).await.starts_with("250 2.0.0 Ok: queued"));
    assert!(deliver(&postfix, &["nobody@example.test"]).await.starts_with("550 5.1.1 "));
    assert!(deliver(&postfix, &["ann@elsewhere.test"]).await.starts_with("454 4.7.1 "), "{}", postfix.log());
    assert!(postfix.wait_for_mailbox("ann@example.test", 1).await, "{}", postfix.log());
    assert!(postfix.mailbox("ann@example.test")[0].contains("Subject: hello\n"));
    postfix.stop().await.unwrap();
    assert!(Client::connect(postfix.address()).await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn postfix_sends_and_tries_again_when_told() {
    let Some(postfix) = Postfix::find("sender.test") else { return };
    let sink = SmtpPeer::new().reply(Stage::Mail, "451 4.3.0 Later");
    let sink = sink.start_at((fresh_address(), 0).into()).await.unwrap();
    let mut postfix = postfix.relay_all_to(sink.address()).start().await.unwrap();
    assert!(deliver(&postfix, &["bob@elsewhere.test"]).await.starts_with("250 2.0.0 Ok: queued"));
    while sink.count("MAIL*") == 0 {
        tokio::task::yield_now().await;
    }
    // A crash loses nothing that was accepted.
    postfix.kill().await.unwrap();
    assert_eq!(postfix.queued(), 1);
    sink.behave(SmtpPeer::new());
    postfix.restart().await.unwrap();
    let flushed = postfix.flush().await;
    assert!(flushed.ok(), "{flushed:?}");
    assert!(sink.wait_for_messages(1).await, "{}", postfix.log());
    assert!(postfix.wait_for_empty_queue().await, "{}", postfix.log());
    assert_eq!(sink.messages()[0].to, ["bob@elsewhere.test"]);
}

#[tokio::test]
async fn postfix_is_an_open_relay_a_catch_all_and_refuses_at_the_end_of_data() {
    let Some(postfix) = Postfix::find("open.test") else { return };
    let postfix = postfix.open_relay().start().await.unwrap();
    assert!(deliver(&postfix, &["stranger@elsewhere.test"]).await.starts_with("250 "));

    let Some(postfix) = Postfix::find("all.test") else { return };
    let postfix = postfix.catch_all("all.test").start().await.unwrap();
    assert!(deliver(&postfix, &["whoever@all.test"]).await.starts_with("250 "), "{}", postfix.log());
    assert!(postfix.wait_for_mailbox("catchall@all.test", 1).await, "{}", postfix.log());

    let Some(postfix) = Postfix::find("no.test") else { return };
    let postfix = postfix.catch_all("no.test").refuse_messages("554 5.7.1 Not wanted").start().await.unwrap();
    let reply = deliver(&postfix, &["a@no.test"]).await;
    assert!(reply.starts_with("554 5.7.1 ") && reply.contains("Not wanted"), "{reply}\n{}", postfix.log());
}
