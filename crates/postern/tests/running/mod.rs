//! A real `postern serve` in a folder of its own, with a test internet around it.
//!
//! [`House`] is what stays when the server dies: folder, configuration, certificate, names in the
//! DNS. [`Server`] is one process; it is killed when the value goes, and may be started again.

// Each test file uses its own part of it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

pub mod disk;
pub mod inetd;
pub mod mail;
mod process;
pub mod strace;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use postern_signin::{Cost, PasswordHash};
use postern_store::{Entry, Options, Route, Store};
use postern_testnet::real_client::Login;
use postern_testnet::{Certificate, Client, Internet, Zone, fresh_address};
use postern_types::{Address, Domain, Secret};

pub use process::Server;

/// Of all accounts.
pub const PASSWORD: &str = "correct horse battery staple";
/// The server's name.
pub const NAME: &str = "mx.example.test";
/// Whom the server becomes when the tests are root.
const USER: &str = "nobody";

/// Everything that a test wants different.
pub struct Plan {
    settings: BTreeMap<String, String>,
    /// The server's own address.
    pub ip: Ipv4Addr,
    pub accounts: Vec<String>,
    /// Domains whose mail goes to the MTA behind.
    pub behind: Vec<(String, SocketAddr)>,
    /// The data folder, where it is not below the house's own.
    pub data: Option<PathBuf>,
}

impl Plan {
    /// Sets a setting; `value` is written as TOML has it.
    pub fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
    }
}

pub struct House {
    pub net: Internet,
    pub folder: tempfile::TempDir,
    pub data: PathBuf,
    ip: Ipv4Addr,
}

impl House {
    /// With `ann@example.test` and `bob@example.test`, and senders at `example.org`.
    pub async fn new() -> Self {
        Self::build(|_| {}).await
    }

    pub async fn build(change: impl FnOnce(&mut Plan)) -> Self {
        let ip = fresh_address();
        let net = internet().await;
        let folder = tempfile::Builder::new().prefix("postern-e2e-").tempdir().unwrap();
        let mut plan = Plan {
            settings: defaults(ip, net.dns().address()),
            ip,
            accounts: vec!["ann@example.test".into(), "bob@example.test".into()],
            behind: Vec::new(),
            data: None,
        };
        change(&mut plan);
        let data = plan.data.clone().unwrap_or_else(|| folder.path().join("data"));
        plan.set("server.data", &format!("{:?}", data.display().to_string()));
        let house = Self { net, folder, data, ip };
        house.furnish(&plan);
        house.people(&plan).await;
        house.hand_over();
        house
    }

    fn furnish(&self, plan: &Plan) {
        let lines = plan.settings.iter().map(|(key, value)| format!("{key} = {value}\n"));
        fs::write(self.config(), lines.collect::<String>()).unwrap();
        let certificate = Certificate::self_signed(&[NAME, "localhost"]).unwrap();
        fs::write(self.folder.path().join("certificate.pem"), certificate.pem()).unwrap();
        fs::write(self.folder.path().join("key.pem"), certificate.key_pem()).unwrap();
    }

    async fn people(&self, plan: &Plan) {
        fs::create_dir_all(&self.data).unwrap();
        let store = Store::open(&self.data, Options::tool()).unwrap();
        let mut domains: Vec<&str> =
            plan.accounts.iter().map(|name| name.split_once('@').unwrap().1).collect();
        domains.dedup();
        for domain in domains {
            store.add_domain(Domain::parse(domain).unwrap(), Route::Mailbox).await.unwrap();
        }
        for (domain, mta) in &plan.behind {
            store.add_domain(Domain::parse(domain).unwrap(), Route::Proxy(mta.to_string())).await.unwrap();
        }
        let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
        let hash = PasswordHash::new(&Secret::new(PASSWORD.to_owned()), cost).unwrap();
        for account in &plan.accounts {
            store.add_account(Address::parse(account).unwrap(), hash.as_str().to_owned()).await.unwrap();
        }
        store.close().await.unwrap();
    }

    /// As root: the server's user owns everything, and passes through to it.
    pub fn hand_over(&self) {
        if Uid::effective().is_root() {
            let user = User::from_name(USER).unwrap().expect("a system user");
            fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            give(self.folder.path(), &user);
            give(&self.data, &user);
        }
        fs::set_permissions(&self.data, fs::Permissions::from_mode(0o700)).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("postern.toml")
    }

    pub fn smtp(&self) -> SocketAddr {
        (self.ip, 2525).into()
    }

    pub fn smtps(&self) -> SocketAddr {
        (self.ip, 2465).into()
    }

    pub fn lmtp(&self) -> SocketAddr {
        (self.ip, 2424).into()
    }

    pub fn pop3(&self) -> SocketAddr {
        (self.ip, 2110).into()
    }

    pub fn pop3s(&self) -> SocketAddr {
        (self.ip, 2995).into()
    }

    /// Only where `listen.web` is set to it.
    pub fn web(&self) -> SocketAddr {
        (self.ip, 2443).into()
    }

