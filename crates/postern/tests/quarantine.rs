//! The whole way of a held message with a real server: caught, told of by mail, opened by the link, read,
//! released, and delivered once: to the mailbox, or to the MTA behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use postern_store::{Acceptance, MessageCopy, Outcome, TraceRecord};
use postern_testnet::real_client::{Login, Server as At, curl_pop3};
use postern_testnet::{HttpAnswer, HttpClient, SmtpPeer};
use postern_types::{Address, ReversePath, Timestamp, TraceIds};
use running::mail::SENDER;
use running::{House, PASSWORD, Plan};

const ANN: &str = "ann@example.test";
const ZOE: &str = "zoe@behind.test";

/// Whatever speaks of a casino is held; the pages are open.
fn casino(plan: &mut Plan) {
    let web = SocketAddr::from((plan.ip, 2443));
    plan.set("listen.web", &format!("[\"{web}\"]"));
    plan.set("gate.header.casino.field", "\"Subject\"");
    plan.set("gate.header.casino.pattern", "\"casino\"");
    plan.set("gate.header.casino.action", "\"quarantine\"");
}

/// What a command beside the server prints.
fn postern(house: &House, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    let output = command.arg("--config").arg(house.config()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn send(house: &House, to: &[&str], subject: &str) -> String {
    let text = format!("From: <{SENDER}>\r\nTo: <{}>\r\nSubject: {subject}\r\n\r\nCome and play.\r\n", to[0]);
    let mut c = house.client().await;
    let reply = c.deliver("client.example.org", SENDER, to, &text).await.unwrap();
    assert_eq!(reply.code, 250, "{reply}");
    text
}

/// The path of the link in a digest, undoing what quoted-printable has done to it.
fn link_in(mail: &str) -> String {
    let text = mail.replace("=\r\n", "").replace("=3D", "=");
    let (_, rest) = text.split_once(":2443/q/").unwrap_or_else(|| panic!("no link: {mail}"));
    format!(
        "/q/{}",
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect::<String>()
    )
}

fn form_token(page: &HttpAnswer) -> String {
    let (_, rest) = page.body.split_once("name=\"form\" value=\"").unwrap_or_else(|| panic!("{page:?}"));
    rest.split('"').next().unwrap().to_owned()
}

async fn confirm(browser: &mut HttpClient, path: &str) -> HttpAnswer {
    let page = browser.get(path).await.unwrap();
    browser.post(path, &[("form", &form_token(&page))]).await.unwrap()
}

/// Opens the link and gives the path of the message with this subject.
async fn find(browser: &mut HttpClient, link: &str, subject: &str) -> String {
    assert_eq!(confirm(browser, link).await.field("location"), "/quarantine");
    let list = browser.get("/quarantine").await.unwrap().body;
    let (before, _) = list.split_once(subject).unwrap_or_else(|| panic!("{subject} is not there: {list}"));
    let (_, id) = before.rsplit_once("/quarantine/").unwrap();
    format!("/quarantine/{}", id.split('"').next().unwrap())
}

async fn inbox(house: &House) -> Vec<String> {
    let texts = house.inbox(ANN).await.into_iter().map(|(_, bytes)| String::from_utf8(bytes).unwrap());
    texts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_message_is_told_of_read_and_released_to_the_mailbox() {
    let house = House::build(casino).await;
    let _server = house.start().await;
    let text = send(&house, &[ANN], "casino night").await;
    assert!(inbox(&house).await.is_empty());
    // By POP3, apart from the mailbox.
    let held = Login { user: "ann@example.test#quarantine", password: PASSWORD };
    if let Some(read) = curl_pop3(&At::tls(house.pop3s()), &held, "1", &[]).await {
        assert!(read.stdout.contains("Come and play."), "{read:?}");
    }
    assert!(postern(&house, &["quarantine", "digest", "--dry-run"]).contains("casino night"));
    assert!(inbox(&house).await.is_empty(), "a dry run sends nothing");
    assert!(postern(&house, &["quarantine", "digest", "--recipient", ANN]).contains("in the mailbox"));
    assert!(postern(&house, &["quarantine", "digest"]).contains("no digest is due"));
    let digest = inbox(&house).await.remove(0);
    assert!(
        digest.contains("Subject: 1 message is held for you") && digest.contains("casino night"),
        "{digest}"
    );

    let mut browser = HttpClient::https_unverified(house.web()).unwrap();
    let message = find(&mut browser, &link_in(&digest), "casino night").await;
    let page = browser.get(&message).await.unwrap().body;
    assert!(page.contains("Come and play.") && page.contains("enough by itself"), "{page}");
    for expected in ["/quarantine?done=released", "/quarantine?done=again"] {
        let token = form_token(&browser.get("/quarantine").await.unwrap());
        let released = browser.post(&format!("{message}/release"), &[("form", &token)]).await.unwrap();
        assert_eq!(released.field("location"), expected);
    }
    let mails = inbox(&house).await;
    assert_eq!(mails.len(), 2);
    assert!(mails[1].ends_with(&text), "whole: {}", mails[1]);
    assert!(postern(&house, &["ports"]).contains("the pages where recipients see what is held for them"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn digest_and_release_reach_the_mta_behind_once() {
    let house = House::build(|plan| {
        casino(plan);
        plan.behind.push(("behind.test".into(), (plan.ip, 2626).into()));
    })
    .await;
    let mta = SmtpPeer::new().start_at((house.web().ip(), 2626).into()).await.unwrap();
    let mut server = house.start().await;
    let text = send(&house, &[ZOE], "casino night").await;
    assert!(postern(&house, &["quarantine", "digest"]).contains("hands it to the mail server behind"));
    assert!(mta.wait_for_messages(1).await, "{}", server.log());
    let digest = &mta.messages()[0];
    assert_eq!((digest.from.as_str(), digest.to.as_slice()), ("", &[ZOE.to_owned()][..]));
    let mut browser = HttpClient::https_unverified(house.web()).unwrap();
    let message = find(&mut browser, &link_in(&digest.text()), "casino night").await;
    assert_eq!(confirm(&mut browser, &format!("{message}/release")).await.status, 303);
    assert!(mta.wait_for_messages(2).await, "{}", server.log());
    assert!(mta.messages()[1].text().ends_with(&text));
    server.stop().await;
    assert_eq!(mta.message_count(), 2);
}

/// A message for Ann that has been held since yesterday, put there while the server was down.
async fn held_since_yesterday(house: &House) {
    let store = house.store();
    let day = Timestamp::from_millis(Timestamp::now().as_millis() - 25 * 3_600_000);
    let mut body = store.body();
    body.write(b"Subject: from yesterday\r\n\r\nx\r\n").await.unwrap();
    let body = body.finish().await.unwrap();
    let sender = ReversePath::parse(SENDER).unwrap();
    let record = TraceRecord {
        id: TraceIds::new(1).next(day),
        at: day,
        client: [127, 0, 0, 1].into(),
        helo: "client.example.org".into(),
        sender: Some(sender.clone()),
        recipients: Vec::new(),
        outcome: Outcome::Quarantined,
        reply: "250 2.0.0 accepted".into(),
        size: body.size(),
        duration_us: 1,
        evidence: String::new(),
    };
    let copy = MessageCopy::Quarantine {
        recipient: Address::parse(ANN).unwrap(),
        account: None,
        reason: "the score reached 5".into(),
        verdict: "{}".into(),
        expires_at: day.plus(Duration::from_secs(30 * 86_400)),
        prefix: Vec::new(),
    };
    let _ = store.accept(Acceptance { sender, body, copies: vec![copy], record }).await.unwrap();
    store.close().await.unwrap();
    house.hand_over();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_digest_that_was_due_is_made_up_for_and_a_restart_sends_it_once() {
    let house = House::build(casino).await;
    held_since_yesterday(&house).await;
    for _ in 0..2 {
        let mut server = house.start().await;
        // The first start sends it; each start has looked when it says so, or has sent.
        server.logs("*digests are up to date*").await;
        server.kill().await;
        house.hand_over();
    }
    let mails = inbox(&house).await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("from yesterday"));
}
