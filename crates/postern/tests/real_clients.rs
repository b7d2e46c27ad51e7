//! Programs that people use send and fetch mail: every one of them against the real server, with a real
//! account; and Postfix on either side.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use postern_testnet::real_client::{
    self, Afterwards, Mail, Server as At, curl_pop3, curl_smtp, fetchmail, getmail, msmtp, openssl_s_client,
    python_poplib, python_smtplib, swaks,
};
use postern_testnet::{Finished, Postfix, SmtpSource};
use running::mail::{self, SENDER};
use running::{House, PASSWORD, login, pop3};

const ANN: &str = "ann@example.test";
const BOB: &str = "bob@example.test";

fn to_ann(text: &str) -> Mail<'_> {
    Mail { from: SENDER, to: &[ANN], text }
}

/// Whether it is this message, behind the fields that servers added. swaks adds an empty line to what
/// it is given.
fn is_it(message: &[u8], text: &str) -> bool {
    message.trim_ascii_end().ends_with(text.trim_end().as_bytes())
}

/// The program sent the message, and it is in Ann's mailbox as it was sent.
async fn arrived(house: &House, finished: Option<Finished>, text: &str) {
    let Some(finished) = finished else { return };
    assert!(finished.ok(), "{}{}", finished.stdout, finished.stderr);
    let found = house.inbox(ANN).await;
    let found = found.iter().filter(|(_, bytes)| is_it(bytes, text)).count();
    assert_eq!(found, 1, "it is there once, unchanged:\n{}", finished.stdout);
}

#[tokio::test]
async fn swaks_sends() {
    let house = House::new().await;
    let _server = house.start().await;
    let (open, starttls, tls) = (At::open(house.smtp()), At::starttls(house.smtp()), At::tls(house.smtps()));
    for (id, server, more) in [
        ("swaks-plain", open, &[][..]),
        ("swaks-starttls", starttls, &[]),
        ("swaks-tls", tls, &[]),
        ("swaks-pipelined", open, &["--pipeline"]),
        ("swaks-helo", open, &["--protocol", "SMTP"]),
    ] {
        let text = mail::message(id, 3_000);
        let finished = swaks(&server, &to_ann(&text), more).await;
        arrived(&house, finished, &text).await;
    }
    // Its transcript shows what was offered and negotiated.
    let text = mail::message("swaks-shows", 1_000);
    let Some(finished) = swaks(&starttls, &to_ann(&text), &[]).await else { return };
    for shown in [
        "250-PIPELINING",
        "250 STARTTLS",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "TLS started",
        "250 2.0.0 OK, stored as ",
    ] {
        assert!(finished.stdout.contains(shown), "{shown}:\n{}", finished.stdout);
    }
}

#[tokio::test]
async fn swaks_is_told_no() {
    let house = House::new().await;
    let _server = house.start().await;
    let server = At::open(house.smtp());
    for (to, answer) in [("nobody@example.test", "550 5.1.1 "), ("x@example.net", "550 5.7.1 ")] {
        let mail = Mail { from: SENDER, to: &[to], text: "Subject: x\n\nx\n" };
        let Some(finished) = swaks(&server, &mail, &[]).await else { return };
        assert!(!finished.ok() && finished.stdout.contains(answer), "{}", finished.stdout);
    }
}