    pub fn milter(&self) -> SocketAddr {
        (self.ip, 2727).into()
    }

    pub fn policy(&self) -> SocketAddr {
        (self.ip, 2728).into()
    }

    pub fn watch(&self) -> SocketAddr {
        (self.ip, 9025).into()
    }

    /// Starts the server, and waits until it says that it is ready.
    pub async fn start(&self) -> Server {
        self.start_under(&[]).await
    }

    /// The same with a program in front that becomes the server (`strace -D …`).
    pub async fn start_under(&self, wrapper: &[&str]) -> Server {
        match self.try_start(wrapper).await {
            Ok(server) => server,
            Err(log) => panic!("the server does not start:\n{log}"),
        }
    }

    /// The same; where it ends instead of being ready, what it wrote.
    pub async fn try_start(&self, wrapper: &[&str]) -> Result<Server, String> {
        Server::start(self.folder.path(), &self.config(), wrapper).await
    }

    /// A connection on which EHLO has been said.
    pub async fn client(&self) -> Client {
        self.client_from(Ipv4Addr::LOCALHOST).await
    }

    pub async fn client_from(&self, source: Ipv4Addr) -> Client {
        let mut c = Client::connect_from(source, self.smtp()).await.unwrap();
        c.expect("220 mx.example.test ESMTP*").await;
        c.send("EHLO client.example.org").await;
        c.expect("250*").await;
        c
    }

    /// An honest client sends one message and finds it in the mailbox, whole.
    pub async fn honest_mail_flows(&self, what: &str) {
        let id = format!("honest-{what}").replace(' ', "-");
        let text = mail::message(&id, 4_000);
        let mut c = self.client().await;
        let reply =
            c.deliver("client.example.org", mail::SENDER, &["ann@example.test"], &text).await.unwrap();
        assert_eq!(reply.code, 250, "{what}: {reply}\n{}", c.transcript());
        let found = self.inbox("ann@example.test").await;
        let found = found.iter().filter(|(_, bytes)| bytes.ends_with(text.as_bytes())).count();
        assert_eq!(found, 1, "{what}: the honest message is in the mailbox");
    }

    /// The store, beside the server or without it.
    pub fn store(&self) -> Store {
        Store::open(&self.data, Options::tool()).unwrap()
    }

    /// The whole messages in an account's INBOX.
    pub async fn inbox(&self, who: &str) -> Vec<(Entry, Vec<u8>)> {
        let store = self.store();
        let account = store.account(Address::parse(who).unwrap()).await.unwrap().unwrap();
        let mailbox = store.mailbox(account.id, "INBOX").await.unwrap();
        let mut messages = Vec::new();
        for entry in store.list(mailbox.id).await.unwrap() {
            let bytes = store.read(mailbox.id, entry.uid).await.unwrap().read_all().await.unwrap();
            messages.push((entry, bytes));
        }
        store.close().await.unwrap();
        messages
    }
}

/// How an account signs in.
pub fn login(user: &str) -> Login<'_> {
    Login { user, password: PASSWORD }
}

/// A POP3 connection that is signed in.
pub async fn pop3(house: &House, user: &str) -> Client {
    let mut c = Client::connect(house.pop3()).await.unwrap();
    c.expect("+OK *").await;
    for line in [format!("USER {user}"), format!("PASS {PASSWORD}")] {
        c.send(&line).await;
        c.expect("+OK*").await;
    }
    c
}

/// Where `example.org` sends from, and the names that real programs give in EHLO.
async fn internet() -> Internet {
    let net = Internet::start().await.unwrap();
    net.dns().add(Zone::new("example.org").mx(10, "mx").a("mx", Ipv4Addr::new(127, 9, 9, 9)));
    net.name_at("client.example.org", Ipv4Addr::LOCALHOST);
    for name in ["smtp-source.test", "swaks.test", "python.test", "msmtp.test", "postfix.test"] {
        net.dns().add(Zone::new(name).a("@", Ipv4Addr::LOCALHOST));
    }
    net
}

fn defaults(ip: Ipv4Addr, dns: SocketAddr) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut set = |key: &str, value: String| settings.insert(key.to_owned(), value);
    set("server.hostname", format!("{NAME:?}"));
    if Uid::effective().is_root() {
        set("server.user", format!("{USER:?}"));
    }
    let ports = [
        ("smtp", 2525),
        ("smtps", 2465),
        ("lmtp", 2424),
        ("pop3", 2110),
        ("pop3s", 2995),
        ("milter", 2727),
        ("policy", 2728),
        ("watch", 9025),
    ];
    for (service, port) in ports {
        set(&format!("listen.{service}"), format!("[\"{ip}:{port}\"]"));
    }
    set("tls.certificate", "\"certificate.pem\"".into());
    set("tls.key", "\"key.pem\"".into());
    set("dns.servers", format!("[\"{dns}\"]"));
    // The machine that tests run on may have little room; the tests of that set it.
    set("smtp.minimum_free_disk", "\"0 B\"".into());
    settings
}

fn give(path: &Path, user: &User) {
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path(), user);
        }
    }
}
