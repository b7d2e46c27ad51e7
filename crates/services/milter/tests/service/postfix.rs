//! A real Postfix asks: what its clients hear, what reaches its mailboxes, what we keep.

use std::net::Ipv4Addr;

use postern_milter_service::Settings;
use postern_policy::Test;
use postern_store::Outcome;
use postern_testnet::{Client, Postfix, RunningPostfix, Zone, glob_matches};

use crate::house::{BLOCKED, CLEAN, House, MESSAGE, OURS, about, domain};

const USERS: [&str; 4] = ["ann", "bob", "tom", "pia"];

/// A Postfix with mailboxes that asks the house by milter; `None` where there is no Postfix.
async fn asking(house: &House) -> Option<RunningPostfix> {
    let milter = format!("inet:127.0.0.1:{}", house.milter.port());
    let postfix = found()?.setting("smtpd_milters", &milter).setting("non_smtpd_milters", &milter);
    Some(postfix.start().await.unwrap())
}

fn found() -> Option<Postfix> {
    Some(Postfix::find("mx.example.test")?.mailboxes("example.test", &USERS))
}

/// Sends a message; what was answered to each RCPT and to the end (to DATA, where no recipient was left).
async fn send(
    to: &RunningPostfix,
    source: Ipv4Addr,
    from: &str,
    recipients: &[&str],
    text: &str,
) -> Vec<String> {
    let mut c = Client::connect_from(source, to.address()).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO client.example.org").await;
    c.expect("250*").await;
    c.send(&format!("MAIL FROM:<{from}>")).await;
    c.expect("250 *").await;
    let mut answers = Vec::new();
    for recipient in recipients {
        c.send(&format!("RCPT TO:<{recipient}@example.test>")).await;
        answers.push(c.reply().await.unwrap().text);
    }
    c.send("DATA").await;
    let reply = c.reply().await.unwrap();
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

#[tokio::test]
async fn clean_mail_reaches_its_mailbox_with_its_trace() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    let answers = send(&postfix, CLEAN, "carl@example.org", &["ann", "bob"], MESSAGE).await;
    assert_answers(&answers, &["250 *", "250 *", "250 2.0.0 Ok: queued as *"]);
    assert!(postfix.wait_for_mailbox("ann@example.test", 1).await, "{}", postfix.log());
    assert!(postfix.wait_for_mailbox("bob@example.test", 1).await, "{}", postfix.log());
    let trace = &house.traces(1).await[0];
    let text = postfix.mailbox("ann@example.test").remove(0);
    assert!(text.contains(&format!("\nX-Postern-Trace: {}\n", trace.id)), "{text}");
    let queue_id = answers[2].rsplit(' ').next().unwrap();
    assert!(trace.reply.ends_with(queue_id), "{} {answers:?}", trace.reply);
    assert!(house.quarantine().await.is_empty());
}

#[tokio::test]
async fn results_of_authentication_stand_at_the_top() {
    let house = House::build(|plan| {
        plan.gate.our_names = vec![domain("mx.example.test")];
        plan.gate.off.retain(|&test| test != Test::Spf);
    })
    .await;
    house.net.dns().add(Zone::new("example.com").mx(10, "mx").txt("@", "v=spf1 ip4:127.0.0.8 -all"));
    let Some(postfix) = asking(&house).await else { return };
    let forged = format!("Authentication-Results: mx.example.test; dkim=pass\r\n{MESSAGE}");
    let answers = send(&postfix, CLEAN, "carl@example.com", &["ann"], &forged).await;
    assert_answers(&answers, &["250 *", "250 2.0.0 Ok: queued as *"]);
    assert!(postfix.wait_for_mailbox("ann@example.test", 1).await, "{}", postfix.log());
    let text = postfix.mailbox("ann@example.test").remove(0);
    let results = text.find("\nAuthentication-Results: mx.example.test;").unwrap_or(usize::MAX);
    assert!(results < text.find("\nReceived: ").unwrap(), "{text}");
    assert!(text.contains("spf=pass") && !text.contains("dkim=pass"), "{text}");
}

#[tokio::test]
async fn a_blocked_address_is_refused_at_the_greeting() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    let mut c = Client::connect_from(BLOCKED, postfix.address()).await.unwrap();
    // Postfix has its own words at this stage; ours come to whoever goes on all the same.
    c.expect("554 mx.example.test ESMTP not accepting connections").await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("554 5.7.1 Your address is blocked here (*)").await;
    assert_eq!(house.traces(1).await[0].outcome, Outcome::Refused);
}

