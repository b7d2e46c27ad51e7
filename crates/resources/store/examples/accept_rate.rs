//! How fast messages become durable: prints messages a second and CPU a message.
//!
//! `cargo run --release -p postern-store --example accept_rate [MESSAGES [BODY_BYTES [FOLDER]]]`
//!
//! Ten mailboxes; bodies of 10 KB; first one accepter at a time, then 50 at once.

#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::path::Path;
use std::time::Instant;

use postern_store::{
    Acceptance, AccountId, MessageCopy, Options, Outcome, Resolution, Route, Store, StoreError, TraceRecord,
    TracedRecipient,
};
use postern_types::{Address, Domain, ForwardPath, ReversePath, Timestamp, TraceIds};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let messages: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let body_bytes: usize = arguments.next().map_or(Ok(10_240), |text| text.parse())?;
    let given = arguments.next();
    let own = tempfile::tempdir()?;
    let dir = given.as_deref().map_or(own.path(), Path::new);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(dir, messages, body_bytes))
}

async fn measure(dir: &Path, messages: usize, body_bytes: usize) -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::open(dir, Options::default())?;
    let domain = Domain::parse("example.test")?;
    store.add_domain(domain, Route::Mailbox).await?;
    let mut recipients = Vec::new();
    for n in 0..10 {
        let address = Address::parse(&format!("user{n}@example.test"))?;
        store.add_account(address.clone(), "$argon2id$".into()).await?;
        recipients.push(ForwardPath::Address(address));
    }
    resolve_rate(&store, &recipients).await?;
    for sessions in [1, 50] {
        accept_rate(&store, &recipients, sessions, messages, body_bytes).await?;
    }
    let stats = store.stats();
    println!("in all {} jobs in {} commits; log {} KB", stats.jobs, stats.commits, stats.wal_bytes >> 10);
    println!("most memory: {} KB", most_memory());
    let begun = Instant::now();
    store.close().await?;
    println!("closed in {:?}", begun.elapsed());
    Ok(())
}

async fn resolve_rate(store: &Store, recipients: &[ForwardPath]) -> Result<(), StoreError> {
    const QUESTIONS: u32 = 200_000;
    let begun = Instant::now();
    for n in 0..QUESTIONS {
        store.resolve(&recipients[n as usize % recipients.len()]).await?;
    }
    println!("resolve: {:?} each", begun.elapsed() / QUESTIONS);
    Ok(())
}

async fn accept_rate(
    store: &Store,
    recipients: &[ForwardPath],
    sessions: usize,
    messages: usize,
    body_bytes: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let ids = std::sync::Arc::new(TraceIds::new(1));
    let before = store.stats();
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let mut tasks = Vec::new();
    for session in 0..sessions {
        let (store, ids, recipients) = (store.clone(), ids.clone(), recipients.to_vec());
        tasks.push(tokio::spawn(async move {
            for n in 0..messages / sessions {
                let recipient = &recipients[(n + session) % recipients.len()];
                accept(&store, &ids, recipient, body_bytes).await?;
            }
            Ok::<(), StoreError>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let done = (messages / sessions * sessions) as f64;
    let commits = (store.stats().commits - before.commits) as f64;
    println!(
        "{sessions:3} at once: {:7.0} messages/s, {:6.1} us CPU a message, {:5.1} messages a commit",
        done / wall,
        cpu * 1e6 / done,
        done / commits
    );
    Ok(())
}

async fn accept(
    store: &Store,
    ids: &TraceIds,
    recipient: &ForwardPath,
    body_bytes: usize,
) -> Result<(), StoreError> {
    let account: AccountId = match store.resolve(recipient).await? {
        Resolution::Mailboxes(accounts) => accounts[0],
        other => return Err(StoreError::NotFound { what: format!("mailbox ({other:?})") }),
    };
    let mut writer = store.body();
    let line = [b'x'; 1024];
    let mut left = body_bytes;
    while left > 0 {
        let piece = left.min(line.len());
        writer.write(&line[..piece]).await?;
        left -= piece;
    }
    let at = Timestamp::now();
    let record = TraceRecord {
        id: ids.next(at),
        at,
        client: std::net::Ipv4Addr::LOCALHOST.into(),
        helo: "client.example".into(),
        sender: Some(ReversePath::Null),
        recipients: vec![TracedRecipient { address: recipient.to_string(), verdict: "delivered".into() }],
        outcome: Outcome::Accepted,
        reply: "250 2.0.0 accepted".into(),
        size: body_bytes as u64,
        duration_us: 1000,
        evidence: "{}".repeat(200),
    };
    let prefix = vec![b'p'; 300];
    let copies = vec![MessageCopy::Mailbox { account, prefix }];
    let durable = store
        .accept(Acceptance { sender: ReversePath::Null, body: writer.finish().await?, copies, record })
        .await?;
    assert_eq!(durable.placed().len(), 1);
    Ok(())
}

/// User and system time of this process. Linux: fields 14 and 15 of /proc/self/stat, in 1/100 s.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: f64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|t| t.parse::<f64>().ok()).sum();
    ticks / 100.0
}

/// VmHWM of this process in KB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
