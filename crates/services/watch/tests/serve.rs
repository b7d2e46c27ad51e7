//! The service as its clients see it: curl, and sockets that misbehave.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod open_metrics;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use postern_events::{DnsblState, Event, Events, MessageEvent, Route};
use postern_types::{ReversePath, TraceId};
use postern_watch::{Health, Limits, Parts, Phase, Reach, Settings, State, Watch, WatchError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

struct Running {
    address: SocketAddr,
    events: Events,
    health: Health,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

fn start(parts: Parts, limits: Limits) -> Running {
    let settings = Settings { listen: vec!["127.0.0.1:0".parse().unwrap()], limits, ..Settings::default() };
    let watch = Watch::bind(settings).unwrap();
    let address = watch.addresses()[0];
    let (events, health) = (Events::new(), parts.health("1.2.3"));
    let (stop, stopped) = oneshot::channel();
    let serving = watch.serve(events.clone(), health.clone(), async { _ = stopped.await });
    Running { address, events, health, stop, served: tokio::spawn(serving) }
}

impl Running {
    /// Status and body of `GET path`, by curl.
    async fn get(&self, path: &str) -> (String, String) {
        self.curl(&[&format!("http://{}{path}", self.address)]).await
    }

    async fn curl(&self, arguments: &[&str]) -> (String, String) {
        let mut curl = Command::new("curl");
        let output = curl.args(["-s", "-m", "20", "-w", "\n%{http_code}"]).args(arguments).output().await;
        let output = String::from_utf8(output.unwrap().stdout).unwrap();
        let (body, status) = output.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }

    async fn open(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    async fn end(self) {
        drop(self.stop);
        self.served.await.unwrap().unwrap();
    }
}

/// All that comes until the server closes; a reset is a close too.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn metrics_are_valid_open_metrics() {
    let server = start(Parts::new(), Limits::default());
    let nasty = "bl\"x\\y\nz.test";
    server.events.emit(&Event::DnsblHealth { list: nasty, state: DnsblState::Healthy, why: "" });
    let message = MessageEvent {
        trace: TraceId::from_i64(1).unwrap(),
        client: "192.0.2.7".parse().unwrap(),
        helo: "a",
        sender: &ReversePath::Null,
        recipients: &vec!["b@example.test"],
        size: 10_240,
        duration: Duration::from_millis(5),
    };
    server.events.emit(&Event::MessageAccepted { message, route: Route::Mailbox });

    let (status, text) = server.get("/metrics").await;
    assert_eq!(status, "200");
    let families = open_metrics::read(&text);
    assert_eq!(families.len(), postern_events::Metrics::ALL.len());
    for (family, described) in families.iter().zip(postern_events::Metrics::ALL) {
        assert_eq!((&*family.name, &*family.help), (described.name, described.help));
        assert_eq!(family.kind, described.kind.to_string());
    }
    let value = |name: &str, label: Option<(&str, &str)>| {
        let mut samples = families.iter().flat_map(|family| &family.samples);
        let matches = |s: &&open_metrics::Sample| {
            s.name == name && label.is_none_or(|(key, value)| s.labels.get(key).is_some_and(|v| v == value))
        };
        samples.find(matches).map(|s| s.value)
    };
    assert_eq!(value("postern_messages_accepted_total", Some(("route", "mailbox"))), Some(1.0));
    assert_eq!(value("postern_message_bytes_sum", None), Some(10_240.0));
    assert_eq!(value("postern_dnsbl_up", Some(("name", nasty))), Some(1.0), "escapes are undone");
    server.end().await;
}

#[tokio::test]
async fn health_names_the_part_that_is_down() {
    let parts = Parts::new()
        .part("smtp", || async { State::Up })
        .part("dns", || async { State::Degraded("bl.test is off".into()) });
    let server = start(parts, Limits::default());
    let (status, body) = server.get("/health").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&*status, &json["status"], &json["version"]), ("200", &"degraded".into(), &"1.2.3".into()));
    assert_eq!(json["parts"]["dns"], serde_json::json!({"state": "degraded", "why": "bl.test is off"}));
    assert_eq!(json["parts"]["smtp"], serde_json::json!({"state": "up"}));
    server.end().await;

    let parts = Parts::new()
        .part("smtp", || async { State::Up })
        .part("store", || async { State::Down("disk full".into()) })
        .part("other", || async { panic!("a check that is broken") });
    let server = start(parts, Limits::default());
    let (status, body) = server.get("/health").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&*status, &json["status"]), ("503", &"down".into()));
    assert_eq!(json["parts"]["store"]["why"], "disk full");
    assert_eq!(json["parts"]["other"]["state"], "down");
    assert_eq!(json["parts"]["smtp"]["state"], "up");
    server.end().await;
}

