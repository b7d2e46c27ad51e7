//! Conversations by the milter protocol.

use postern_milter::{Command, Connect, Peer, Reply, Stage};
use postern_policy::Test;
use postern_store::{ListKind, ListOwner, Outcome, Subject};
use postern_testnet::Zone;
use postern_types::Timestamp;
use tokio::net::UnixStream;

use crate::house::{BLOCKED, CLEAN, House, MESSAGE, OFFICE, OURS, about, address, domain};
use crate::mta::{Mta, added, says, withdrawn};

#[tokio::test]
async fn honest_mail_passes_and_its_body_is_not_wanted() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    assert_eq!(mta.client(CLEAN).await, Reply::Continue);
    mta.envelope("carl@example.org", &["ann@example.test", "bob@example.test"]).await;
    let replies = mta.message(MESSAGE).await;
    assert_eq!(replies.last(), Some(&Reply::Continue));
    assert!(withdrawn(&replies).is_empty());
    let trace = &house.traces(1).await[0];
    assert_eq!(added(&replies, "X-Postern-Trace"), Some(trace.id.to_string()));
    assert_eq!(added(&replies, "X-Postern-Verdict"), None);
    assert_eq!(
        (trace.outcome, trace.reply.as_str()),
        (Outcome::Relayed, "passed on to the mail server as 4711ABCD")
    );
    assert_eq!(trace.recipients.len(), 2);
    assert_eq!(trace.helo, "client.example.org");
    assert!(house.quarantine().await.is_empty());
}

#[tokio::test]
async fn a_blocked_address_is_refused_at_the_connection() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    let reply = mta.client(BLOCKED).await;
    assert!(says(&reply, "554 5.7.1 Your address is blocked here (*)"), "{reply:?}");
    let trace = &house.traces(1).await[0];
    assert!(says(&reply, &format!("*({})", trace.id)));
    assert_eq!((trace.outcome, trace.client), (Outcome::Refused, BLOCKED.into()));
    // The connection serves the next client.
    mta.say(&Command::QuitNewConnection).await;
    assert_eq!(mta.client(CLEAN).await, Reply::Continue);
}

#[tokio::test]
async fn each_recipient_gets_what_it_wants_done_with_mail_that_fails() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    assert_eq!(mta.mail("spammer@example.org").await, Reply::Continue);
    let refused = mta.rcpt("ann@example.test").await;
    assert!(says(&refused, "550 5.7.1 The sender is blocked here (*)"), "{refused:?}");
    for who in ["bob", "tom", "pia"] {
        assert_eq!(mta.rcpt(&format!("{who}@example.test")).await, Reply::Continue);
    }
    let replies = mta.message(MESSAGE).await;
    assert_eq!(withdrawn(&replies), ["<bob@example.test>"]);
    assert_eq!(added(&replies, "X-Postern-Verdict").as_deref(), Some("suspicious; score=0"));
    assert_eq!(replies.last(), Some(&Reply::Continue));
    let held = house.quarantine().await;
    assert_eq!(held.len(), 1);
    assert_eq!(held[0].recipient, "bob@example.test");
    assert!(held[0].reason.contains("sender"), "{}", held[0].reason);
    let text = &held[0].text;
    assert!(text.starts_with("Received: from client.example.org (unknown [127.0.0.8])"), "{text}");
    assert!(text.ends_with(MESSAGE), "{text}");
    let trace = &house.traces(1).await[0];
    assert!(says(&refused, &format!("*({})", trace.id)), "one trace for the whole transaction");
    assert_eq!(trace.outcome, Outcome::Accepted);
    let became: Vec<_> = trace.recipients.iter().map(|r| (r.address.as_str(), r.verdict.as_str())).collect();
    assert_eq!(became[0], ("bob@example.test", "quarantined"));
    assert!(became[3].0.contains("ann@") && became[3].1.starts_with("550 5.7.1"), "{became:?}");
}

#[tokio::test]
async fn a_recipient_that_is_named_in_two_ways_is_withdrawn_in_both() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    let to = ["bob@example.test", "pia@example.test", "bob@EXAMPLE.test", "bob@example.test"];
    mta.envelope("spammer@example.org", &to).await;
    let replies = mta.message(MESSAGE).await;
    assert_eq!(withdrawn(&replies), ["<bob@example.test>", "<bob@EXAMPLE.test>"]);
    assert_eq!(replies.last(), Some(&Reply::Continue));
    assert_eq!(house.quarantine().await.len(), 1);
}

