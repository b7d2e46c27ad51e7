//! Recipients with wishes of their own: one transaction, and what reaches whom (active-filter §6 and §7).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

mod house;

use std::net::Ipv4Addr;

use house::{House, MESSAGE, address, domain, envelope};
use postern_gate::{HeaderRule, HeaderTest};
use postern_policy::{Decision, Points, Record, Rule, RuleAction};
use postern_store::{FailedMail, ListEntry, ListKind, ListOwner, QuarantineQuery, StoredProfile, Subject};
use postern_testnet::{Act, Client, RunningPeer, SmtpPeer, Stage};
use postern_types::{Network, Timestamp};

/// What a recipient wants done with mail that fails: the local part of its address says it.
const WISHES: [(&str, FailedMail); 4] = [
    ("pass", FailedMail::Pass),
    ("tag", FailedMail::Tag),
    ("hold", FailedMail::Quarantine),
    ("no", FailedMail::Reject),
];

const HERE: &str = "example.test";
const BEHIND: &str = "ours.example";

/// When it shows that the mail fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fails {
    /// The client gives our own name in HELO.
    AtRcpt,
    /// A header field is forbidden.
    AtData,
}

/// A house with recipients of all wishes, with mailboxes and behind at an MTA.
async fn wishful(peer: SmtpPeer) -> (House, RunningPeer) {
    let house = House::build(|plan| {
        plan.gate.our_names = vec![domain("mx.example.test")];
        let test = HeaderTest::Equals("yes".into());
        plan.gate.header_rules = vec![HeaderRule { name: "bad".into(), field: "X-Bad".into(), test }];
        let rule = Rule::new(RuleAction::Reject, Points::ZERO);
        plan.policy.header_rules.insert("bad".into(), rule);
    })
    .await;
    let mta = house.net.host("mta.ours.example", peer).await.unwrap();
    house.behind(BEHIND, mta.address()).await;
    for (wish, failed) in WISHES {
        house.store.add_account(address(&format!("{wish}@{HERE}")), "!".into()).await.unwrap();
        for place in [HERE, BEHIND] {
            wants(&house, &format!("{wish}@{place}"), failed).await;
        }
    }
    (house, mta)
}

async fn wants(house: &House, who: &str, failed: FailedMail) {
    let profile = StoredProfile { failed: Some(failed), learn: None };
    house.store.set_profile(ListOwner::Recipient(address(who)), profile).await.unwrap();
}

async fn client(house: &House, fails: Fails) -> Client {
    let name = match fails {
        Fails::AtRcpt => "mx.example.test",
        Fails::AtData => "client.example.org",
    };
    let mut c = Client::connect_from(Ipv4Addr::LOCALHOST, house.smtp).await.unwrap();
    c.expect("220 *").await;
    c.send(&format!("EHLO {name}")).await;
    c.expect("250*").await;
    c
}

/// A message with a number of its own; it fails.
fn message(number: usize) -> String {
    format!("X-Number: {number}\r\nX-Bad: yes\r\n{MESSAGE}")
}

fn data(number: usize) -> Vec<u8> {
    format!("{}.\r\n", message(number).replace("\r\n.", "\r\n..")).into_bytes()
}

const MARK: &str = "X-Postern-Verdict: suspicious";

/// Everything that reached somebody.
#[derive(Debug, PartialEq, Eq, Default)]
struct Reached {
    /// Each mailbox's copies of the message, marked or not.
    mailboxes: Vec<(String, bool)>,
    /// Whom the MTA got it for, and whether it was marked.
    mta: Option<(Vec<String>, bool)>,
    /// For whom it is held.
    held: Vec<String>,
}

