//! Very many connections, and such that never come to an end.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use postern_testnet::{Client, fresh_address, skip};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::running::House;
use crate::{MIB, raw, withstands};

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
    let peak = server.memory().peak;
    assert!(peak <= 150 * MIB, "{peak} KiB are all of it, not only what it grew by");
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
