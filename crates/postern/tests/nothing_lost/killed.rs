//! Server and MTA are killed under load, again and again; afterwards everything is read back.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use postern_testnet::{Postfix, RunningPostfix, SmtpSource};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

use crate::running::mail::{self, Book, Ledger, Sessions};
use crate::running::{self, House};

/// How often the server is killed.
const ROUNDS: u32 = 12;

/// A number that differs from round to round, up to `below`, and is the same in each run.
fn some_number(round: u32, below: u32) -> u32 {
    (round + 1).wrapping_mul(2_654_435_761).rotate_right(16) % below
}

/// Own senders at work on one server.
struct Load {
    senders: JoinSet<()>,
    told: UnboundedReceiver<bool>,
}

impl Load {
    fn begin(house: &House, to: &'static str, ledger: &Arc<Ledger>) -> Self {
        let (tell, told) = unbounded_channel();
        let mut senders = JoinSet::new();
        for number in 0..6 {
            let sessions = if number % 2 == 0 { Sessions::Long } else { Sessions::Short };
            senders.spawn(mail::send_on(house.smtp(), to, sessions, Arc::clone(ledger), tell.clone()));
        }
        Self { senders, told }
    }

    /// Waits until this many more messages were answered 250.
    async fn answered(&mut self, count: u32) {
        self.hears(count, true).await;
    }

    /// Waits until this many more were not.
    async fn put_off(&mut self, count: u32) {
        self.hears(count, false).await;
    }

    async fn hears(&mut self, count: u32, accepted: bool) {
        let mut left = count;
        while left > 0 {
            let told = self.told.recv().await.expect("the senders send on");
            left -= u32::from(told == accepted);
        }
    }

    /// Nobody listens any more, or the server is gone: each sender ends.
    async fn end(self) {
        let Self { senders, told } = self;
        drop(told);
        senders.join_all().await;
    }
}

/// What `smtp-source -c` says: how many messages it had handed over, to the last dot, when it ended.
fn handed_over(stdout: &str) -> usize {
    stdout.split(['\r', '\n']).filter_map(|count| count.trim().parse().ok()).max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_250_survives_sigkill_exactly_once() {
    const SOURCE_SESSIONS: usize = 5;
    let house = House::build(|plan| plan.accounts.push("many@example.test".into())).await;
    let ledger = Arc::new(Ledger::default());
    let mut handed = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut server = house.start().await;
        let mut load = Load::begin(&house, "ann@example.test", &ledger);
        let from = format!("round{round}@example.org");
        let source = SmtpSource::new(house.smtp(), "many@example.test").from(&from).counting();
        let source = source.messages(1_000_000, SOURCE_SESSIONS).octets(5_000);
        let source = tokio::spawn(async move { source.run().await });
        load.answered(5 + some_number(round, 90)).await;
        server.kill().await;
        load.end().await;
        if let Some(finished) = source.await.unwrap() {
            assert!(!finished.ok(), "it was to be cut off");
            handed.insert(from, handed_over(&finished.stdout));
        }
    }
    // What the last crash left is cleaned up, and the server serves.
    let mut server = house.start().await;
    house.honest_mail_flows("after the last crash").await;
    let counted = running::pop3(&house, "ann@example.test").await.ask("STAT").await.unwrap().text;
    assert!(server.stop().await.success(), "{}", server.log());

    let files = check_mailbox(&house, &ledger, &counted).await;
    check_source(&house, &handed, SOURCE_SESSIONS).await;
    let left = fs::read_dir(house.data.join("bodies")).unwrap().flatten();
    let left = left.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).count();
    assert_eq!(left, files, "no file of a body is left over, and none is missing");
}

/// The mailbox of our own senders against their ledger. Returns how many bodies are in files.
async fn check_mailbox(house: &House, ledger: &Ledger, counted: &str) -> usize {
    let book = ledger.book().clone();
    assert!(book.wrong.is_empty() && book.put_off.is_empty(), "{:?} {:?}", book.wrong, book.put_off);
    let inbox = house.inbox("ann@example.test").await;
    assert!(counted.starts_with(&format!("+OK {} ", inbox.len())), "POP3 shows the same: {counted}");
    let mut found = BTreeMap::<String, Vec<String>>::new();
    let mut files = 0;
    for (entry, bytes) in &inbox {
        let id = mail::id_of(bytes).expect("every message has its id");
        if id.starts_with("honest") {
            continue;
        }
        let text = mail::text_of(&id);
        assert!(bytes.ends_with(text.as_bytes()), "the body of {id} has changed");
        files += usize::from(text.len() > 256 << 10);
        found.entry(id).or_default().push(entry.trace.to_string());
    }
    for (id, reply) in &book.answered {
        let traces = found.remove(id).unwrap_or_else(|| panic!("{id} was answered {reply:?} and is lost"));
        assert_eq!(traces.len(), 1, "{id} is there more than once");
        assert!(reply.ends_with(&traces[0]), "{id} was stored by the transaction that was answered: {reply}");
    }
    for (id, traces) in found {
        assert!(book.unknown.contains(&id), "{id} was never sent");
        assert_eq!(traces.len(), 1, "{id} was sent once and is there more than once");
    }
    println!(
        "{} messages answered 250 in {ROUNDS} lives, {} without answer",
        book.answered.len(),
        book.unknown.len()
    );
    files
}

