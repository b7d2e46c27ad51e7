//! Commands by the thousand, right and wrong, and bytes that are none.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use crate::running::House;
use crate::running::mail::{self, SENDER};
use crate::{raw, say, withstands};

#[tokio::test]
async fn a_hundred_thousand_recipients() {
    let house = House::build(|plan| plan.set("smtp.error_delay", "\"0 s\"")).await;
    let mut server = house.start().await;
    for (what, to) in
        [("known", "ann@example.test"), ("unknown", "nobody@example.test"), ("foreign", "x@example.net")]
    {
        let attack = async {
            let mut stream = raw(house.smtp()).await;
            let begin = format!("EHLO client.example.org\r\nMAIL FROM:<{SENDER}>\r\n");
            stream.write_all(begin.as_bytes()).await.unwrap();
            let (mut reads, mut writes) = stream.split();
            let commands = format!("RCPT TO:<{to}>\r\n").repeat(100_000);
            let send = async {
                // The server may have had enough before the end.
                let _ = writes.write_all(commands.as_bytes()).await;
            };
            let mut answers = Vec::new();
            let read = async {
                let _ = reads.read_to_end(&mut answers).await;
            };
            tokio::join!(send, read);
            let answers = String::from_utf8_lossy(&answers);
            let accepted = answers.matches("250 2.1.5").count();
            assert_eq!(accepted, if what == "known" { 1000 } else { 0 }, "smtp.recipients is 1000");
            assert!(answers.trim_end().lines().last().unwrap().starts_with("421 "), "{what}");
        };
        withstands(&house, &mut server, &format!("100,000 {what} recipients"), 16, attack).await;
    }
}

#[tokio::test]
async fn commands_by_the_thousand() {
    let house = House::build(|plan| plan.set("smtp.error_delay", "\"0 s\"")).await;
    let mut server = house.start().await;
    // A thousand whole transactions in one go are odd, but right: each is served.
    let text = mail::message("one-of-a-thousand", 300);
    let one =
        format!("MAIL FROM:<{SENDER}>\r\nRCPT TO:<bob@example.test>\r\nBDAT {} LAST\r\n{text}", text.len());
    let transactions = async {
        let answers =
            say(house.smtp(), &format!("EHLO client.example.org\r\n{}QUIT\r\n", one.repeat(1000))).await;
        assert_eq!(answers.matches("\r\n250 2.0.0 OK, stored").count(), 1000);
        assert!(answers.contains("\r\n221 "));
    };
    withstands(&house, &mut server, "1000 transactions at once", 32, transactions).await;
    assert_eq!(house.inbox("bob@example.test").await.len(), 1000);
    for junk in [
        "NOOP\r\n",
        "RSET\r\n",
        "HELP\r\n",
        "VRFY ann\r\n",
        "XYZZY\r\n",
        "EHLO a.example.org\r\n",
        "\r\n",
        "STARTTLS now\r\n",
        "AUTH PLAIN\r\n",
        "BDAT 5\r\nhello",
    ] {
        let attack = async {
            let answers =
                say(house.smtp(), &format!("EHLO client.example.org\r\n{}", junk.repeat(50_000))).await;
            let last = answers.trim_end().lines().last().unwrap();
            assert!(last.starts_with("421 "), "{junk:?}: {last}");
            assert!(answers.lines().count() < 1000, "{junk:?}: it is cut off early");
        };
        withstands(&house, &mut server, &format!("{junk:?} 50,000 times"), 8, attack).await;
    }
}

/// Bytes that look like nothing, the same in each run (xorshift64).
fn garbage(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length).map(|_| next().to_le_bytes()[3]).collect()
}

#[tokio::test]
async fn garbage_on_every_port() {
    let house = House::build(|plan| plan.set("smtp.error_delay", "\"0 s\"")).await;
    let mut server = house.start().await;
    let ports = [house.smtp(), house.smtps(), house.lmtp(), house.pop3(), house.pop3s(), house.watch()];
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    let attack = async {
        for (number, &port) in ports.iter().enumerate() {
            let mut strangers = JoinSet::new();
            for seed in 0..20 {
                let mut bytes = garbage(seed + 100 * number as u64, 20_000);
                match seed % 4 {
                    // As lines.
                    1 => bytes.chunks_exact_mut(50).for_each(|line| line[48..].copy_from_slice(b"\r\n")),
                    // As what might become a TLS handshake.
                    2 => bytes.splice(..0, hello.iter().copied()).for_each(drop),
                    // After something sensible.
                    3 => bytes.splice(..0, *b"EHLO x.example.org\r\nSTARTTLS\r\n").for_each(drop),
                    _ => {}
                }
                strangers.spawn(async move {
                    let mut stream = raw(port).await;
                    let (mut reads, mut writes) = stream.split();
                    let send = async {
                        let _ = writes.write_all(&bytes).await;
                        let _ = writes.shutdown().await;
                    };
                    let read = async {
                        // A reset is an answer, too.
                        let _ = reads.read_to_end(&mut Vec::new()).await;
                    };
                    tokio::join!(send, read);
                });
            }
            strangers.join_all().await;
        }
    };
    withstands(&house, &mut server, "garbage on every port", 64, attack).await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
