//! A POP3 service on loopback with a store of its own, and a clock that waits for nobody.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postern_events::Events;
use postern_net::{
    Admission, CertificateFiles, Pressure, Shutdown, Socket, TlsAcceptor, TlsSettings, limit, pressure,
};
use postern_pop3_service::{Door, Parts, Service, Settings};
use postern_signin::{Clock, Cost, Guard, PasswordHash, Verifier};
use postern_store::{
    Acceptance, AccountId, MessageCopy, Options, Outcome, Placed, QuarantineId, Route, Store, TraceRecord,
    TracedRecipient,
};
use postern_testnet::{Certificate, Client};
use postern_types::{Address, AddressSet, Domain, Network, ReversePath, Secret, Timestamp, TraceIds};

/// What each copy has before its body.
pub const PREFIX: &str = "Return-Path: <eve@example.org>\r\n";
pub const PASSWORD: &str = "correct horse";

/// Costs next to nothing.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// Remembers how long it was asked to wait, and lets that time pass at once.
#[derive(Debug, Default)]
pub struct TestClock {
    now: AtomicI64,
    pub waits: Mutex<Vec<Duration>>,
}

impl TestClock {
    pub fn advance(&self, time: Duration) {
        self.now.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    fn wait(&self, time: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.waits.lock().unwrap().push(time);
        self.advance(time);
        Box::pin(std::future::ready(()))
    }
}

/// What a test may change before the service starts.
pub struct Plan {
    pub settings: Settings,
    pub limits: limit::Settings,
    /// The operator's own networks.
    pub exempt: &'static str,
}

/// The service, and everything it stands on.
pub struct World {
    pub store: Store,
    pub clock: Arc<TestClock>,
    pub guard: Arc<Guard>,
    pub events: Events,
    pub shutdown: Shutdown,
    /// POP3 with STLS.
    pub pop3: SocketAddr,
    /// POP3 inside TLS.
    pub pop3s: SocketAddr,
    pub folder: tempfile::TempDir,
    pub certificate: Certificate,
    ids: TraceIds,
}

pub async fn world() -> World {
    world_with(|_| {}).await
}

/// A world where Ann and Bob have accounts at `example.test`.
pub async fn world_with(change: impl FnOnce(&mut Plan)) -> World {
    let mut plan = Plan {
        settings: Settings::new(Domain::parse("mx.example.test").unwrap()),
        limits: limit::Settings::default(),
        exempt: "",
    };
    change(&mut plan);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
    store.add_domain(Domain::parse("example.test").unwrap(), Route::Mailbox).await.unwrap();
    let hash = PasswordHash::new(&Secret::new(PASSWORD.to_owned()), CHEAP).unwrap();
    for name in ["ann@example.test", "bob@example.test"] {
        store.add_account(Address::parse(name).unwrap(), hash.as_str().to_owned()).await.unwrap();
    }
    let certificate = Certificate::self_signed(&["mx.example.test", "localhost"]).unwrap();
    let clock = Arc::new(TestClock::default());
    let exempt: AddressSet = plan.exempt.split_whitespace().map(|n| Network::parse(n).unwrap()).collect();
    let guard = Arc::new(Guard::new(postern_signin::Settings::default(), exempt));
    let events = Events::new();
    let shutdown = Shutdown::new();
    let service = Service::new(Parts {
        settings: plan.settings,
        store: store.clone(),
        guard: Arc::clone(&guard),
        verifier: Verifier::new(CHEAP, 2).unwrap(),
        clock: Arc::<TestClock>::clone(&clock),
        events: events.clone(),
        tls: Some(acceptor(folder.path(), &certificate)),
        admission: Admission::new(plan.limits),
        pressure: Pressure::new(pressure::Settings::default()),
        shutdown: shutdown.clone(),
    });
    let listen = |door| {
        let listener = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap();
        let address = listener.address();
        tokio::spawn(Arc::clone(&service).serve(door, listener));
        address
    };
    let (pop3, pop3s) = (listen(Door::Pop3), listen(Door::Pop3Tls));
    World { store, clock, guard, events, shutdown, pop3, pop3s, folder, certificate, ids: TraceIds::new(1) }
}

fn acceptor(folder: &Path, certificate: &Certificate) -> TlsAcceptor {
    let files = CertificateFiles { chain: folder.join("cert.pem"), key: folder.join("key.pem") };
    std::fs::write(&files.chain, certificate.pem()).unwrap();
    std::fs::write(&files.key, certificate.key_pem()).unwrap();
    TlsAcceptor::new(TlsSettings::new(vec![files])).unwrap()
}

impl World {
    pub async fn account(&self, name: &str) -> AccountId {
        self.store.account(Address::parse(name).unwrap()).await.unwrap().unwrap().id
    }

