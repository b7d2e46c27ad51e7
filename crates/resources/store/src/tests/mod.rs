//! Scenarios of the store, by subject. They use the public interface; those of faults reach inside.

mod accept;
mod backup;
mod check;
mod crash;
mod directory;
mod faults;
mod format;
mod hosts;
mod judged;
mod limits;
mod links;
mod policies;
mod profiles;
mod queue;
mod rehearsal;
mod traces;

use std::path::Path;
use std::sync::LazyLock;

use postern_types::{Address, Domain, ForwardPath, ReversePath, Timestamp, TraceId, TraceIds};
use tempfile::TempDir;

use crate::{
    Acceptance, AccountId, Body, Entry, MailboxId, MessageCopy, Options, Outcome, Placed, Route, Store,
    StoreError, TraceRecord, TracedRecipient,
};

static IDS: LazyLock<TraceIds> =
    LazyLock::new(|| TraceIds::new((std::process::id() & 0x3ff).try_into().unwrap()));

const PREFIX: &[u8] = b"Return-Path: <>\r\nDelivered-To: anna@example.test\r\n";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn to(text: &str) -> ForwardPath {
    ForwardPath::Address(address(text))
}

/// A data folder that goes away, and a server's store in it with `example.test` and Anna.
struct House {
    dir: TempDir,
    store: Store,
    anna: AccountId,
}

impl House {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("data"), options).unwrap();
        store.add_domain(domain("example.test"), Route::Mailbox).await.unwrap();
        let anna = store.add_account(address("anna@example.test"), "hash".into()).await.unwrap();
        Self { dir, store, anna }
    }

    fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    async fn inbox(&self, account: AccountId) -> MailboxId {
        self.store.mailbox(account, "INBOX").await.unwrap().id
    }

    async fn list(&self, account: AccountId) -> Vec<Entry> {
        self.store.list(self.inbox(account).await).await.unwrap()
    }

    async fn read(&self, account: AccountId, uid: u32) -> Result<Vec<u8>, StoreError> {
        self.store.read(self.inbox(account).await, uid).await?.read_all().await
    }

    /// Accepts a message for Anna.
    async fn deliver(&self, content: &[u8]) -> Result<Accepted, StoreError> {
        accept(&self.store, content, vec![to_mailbox(self.anna)]).await
    }

    /// Keeps the writer busy until [`Held::go_on`], so that jobs gather behind it.
    async fn hold_the_writer(&self) -> Held {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let store = self.store.clone();
        let job = tokio::spawn(async move {
            let work = move |_: &crate::sqlite::Connection| {
                let _ = begin.send(());
                let _ = stopped.recv();
                Ok(())
            };
            store.engine.write(0, work).await
        });
        begun.await.unwrap();
        Held { stop, job }
    }

    /// Closes the store and opens it again.
    async fn reopen(self) -> Self {
        let (data, Self { dir, store, anna }) = (self.data(), self);
        store.close().await.unwrap();
        Self { dir, store: Store::open(&data, Options::default()).unwrap(), anna }
    }
}

/// A writer that does nothing else.
struct Held {
    stop: std::sync::mpsc::Sender<()>,
    job: tokio::task::JoinHandle<Result<(), StoreError>>,
}

impl Held {
    async fn go_on(self) {
        self.stop.send(()).unwrap();
        self.job.await.unwrap().unwrap();
    }
}

fn to_mailbox(account: AccountId) -> MessageCopy {
    MessageCopy::Mailbox { account, prefix: PREFIX.into() }
}

async fn body(store: &Store, content: &[u8]) -> Result<Body, StoreError> {
    let mut writer = store.body();
    for piece in content.chunks(10_000) {
        writer.write(piece).await?;
    }
    writer.finish().await
}

async fn accept(store: &Store, content: &[u8], copies: Vec<MessageCopy>) -> Result<Accepted, StoreError> {
    let record = record(Outcome::Accepted);
    let body = body(store, content).await?;
    let durable = store.accept(Acceptance { sender: sender(), body, copies, record }).await?;
    Ok(Accepted { trace: durable.trace(), placed: durable.placed().to_vec() })
}

/// What a `Durable` said; nobody is told 250 here.
#[derive(Debug)]
struct Accepted {
    trace: TraceId,
    placed: Vec<Placed>,
}

fn sender() -> ReversePath {
    ReversePath::Address(address("bert@sender.example"))
}

fn record(outcome: Outcome) -> TraceRecord {
    let at = Timestamp::now();
    TraceRecord {
        id: IDS.next(at),
        at,
        client: [192, 0, 2, 7].into(),
        helo: "mx.sender.example".into(),
        sender: Some(sender()),
        recipients: vec![TracedRecipient {
            address: "anna@example.test".into(),
            verdict: "delivered".into(),
        }],
        outcome,
        reply: "250 2.0.0 accepted".into(),
        size: 17,
        duration_us: 1234,
        evidence: r#"{"findings":[]}"#.into(),
    }
}

fn uid(placed: Placed) -> u32 {
    match placed {
        Placed::Mailbox { uid, .. } => uid,
        other => panic!("not in a mailbox: {other:?}"),
    }
}

/// Files in the folder of bodies.
fn body_files(data: &Path) -> usize {
    crate::files::names(&data.join(crate::files::FOLDER)).unwrap().len()
}

/// As read back: prefix, then content.
fn whole(content: &[u8]) -> Vec<u8> {
    [PREFIX, content].concat()
}

/// Content of `size` bytes that no neighbour shares.
fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b' ' + (state % 94) as u8
    };
    let block: Vec<u8> = (0..size.min(997)).map(|_| step()).collect();
    block.iter().copied().cycle().take(size).collect()
}