#[tokio::test]
async fn where_all_recipients_are_quarantined_the_mta_throws_its_copy_away() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test", "bob@example.test"]).await;
    assert_eq!(mta.message(&about("doubtful")).await, [Reply::Discard]);
    let held = house.quarantine().await;
    assert_eq!(
        held.iter().map(|held| held.recipient.as_str()).collect::<Vec<_>>(),
        ["ann@example.test", "bob@example.test"]
    );
    assert!(held[1].text.ends_with(&about("doubtful")));
    assert_eq!(house.traces(1).await[0].outcome, Outcome::Quarantined);
}

#[tokio::test]
async fn what_fails_for_everybody_by_its_header_is_refused_before_its_body() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    let replies = mta.message(&about("cheap pills")).await;
    assert!(says(&replies[0], "550 5.7.1 The message header is not accepted here (*)"), "{replies:?}");
    assert_eq!(house.traces(1).await[0].outcome, Outcome::Refused);
    // Where one of the recipients would have it kept, nobody's copy is dropped or bounced.
    mta.envelope("carl@example.org", &["ann@example.test", "bob@example.test"]).await;
    assert_eq!(mta.message(&about("cheap pills")).await, [Reply::Discard]);
    assert_eq!(house.quarantine().await.len(), 2);
    // And where one wants it all the same, the others' copies are kept.
    mta.envelope("carl@example.org", &["ann@example.test", "pia@example.test"]).await;
    assert_eq!(withdrawn(&mta.message(&about("cheap pills")).await), ["<ann@example.test>"]);
    assert_eq!(house.quarantine().await.len(), 3);
}

#[tokio::test]
async fn without_the_store_nothing_is_taken() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    house.store.clone().close().await.unwrap();
    let replies = mta.message(&about("doubtful")).await;
    let last = replies.last().unwrap();
    assert!(says(last, "451 4.3.0 the message could not be taken at the moment*"), "{replies:?}");
    assert_eq!(withdrawn(&replies), [""; 0]);
}

#[tokio::test]
async fn a_full_disk_puts_quarantined_mail_off_and_lets_other_mail_pass() {
    let house = House::build(|plan| plan.settings.minimum_free_disk = u64::MAX).await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    assert!(says(mta.message(&about("doubtful")).await.last().unwrap(), "452 4.3.1 *"));
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    assert_eq!(mta.message(MESSAGE).await.last(), Some(&Reply::Continue));
    assert!(house.quarantine().await.is_empty());
}

#[tokio::test]
async fn our_own_users_are_not_tested_and_their_correspondents_are_learned() {
    let house = House::start().await;
    let local = postern_store::Route::Mailbox;
    house.store.add_domain(domain("example.test"), local).await.unwrap();
    house.store.add_account(address("ann@example.test"), "!".to_owned()).await.unwrap();
    let mut mta = Mta::connect(house.milter).await;
    // By the network that they are on, by signing in at the MTA, and by being on its host.
    for (peer, signed_in) in [
        (Peer::Internet((OFFICE, 4711).into()), false),
        (Peer::Internet((CLEAN, 4711).into()), true),
        (Peer::Unknown, false),
    ] {
        let connect = Command::Connect(Connect { name: b"localhost".to_vec(), peer });
        assert_eq!(mta.ask(connect).await, Reply::Continue);
        if signed_in {
            mta.macros(Stage::Mail, &[("{auth_type}", "PLAIN"), ("{auth_authen}", "ann")]).await;
        }
        mta.envelope("ann@example.test", &["spammer@example.org"]).await;
        assert_eq!(mta.message(&about("doubtful pills")).await.last(), Some(&Reply::Continue));
        mta.say(&Command::QuitNewConnection).await;
    }
    let traces = house.traces(3).await;
    assert!(traces.iter().all(|trace| trace.outcome == Outcome::Relayed));
    assert!(house.quarantine().await.is_empty());
    // The correspondent's answer passes although everybody else is refused.
    mta.client(CLEAN).await;
    mta.envelope("spammer@example.org", &["ann@example.test"]).await;
    assert_eq!(mta.message(MESSAGE).await.last(), Some(&Reply::Continue));
    assert_eq!(mta.mail("spammer@example.org").await, Reply::Continue);
    assert!(says(&mta.rcpt("eve@example.test").await, "550 5.7.1 *"));
}