    /// Puts a message into Ann's mailbox.
    pub async fn deliver(&self, text: &str) {
        let account = self.account("ann@example.test").await;
        self.accept(MessageCopy::Mailbox { account, prefix: PREFIX.into() }, text).await;
    }

    /// Holds a message for a recipient.
    pub async fn hold(&self, recipient: &str, text: &str) -> QuarantineId {
        let copy = MessageCopy::Quarantine {
            recipient: Address::parse(recipient).unwrap(),
            account: None,
            reason: "the score reached 5".into(),
            verdict: String::new(),
            expires_at: Timestamp::now().plus(Duration::from_secs(3600)),
            prefix: PREFIX.into(),
        };
        let Placed::Quarantine(id) = self.accept(copy, text).await else { panic!("not held") };
        id
    }

    async fn accept(&self, copy: MessageCopy, text: &str) -> Placed {
        let mut body = self.store.body();
        body.write(text.as_bytes()).await.unwrap();
        let body = body.finish().await.unwrap();
        let at = Timestamp::now();
        let sender = ReversePath::parse("eve@example.org").unwrap();
        let record = TraceRecord {
            id: self.ids.next(at),
            at,
            client: Ipv4Addr::LOCALHOST.into(),
            helo: "example.org".into(),
            sender: Some(sender.clone()),
            recipients: vec![TracedRecipient {
                address: "ann@example.test".into(),
                verdict: "delivered".into(),
            }],
            outcome: Outcome::Accepted,
            reply: "250 ok".into(),
            size: body.size(),
            duration_us: 1,
            evidence: String::new(),
        };
        let copies = vec![copy];
        let durable = self.store.accept(Acceptance { sender, body, copies, record }).await.unwrap();
        assert_eq!(durable.placed().len(), 1);
        durable.placed()[0]
    }

    /// How many messages are in Ann's mailbox.
    pub async fn count(&self) -> usize {
        let mailbox = self.store.mailbox(self.account("ann@example.test").await, "INBOX").await.unwrap();
        self.store.list(mailbox.id).await.unwrap().len()
    }

    /// A client that has heard the greeting.
    pub async fn connect(&self) -> Client {
        let mut client = Client::connect(self.pop3).await.unwrap();
        client.expect("+OK mx.example.test POP3 ready").await;
        client
    }

    /// A client from another address of loopback.
    pub async fn connect_from(&self, source: Ipv4Addr) -> Client {
        Client::connect_from(source, self.pop3).await.unwrap()
    }

    /// Ann, signed in.
    pub async fn ann(&self) -> Client {
        let mut ann = self.connect().await;
        sign_in(&mut ann, "ann@example.test").await;
        ann.expect("+OK * messages *").await;
        ann
    }

    /// Waits until no session runs any more.
    pub async fn all_sessions_over(&self) {
        while self.shutdown.sessions() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Says name and password; the answer to the password is still to be heard.
pub async fn sign_in(client: &mut Client, name: &str) {
    client.send(&format!("USER {name}")).await;
    client.expect("+OK *").await;
    client.send(&format!("PASS {PASSWORD}")).await;
}

/// Tries a wrong password; gives what the server says.
pub async fn guess(client: &mut Client, name: &str) -> String {
    client.send(&format!("USER {name}")).await;
    client.expect("+OK *").await;
    client.ask("PASS wrong").await.unwrap().text
}

/// An address of loopback that nobody else in this test has.
pub fn somewhere() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}
