//! What was judged: `explain`, `replay`, `policy preview`, `test receive`, with a server that has judged.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};

use postern_testnet::{Internet, SmtpPeer, Zone};

use crate::House;
use crate::server::{Server, connect};

const MESSAGE: &str = "From: carl@example.net\r\nDate: Sun, 22 Nov 2026 05:59:00 +0000\r\n\
                       Message-ID: <1@example.net>\r\nSubject: hello\r\n\r\nhello\r\n";

/// A session that reads like one.
pub(crate) struct Talk(BufReader<TcpStream>);

impl Talk {
    pub(crate) fn begin(server: &mut Server) -> Self {
        let mut talk = Self(BufReader::new(connect(server.address("smtp"))));
        talk.reply();
        talk
    }

    fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            reply.push_str(&line);
            if line.as_bytes().get(3) != Some(&b'-') {
                return reply;
            }
        }
    }

    #[track_caller]
    fn say(&mut self, line: &str, expected: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let reply = self.reply();
        assert!(reply.starts_with(expected), "{line}: {reply}");
        reply
    }

    /// One message from a host that calls itself `helo`, to Ann; the reply to its end.
    fn send(&mut self, helo: &str, expected: &str) -> String {
        self.send_this(helo, MESSAGE, expected)
    }

    pub(crate) fn send_this(&mut self, helo: &str, message: &str, expected: &str) -> String {
        self.say(&format!("EHLO {helo}"), "250");
        self.say("MAIL FROM:<carl@example.net>", "250");
        self.say("RCPT TO:<ann@example.org>", "250");
        self.say("DATA", "354");
        self.say(&format!("{message}."), expected)
    }
}

/// A house without a DNS, where a HELO name that is not whole weighs 6: enough for the quarantine.
pub(crate) fn house() -> House {
    let house = House::new();
    house.edit(|source| {
        format!(
            "{source}\n[gate.tests.helo_unqualified]\nweight = 6\n[gate.tests.helo_unresolved]\naction = \"off\"\n\
             [dns]\nservers = [\"127.0.0.1:1\"]\n"
        )
    });
    house
}

