//! The pages on loopback with a store of their own, messages in it, and a clock that is set by hand.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use postern_events::Events;
use postern_net::{CertificateFiles, Shutdown, Socket, TlsAcceptor, TlsSettings};
use postern_policy::{Client, Evidence, Fact, Finding, Outcome, Policy, Profile, Record, Stage, Test, judge};
use postern_signin::Clock;
use postern_store::{
    Acceptance, AccountId, MessageCopy, Options, Outcome as Ended, Placed, QuarantineId, Route, Store,
    TraceRecord,
};
use postern_testnet::{Certificate, HttpAnswer, HttpClient};
use postern_types::{Address, Domain, ReversePath, Timestamp, TraceIds};
use postern_web::{Digests, Encryption, LinkSettings, Parts, PublicUrl, Service, Settings};

pub const WEEK: Duration = Duration::from_secs(7 * 86_400);
pub const ANN: &str = "ann@example.test";
pub const BOB: &str = "bob@example.test";

/// Starts with the system's time and goes on only when it is told to.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn advance(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn wait(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.advance(time);
        Box::pin(std::future::ready(()))
    }
}

pub struct World {
    pub store: Store,
    pub digests: Digests,
    pub clock: Arc<TestClock>,
    pub shutdown: Shutdown,
    pub address: SocketAddr,
    pub url: String,
    certificate: Certificate,
    ids: Arc<TraceIds>,
    _folder: tempfile::TempDir,
}

/// Ann and Bob have accounts at `example.test`; `behind.test` is with an MTA behind.
pub async fn world() -> World {
    world_with(|_| {}).await
}

pub async fn world_with(change: impl FnOnce(&mut Settings)) -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data"), Options::default()).unwrap();
    store.add_domain(domain("example.test"), Route::Mailbox).await.unwrap();
    store.add_domain(domain("behind.test"), Route::Proxy("127.0.0.1:2525".into())).await.unwrap();
    for name in [ANN, BOB] {
        store.add_account(address(name), "!".into()).await.unwrap();
    }
    let certificate = Certificate::self_signed(&["mx.example.test", "127.0.0.1"]).unwrap();
    let files =
        CertificateFiles { chain: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.chain, certificate.pem()).unwrap();
    std::fs::write(&files.key, certificate.key_pem()).unwrap();
    let listener = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap();
    let at = listener.address();
    let url = format!("https://{at}");
    let clock = Arc::new(TestClock(AtomicI64::new(Timestamp::now().as_millis())));
    let ids = Arc::new(TraceIds::new(1));
    let links = LinkSettings { url: PublicUrl::parse(&url).unwrap(), lasts: WEEK };
    let host = domain("mx.example.test");
    let mut settings = Settings { url: PublicUrl::parse(&url).unwrap(), ..Settings::new(&host) };
    // Here everybody comes from loopback.
    settings.proxies.clear();
    change(&mut settings);
    let zone = Arc::clone(&settings.zone);
    let digests = Digests::new(store.clone(), Arc::clone(&ids), host.clone(), Some(links), zone);
    let own = settings.proxies.iter().copied().collect();
    let shutdown = Shutdown::new();
    let service = Service::new(Parts {
        guard: Arc::new(postern_web::guard(settings.limits, own)),
        settings,
        store: store.clone(),
        policy: Arc::new(ArcSwap::from_pointee(Policy::default())),
        digests: digests.clone(),
        clock: Arc::<TestClock>::clone(&clock),
        events: Events::new(),
        encryption: Encryption::Tls(TlsAcceptor::new(TlsSettings::new(vec![files])).unwrap()),
        shutdown: shutdown.clone(),
    });
    tokio::spawn(service.serve(listener));
    World { store, digests, clock, shutdown, address: at, url, certificate, ids, _folder: folder }
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

/// What a message was caught by.
fn evidence() -> Evidence {
    let finding = |test, outcome, fact| Finding::new(test, outcome, fact);
    Evidence {
        client: Client { ip: [192, 0, 2, 7].into(), ..Client::default() },
        findings: vec![
            finding(Test::Rdns, Outcome::Clear, Fact::default()),
            finding(
                Test::Dnsbl,
                Outcome::Hit,
                Fact::Dnsbl {
                    zone: "zen.example".into(),
                    codes: vec![[127, 0, 0, 2].into()],
                    meaning: "spam source".into(),
                },
            ),
            finding(Test::HeloUnqualified, Outcome::Hit, Fact::default()),
        ],
        ..Evidence::default()
    }
}

impl World {
    pub fn client(&self) -> HttpClient {
        HttpClient::https(self.address, &self.certificate).unwrap()
    }