#[tokio::test]
async fn nobody_is_learned_whom_a_stranger_may_have_chosen() {
    let house = House::start().await;
    house.store.add_domain(domain("example.test"), postern_store::Route::Mailbox).await.unwrap();
    let mut mta = Mta::connect(house.milter).await;
    let internet = |ip| Peer::Internet((ip, 4711).into());
    let own_word = format!("Auto-Submitted: auto-generated\r\n{MESSAGE}");
    for (peer, login, to, message) in [
        (internet(OFFICE), "", "friend-1@example.org", MESSAGE),
        (internet(CLEAN), "ann@example.test", "friend-2@example.org", MESSAGE),
        // A page of the mail server's own host, by its sendmail and by its port.
        (Peer::Unknown, "", "chosen-1@example.org", MESSAGE),
        (internet(OURS), "", "chosen-2@example.org", MESSAGE),
        // One that signs in, and writes in Ann's name.
        (internet(CLEAN), "web", "chosen-3@example.org", MESSAGE),
        (internet(OFFICE), "web@example.test", "chosen-4@example.org", MESSAGE),
        // One that says that it is a program.
        (internet(OFFICE), "ann", "chosen-5@example.org", &own_word),
    ] {
        let connect = Command::Connect(Connect { name: b"localhost".to_vec(), peer });
        assert_eq!(mta.ask(connect).await, Reply::Continue);
        if !login.is_empty() {
            mta.macros(Stage::Mail, &[("{auth_type}", "PLAIN"), ("{auth_authen}", login)]).await;
        }
        mta.envelope("ann@example.test", &[to]).await;
        assert_eq!(mta.message(message).await.last(), Some(&Reply::Continue));
        mta.say(&Command::QuitNewConnection).await;
    }
    let ann = ListOwner::Recipient(address("ann@example.test"));
    let listed = house.store.listed(ListKind::Allow, Some(ann), Timestamp::now()).await.unwrap();
    let mut learned: Vec<_> = listed.into_iter().map(|entry| entry.subject).collect();
    learned.sort_by_key(|subject| format!("{subject:?}"));
    let friend = |n| Subject::Address(address(&format!("friend-{n}@example.org")));
    assert_eq!(learned, [friend(1), friend(2)]);
}

#[tokio::test]
async fn signing_in_holds_for_the_messages_that_say_so() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.macros(Stage::Mail, &[("{auth_authen}", "ann")]).await;
    mta.envelope("spammer@example.org", &["ann@example.test"]).await;
    mta.message(MESSAGE).await;
    mta.macros(Stage::Mail, &[]).await;
    assert_eq!(mta.mail("spammer@example.org").await, Reply::Continue);
    assert!(says(&mta.rcpt("ann@example.test").await, "550 5.7.1 *"));
}

#[tokio::test]
async fn forged_marks_are_taken_out() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    let forged = format!("X-Postern-Verdict: fine\r\nx-postern-verdict: finer\r\n{MESSAGE}");
    let replies = mta.message(&forged).await;
    let deleted: Vec<u32> = replies
        .iter()
        .filter_map(|reply| match reply {
            Reply::ChangeHeader { index, value, .. } if value.is_empty() => Some(*index),
            _ => None,
        })
        .collect();
    assert_eq!(deleted, [2, 1]);
}

#[tokio::test]
async fn who_stands_behind_a_message_is_reported_and_forged_reports_go() {
    let house = House::build(|plan| {
        plan.gate.our_names = vec![domain("mx.example.test")];
        plan.gate.off.retain(|&test| test != Test::Spf);
    })
    .await;
    house.net.dns().add(Zone::new("example.com").mx(10, "mx").txt("@", "v=spf1 ip4:127.0.0.8 -all"));
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.com", &["ann@example.test", "bob@example.test"]).await;
    let forged = "Authentication-Results: elsewhere.test; spf=fail\r\n\
        Authentication-Results: mx.example.test; dkim=pass\r\n";
    let replies = mta.message(&format!("{forged}{MESSAGE}")).await;
    let Some(Reply::InsertHeader { index: 0, name, value }) =
        replies.iter().find(|reply| matches!(reply, Reply::InsertHeader { .. }))
    else {
        panic!("{replies:?}")
    };
    assert_eq!(name, b"Authentication-Results");
    let value = String::from_utf8_lossy(value);
    assert!(value.starts_with(" mx.example.test;") && value.contains("spf=pass"), "{value}");
    let gone = Reply::ChangeHeader { index: 2, name: name.clone(), value: Vec::new() };
    assert_eq!(
        replies.iter().filter(|reply| matches!(reply, Reply::ChangeHeader { .. })).collect::<Vec<_>>(),
        [&gone]
    );
    // The copy that is kept has them too, and not the forged ones.
    mta.envelope("carl@example.com", &["bob@example.test"]).await;
    assert_eq!(mta.message(&format!("{forged}{}", about("doubtful"))).await, [Reply::Discard]);
    let text = house.quarantine().await.remove(0).text;
    assert!(text.starts_with("Authentication-Results: mx.example.test;"), "{text}");
    assert!(
        text.contains("elsewhere.test; spf=fail") && !text.contains("mx.example.test; dkim=pass"),
        "{text}"
    );
}

