//! Two Posterns that ask each other whether their senders exist: each takes mail from the other's domain and asks the
//! other, who takes a question for what it is and asks nobody.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod running;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use postern_store::{LedgerEntry, LedgerQuery};
use postern_testnet::{Client, Zone, fresh_address};
use postern_types::Timestamp;
use running::{House, Server, mail};

/// One of the two.
struct Site {
    house: House,
    domain: &'static str,
    /// Where its mail leaves, when it does not leave from its mail host.
    out: Ipv4Addr,
    _server: Server,
}

/// Both at work, each with two accounts, in one internet. `wait`: how long a session waits for the answer to a question.
async fn two(wait: &str) -> [Site; 2] {
    let south = house("south.test", wait, None).await;
    let north = house("north.test", wait, Some(south.net.dns().address())).await;
    let [north_out, south_out] = [fresh_address(), fresh_address()];
    for (house, domain, out) in [(&north, "north.test", north_out), (&south, "south.test", south_out)] {
        let IpAddr::V4(ip) = house.smtp().ip() else { panic!("IPv4") };
        south
            .net
            .dns()
            .add(Zone::new(domain).mx(10, &format!("mx.{domain}.")).txt("@", "v=spf1 mx a:out.%{d} -all"));
        south.net.name_at(&format!("mx.{domain}"), ip);
        south.net.name_at(&format!("out.{domain}"), out);
    }
    let servers = [north.start().await, south.start().await];
    let [in_north, in_south] = servers;
    [
        Site { house: north, domain: "north.test", out: north_out, _server: in_north },
        Site { house: south, domain: "south.test", out: south_out, _server: in_south },
    ]
}

/// A house whose senders' mail hosts are asked whenever it can.
async fn house(domain: &str, wait: &str, dns: Option<SocketAddr>) -> House {
    House::build(|plan| {
        for (key, value) in [
            ("server.hostname", format!("\"mx.{domain}\"")),
            ("gate.tests.user.weight", "10".into()),
            ("probe.private_networks", "[\"127.0.0.0/8\"]".into()),
            ("probe.port", "2525".into()),
            ("probe.wait", format!("{wait:?}")),
        ] {
            plan.set(key, &value);
        }
        if let Some(dns) = dns {
            plan.set("dns.servers", &format!("[\"{dns}\"]"));
        }
        plan.accounts = ["ann", "bob"].map(|name| format!("{name}@{domain}")).into();
    })
    .await
}

impl Site {
    fn mx(&self) -> Ipv4Addr {
        match self.house.smtp().ip() {
            IpAddr::V4(ip) => ip,
            IpAddr::V6(_) => panic!("IPv4"),
        }
    }