/// The trace id of the latest transaction.
fn latest(house: &House) -> String {
    house.run(&["trace", "search", "--json"]).json()[0]["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_has(text: &str, words: &[&str]) {
    for words in words {
        assert!(text.contains(words), "{words}\nis not in\n{text}");
    }
}

#[test]
fn a_quarantined_message_is_explained_replayed_and_previewed() {
    let house = house();
    let mut server = Server::start(&house);
    let mut talk = Talk::begin(&mut server);
    talk.send("client", "250");
    let id = latest(&house);
    talk.send("mail.example.net", "250");
    talk.say("EHLO client", "250");
    talk.say("MAIL FROM:<carl@example.net>", "250");
    talk.say("RCPT TO:<nobody@example.org>", "550 5.1.1");
    talk.say("QUIT", "221");

    let text = house.run(&["explain", &id]).fine();
    assert_has(
        &text,
        &[
            "Why, for ann@example.org:\nQuarantined because the score reached 5\nscore 6, quarantine from 5, refused from 10",
            "helo_unqualified HIT      +6",
            "[gate.tests.helo_unqualified]",
            "it would have been delivered if the HELO name were fully qualified (helo_unqualified, which weighs 6)",
            "it would have been delivered with gate.quarantine above 6 (it is 5)",
            "it would have been delivered if ann@example.org allowed carl@example.net",
        ],
    );
    let json = house.run(&["explain", &id, "--json"]).json();
    let explanation = &json["judgements"][0]["explanation"];
    assert_eq!((&explanation["action"], &explanation["score"]), (&"quarantine".into(), &600.into()));
    assert_eq!(explanation["alternatives"][0]["becomes"], "deliver");

    // A stored message leads to its trace.
    let stored = format!(
        "Received: from x by elsewhere.test with SMTP id 4F2A;\r\n Sun, 22 Nov 2026 06:00:00 +0000\r\n\
         Received: from client (unknown [127.0.0.1])\r\n by mail.example.org with ESMTP id {id};\r\n x\r\n{MESSAGE}"
    );
    std::fs::write(house.path("stored.eml"), stored).unwrap();
    assert_eq!(house.run(&["explain", "stored.eml"]).fine(), text);
    assert!(
        house
            .run_with(&["explain", "-"], "Subject: x\r\n\r\n")
            .fails(1)
            .contains("no Received or X-Postern-Trace field")
    );
    // What was printed explains itself where nothing else is known.
    std::fs::write(house.path("printed.json"), house.run(&["trace", &id, "--json"]).fine()).unwrap();
    let elsewhere = crate::folder();
    let printed = house.path("printed.json");
    let again = crate::postern(elsewhere.path(), &["explain", printed.to_str().unwrap()], "").fine();
    assert_eq!(again, text);

    assert!(
        house.run(&["replay", &id]).fine().contains("1 traces with 1 verdicts: 1 the same, 0 different.")
    );

    // The world changes: another policy, and then another one still.
    house.edit(|source| source.replace("weight = 6", "weight = 1"));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    server.logs(" reloaded config=");
    Talk::begin(&mut server).send("client", "250");
    assert!(server.stop().success());
    house.edit(|source| source.replace("weight = 1", "weight = 2"));
    assert_eq!(house.run(&["explain", &id]).fine(), text, "what was true then");
    let all = house.run(&["replay", "--since", "1 d", "--json"]).json();
    assert_eq!(
        (&all["verdicts"], &all["same"], &all["different"]),
        (&3.into(), &3.into(), &0.into()),
        "{all}"
    );
    assert_eq!(all["without_policy"], 0);

    preview(&house, &id);
}

/// What a draft would have done: 6, 0 and 1 points came under two policies.
fn preview(house: &House, id: &str) {
    let draft = |settings: &str| {
        std::fs::write(house.path("draft.toml"), settings).unwrap();
        house.run(&["policy", "preview", "draft.toml", "--since", "1 d", "--json"]).json()
    };
    let same = draft("[gate.tests.helo_unqualified]\nweight = 6\n");
    assert_eq!(same["changes"][0]["from"], "deliver", "the last one weighed 1 when it came: {same}");
    assert_eq!(same["changes"].as_array().unwrap().len(), 1);

    let milder = draft("[gate]\nquarantine = 7\n[gate.tests.helo_unqualified]\nweight = 6\n");
    let change = &milder["changes"][0];
    assert_eq!(
        (&change["from"], &change["to"], &change["count"]),
        (&"quarantine".into(), &"deliver".into(), &1.into())
    );
    assert_eq!(change["because"][0]["setting"], "gate.quarantine");
    assert_eq!(change["examples"][0]["id"], id);
    assert_eq!(milder["recipients"]["ann@example.org"]["quarantined → delivered"], 1);

    let asking = draft(
        "[gate.tests.helo_unresolved]\naction = \"score\"\n[gate.tests.helo_unqualified]\nweight = 0\n",
    );
    assert_eq!(asking["missing"]["gate.tests.helo_unresolved"], 3, "{asking}");
    let text = house.run(&["policy", "preview", "draft.toml"]).fine();
    assert_has(
        &text,
        &[
            "3 verdicts: 1 would have been others under draft.toml",
            "quarantined → delivered: 1",
            "by gate.tests.helo_unqualified",
            "3 verdicts lack the evidence for gate.tests.helo_unresolved",
        ],
    );
    std::fs::write(house.path("draft.toml"), "[gate]\nquarantin = 7\n").unwrap();
    let error = house.run(&["policy", "preview", "draft.toml"]).fails(1);
    assert!(error.contains("draft.toml:2:1") && error.contains("did you mean `quarantine`?"), "{error}");
}

#[test]
fn what_is_not_kept_is_said() {
    let house = house();
    let id = "06y5ygaw1em01";
    assert!(house.run(&["explain", id]).fails(1).contains("there is no trace"));
    assert!(house.run(&["replay", id]).fails(1).contains("there is no trace"));
    assert!(house.run(&["explain", "nothing.eml"]).fails(1).contains("cannot read nothing.eml"));
    assert!(
        house
            .run_with(&["explain", "-"], "{\"id\": 1}")
            .fails(1)
            .contains("not what `postern trace ID --json`")
    );
    assert!(house.run(&["replay", "--since", "1 d"]).fine().starts_with("0 traces with 0 verdicts"));
    house.run(&["replay"]).fails(2);
}

#[test]
fn a_message_is_played_through_and_nothing_is_left() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let net = runtime.block_on(Internet::start()).unwrap();
    let dialup = Ipv4Addr::new(198, 51, 100, 9).into();
    net.dns().add(Zone::reverse().ptr(dialup, "dsl-198-51-100-9.pool.example"));
    net.dns().add(Zone::new("example.net").mx(10, "mx").a("mx", Ipv4Addr::new(192, 0, 2, 25)));
    net.dns().add(Zone::dnsbl("list.example", [dialup]));
    let house = House::new();
    house.edit(|source| {
        format!(
            "{source}\n[gate.dnsbl.\"list.example\"]\nweight = 5\n[dns]\nservers = [\"{}\"]\n",
            net.dns().address()
        )
    });
    house.run(&["domain", "add", "behind.example", "--to", "127.0.0.1:9"]).fine();
    std::fs::write(house.path("a.eml"), MESSAGE).unwrap();
    let receive = |more: &[&str]| {
        let common =
            ["test", "receive", "a.eml", "--mail-from", "carl@example.net", "--rcpt", "ann@example.org"];
        house.run(&[&common[..], more].concat())
    };

    let honest = receive(&["--ip", "203.0.113.7", "--helo", "mx.example.net"]).fine();
    assert_has(
        &honest,
        &[
            "S: 220 mail.example.org",
            "C: EHLO mx.example.net",
            "C: (the message)\nS: 250 2.0.0 OK",
            "Nothing was delivered",
        ],
    );
    let pooled = receive(&["--ip", "198.51.100.9", "--helo", "client", "--json"]);
    assert_eq!(pooled.code, 1, "{pooled:#?}");
    let pooled: serde_json::Value = serde_json::from_str(&pooled.out).unwrap();
    let judgement = &pooled["judgements"][0];
    assert_eq!(judgement["recipient"], "ann@example.org");
    let lines = judgement["explanation"]["lines"].as_array().unwrap();
    let hits: Vec<&str> = lines
        .iter()
        .filter(|line| line["outcome"] == "hit")
        .map(|line| line["test"].as_str().unwrap())
        .collect();
    for test in ["dnsbl", "dialup", "helo_unqualified"] {
        assert!(hits.contains(&test), "{hits:?}");
    }
    assert_eq!(judgement["explanation"]["action"], "refuse");
    let refused = pooled["session"]
        .as_array()
        .unwrap()
        .iter()
        .find(|said| said["command"] == "RCPT TO:<ann@example.org>");
    let reply = refused.unwrap()["reply"][0].as_str().unwrap();
    assert!(reply.starts_with("550 5.7.1 Too much speaks against this mail"), "{reply}");

    // A draft, a domain behind, a recipient that is not there.
    std::fs::write(house.path("draft.toml"), "[gate]\nreject = \"never\"\n").unwrap();
    let draft = ["--policy-draft", "draft.toml", "--ip", "198.51.100.9", "--helo", "client"];
    let held = receive(&draft);
    assert_eq!(held.code, 1);
    assert_has(
        &held.out,
        &["Quarantined because the score reached 5", "It would have ended as quarantined."],
    );
    let more =
        ["--rcpt", "x@behind.example", "no@example.org", "--ip", "203.0.113.7", "--helo", "mx.example.net"];
    let mixed = receive(&more);
    assert_has(
        &mixed.out,
        &[
            "Why, for x@behind.example:\nDelivered",
            "550 5.1.1",
            "The MTA behind was not asked about recipients in behind.example.",
        ],
    );
    assert_eq!(mixed.code, 1, "one recipient is not there");

    assert_eq!(house.run(&["trace", "search"]).fine(), "Nothing fits.\n");
    assert_eq!(house.run(&["quarantine", "list", "--json"]).fine(), "[]\n");
    assert!(house.run(&["test", "receive", "a.eml", "--ip", "x"]).code == 2);
}