#[tokio::test]
async fn what_was_held_for_its_signature_goes_on_when_nothing_stands_against_it() {
    let house = House::build(|plan| {
        plan.gate.our_names = vec![domain("mx.example.test")];
        plan.gate.off.retain(|&test| test != Test::Dkim);
    })
    .await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    let signed = format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=none; h=from;\r\n \
         bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n{MESSAGE}"
    );
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    let replies = mta.message(&signed).await;
    assert_eq!(replies.last(), Some(&Reply::Continue), "{replies:?}");
    assert!(house.quarantine().await.is_empty());
    assert!(
        replies.iter().any(|reply| matches!(reply, Reply::InsertHeader { value, .. }
        if String::from_utf8_lossy(value).contains("dkim="))),
        "{replies:?}"
    );
    // Refused early where no signature could save it, kept at its end where a recipient wants that.
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    let replies = mta.message(&signed.replace("Subject: Hello", "Subject: pills")).await;
    assert!(says(&replies[0], "550 5.7.1 *"), "{replies:?}");
    mta.envelope("carl@example.org", &["ann@example.test", "bob@example.test"]).await;
    assert_eq!(mta.message(&signed.replace("Subject: Hello", "Subject: pills")).await, [Reply::Discard]);
    assert_eq!(house.quarantine().await.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_given_up_leaves_nothing_but_its_trace() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    mta.say(&Command::Header { name: b"Subject".to_vec(), value: b" doubtful".to_vec() }).await;
    assert_eq!(mta.ask(Command::EndOfHeader).await, Reply::Continue);
    assert_eq!(mta.ask(Command::Body(b"half\r\n".to_vec())).await, Reply::Continue);
    mta.say(&Command::Abort).await;
    assert_eq!(house.traces(1).await[0].outcome, Outcome::Aborted);
    // The MTA's own death in the midst of one, too.
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    drop(mta);
    assert_eq!(house.traces(2).await[0].outcome, Outcome::Aborted);
    assert!(house.quarantine().await.is_empty());
}

#[tokio::test]
async fn a_header_without_end_is_refused_and_costs_no_memory() {
    let house = House::build(|plan| plan.settings.header_size = 1000).await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    let long = format!("X-Long: {}\r\n{MESSAGE}", "x".repeat(2000));
    assert!(says(&mta.message(&long).await[0], "552 5.3.4 the message header is larger than 1000 bytes*"));
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_an_unqualified_one_is_ours() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    assert!(says(&mta.mail("a b@").await, "553 5.1.3 *"));
    mta.envelope("", &["ann"]).await;
    assert!(says(&mta.rcpt("@").await, "553 5.1.3 *"));
    mta.message(MESSAGE).await;
    assert_eq!(house.traces(1).await[0].recipients[0].address, "ann@mx.example.test");
}

#[tokio::test]
async fn a_local_socket_is_a_door_too() {
    let house = House::start().await;
    let mut mta = Mta::over(UnixStream::connect(&house.local).await.unwrap()).await;
    assert_eq!(mta.client(CLEAN).await, Reply::Continue);
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    assert_eq!(mta.message(MESSAGE).await.last(), Some(&Reply::Continue));
}

#[tokio::test]
async fn connections_are_bounded_and_nonsense_ends_one() {
    let house = House::build(|plan| plan.settings.connections = 1).await;
    let mut first = Mta::connect(house.milter).await;
    let second = tokio::net::TcpStream::connect(house.milter).await.unwrap();
    let mut closed = Vec::new();
    let mut second = second;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let _ = second.read_to_end(&mut closed).await;
    assert!(closed.is_empty());
    first.say(&Command::Rcpt(vec![b"<a@b>".to_vec()])).await;
    assert_eq!(first.try_reply().await, None);
    // The place is free again, as soon as the first one's end is known.
    loop {
        let mut third = tokio::net::TcpStream::connect(house.milter).await.unwrap();
        let mut bytes = Vec::new();
        let all = Command::Negotiate {
            version: 6,
            actions: postern_milter::Actions::from_bits(0x1ff),
            steps: postern_milter::Steps::NONE,
        };
        all.encode(&mut bytes);
        let _ = third.write_all(&bytes).await;
        let mut answer = [0; 17];
        if third.read_exact(&mut answer).await.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn a_stop_waits_for_the_message_that_is_under_way() {
    let house = House::start().await;
    let mut mta = Mta::connect(house.milter).await;
    mta.client(CLEAN).await;
    mta.envelope("carl@example.org", &["ann@example.test"]).await;
    house.shutdown.begin(std::time::Duration::from_secs(60));
    assert_eq!(mta.message(MESSAGE).await.last(), Some(&Reply::Continue));
    assert_eq!(mta.try_reply().await, None, "between messages it closes");
    assert_eq!(house.shutdown.wait().await, postern_net::Outcome::Finished);
}
