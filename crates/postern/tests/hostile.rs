//! Strangers do their worst: memory stays bounded, the server stays up, and an honest client is served.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod running;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use postern_testnet::{Client, fresh_address, skip};
use running::mail::{self, SENDER};
use running::{House, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

/// KiB in a MiB.
const MIB: u64 = 1024;

/// Runs `attack`; the server's memory never grows by more than so many MiB meanwhile, and afterwards
/// it serves as before.
async fn withstands(
    house: &House,
    server: &mut Server,
    what: &str,
    mebibytes: u64,
    attack: impl Future<Output = ()>,
) {
    house.honest_mail_flows(&format!("before {what}")).await;
    server.forget_peak();
    let before = server.memory();
    attack.await;
    assert!(server.runs(), "{what}:\n{}", server.log());
    let grown = server.memory().peak - before.resident;
    println!("{what}: the server grew by {grown} KiB, from {} KiB", before.resident);
    assert!(grown <= mebibytes * MIB, "{what}: the server grew by {grown} KiB");
    house.honest_mail_flows(&format!("after {what}")).await;
}

/// Writes `piece` until so many MiB are sent or the server closes; true when all of it was taken.
async fn flood(stream: &mut TcpStream, piece: &[u8], mebibytes: usize) -> bool {
    let (mut reads, mut writes) = stream.split();
    let mut answers = vec![0; 4096];
    for _ in 0..(mebibytes << 20) / piece.len() {
        let mut rest = piece;
        while !rest.is_empty() {
            tokio::select! {
                written = writes.write(rest) => match written {
                    Ok(written) => rest = &rest[written..],
                    Err(_) => return false,
                },
                // What is not read would stop the server at last, which is not what this is about.
                read = reads.read(&mut answers) => if !matches!(read, Ok(1..)) { return false },
            }
        }
    }
    true
}

async fn raw(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.unwrap()
}

#[tokio::test]
async fn a_line_without_end() {
    let house = House::new().await;
    let mut server = house.start().await;
    for (what, address) in [("smtp", house.smtp()), ("pop3", house.pop3()), ("watch", house.watch())] {
        let attack = async {
            let mut stream = raw(address).await;
            flood(&mut stream, &[b'x'; 64 << 10], 256).await;
        };
        withstands(&house, &mut server, &format!("a line of 256 MiB to {what}"), 8, attack).await;
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
            if flood(&mut stream, piece, 128).await {
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
    let house = House::new().await;
    let mut server = house.start().await;
    let text = mail::message("large", 49_000_000);
    let data = mail::data(&text);
    let attack = async {
        let mut c = house.client().await;
        for (line, answer) in [
            (format!("MAIL FROM:<{SENDER}>"), "250 *"),
            ("RCPT TO:<bob@example.test>".into(), "250 *"),
            ("DATA".into(), "354 *"),
        ] {
            c.send(&line).await;
            c.expect(answer).await;
        }
        c.send_bytes(&data).await;
        c.expect("250 2.0.0 *").await;
    };
    withstands(&house, &mut server, "a message of 49 MB", 16, attack).await;
    let fetch = async {
        let mut reader = running::pop3(&house, "bob@example.test").await;
        reader.send("RETR 1").await;
        reader.expect("+OK *").await;
        let fetched = reader.dotted().await.unwrap();
        assert!(fetched.ends_with(&text), "it comes back as it was sent");
    };
    withstands(&house, &mut server, "fetching 49 MB", 16, fetch).await;
}

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

/// Sends all of it and reads all that is answered, until the server closes.
async fn say(to: SocketAddr, text: &str) -> String {
    let mut stream = raw(to).await;
    let (mut reads, mut writes) = stream.split();
    let send = async {
        let _ = writes.write_all(text.as_bytes()).await;
    };
    let mut answers = Vec::new();
    let read = async {
        let _ = reads.read_to_end(&mut answers).await;
    };
    tokio::join!(send, read);
    String::from_utf8_lossy(&answers).into_owned()
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

#[tokio::test]
async fn half_open_handshakes_and_vanished_clients() {
    let house = House::build(|plan| {
        plan.set("limits.per_host", "500");
        plan.set("limits.per_network", "0");
    });
    let house = house.await;
    let mut server = house.start().await;
    let attack = async {
        let mut held = Vec::new();
        for _ in 0..50 {
            // Nothing at all, a piece of a handshake, STARTTLS and silence, a closed sending side.
            for port in [house.smtps(), house.pop3s()] {
                held.push(raw(port).await);
                let mut begun = raw(port).await;
                begun.write_all(b"\x16\x03\x01\x02\x00\x01").await.unwrap();
                held.push(begun);
            }
            let mut silent = raw(house.smtp()).await;
            silent.write_all(b"EHLO client.example.org\r\nSTARTTLS\r\n").await.unwrap();
            held.push(silent);
            let mut half = raw(house.smtp()).await;
            half.write_all(b"EHLO client.example.org\r\nMAIL FROM:<carl@example.org>\r\n").await.unwrap();
            half.shutdown().await.unwrap();
            held.push(half);
            // Gone in the middle of a message, by a reset.
            let gone = raw(house.smtp()).await;
            gone.set_zero_linger().unwrap();
            let mut gone = Client::over(gone);
            gone.expect("220 *").await;
            gone.send("EHLO client.example.org").await;
            gone.expect("250*").await;
            for line in ["MAIL FROM:<carl@example.org>", "RCPT TO:<bob@example.test>", "DATA"] {
                gone.send(line).await;
                gone.expect("* *").await;
            }
            gone.send_bytes(b"Subject: half\r\n\r\nhalf of a mess").await;
        }
        house.honest_mail_flows("beside the half-open").await;
    };
    withstands(&house, &mut server, "half-open handshakes", 64, attack).await;
    assert!(house.inbox("bob@example.test").await.is_empty(), "half a message is none");
}

/// Raises the limit of open files for this process, and so for those that it starts.
fn many_files(count: u64) -> bool {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if hard < count {
        skip(&format!("{count} open files are needed and {hard} are allowed"));
        return false;
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft.max(count), hard).unwrap();
    true
}

#[tokio::test]
async fn open_files_run_out() {
    let house = House::build(|plan| {
        plan.set("limits.per_host", "0");
        plan.set("limits.per_network", "0");
    });
    let house = house.await;
    let mut server = house.start_under(&["sh", "-c", "ulimit -n 120; exec \"$@\"", "sh"]).await;
    let attack = async {
        let mut held = Vec::new();
        for _ in 0..300 {
            held.push(raw(house.smtp()).await);
        }
        // As many as can be are greeted, the others wait; then all of them go.
        let mut greeted = Client::over(held.swap_remove(0));
        greeted.expect("220 *").await;
    };
    withstands(&house, &mut server, "no more open files", 16, attack).await;
}

/// Connects from an address of its own, so that neither ports nor limits run out.
async fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn ten_thousand_idle_connections() {
    const HOSTS: usize = 40;
    const EACH: usize = 250;
    if !many_files((HOSTS * EACH + 500) as u64) {
        return;
    }
    let house = House::build(|plan| {
        plan.set("limits.connections", "20000");
        plan.set("limits.per_host", &EACH.to_string());
        plan.set("limits.per_network", "0");
    });
    let house = house.await;
    let mut server = house.start().await;
    let attack = async {
        let mut crowd = JoinSet::new();
        let smtp = house.smtp();
        for _ in 0..HOSTS {
            let source = fresh_address();
            crowd.spawn(async move {
                let mut idle = Vec::with_capacity(EACH);
                for _ in 0..EACH {
                    let mut client = Client::over(connect_from(source, smtp).await);
                    client.expect("220 *").await;
                    client.send("EHLO client.example.org").await;
                    client.expect("250*").await;
                    idle.push(client);
                }
                idle
            });
        }
        let idle = crowd.join_all().await;
        assert_eq!(idle.iter().map(Vec::len).sum::<usize>(), 10_000);
        house.honest_mail_flows("beside 10,000 idle connections").await;
    };
    withstands(&house, &mut server, "10,000 idle connections", 150, attack).await;
}

/// One that says a byte now and then, and never comes to an end.
struct Loris {
    stream: TcpStream,
    said: usize,
}

impl Loris {
    const WORDS: &[u8] =
        b"EHLO client.example.org and so on and on and on and on and on and on and on and on";

    /// Says one byte; false when the server has hung up.
    async fn dribble(&mut self) -> bool {
        let byte = [Self::WORDS[self.said % Self::WORDS.len()]];
        self.said += 1;
        self.stream.write_all(&byte).await.is_ok() && !self.is_closed()
    }

    fn is_closed(&self) -> bool {
        let mut answers = [0; 512];
        loop {
            match self.stream.try_read(&mut answers) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }
}

#[tokio::test]
async fn slow_clients_have_their_share_and_no_more() {
    let house = House::build(|plan| {
        plan.set("limits.connections", "400");
        plan.set("limits.per_host", "30");
    });
    let house = house.await;
    let mut server = house.start().await;
    let attack = async {
        let mut slow = Vec::new();
        for _ in 0..5 {
            let source = fresh_address();
            let mut refused = 0;
            for _ in 0..50 {
                let mut client = Client::over(connect_from(source, house.smtp()).await);
                match client.reply().await {
                    Ok(reply) if reply.code == 421 => refused += 1,
                    Ok(reply) => assert_eq!(reply.code, 220),
                    Err(error) => panic!("{error}"),
                }
                slow.push(client);
            }
            assert_eq!(refused, 20, "limits.per_host is 30");
        }
        for round in 0..20 {
            for client in &mut slow {
                // Those that were refused are closed.
                let _ = client.write(&Loris::WORDS[round..=round]).await;
            }
            if round % 5 == 0 {
                house.honest_mail_flows(&format!("beside slow clients {round}")).await;
            }
        }
    };
    withstands(&house, &mut server, "slow clients", 32, attack).await;
}

#[tokio::test]
async fn under_stress_slow_clients_are_sent_away() {
    let house = House::build(|plan| {
        plan.set("limits.connections", "100");
        plan.set("limits.per_host", "10");
        plan.set("limits.stress_high", "\"50 %\"");
        plan.set("limits.stress_low", "\"40 %\"");
        plan.set("smtp.timeout_stressed", "\"1 s\"");
    });
    let house = house.await;
    let mut server = house.start().await;
    let attack = async {
        let mut slow = Vec::new();
        for _ in 0..12 {
            let source = fresh_address();
            for _ in 0..10 {
                slow.push(Loris { stream: connect_from(source, house.smtp()).await, said: 0 });
            }
        }
        // More than there is room for: some are shed at once, the others dribble until they are cut.
        let all = slow.len();
        while slow.len() > 45 {
            let mut left = Vec::new();
            for mut loris in slow {
                if loris.dribble().await {
                    left.push(loris);
                }
            }
            slow = left;
            // Its way of being slow.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(all - slow.len() > 70);
        // As any MTA does, an honest one comes back when it is put off; the load is measured once a second.
        while Client::connect(house.smtp()).await.unwrap().reply().await.unwrap().code != 220 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        house.honest_mail_flows("beside the dribbling").await;
    };
    withstands(&house, &mut server, "stress", 32, attack).await;
}