#[test]
fn nobody_is_connected_to_unless_it_is_asked_for() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let net = runtime.block_on(Internet::start()).unwrap();
    let peer = SmtpPeer::new().unknown_user("carl");
    let mx = runtime.block_on(net.host("mx.example.net", peer)).unwrap();
    net.dns().add(Zone::new("example.net").mx(10, "mx.example.net."));
    let house = House::new();
    house.edit(|source| {
        format!(
            "{source}\n[probe]\nport = {}\nprivate_networks = [\"127.0.0.0/8\"]\nuser_test = \"everybody\"\nwait = \"30 s\"\n\
             [gate.tests.user]\nweight = 6\n[dns]\nservers = [\"{}\"]\n",
            mx.address().port(),
            net.dns().address()
        )
    });
    std::fs::write(house.path("a.eml"), MESSAGE).unwrap();
    let receive = |more: &[&str]| {
        let common =
            ["test", "receive", "a.eml", "--mail-from", "carl@example.net", "--rcpt", "ann@example.org"];
        house.run(&[&common[..], &["--ip", "203.0.113.7", "--helo", "mx.example.net"], more].concat())
    };
    receive(&[]).fine();
    assert!(mx.commands().is_empty(), "{:?}", mx.commands());
    assert_eq!(house.run(&["probe", "ledger", "--json"]).json().as_array().unwrap().len(), 0);
    let asked = receive(&["--probe"]);
    assert_has(&asked.out, &["if the sender's mail host knew the sender (user, which weighs 6)"]);
    assert_eq!(asked.code, 1);
    assert_eq!(mx.count("RCPT TO:<carl@example.net>*"), 1);
    assert!(
        !house.run(&["probe", "ledger", "--json"]).json().as_array().unwrap().is_empty(),
        "the house knows of it"
    );
    // What is known now counts without asking.
    assert_eq!(receive(&[]).code, 1);
    assert_eq!(mx.count("RCPT TO:<carl@example.net>*"), 1);
}