#[tokio::test]
async fn ready_follows_the_phase() {
    let server = start(Parts::new(), Limits::default());
    assert_eq!(server.get("/ready").await, ("503".into(), "starting\n".into()));
    server.health.set_phase(Phase::Ready);
    assert_eq!(server.get("/ready").await, ("200".into(), "ready\n".into()));
    server.health.set_phase(Phase::Stopping);
    assert_eq!(server.get("/ready").await, ("503".into(), "stopping\n".into()));
    server.end().await;
}

#[tokio::test]
async fn only_requests_to_this_host_are_answered() {
    let server = start(Parts::new(), Limits::default());
    let url = format!("http://{}/metrics", server.address);
    let by_name = format!("http://localhost:{}/metrics", server.address.port());
    assert_eq!(server.curl(&["-4", &by_name]).await.0, "200");
    // A page of evil.test whose name now resolves to 127.0.0.1.
    let (status, body) = server.curl(&["-H", "Host: evil.test", &url]).await;
    assert_eq!(status, "421");
    assert!(!body.contains("postern_"), "{body}");
    for request in [
        "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
        "GET /metrics HTTP/1.0\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\nConnection: close\r\n\r\n",
    ] {
        let answer = rest(server.open(request.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.") && answer.contains(" 421 "), "{request:?}: {answer}");
    }
    server.end().await;
}

#[tokio::test]
async fn other_requests_get_clear_answers() {
    let server = start(Parts::new(), Limits::default());
    let url = |path: &str| format!("http://{}{path}", server.address);
    assert_eq!(server.curl(&[&url("/")]).await.0, "404");
    assert_eq!(server.curl(&["-d", "x=1", &url("/metrics")]).await.0, "405");
    let answer = rest(server.open(b"\x16\x03\x01\x02\x00nonsense\r\n\r\n").await).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    // Time alone does not end it: the size must.
    let hour = Duration::from_hours(1);
    let server = start(Parts::new(), Limits { head: hour, connection: hour, ..Limits::default() });
    let mut stream = server.open(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ").await;
    let chunk = [b'x'; 4096];
    let mut sent = 0;
    while sent < 1 << 20 && stream.write_all(&chunk).await.is_ok() {
        sent += chunk.len();
    }
    assert!(!rest(stream).await.contains(" 200 "));
    assert_eq!(server.get("/metrics").await.0, "200");
    server.end().await;
}

#[tokio::test]
async fn slow_clients_are_closed_and_others_are_served() {
    let limits = Limits { connections: 8, head: Duration::from_millis(300), ..Limits::default() };
    let server = start(Parts::new(), limits);
    let mut slow = Vec::new();
    for _ in 0..limits.connections {
        slow.push(server.open(b"GET /metrics HTTP/1.1\r\nHost: loc").await);
    }
    // All places are taken by those who never finish; the honest client gets the first that is freed.
    assert_eq!(server.get("/metrics").await.0, "200");
    for stream in slow {
        assert!(!rest(stream).await.contains(" 200 "));
    }
    // Silent from the start, and silent after an answer.
    assert!(!rest(server.open(b"").await).await.contains(" 200 "));
    let kept = server.open(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(rest(kept).await.starts_with("HTTP/1.1 200 "));
    server.end().await;
}

#[tokio::test]
async fn what_is_being_answered_is_finished_at_the_end() {
    let (entered, mut was_entered) = mpsc::unbounded_channel();
    let gate = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let parts = Parts::new().part("slow", move || {
        let (entered, waiting) = (entered.clone(), Arc::clone(&waiting));
        async move {
            entered.send(()).unwrap();
            waiting.acquire().await.unwrap().forget();
            State::Up
        }
    });
    let server = start(parts, Limits { drain: Duration::from_secs(20), ..Limits::default() });
    let address = server.address;
    let request = server.open(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let idle = server.open(b"").await;
    was_entered.recv().await.unwrap();
    drop(server.stop);
    // The idle connection is closed at once; by then nothing new is let in.
    assert_eq!(rest(idle).await, "");
    gate.add_permits(1);
    let answer = rest(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""slow":{"state":"up"}"#), "{answer}");
    server.served.await.unwrap().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn other_hosts_are_let_in_only_with_leave() {
    let listen = vec!["0.0.0.0:0".parse().unwrap()];
    let settings = Settings { listen, ..Settings::default() };
    let error = Watch::bind(settings.clone()).unwrap_err();
    assert!(matches!(error, WatchError::NotLoopback(_)), "{error}");
    let allowed = Settings { reach: Reach::Network, ..settings };
    assert!(Watch::bind(allowed).is_ok());
}