#[tokio::test]
async fn an_attachment_comes_back_as_it_was() {
    let house = House::new().await;
    let _server = house.start().await;
    // Every byte, in no simple order.
    let bytes: Vec<u8> = (0..2_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let file = house.folder.path().join("every-byte.bin");
    std::fs::write(&file, &bytes).unwrap();
    let attach = format!("@{}", file.display());
    let more = ["--attach-type", "application/octet-stream", "--attach-name", "x.bin", "--attach", &attach];
    let mail = Mail { from: SENDER, to: &[ANN], text: "" };
    let Some(tool) = postern_testnet::Tool::find("swaks") else { return };
    let server = house.smtp();
    let finished = tool
        .args(["--server", &server.ip().to_string(), "--port", &server.port().to_string()])
        .args([
            "--helo",
            "swaks.test",
            "--from",
            mail.from,
            "--to",
            ANN,
            "--tls",
            "--body",
            "see the attachment",
        ])
        .args(more)
        .run()
        .await;
    assert!(finished.ok(), "{}", finished.stderr);
    // Python takes it out again.
    let Some(tool) = postern_testnet::Tool::find("python3") else { return };
    let script = "
import email, hashlib, poplib, ssl, sys
p = poplib.POP3_SSL(sys.argv[1], int(sys.argv[2]), context=ssl._create_unverified_context())
p.user(sys.argv[3]); p.pass_(sys.argv[4])
m = email.message_from_bytes(b'\\r\\n'.join(p.retr(1)[1]))
sys.stdout.write(hashlib.sha256([part for part in m.walk() if part.get_filename()][0].get_payload(decode=True)).hexdigest())
p.quit()
";
    let (host, port) = (house.pop3s().ip().to_string(), house.pop3s().port().to_string());
    let fetched = tool.args(["-c", script, &host, &port, ANN, PASSWORD]).run().await;
    let Some(tool) = postern_testnet::Tool::find("sha256sum") else { return };
    let sum = tool.arg(&file).run().await;
    assert_eq!(sum.stdout.split(' ').next().unwrap(), fetched.stdout, "{}", fetched.stderr);
}

#[tokio::test]
async fn curl_sends_and_fetches() {
    let house = House::new().await;
    let _server = house.start().await;
    let sends = [
        ("curl-plain", At::open(house.smtp())),
        ("curl-starttls", At::starttls(house.smtp())),
        ("curl-tls", At::tls(house.smtps())),
    ];
    for (id, server) in sends {
        let text = mail::message(id, 3_000);
        let finished = curl_smtp(&server, &to_ann(&text), &[]).await;
        if finished.is_none() {
            return;
        }
        arrived(&house, finished, &text).await;
    }
    for (number, server) in
        [(1, At::open(house.pop3())), (2, At::starttls(house.pop3())), (3, At::tls(house.pop3s()))]
    {
        let list = curl_pop3(&server, &login(ANN), "", &[]).await.unwrap();
        assert_eq!(list.stdout.lines().count(), 3, "{}{}", list.stdout, list.stderr);
        let message = curl_pop3(&server, &login(ANN), &number.to_string(), &[]).await.unwrap();
        let text = mail::message(sends[number - 1].0, 3_000);
        assert!(message.stdout.ends_with(&text), "{}{}", message.stdout, message.stderr);
    }
    let server = At::tls(house.pop3s());
    let deleted = curl_pop3(&server, &login(ANN), "2", &["--request", "DELE", "--head"]).await.unwrap();
    assert!(deleted.ok(), "{}", deleted.stderr);
    assert_eq!(house.inbox(ANN).await.len(), 2);
    let wrong = real_client::Login { user: ANN, password: "wrong" };
    assert!(!curl_pop3(&server, &wrong, "", &[]).await.unwrap().ok());
}

#[tokio::test]
async fn python_sends_and_fetches() {
    let house = House::new().await;
    let _server = house.start().await;
    let mut texts = Vec::new();
    for (id, server) in [
        ("python-plain", At::open(house.smtp())),
        ("python-starttls", At::starttls(house.smtp())),
        ("python-tls", At::tls(house.smtps())),
    ] {
        let text = mail::message(id, 3_000);
        let finished = python_smtplib(&server, &to_ann(&text)).await;
        if finished.is_none() {
            return;
        }
        arrived(&house, finished, &text).await;
        texts.push(text);
    }
    let two = Mail { from: SENDER, to: &[ANN, "nobody@example.test"], text: "Subject: two\n\nx\n" };
    let finished = python_smtplib(&At::open(house.smtp()), &two).await.unwrap();
    assert!(finished.stdout.starts_with("refused nobody@example.test 550 5.1.1 "), "{}", finished.stdout);

    let open = python_poplib(&At::open(house.pop3()), &login(ANN), Afterwards::Keep).await.unwrap();
    let stls = python_poplib(&At::starttls(house.pop3()), &login(ANN), Afterwards::Keep).await.unwrap();
    let tls = python_poplib(&At::tls(house.pop3s()), &login(ANN), Afterwards::Delete).await.unwrap();
    assert!(open.ok() && stls.ok() && tls.ok(), "{}{}{}", open.stderr, stls.stderr, tls.stderr);
    assert_eq!((&open.stdout, &stls.stdout), (&stls.stdout, &tls.stdout), "UIDL and all else is stable");
    for text in texts {
        assert!(tls.stdout.contains(&text.replace("\r\n", "\n")));
    }
    assert!(tls.stdout.starts_with("count 4 size "), "{}", tls.stdout);
    assert!(house.inbox(ANN).await.is_empty(), "deleted at QUIT");
}

#[tokio::test]
async fn msmtp_sends() {
    let house = House::new().await;
    let _server = house.start().await;
    for (id, server) in [
        ("msmtp-plain", At::open(house.smtp())),
        ("msmtp-starttls", At::starttls(house.smtp())),
        ("msmtp-tls", At::tls(house.smtps())),
    ] {
        let text = mail::message(id, 3_000);
        let finished = msmtp(&server, &to_ann(&text.replace("\r\n", "\n"))).await;
        arrived(&house, finished, &text).await;
    }
}

/// Two messages for Ann, by a client of our own.
async fn two_messages(house: &House) -> [String; 2] {
    let texts = [mail::message("first", 3_000), mail::message("second", 60_000)];
    for text in &texts {
        let mut c = postern_testnet::Client::connect(house.smtp()).await.unwrap();
        c.expect("220 *").await;
        let reply = c.deliver("client.example.org", SENDER, &[ANN], text).await.unwrap();
        assert_eq!(reply.code, 250, "{reply}");
    }
    texts
}

#[tokio::test]
async fn fetchmail_fetches() {
    let house = House::new().await;
    let _server = house.start().await;
    for server in [At::open(house.pop3()), At::starttls(house.pop3()), At::tls(house.pop3s())] {
        let texts = two_messages(&house).await;
        let Some(finished) = fetchmail(&server, &login(ANN)).await else { return };
        assert!(finished.ok(), "{:?} {}{}", server.security, finished.stdout, finished.stderr);
        // Batch SMTP stuffs dots and may end lines by LF.
        let fetched = finished.stdout.replace("\r\n", "\n").replace("\n..", "\n.");
        for text in texts {
            let body = text.split_once("\r\n\r\n").unwrap().1.replace("\r\n", "\n");
            assert!(fetched.contains(&body), "{:?}", server.security);
        }
        assert!(house.inbox(ANN).await.is_empty(), "it deletes what it has fetched");
    }
}

#[tokio::test]
async fn getmail_fetches() {
    let house = House::new().await;
    let _server = house.start().await;
    for server in [At::open(house.pop3()), At::tls(house.pop3s())] {
        let texts = two_messages(&house).await;
        let Some(finished) = getmail(&server, &login(ANN)).await else { return };
        assert!(finished.ok(), "{}", finished.stderr);
        for text in texts {
            let body = text.split_once("\r\n\r\n").unwrap().1.replace("\r\n", "\n");
            assert!(finished.stdout.replace("\r\n", "\n").contains(&body), "{}", finished.stderr);
        }
        assert!(house.inbox(ANN).await.is_empty(), "it deletes what it has fetched");
    }
}

#[tokio::test]
async fn openssl_talks_tls() {
    let house = House::new().await;
    let _server = house.start().await;
    let session = format!(
        "EHLO client.example.org\nMAIL FROM:<{SENDER}>\nRCPT TO:<{BOB}>\nDATA\nFrom: <{SENDER}>\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0000\nSubject: by openssl\n\nHello.\n.\nQUIT\n"
    );
    for (server, protocol) in [(At::tls(house.smtps()), "smtp"), (At::starttls(house.smtp()), "smtp")] {
        let Some(finished) = openssl_s_client(&server, protocol, &session).await else { return };
        let said = &finished.stdout;
        assert!(
            said.contains("250 2.0.0 OK, stored as ") && said.contains("221 "),
            "{said}{}",
            finished.stderr
        );
        assert!(said.contains("TLSv1.3"), "{said}");
    }
    assert_eq!(house.inbox(BOB).await.len(), 2);
    let session = format!("USER {BOB}\nPASS {PASSWORD}\nSTAT\nQUIT\n");
    for server in [At::tls(house.pop3s()), At::starttls(house.pop3())] {
        let finished = openssl_s_client(&server, "pop3", &session).await.unwrap();
        assert!(finished.stdout.contains("+OK 2 "), "{}{}", finished.stdout, finished.stderr);
    }
}

#[tokio::test]
async fn postfix_behind_the_proxy() {
    let Some(postfix) = Postfix::find("mta.behind.test") else { return };
    let mta = postfix.mailboxes("behind.test", &["dora"]).start().await.unwrap();
    let behind = mta.address();
    let house = House::build(|plan| plan.behind.push(("behind.test".into(), behind))).await;
    let _server = house.start().await;
    let server = At::starttls(house.smtp());
    // 2 MB, all lines different.
    let text = mail::message("through-the-gate", 2_000_000);
    let mail = Mail { from: SENDER, to: &["dora@behind.test", "nobody@behind.test", ANN], text: &text };
    let Some(finished) = swaks(&server, &mail, &[]).await else { return };
    assert!(finished.ok(), "{}", finished.stdout);
    assert!(
        finished.stdout.contains("550 5.1.1 <nobody@behind.test>"),
        "the MTA's own words: {}",
        finished.stdout
    );
    assert!(finished.stdout.contains("250 2.0.0 Ok: queued as "), "the MTA's own 250: {}", finished.stdout);
    assert!(mta.wait_for_mailbox("dora@behind.test", 1).await, "{}", mta.log());
    let [message] = &mta.mailbox("dora@behind.test")[..] else { panic!("one message") };
    assert!(is_it(message.as_bytes(), &text.replace("\r\n", "\n")), "the MTA has it as it was sent");
    assert!(message.contains(&format!("\tby {} with ESMTPS id ", running::NAME)), "and our Received field");
    arrived(&house, Some(finished), &text).await;
    let log = mta.log();
    assert!(log.contains("client=") && !log.contains("fatal"), "{log}");

    let mail = Mail { from: SENDER, to: &["nobody@behind.test"], text: "Subject: x\n\nx\n" };
    let finished = swaks(&server, &mail, &[]).await.unwrap();
    assert!(!finished.ok() && finished.stdout.contains("550 5.1.1 "), "{}", finished.stdout);
}

#[tokio::test]
async fn postfix_sends() {
    let house = House::new().await;
    let _server = house.start().await;
    let Some(postfix) = Postfix::find("postfix.test") else { return };
    let sender = postfix.relay_all_to(house.smtp()).setting("smtp_tls_security_level", "may");
    let sender = sender.start().await.unwrap();
    let text = mail::message("by-postfix", 2_000_000);
    let mail = Mail { from: SENDER, to: &[ANN, BOB], text: &text };
    let Some(finished) = swaks(&At::open(sender.address()), &mail, &[]).await else { return };
    assert!(finished.ok(), "{}", finished.stdout);
    let source = SmtpSource::new(sender.address(), BOB).from(SENDER).messages(40, 8).octets(4_000);
    let finished = source.run().await.expect("it comes with Postfix");
    assert!(finished.ok(), "{}", finished.stderr);
    assert!(sender.wait_for_empty_queue().await, "{}", sender.log());
    let log = sender.log();
    assert!(!log.contains("status=bounced") && !log.contains("status=deferred"), "{log}");
    assert_eq!(house.inbox(BOB).await.len(), 41);
    let [(_, message)] = &house.inbox(ANN).await[..] else { panic!("one message") };
    assert!(is_it(message, &text), "it is there as it was sent");
    assert!(String::from_utf8_lossy(message).contains("TLSv1.3"), "it used STARTTLS");
    let mut reader = pop3(&house, BOB).await;
    reader.send("STAT").await;
    reader.expect("+OK 41 *").await;
}