#[tokio::test]
async fn a_recipient_is_refused_another_quarantined_a_third_served() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    let recipients = ["ann", "bob", "tom", "pia", "nobody"];
    let answers = send(&postfix, CLEAN, "spammer@example.org", &recipients, MESSAGE).await;
    let refused = "550 5.7.1 The sender is blocked here (*)";
    assert_answers(
        &answers,
        &[refused, "250 *", "250 *", "250 *", "550 5.1.1 *", "250 2.0.0 Ok: queued as *"],
    );
    assert!(postfix.wait_for_mailbox("tom@example.test", 1).await, "{}", postfix.log());
    assert!(postfix.wait_for_mailbox("pia@example.test", 1).await, "{}", postfix.log());
    assert!(postfix.wait_for_empty_queue().await, "{}", postfix.log());
    let text = postfix.mailbox("tom@example.test").remove(0);
    assert!(text.contains("\nX-Postern-Verdict: suspicious; score=0\n"), "{text}");
    for who in ["ann", "bob"] {
        assert!(postfix.mailbox(&format!("{who}@example.test")).is_empty(), "{}", postfix.log());
    }
    let held = house.quarantine().await;
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(held[0].recipient, "bob@example.test");
    assert!(held[0].text.ends_with(MESSAGE), "byte by byte as it came: {}", held[0].text);
}

#[tokio::test]
async fn where_all_are_quarantined_nothing_reaches_the_mailboxes() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    let answers = send(&postfix, CLEAN, "carl@example.org", &["ann", "bob"], &about("doubtful")).await;
    assert_answers(&answers, &["250 *", "250 *", "250 2.0.0 *"]);
    // A message for whom Postfix itself refused another recipient, and an alias: nobody is left to be served.
    let answers = send(&postfix, CLEAN, "spammer@example.org", &["nobody", "bob"], MESSAGE).await;
    assert_answers(&answers, &["550 5.1.1 *", "250 *", "250 2.0.0 *"]);
    assert!(postfix.wait_for_empty_queue().await, "{}", postfix.log());
    assert!(USERS.iter().all(|user| postfix.mailbox(&format!("{user}@example.test")).is_empty()));
    let held: Vec<_> = house.quarantine().await.into_iter().map(|held| held.recipient).collect();
    assert_eq!(held, ["ann@example.test", "bob@example.test", "bob@example.test"]);
}

#[tokio::test]
async fn an_alias_of_the_mta_is_quarantined_whole() {
    let house = House::start().await;
    let milter = format!("inet:127.0.0.1:{}", house.milter.port());
    let Some(postfix) = found() else { return };
    // bob@ is a list of people: its profile counts, not theirs.
    let postfix = postfix
        .setting("smtpd_milters", &milter)
        .setting("virtual_alias_maps", "inline:{{bob@example.test=ann@example.test, tom@example.test}}")
        .start()
        .await
        .unwrap();
    let answers = send(&postfix, CLEAN, "spammer@example.org", &["pia", "bob"], MESSAGE).await;
    assert_answers(&answers, &["250 *", "250 *", "250 2.0.0 Ok: queued as *"]);
    assert!(postfix.wait_for_mailbox("pia@example.test", 1).await, "{}", postfix.log());
    assert!(postfix.wait_for_empty_queue().await, "{}", postfix.log());
    assert!(["ann", "tom"].iter().all(|user| postfix.mailbox(&format!("{user}@example.test")).is_empty()));
    assert_eq!(house.quarantine().await.len(), 1);
}

#[tokio::test]
async fn a_header_rule_refuses_at_the_end() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    let answers = send(&postfix, CLEAN, "carl@example.org", &["ann"], &about("cheap pills")).await;
    assert_answers(&answers, &["250 *", "550 5.7.1 The message header is not accepted here (*)"]);
    let trace = &house.traces(1).await[0];
    assert!(answers[1].contains(&trace.id.to_string()));
    assert_eq!(postfix.queued(), 0);
    assert!(postfix.mailbox("ann@example.test").is_empty());
}

#[tokio::test]
async fn when_our_store_fails_the_client_is_told_to_come_again() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    house.store.clone().close().await.unwrap();
    let answers = send(&postfix, CLEAN, "carl@example.org", &["ann"], &about("doubtful")).await;
    assert!(
        answers.iter().any(|answer| answer.starts_with("451 4.3.0 the message could not be taken")),
        "{answers:?}"
    );
    assert!(!answers.last().unwrap().starts_with("250"), "{answers:?}");
    assert_eq!(postfix.queued(), 0);
}

#[tokio::test]
async fn when_we_are_down_the_client_is_told_to_come_again() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    house.shutdown.begin(std::time::Duration::ZERO);
    house.shutdown.wait().await;
    let mut c = Client::connect_from(CLEAN, postfix.address()).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO client.example.org").await;
    c.expect("250*").await;
    c.send("MAIL FROM:<carl@example.org>").await;
    c.expect("451 4.7.1 Service unavailable *").await;
    assert_eq!(postfix.queued(), 0);
}