async fn reached(house: &House, mta: &RunningPeer, number: usize) -> Reached {
    let line = format!("X-Number: {number}\r\n");
    let mut reached = Reached::default();
    for (wish, _) in WISHES {
        let who = format!("{wish}@{HERE}");
        for text in house.inbox(&who).await.iter().filter(|text| text.contains(&line)) {
            assert!(text.ends_with(&message(number)), "{text}");
            reached.mailboxes.push((who.clone(), text.contains(MARK)));
        }
    }
    let relayed = mta.messages().into_iter().filter(|message| message.text().contains(&line));
    let mut relayed = relayed.map(|message| (message.to.clone(), message.text().contains(MARK)));
    reached.mta = relayed.next();
    assert_eq!(relayed.next(), None, "the MTA has it once");
    let query = QuarantineQuery { limit: 10_000, ..QuarantineQuery::default() };
    for held in house.store.quarantine(query).await.unwrap() {
        let text = house.store.read_quarantined(held.id).await.unwrap().read_all().await.unwrap();
        if String::from_utf8_lossy(&text).contains(&line) {
            reached.held.push(held.recipient.to_string());
        }
    }
    reached.held.sort();
    reached
}

/// What must happen to one transaction: the reply to each RCPT, whether the message is taken, and whom it reaches.
fn expected(recipients: &[(FailedMail, String)], fails: Fails) -> (Vec<&'static str>, bool, Reached) {
    let replies = recipients.iter().map(|(wish, _)| match (wish, fails) {
        (FailedMail::Reject, Fails::AtRcpt) => "550 5.7.1 *",
        _ => "250 2.1.5 *",
    });
    let taken = recipients.iter().any(|(wish, _)| *wish != FailedMail::Reject);
    let mut reached = Reached::default();
    let mut relayed = (Vec::new(), false);
    for (wish, who) in recipients.iter().filter(|_| taken) {
        let here = who.ends_with(HERE);
        match wish {
            FailedMail::Pass | FailedMail::Tag if here => {
                reached.mailboxes.push((who.clone(), *wish == FailedMail::Tag));
            }
            FailedMail::Pass | FailedMail::Tag => {
                relayed.0.push(who.clone());
                relayed.1 |= *wish == FailedMail::Tag;
            }
            FailedMail::Quarantine => reached.held.push(who.clone()),
            // Nobody learns of it too late: what fails for some only is held, never dropped.
            FailedMail::Reject if fails == Fails::AtData => reached.held.push(who.clone()),
            FailedMail::Reject => {}
        }
    }
    reached.mta = (!relayed.0.is_empty()).then_some(relayed);
    reached.mailboxes.sort_by_key(|(who, _)| WISHES.iter().position(|(wish, _)| who.starts_with(wish)));
    reached.held.sort();
    (replies.collect(), taken, reached)
}

/// Every recipient alone, every pair, and all together.
fn combinations() -> Vec<Vec<(FailedMail, String)>> {
    let all: Vec<_> = [HERE, BEHIND]
        .iter()
        .flat_map(|place| WISHES.map(|(name, wish)| (wish, format!("{name}@{place}"))))
        .collect();
    let pairs = (0..all.len()).flat_map(|a| (0..all.len()).map(move |b| (a, b)));
    let pairs =
        pairs.map(|(a, b)| if a == b { vec![all[a].clone()] } else { vec![all[a].clone(), all[b].clone()] });
    pairs.chain([all.clone(), all.iter().rev().cloned().collect()]).collect()
}

async fn each_combination(fails: Fails) {
    let (house, mta) = wishful(SmtpPeer::new()).await;
    let mut c = client(&house, fails).await;
    for (number, recipients) in combinations().iter().enumerate() {
        let (replies, taken, wanted) = expected(recipients, fails);
        c.send("MAIL FROM:<carl@example.org>").await;
        c.expect("250 *").await;
        for ((_, who), reply) in recipients.iter().zip(&replies) {
            c.send(&format!("RCPT TO:<{who}>")).await;
            c.expect(reply).await;
        }
        if replies.iter().any(|reply| reply.starts_with("250")) {
            c.send("DATA").await;
            c.expect("354 *").await;
            c.send_bytes(&data(number)).await;
            c.expect(if taken { "250 2.0.0 *" } else { "550 5.7.1 *" }).await;
        } else {
            c.send("RSET").await;
            c.expect("250 *").await;
        }
        assert_eq!(
            reached(&house, &mta, number).await,
            wanted,
            "{recipients:?} {fails:?}\n{}",
            c.transcript()
        );
    }
}

#[tokio::test]
async fn each_recipient_gets_its_wish_when_the_mail_fails_at_rcpt() {
    each_combination(Fails::AtRcpt).await;
}

#[tokio::test]
async fn each_recipient_gets_its_wish_when_the_mail_fails_at_data() {
    each_combination(Fails::AtData).await;
}