    /// The connections that its tests have opened, when the last of them has ended.
    async fn asked(&self) -> Vec<LedgerEntry> {
        let store = self.house.store();
        loop {
            let ledger = store.probe_ledger(LedgerQuery::default()).await.unwrap();
            if ledger.iter().all(|line| !line.ended.outcome.is_empty()) {
                store.close().await.unwrap();
                return ledger;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has found out about a sender.
    async fn knows(&self, sender: &str) {
        let store = self.house.store();
        while store.probe("user", sender, Timestamp::now()).await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        store.close().await.unwrap();
    }

    async fn has(&self, id: &str) -> usize {
        let inbox = self.house.inbox(&format!("bob@{}", self.domain)).await;
        inbox.iter().filter(|(_, text)| String::from_utf8_lossy(text).contains(id)).count()
    }
}

/// A message from a sender at one site, sent from this address, to Bob at the other: the answer to RCPT, and to the
/// message where there was a recipient.
async fn send(from: (&Site, &str, Ipv4Addr), to: &Site, id: &str) -> (String, Option<String>) {
    let (site, user, source) = from;
    let mut c = Client::connect_from(source, to.house.smtp()).await.unwrap();
    c.expect("220 *").await;
    c.send(&format!("EHLO mx.{}", site.domain)).await;
    c.expect("250*").await;
    c.send(&format!("MAIL FROM:<{user}@{}>", site.domain)).await;
    c.expect("250 *").await;
    let rcpt = c.ask(&format!("RCPT TO:<bob@{}>", to.domain)).await.unwrap().to_string();
    let mut end = None;
    if rcpt.starts_with('2') {
        c.send("DATA").await;
        c.expect("354 *").await;
        c.send_bytes(format!("{}\r\n.\r\n", mail::message(id, 200)).as_bytes()).await;
        end = Some(c.reply().await.unwrap().to_string());
    }
    c.send("QUIT").await;
    (rcpt, end)
}

/// The same as a mail server does it: after `451` it comes back. How often it had to.
async fn deliver(from: (&Site, &str, Ipv4Addr), to: &Site, id: &str) -> usize {
    let (site, user, _) = from;
    for refused in 0..5 {
        let (rcpt, end) = send(from, to, id).await;
        if end.as_ref().is_some_and(|end| end.starts_with("250")) {
            return refused;
        }
        assert!(rcpt.starts_with("451 4.7.1 "), "{rcpt} {end:?}");
        to.knows(&format!("{user}@{}", site.domain)).await;
    }
    panic!("{id} never gets through");
}

/// One question each, and nothing was said in answer to it but the answer.
async fn each_has_asked_once(sites: &[Site; 2]) {
    for (site, other) in [(&sites[0], &sites[1]), (&sites[1], &sites[0])] {
        let ledger = site.asked().await;
        let [line] = &ledger[..] else { panic!("{} has asked more than once: {ledger:#?}", site.domain) };
        assert_eq!(line.begun.subject, format!("ann@{}", other.domain));
        assert!(line.begun.target.starts_with(&other.house.smtp().to_string()), "{}", line.begun.target);
        assert!(line.ended.conversation.contains("> MAIL FROM:<>"), "{}", line.ended.conversation);
        assert!(!line.ended.conversation.contains("< 4"), "{}", line.ended.conversation);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_at_once_and_each_waits_for_its_answer() {
    // Long enough that a circle of waiting would be seen: it would end in 451 for both.
    let sites = two("30 s").await;
    let [north, south] = &sites;
    let (there, back) = tokio::join!(
        send((north, "ann", north.out), south, "to-south"),
        send((south, "ann", south.out), north, "to-north"),
    );
    for (rcpt, end) in [&there, &back] {
        assert!(rcpt.starts_with("250 ") && end.as_ref().unwrap().starts_with("250 "), "{rcpt} {end:?}");
    }
    assert_eq!((south.has("to-south").await, north.has("to-north").await), (1, 1));
    each_has_asked_once(&sites).await;
    // What is known is not asked again.
    for id in ["second", "third"] {
        assert_eq!(deliver((north, "ann", north.out), south, id).await, 0);
        assert_eq!(south.has(id).await, 1);
    }
    each_has_asked_once(&sites).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_and_all_mail_flows_after_a_451_at_most() {
    let sites = two("0 s").await;
    let [north, south] = &sites;
    let (there, back) = tokio::join!(
        deliver((north, "ann", north.out), south, "to-south"),
        deliver((south, "ann", south.out), north, "to-north"),
    );
    assert!(there <= 1 && back <= 1, "the answer was there when they came back: {there} {back}");
    assert_eq!((south.has("to-south").await, north.has("to-north").await), (1, 1));
    each_has_asked_once(&sites).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mail_host_itself_sends_and_is_not_made_to_wait_for_its_own_answer() {
    let sites = two("30 s").await;
    let [north, south] = &sites;
    let (there, back) = tokio::join!(
        send((north, "ann", north.mx()), south, "to-south"),
        send((south, "ann", south.mx()), north, "to-north"),
    );
    for (rcpt, end) in [&there, &back] {
        assert!(rcpt.starts_with("250 ") && end.as_ref().unwrap().starts_with("250 "), "{rcpt} {end:?}");
    }
    each_has_asked_once(&sites).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_the_other_does_not_have_is_refused_and_nobody_is_the_worse_for_asking() {
    let sites = two("30 s").await;
    let [north, south] = &sites;
    let (rcpt, _) = send((north, "nobody", north.out), south, "forged").await;
    assert!(rcpt.starts_with("550 5.7.1 ") && rcpt.contains("nobody@north.test"), "{rcpt}");
    let [line] = &south.asked().await[..] else { panic!("one question") };
    assert!(line.ended.outcome.starts_with("550 5.1.1"), "{}", line.ended.outcome);
    assert!(north.asked().await.is_empty(), "a question is no reason for a question");
    // Who asked is not thought to try addresses.
    assert_eq!(deliver((south, "ann", south.out), north, "honest").await, 0);
}