#[tokio::test]
async fn mail_of_the_hosts_own_programs_passes() {
    let by_default = Settings::new(domain("mx.example.test")).trusted;
    let house = House::build(|plan| plan.settings.trusted = by_default).await;
    let Some(postfix) = asking(&house).await else { return };
    let sent = postfix.sendmail("spammer@example.org", &["bob@example.test"], &about("pills")).await;
    assert!(sent.ok(), "{sent:?}");
    assert!(postfix.wait_for_mailbox("bob@example.test", 1).await, "{}", postfix.log());
    let trace = &house.traces(1).await[0];
    assert_eq!((trace.outcome, trace.client), (Outcome::Relayed, Ipv4Addr::LOCALHOST.into()));
}

#[tokio::test]
async fn a_trusted_client_is_not_tested() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    let answers = send(&postfix, OURS, "spammer@example.org", &["ann", "bob"], &about("pills")).await;
    assert_answers(&answers, &["250 *", "250 *", "250 2.0.0 Ok: queued as *"]);
    assert!(postfix.wait_for_mailbox("bob@example.test", 1).await, "{}", postfix.log());
}

#[tokio::test]
async fn several_messages_of_one_session_and_large_bodies() {
    let house = House::start().await;
    let Some(postfix) = asking(&house).await else { return };
    let mut c = Client::connect_from(CLEAN, postfix.address()).await.unwrap();
    c.expect("220 *").await;
    c.send("EHLO client.example.org").await;
    c.expect("250*").await;
    let large = format!("{}{}", about("doubtful"), "0123456789 all of it\r\n".repeat(20_000));
    for (subject, text) in [("one", about("one")), ("two", large.clone()), ("three", about("three"))] {
        for line in ["MAIL FROM:<carl@example.org>", "RCPT TO:<ann@example.test>"] {
            c.send(line).await;
            c.expect("250 *").await;
        }
        if subject == "three" {
            c.send("RSET").await;
            c.expect("250 *").await;
            continue;
        }
        c.send("DATA").await;
        c.expect("354 *").await;
        c.send_bytes(format!("{text}.\r\n").as_bytes()).await;
        c.expect("250 2.0.0 *").await;
    }
    c.send("QUIT").await;
    c.expect("221 *").await;
    let held = house.quarantine().await;
    assert_eq!(held.len(), 1);
    assert!(held[0].text.ends_with(&large));
    assert!(postfix.wait_for_mailbox("ann@example.test", 1).await, "{}", postfix.log());
    let traces = house.traces(3).await;
    assert!(traces.iter().any(|trace| trace.outcome == Outcome::Aborted), "{traces:?}");
}

#[tokio::test]
async fn it_asks_by_policy_delegation_too() {
    let house = House::start().await;
    let Some(postfix) = found() else { return };
    let asked = format!("check_policy_service inet:127.0.0.1:{}", house.policy.port());
    let restrictions = format!("reject_unauth_destination, {asked}");
    let postfix = postfix.setting("smtpd_recipient_restrictions", &restrictions).start().await.unwrap();
    let answers = send(&postfix, CLEAN, "carl@example.org", &["ann"], MESSAGE).await;
    assert_answers(&answers, &["250 *", "250 2.0.0 Ok: queued as *"]);
    assert!(postfix.wait_for_mailbox("ann@example.test", 1).await, "{}", postfix.log());
    let answers = send(&postfix, CLEAN, "spammer@example.org", &["ann", "tom"], MESSAGE).await;
    assert_answers(&answers, &["550 5.7.1 *The sender is blocked here (*)", "250 *", "250 2.0.0 *"]);
    assert!(postfix.wait_for_mailbox("tom@example.test", 1).await, "{}", postfix.log());
    let text = postfix.mailbox("tom@example.test").remove(0);
    assert!(text.contains("X-Postern-Verdict: suspicious; score=0\n"), "{text}");
    // What is quarantined waits in Postfix's own queue, for the operator.
    let answers = send(&postfix, CLEAN, "spammer@example.org", &["bob"], MESSAGE).await;
    assert_answers(&answers, &["250 *", "250 2.0.0 *"]);
    assert_eq!(postfix.held(), 1, "{}", postfix.log());
    assert!(postfix.mailbox("bob@example.test").is_empty());
    let mut c = Client::connect_from(BLOCKED, postfix.address()).await.unwrap();
    c.expect("220 *").await;
    let answer =
        c.deliver("client.example.org", "carl@example.org", &["ann@example.test"], MESSAGE).await.unwrap();
    assert!(glob_matches("554 5.7.1 *Your address is blocked here (*)", &answer.text), "{}", answer.text);
    // Postern's store fails, and then it is gone: nothing is taken that it has not judged.
    house.store.clone().close().await.unwrap();
    let answers = send(&postfix, CLEAN, "carl@example.org", &["ann"], MESSAGE).await;
    assert!(answers[0].starts_with("450 4.3.0 ") || answers[0].starts_with("451 4.3.0 "), "{answers:?}");
    house.shutdown.begin(std::time::Duration::ZERO);
    house.shutdown.wait().await;
    let answers = send(&postfix, CLEAN, "carl@example.org", &["ann"], MESSAGE).await;
    assert!(answers[0].starts_with("451 4.3.5 "), "{answers:?}");
}
