//! Lines and messages of any length: what is too long is thrown away as it comes, what is not is streamed.

use std::time::Duration;

use postern_testnet::{SmtpPeer, fresh_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::running::mail::{self, SENDER};
use crate::running::{self, House};
use crate::{flood, raw, withstands};

#[tokio::test]
async fn a_line_without_end() {
    let house = House::new().await;
    let mut server = house.start().await;
    for (what, address) in [("smtp", house.smtp()), ("pop3", house.pop3()), ("watch", house.watch())] {
        let attack = async {
            let mut stream = raw(address).await;
            flood(&mut stream, &[b'x'; 64 << 10], 1024).await;
        };
        withstands(&house, &mut server, &format!("a line of 1 GiB to {what}"), 8, attack).await;
    }
}

#[tokio::test]
async fn a_message_without_end() {
    let house = House::new().await;
    let mut server = house.start().await;
    let header_line = [b'x'; 64 << 10];
    let body_line = [b'y'; 64 << 10];
    let lines = "z".repeat(70) + "\r\n";
    let lines = lines.repeat(1000);
    let fields = "X-Filler: z\r\n".repeat(5000);
    let cases: [(&str, &str, &[u8]); 4] = [
        ("a header line without end", "Subject: ", &header_line),
        ("a header without end", "Subject: x\r\n", fields.as_bytes()),
        ("a body line without end", "Subject: x\r\n\r\n", &body_line),
        ("a body without end", "Subject: x\r\n\r\n", lines.as_bytes()),
    ];
    for (what, begin, piece) in cases {
        let attack = async {
            let mut stream = raw(house.smtp()).await;
            let begin = format!(
                "EHLO client.example.org\r\nMAIL FROM:<{SENDER}>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n"
            ) + begin;
            stream.write_all(begin.as_bytes()).await.unwrap();
            if flood(&mut stream, piece, 64).await {
                stream.write_all(b"\r\n.\r\nQUIT\r\n").await.unwrap();
                let mut answers = String::new();
                stream.read_to_string(&mut answers).await.unwrap();
                // It was taken to its end and thrown away.
                assert!(!answers.contains("250 2.0.0"), "{what}: {answers}");
                assert!(answers.lines().any(|line| line.starts_with("55")), "{what}: {answers}");
            }
        };
        withstands(&house, &mut server, what, 16, attack).await;
    }
}

#[tokio::test]
async fn a_large_message_is_streamed() {
    let mta =
        SmtpPeer::sink().extensions(&["SIZE 60000000", "8BITMIME"]).start(fresh_address()).await.unwrap();
    let behind = mta.address();
    let house = House::build(|plan| plan.behind.push(("behind.test".into(), behind))).await;
    let mut server = house.start().await;
    let text = mail::message("large", 49_000_000);
    let data = mail::data(&text);
    // Into the mailbox, to the MTA behind, and both at once.
    for (what, to) in [
        ("stored", &["bob@example.test"][..]),
        ("passed on", &["dora@behind.test"]),
        ("stored and passed on", &["ann@example.test", "dora@behind.test"]),
    ] {
        let attack = async {
            let mut c = house.client().await;
            // A busy machine takes its time for so much.
            c.set_patience(Duration::from_secs(120));
            c.send(&format!("MAIL FROM:<{SENDER}>")).await;
            c.expect("250 *").await;
            for to in to {
                c.send(&format!("RCPT TO:<{to}>")).await;
                c.expect("250 *").await;
            }
            c.send("DATA").await;
            c.expect("354 *").await;
            assert!(c.write(&data).await.is_ok(), "it is taken to its end");
            c.expect("250 2.0.0 *").await;
        };
        withstands(&house, &mut server, &format!("a message of 49 MB {what}"), 16, attack).await;
    }
    assert_eq!(mta.message_count(), 2);
    let fetch = async {
        let mut reader = running::pop3(&house, "bob@example.test").await;
        reader.send("RETR 1").await;
        reader.expect("+OK *").await;
        let fetched = reader.dotted().await.unwrap();
        assert!(fetched.ends_with(&text), "it comes back as it was sent");
    };
    withstands(&house, &mut server, "fetching 49 MB", 16, fetch).await;
}
