//! `postern probe`: hosts and senders are asked about by hand, and the ledger shows who was.

use std::net::SocketAddr;

use postern_testnet::{DnsServer, RunningPeer, SmtpPeer, Stage, Zone, fresh_address};

use crate::House;

const PORT: u16 = 2525;

/// A Postern in a test internet; it runs as long as this value lives.
struct Net {
    house: House,
    dns: DnsServer,
    runtime: tokio::runtime::Runtime,
}

impl Net {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let dns = runtime.block_on(DnsServer::start()).unwrap();
        let (house, server) = (House::new(), dns.address());
        house.edit(|source| {
            format!(
                "{source}\n[dns]\nservers = [\"{server}\"]\n\
                 \n[probe]\nport = {PORT}\nprivate_networks = [\"127.0.0.0/8\"]\nopt_out_domains = [\"peace.test\"]\n"
            )
        });
        Self { house, dns, runtime }
    }

    fn host(&self, peer: SmtpPeer) -> RunningPeer {
        self.runtime.block_on(peer.start_at(SocketAddr::from((fresh_address(), PORT)))).unwrap()
    }
}

#[test]
fn a_sender_is_asked_about_and_the_ledger_shows_it() {
    let net = Net::new();
    let mx = net.host(SmtpPeer::new().only_users(&["ann@sender.test"]));
    let std::net::IpAddr::V4(ip) = mx.address().ip() else { panic!("IPv4") };
    net.dns.add(Zone::new("sender.test").mx(10, "mx").a("mx", ip));

    let ann = net.house.run(&["probe", "test", "user", "ann@sender.test"]).fine();
    assert!(ann.starts_with("Whether ann@sender.test exists: the address exists.\n"), "{ann}");
    for said in
        ["> EHLO mail.example.org", "> MAIL FROM:<>", "> RCPT TO:<ann@sender.test>", "> RSET", "> QUIT"]
    {
        assert!(ann.contains(said), "{ann}");
    }
    let bob = net.house.run(&["--json", "probe", "test", "user", "bob@sender.test"]);
    assert_eq!(bob.code, 1, "{bob:?}");
    let bob: serde_json::Value = serde_json::from_str(&bob.out).unwrap();
    assert_eq!(bob[0]["answer"]["is"], "missing");
    assert_eq!(bob[0]["answer"]["said"], "550 5.1.1 No such user here");
    let refused = net.house.run(&["probe", "test", "user", "ann@below.peace.test"]).fails(1);
    assert!(refused.contains("does not want to be asked"), "{refused}");

    let ledger = net.house.run(&["--json", "probe", "ledger"]).json();
    assert_eq!(ledger.as_array().unwrap().len(), 2);
    assert_eq!(ledger[1]["subject"], "ann@sender.test");
    assert_eq!(ledger[1]["reason"], "by hand");
    assert_eq!(ledger[1]["target"], format!("{} (mx.sender.test)", mx.address()));
    let lines =
        net.house.run(&["probe", "ledger", "--target", "bob@", "--since", "1 h", "--limit", "5"]).fine();
    assert!(lines.contains("bob@sender.test") && !lines.contains("ann@sender.test"), "{lines}");
    let full = net.house.run(&["probe", "ledger", "--full"]).fine();
    assert!(full.contains("< 550 5.1.1 No such user here"), "{full}");
    let none = net.house.run(&["probe", "ledger", "--target", "nobody.test"]).fine();
    assert_eq!(none.trim(), "Nobody was asked.");
    assert_eq!(mx.count("DATA*"), 0);
}

#[test]
fn a_host_is_tested_for_relaying_by_name_and_by_address() {
    let net = Net::new();
    let (open, shut) = (
        net.host(SmtpPeer::new()),
        net.host(SmtpPeer::new().reply(Stage::Rcpt, "554 5.7.1 Relay access denied")),
    );
    let std::net::IpAddr::V4(ip) = open.address().ip() else { panic!("IPv4") };
    net.dns.add(Zone::new("open.test").a("@", ip));
    let answer = net.house.run(&["probe", "test", "relay", "open.test"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out.contains("it relays for strangers: it accepts a plain address"), "{answer:?}");
    assert!(answer.out.contains("> MAIL FROM:<relay-test@example.org>"), "{answer:?}");
    let closed = net.house.run(&["probe", "test", "relay", &shut.address().ip().to_string()]).fine();
    assert!(closed.contains("it does not relay for strangers"), "{closed}");
    assert!(net.house.run(&["probe", "test", "relay", "nowhere.test"]).fails(1).contains("has no address"));
    assert_eq!(open.count("DATA*") + shut.count("DATA*"), 0);
}

#[test]
fn the_dial_up_test_connects_when_it_is_told_to() {
    let net = Net::new();
    let host = net.host(SmtpPeer::new());
    let ip = host.address().ip().to_string();
    let name = format!("{}.isp.test", ip.replace('.', "-"));
    let by_name = net.house.run(&["probe", "test", "dialup", &ip, &name]);
    assert_eq!(by_name.code, 1, "{by_name:?}");
    assert!(host.clients().is_empty());
    let connected = net.house.run(&["probe", "test", "dialup", "--connect", &ip, &name]).fine();
    assert!(connected.contains("the host itself answers on its SMTP port"), "{connected}");
    assert_eq!(host.commands(), ["QUIT"]);
}