#[tokio::test]
async fn who_is_held_is_never_announced_to_the_mta() {
    let (house, mta) = wishful(SmtpPeer::new()).await;
    let mut c = client(&house, Fails::AtRcpt).await;
    envelope(&mut c, "carl@example.org", &["pass@ours.example", "hold@ours.example"]).await;
    c.send_bytes(&data(0)).await;
    c.expect("250 *").await;
    assert_eq!((mta.count("RCPT TO:<pass@*"), mta.count("RCPT TO:<hold@*")), (1, 0), "{:?}", mta.commands());
    assert_eq!(mta.count("RSET"), 0);
}

#[tokio::test]
async fn when_the_mta_fails_at_the_final_dot_nothing_is_kept_and_the_retry_is_kept_once() {
    let recipients = ["pass@example.test", "hold@example.test", "pass@ours.example", "no@ours.example"];
    for (act, hears) in [
        (Act::Reply("451 4.3.0 not now".into()), "451 4.3.0 not now (*)"),
        (Act::Reply("554 5.6.0 never".into()), "554 5.6.0 never (*)"),
        (Act::Drop, "451 4.4.1 *"),
    ] {
        let (house, mta) = wishful(SmtpPeer::new().first(1, Stage::Body, "*", act.clone())).await;
        let mut c = client(&house, Fails::AtData).await;
        envelope(&mut c, "carl@example.org", &recipients).await;
        c.send_bytes(&data(7)).await;
        c.expect(hears).await;
        assert_eq!(reached(&house, &mta, 7).await, Reached::default(), "{act:?}");
        envelope(&mut c, "carl@example.org", &recipients).await;
        c.send_bytes(&data(7)).await;
        c.expect("250 2.0.0 *").await;
        let wanted = Reached {
            mailboxes: vec![("pass@example.test".into(), false)],
            mta: Some((vec!["pass@ours.example".into()], false)),
            held: vec!["hold@example.test".into(), "no@ours.example".into()],
        };
        assert_eq!(reached(&house, &mta, 7).await, wanted, "{act:?}");
    }
}

#[tokio::test]
async fn when_our_disk_fails_the_mta_is_not_asked_for_its_250() {
    let (house, mta) = wishful(SmtpPeer::new()).await;
    let bodies = house.folder.path().join("store/bodies");
    assert!(bodies.is_dir());
    std::fs::rename(&bodies, bodies.with_extension("away")).unwrap();
    let mut c = client(&house, Fails::AtRcpt).await;
    let recipients = ["hold@ours.example", "pass@ours.example"];
    envelope(&mut c, "carl@example.org", &recipients).await;
    c.send_bytes(&data(3)).await;
    c.expect("45*").await;
    assert_eq!(reached(&house, &mta, 3).await, Reached::default());
    std::fs::rename(bodies.with_extension("away"), &bodies).unwrap();
    envelope(&mut c, "carl@example.org", &recipients).await;
    c.send_bytes(&data(3)).await;
    c.expect("250 *").await;
    let wanted = Reached {
        mta: Some((vec!["pass@ours.example".into()], false)),
        held: vec!["hold@ours.example".into()],
        ..Reached::default()
    };
    assert_eq!(reached(&house, &mta, 3).await, wanted);
}

#[tokio::test]
async fn the_profile_is_found_from_the_recipient_outwards() {
    let (house, _mta) = wishful(SmtpPeer::new()).await;
    house.alias("sales@example.test", &["hold@example.test"]).await;
    house.alias("team@example.test", &["hold@example.test", "pass@example.test"]).await;
    let everybody = StoredProfile { failed: Some(FailedMail::Tag), learn: None };
    house.store.set_profile(ListOwner::Everybody, everybody).await.unwrap();
    let mut c = client(&house, Fails::AtRcpt).await;
    let recipients = ["sales@example.test", "hold+x@example.test", "team@example.test", "ann@example.test"];
    envelope(&mut c, "carl@example.org", &recipients).await;
    c.send_bytes(&data(0)).await;
    c.expect("250 *").await;
    let held = house.store.quarantine(QuarantineQuery::default()).await.unwrap();
    let mut held: Vec<_> = held.iter().map(|held| held.recipient.to_string()).collect();
    held.sort();
    assert_eq!(
        held,
        ["hold+x@example.test", "sales@example.test"],
        "an alias of one account is that account"
    );
    // The group has the profile of everybody, not those of its members.
    assert!(house.inbox("hold@example.test").await[0].contains(MARK));
    assert!(house.inbox("pass@example.test").await[0].contains(MARK));
    assert!(house.inbox("ann@example.test").await[0].contains(MARK));
}

