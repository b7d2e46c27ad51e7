//! A real Sendmail asks; what it passes on reaches a server behind it.

use std::net::Ipv4Addr;

use postern_store::Outcome;
use postern_testnet::{
    Client, RunningPeer, RunningSendmail, Sendmail, SmtpPeer, fresh_address, glob_matches,
};

use crate::house::{BLOCKED, CLEAN, House, MESSAGE, about};

/// A Sendmail that asks the house, with a server behind it; `None` where there is no Sendmail.
async fn asking(house: &House) -> Option<(RunningSendmail, RunningPeer)> {
    let behind = SmtpPeer::new().start_at((fresh_address(), 0).into()).await.unwrap();
    let sendmail = Sendmail::find("mx.example.test", "example.test", behind.address())?;
    Some((sendmail.milter(house.milter).start().await.unwrap(), behind))
}

/// Sends a message; what was answered to each RCPT and to the end (to DATA, where no recipient was left).
async fn send(to: &RunningSendmail, source: Ipv4Addr, from: &str, users: &[&str], text: &str) -> Vec<String> {
    let mut c = Client::connect_from(source, to.address()).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO client.example.org").await;
    c.expect("250*").await;
    let mut answers = Vec::new();
    let mail = c.ask(&format!("MAIL FROM:<{from}>")).await.unwrap();
    if mail.code != 250 {
        return vec![mail.text];
    }
    for user in users {
        answers.push(c.ask(&format!("RCPT TO:<{user}@example.test>")).await.unwrap().text);
    }
    let reply = c.ask("DATA").await.unwrap();
    if reply.code != 354 {
        answers.push(reply.text);
        return answers;
    }
    c.send_bytes(format!("{text}.\r\n").as_bytes()).await;
    answers.push(c.reply().await.unwrap().text);
    c.send("QUIT").await;
    c.expect("221 *").await;
    answers
}

fn assert_answers(answers: &[String], patterns: &[&str]) {
    assert_eq!(answers.len(), patterns.len(), "{answers:?}");
    for (answer, pattern) in answers.iter().zip(patterns) {
        assert!(glob_matches(pattern, answer), "{pattern}: {answers:?}");
    }
}

/// Who got each message behind, in order.
fn reached(behind: &RunningPeer) -> Vec<Vec<String>> {
    behind.messages().into_iter().map(|message| message.to).collect()
}

#[tokio::test]
async fn clean_mail_passes_with_its_trace() {
    let house = House::start().await;
    let Some((sendmail, behind)) = asking(&house).await else { return };
    let answers = send(&sendmail, CLEAN, "carl@example.org", &["ann", "bob"], MESSAGE).await;
    assert_answers(&answers, &["250 2.1.5 *", "250 2.1.5 *", "250 2.0.0 * Message accepted for delivery"]);
    assert!(behind.wait_for_messages(1).await, "{}", sendmail.log());
    let trace = &house.traces(1).await[0];
    let text = behind.messages()[0].text();
    assert!(text.contains(&format!("X-Postern-Trace: {}\r\n", trace.id)), "{text}");
    assert!(text.contains("\r\nSubject: Hello\r\n"), "the header is as it was: {text}");
    let queue_id = answers[2].split(' ').nth(2).unwrap();
    assert!(trace.reply.ends_with(queue_id), "{} {answers:?}", trace.reply);
}

#[tokio::test]
async fn a_blocked_address_is_refused() {
    let house = House::start().await;
    let Some((sendmail, behind)) = asking(&house).await else { return };
    let mut c = Client::connect_from(BLOCKED, sendmail.address()).await.unwrap();
    c.expect("554 *").await;
    assert_eq!(house.traces(1).await[0].outcome, Outcome::Refused);
    assert_eq!(behind.message_count(), 0);
}

#[tokio::test]
async fn a_recipient_is_refused_another_quarantined_a_third_served() {
    let house = House::start().await;
    let Some((sendmail, behind)) = asking(&house).await else { return };
    let users = ["ann", "bob", "tom"];
    let answers = send(&sendmail, CLEAN, "spammer@example.org", &users, MESSAGE).await;
    let refused = "550 5.7.1 <ann@example.test>... The sender is blocked here (*)";
    assert_answers(&answers, &[refused, "250 2.1.5 *", "250 2.1.5 *", "250 2.0.0 *"]);
    assert!(behind.wait_for_messages(1).await, "{}", sendmail.log());
    assert_eq!(reached(&behind), [["tom@example.test"]]);
    assert!(behind.messages()[0].text().contains("X-Postern-Verdict: suspicious; score=0\r\n"));
    let held = house.quarantine().await;
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0].recipient, "bob@example.test");
    assert!(held[0].text.ends_with(MESSAGE), "byte by byte as it came: {}", held[0].text);
}

#[tokio::test]
async fn all_quarantined_and_a_header_rule() {
    let house = House::start().await;
    let Some((sendmail, behind)) = asking(&house).await else { return };
    let answers = send(&sendmail, CLEAN, "carl@example.org", &["ann", "bob"], &about("doubtful")).await;
    assert_answers(&answers, &["250 *", "250 *", "250 2.0.0 *"]);
    assert_eq!(house.quarantine().await.len(), 2);
    let answers = send(&sendmail, CLEAN, "carl@example.org", &["ann"], &about("100 % cheap pills")).await;
    assert_answers(&answers, &["250 *", "550 5.7.1 The message header is not accepted here (*)"]);
    assert!(sendmail.wait_for_empty_queue().await);
    assert_eq!(behind.message_count(), 0);
}

#[tokio::test]
async fn nothing_is_taken_when_our_store_fails_or_we_are_down() {
    let house = House::start().await;
    let Some((sendmail, behind)) = asking(&house).await else { return };
    house.store.clone().close().await.unwrap();
    let answers = send(&sendmail, CLEAN, "carl@example.org", &["ann"], &about("doubtful")).await;
    assert!(
        answers.iter().any(|answer| answer.starts_with("451 4.3.0 the message could not be taken")),
        "{answers:?}"
    );
    house.shutdown.begin(std::time::Duration::ZERO);
    house.shutdown.wait().await;
    let answers = send(&sendmail, CLEAN, "carl@example.org", &["ann"], MESSAGE).await;
    assert_answers(&answers, &["451 4.3.2 Please try again later"]);
    assert_eq!((sendmail.queued(), behind.message_count()), (0, 0));
}