/// What `smtp-source` handed over: of the last message of each session it heard no answer.
async fn check_source(house: &House, handed: &BTreeMap<String, usize>, sessions: usize) {
    let mut found = BTreeMap::<String, usize>::new();
    for (_, bytes) in house.inbox("many@example.test").await {
        let text = String::from_utf8_lossy(&bytes);
        let path = text.lines().find_map(|line| line.strip_prefix("Return-Path: <")).unwrap();
        *found.entry(path.trim_end_matches('>').to_owned()).or_default() += 1;
    }
    for (from, &handed) in handed {
        let there = found.remove(from).unwrap_or(0);
        let answered = handed.saturating_sub(sessions);
        assert!((answered..=handed).contains(&there), "{there} of {handed} from {from} are there");
    }
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_250_is_with_the_mta_behind_whoever_is_killed() {
    let Some(postfix) = Postfix::find("mta.behind.test") else { return };
    let postfix = postfix.mailboxes("behind.test", &["dora"]);
    let mut mta = postfix.start().await.unwrap();
    let behind = mta.address();
    let house = House::build(|plan| plan.behind.push(("behind.test".into(), behind))).await;
    let ledger = Arc::new(Ledger::default());
    let mut server = house.start().await;
    let mut load = Load::begin(&house, "dora@behind.test", &ledger);
    for round in 0..ROUNDS / 2 {
        load.answered(3 + some_number(round, 30)).await;
        // First the one, then the other, then both.
        if round % 3 != 0 {
            mta.kill().await.unwrap();
        }
        if round % 3 != 1 {
            server.kill().await;
            load.end().await;
            server = house.start().await;
            load = Load::begin(&house, "dora@behind.test", &ledger);
        }
        if round % 3 != 0 {
            load.put_off(3).await;
            mta.restart().await.unwrap();
        }
    }
    load.answered(10).await;
    load.end().await;
    assert!(server.stop().await.success(), "{}", server.log());
    check_mta(&mta, &ledger).await;
}

/// The MTA's mailbox against the ledger.
async fn check_mta(mta: &RunningPostfix, ledger: &Ledger) {
    let book = ledger.book().clone();
    assert!(book.wrong.is_empty(), "{:?}", book.wrong);
    // What the MTA was killed over is deferred there: it tries again when it is told to.
    mta.flush().await;
    assert!(mta.wait_for_mailbox("dora@behind.test", book.answered.len()).await, "{}", mta.log());
    let ids = book.answered.keys().cloned().collect();
    let mut delivered = until_delivered(mta, &ids).await;
    for (id, reply) in &book.answered {
        let queued = delivered.remove(id).unwrap_or_default();
        assert_eq!(queued.len(), 1, "{id} was answered {reply:?}; the MTA has it as {queued:?}");
        assert!(queued.iter().all(|queue_id| reply.contains(queue_id)), "{reply}: {queued:?}");
    }
    // Nobody was told that these are safe; the MTA may have had the last dot all the same.
    for (id, queued) in delivered {
        assert!(book.unknown.contains(&id) || book.put_off.contains(&id), "{id} was never sent");
        assert_eq!(queued.len(), 1, "{id} was sent once; the MTA has it as {queued:?}");
    }
    let Book { answered, put_off, unknown, .. } = book;
    println!("{} answered 250, {} put off, {} without answer", answered.len(), put_off.len(), unknown.len());
}

/// Looks into the MTA's mailbox until these messages are there, or it takes too long: each with the
/// queue ids under which the MTA took it. A killed MTA may deliver one of its own twice.
async fn until_delivered(mta: &RunningPostfix, ids: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
    for _ in 0..100 {
        let mut delivered = BTreeMap::<String, BTreeSet<String>>::new();
        for message in mta.mailbox("dora@behind.test") {
            let id = mail::id_of(message.as_bytes()).expect("every message has its id");
            let text = mail::text_of(&id).replace("\r\n", "\n");
            assert!(message.ends_with(&text), "the body of {id} has changed");
            let queue_id = message.split(" (Postfix) with ESMTP id ").nth(1).unwrap();
            let queue_id = queue_id.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            delivered.entry(id).or_default().insert(queue_id.to_owned());
        }
        if ids.iter().all(|id| delivered.contains_key(id)) {
            return delivered;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the MTA does not deliver:\n{}", mta.log());
}