fn listed(list: ListKind, owner: &str, subject: Subject) -> ListEntry {
    ListEntry {
        list,
        owner: ListOwner::Recipient(address(owner)),
        subject,
        reason: String::new(),
        trace: None,
        strikes: 1,
        created_at: Timestamp::now(),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_recipients_lists_let_in_and_keep_out() {
    let (house, _mta) = wishful(SmtpPeer::new()).await;
    let friend = Subject::Domain(domain("example.org"));
    house.store.put_listed(listed(ListKind::Allow, "ann@example.test", friend.clone())).await.unwrap();
    house.store.put_listed(listed(ListKind::Block, "bob@example.test", friend)).await.unwrap();
    let host = Subject::Network(Network::parse("127.0.0.0/8").unwrap());
    house.store.put_listed(listed(ListKind::Allow, "no@example.test", host)).await.unwrap();

    let mut c = client(&house, Fails::AtRcpt).await;
    c.send("MAIL FROM:<carl@mail.example.org>").await;
    c.expect("250 *").await;
    for (who, reply) in
        [("ann@example.test", "250 *"), ("no@example.test", "250 *"), ("bob@example.test", "550 5.7.1 *")]
    {
        c.send(&format!("RCPT TO:<{who}>")).await;
        c.expect(reply).await;
    }
    c.send("DATA").await;
    c.expect("354 *").await;
    c.send_bytes(&data(0)).await;
    c.expect("250 *").await;
    assert_eq!(house.inbox("ann@example.test").await.len(), 1);

    // The trace has each recipient's profile, so that the verdict can be reached again.
    let trace = house.store.trace(house.traces(1).await[0].id).await.unwrap();
    let record: Record = serde_json::from_str(&trace.evidence).unwrap();
    let of = |who: &str| &record.verdicts.iter().find(|judged| judged.recipient == who).unwrap().verdict;
    let allowed = |entry: &str| Decision::RecipientAllows { entry: entry.into() };
    assert_eq!(of("ann@example.test").decided_by, allowed("example.org"));
    assert_eq!(of("no@example.test").decided_by, allowed("127.0.0.0/8"));
    let mut honest = house.client().await;
    honest.send("MAIL FROM:<carl@example.org>").await;
    honest.expect("250 *").await;
    honest.send("RCPT TO:<bob@example.test>").await;
    honest.expect("550 5.7.1 The recipient does not accept mail from this sender (*)").await;
}

#[tokio::test]
async fn a_forged_friend_is_a_stranger() {
    let (house, _mta) = wishful(SmtpPeer::new()).await;
    house.net.dns().add(
        postern_testnet::Zone::new("friend.example")
            .mx(10, "mx")
            .a("mx", Ipv4Addr::new(127, 9, 9, 8))
            .txt("@", "v=spf1 mx -all"),
    );
    for who in ["hold@example.test", "ann@example.test"] {
        let friend = Subject::Address(address("carla@friend.example"));
        house.store.put_listed(listed(ListKind::Allow, who, friend)).await.unwrap();
    }
    let mut c = client(&house, Fails::AtRcpt).await;
    c.send("MAIL FROM:<carla@friend.example>").await;
    c.expect("250 *").await;
    c.send("RCPT TO:<ann@example.test>").await;
    c.expect("550 5.7.1 *").await;
    c.send("RCPT TO:<hold@example.test>").await;
    c.expect("250 *").await;
    c.send("DATA").await;
    c.expect("354 *").await;
    c.send_bytes(&data(0)).await;
    c.expect("250 *").await;
    let held = house.store.quarantine(QuarantineQuery::default()).await.unwrap();
    let why = "the recipient allows carla@friend.example, but the sender is not shown to be that";
    assert!(held[0].reason.contains(why), "{}", held[0].reason);
}