    /// A client from another address of loopback.
    pub fn client_from(&self, ip: [u8; 4]) -> HttpClient {
        self.client().from(SocketAddr::from((ip, 0)))
    }

    /// Holds a message for a recipient.
    pub async fn hold(&self, recipient: &str, sender: &str, message: &str) -> QuarantineId {
        let mut body = self.store.body();
        body.write(message.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes()).await.unwrap();
        let body = body.finish().await.unwrap();
        let evidence = evidence();
        let verdict = judge(&evidence, &Policy::default(), &Profile::default(), Stage::Data);
        let at = self.clock.now();
        let sender = ReversePath::parse(sender).unwrap();
        let record = TraceRecord {
            id: self.ids.next(at),
            at,
            client: [192, 0, 2, 7].into(),
            helo: "evil".into(),
            sender: Some(sender.clone()),
            recipients: Vec::new(),
            outcome: Ended::Quarantined,
            reply: "250 2.0.0 accepted".into(),
            size: body.size(),
            duration_us: 1,
            evidence: serde_json::to_string(&Record { evidence, ..Record::default() }).unwrap(),
        };
        let copy = MessageCopy::Quarantine {
            recipient: address(recipient),
            account: None,
            reason: "the score reached 5: zen.example lists 192.0.2.7".into(),
            verdict: serde_json::to_string(&verdict).unwrap(),
            expires_at: at.plus(WEEK * 4),
            prefix: b"Return-Path: <x@evil.test>\r\n".to_vec(),
        };
        let acceptance = Acceptance { sender, body, copies: vec![copy], record };
        let durable = self.store.accept(acceptance).await.unwrap();
        let Placed::Quarantine(id) = durable.placed()[0] else { panic!("not held") };
        id
    }

    /// Holds a simple message for Ann.
    pub async fn hold_simple(&self, subject: &str) -> QuarantineId {
        let message = format!("From: Eve <eve@evil.test>\nTo: {ANN}\nSubject: {subject}\n\nHello Ann.\n");
        self.hold(ANN, "eve@evil.test", &message).await
    }

    pub async fn account(&self, name: &str) -> AccountId {
        self.store.account(address(name)).await.unwrap().unwrap().id
    }

    /// What lies in the mailbox of an account.
    pub async fn mailbox(&self, name: &str) -> Vec<String> {
        let inbox = self.store.mailbox(self.account(name).await, "INBOX").await.unwrap();
        let mut messages = Vec::new();
        for entry in self.store.list(inbox.id).await.unwrap() {
            let bytes = self.store.read(inbox.id, entry.uid).await.unwrap().read_all().await.unwrap();
            messages.push(String::from_utf8(bytes).unwrap());
        }
        messages
    }

    /// Sends a digest to the recipient and gives the path of its link, as it stands in the mail.
    pub async fn link(&self, recipient: &str) -> String {
        let now = self.clock.now();
        let due = self.digests.due(now.plus(WEEK), Some(address(recipient))).await.unwrap();
        if due.is_empty() {
            self.hold(recipient, "x@evil.test", "Subject: for the link\n\nx\n").await;
            let due = self.digests.due(now.plus(WEEK), Some(address(recipient))).await.unwrap();
            self.digests.send(&due[0], now).await.unwrap();
        } else {
            self.digests.send(&due[0], now).await.unwrap();
        }
        link_in(self.mailbox(recipient).await.last().unwrap())
    }

    /// Somebody who has opened their quarantine.
    pub async fn inside(&self, recipient: &str) -> HttpClient {
        let link = self.link(recipient).await;
        let mut client = self.client();
        let page = client.get(&link).await.unwrap();
        let opened = client.post(&link, &[("form", &form_token(&page))]).await.unwrap();
        assert_eq!((opened.status, opened.field("location")), (303, "/quarantine"), "{}", opened.body);
        client
    }
}

/// The path of the link in a digest.
pub fn link_in(mail: &str) -> String {
    let text = mail.replace("=\r\n", "").replace("=3D", "=");
    let at = text.find("/q/").unwrap_or_else(|| panic!("no link: {mail}"));
    text[at..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect()
}

/// What the forms of a page carry.
pub fn form_token(page: &HttpAnswer) -> String {
    let (_, rest) = page
        .body
        .split_once("name=\"form\" value=\"")
        .unwrap_or_else(|| panic!("no form: {} {}", page.status, page.body));
    rest.split('"').next().unwrap().to_owned()
}

/// Presses the button of a page that asks to confirm.
pub async fn confirm(client: &mut HttpClient, path: &str) -> HttpAnswer {
    let page = client.get(path).await.unwrap();
    client.post(path, &[("form", &form_token(&page))]).await.unwrap()
}
