//! TLS over real sockets: what is agreed, who is verified, and certificates that change.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail, and says what it skips")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use postern_net::{
    CertificateFiles, NetError, Peer, Reload, Roots, Socket, Stream, TlsAcceptor, TlsConnector, TlsMinimum,
    TlsSettings, Verification, connect,
};
use postern_types::{Domain, Host, Timestamp};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = Duration::from_secs(10);

/// Writes a self-signed certificate for `names` as `<stem>.pem` and `<stem>.key`.
fn write_certificate(folder: &Path, stem: &str, names: &[&str]) -> CertificateFiles {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let files = files(folder, stem);
    fs::write(&files.chain, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

fn files(folder: &Path, stem: &str) -> CertificateFiles {
    CertificateFiles { chain: folder.join(format!("{stem}.pem")), key: folder.join(format!("{stem}.key")) }
}

fn host(name: &str) -> Host {
    Host::parse(name).unwrap()
}

fn opportunistic() -> TlsConnector {
    TlsConnector::new(Verification::Opportunistic, &Roots::System, SOON).unwrap()
}

fn requiring(roots: PathBuf) -> TlsConnector {
    TlsConnector::new(Verification::Required, &Roots::File(roots), SOON).unwrap()
}

/// A connection between a client and a server on loopback, encrypted by both.
async fn encrypted(
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
    host: &Host,
) -> (Result<Stream, NetError>, Result<Stream, NetError>) {
    let listener = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap();
    let client = connect(listener.address(), SOON, None).await.unwrap();
    let server = listener.accept().await;
    tokio::join!(server.into_tls(acceptor), client.into_tls_client(connector, host))
}

/// The DNS names of the certificate that a client is shown when it asks for `name`: verified
/// against that certificate alone.
async fn is_shown(acceptor: &TlsAcceptor, name: &str, certificate: &CertificateFiles) -> bool {
    let (_, client) = encrypted(acceptor, &requiring(certificate.chain.clone()), &host(name)).await;
    client.is_ok()
}

#[tokio::test]
async fn both_sides_know_what_was_agreed() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["mx.example.test"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![files])).unwrap();
    let (server, client) = encrypted(&acceptor, &opportunistic(), &host("mx.example.test")).await;
    let (mut server, mut client) = (server.unwrap(), client.unwrap());

    for stream in [&server, &client] {
        let tls = stream.tls().unwrap();
        assert_eq!(tls.version, "TLSv1.3");
        assert!(tls.cipher.starts_with("TLS_AES_"), "{}", tls.cipher);
        assert_eq!(tls.server_name.as_deref(), Some("mx.example.test"));
    }
    assert_eq!(server.tls().unwrap().peer, Peer::NotAsked);
    assert!(matches!(&client.tls().unwrap().peer, Peer::Unverified(_)), "nobody vouches for it");

    server.write_all(b"220 ready\r\n").await.unwrap();
    server.shutdown().await.unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "220 ready\r\n");
    assert!(matches!(server.into_tls(&acceptor).await, Err(NetError::AlreadyTls)));
}

#[tokio::test]
async fn a_required_certificate_must_be_for_the_host() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["mx.example.test"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![files.clone()])).unwrap();
    let connector = requiring(files.chain.clone());

    let (_, client) = encrypted(&acceptor, &connector, &host("mx.example.test")).await;
    assert_eq!(client.unwrap().tls().unwrap().peer, Peer::Verified);

    let (server, client) = encrypted(&acceptor, &connector, &host("other.example.test")).await;
    let error = client.unwrap_err().to_string();
    assert!(error.contains("not valid for name"), "{error}");
    assert!(matches!(server, Err(NetError::Handshake(_))));
}

#[tokio::test]
async fn an_opportunistic_connection_records_a_valid_certificate_too() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["mx.example.test"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![files.clone()])).unwrap();
    let roots = Roots::File(files.chain.clone());
    let connector = TlsConnector::new(Verification::Opportunistic, &roots, SOON).unwrap();
    let (_, client) = encrypted(&acceptor, &connector, &host("mx.example.test")).await;
    assert_eq!(client.unwrap().tls().unwrap().peer, Peer::Verified);
    let (_, client) = encrypted(&acceptor, &connector, &host("[127.0.0.1]")).await;
    assert!(
        matches!(&client.unwrap().tls().unwrap().peer, Peer::Unverified(why) if why.contains("127.0.0.1"))
    );
}

#[tokio::test]
async fn the_client_gets_the_certificate_for_the_name_it_asks_for() {
    let folder = TempDir::new().unwrap();
    let first = write_certificate(folder.path(), "first", &["mx.example.test"]);
    let second = write_certificate(folder.path(), "second", &["*.example.org", "example.org"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![first.clone(), second.clone()])).unwrap();
    assert!(is_shown(&acceptor, "mx.example.test", &first).await);
    assert!(is_shown(&acceptor, "mail.example.org", &second).await);
    assert!(is_shown(&acceptor, "example.org", &second).await);
    // For a name that nobody has, the first: valid for no such name, but encrypted.
    let (server, client) = encrypted(&acceptor, &opportunistic(), &host("unknown.example")).await;
    assert!(server.is_ok() && client.is_ok());
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["old.example.test"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![files.clone()])).unwrap();
    assert_eq!(acceptor.reload_if_changed().unwrap(), Reload::Unchanged);
    assert!(is_shown(&acceptor, "old.example.test", &files).await);

    write_certificate(folder.path(), "mx", &["new.example.test"]);
    assert_eq!(acceptor.reload_if_changed().unwrap(), Reload::Changed);
    assert!(is_shown(&acceptor, "new.example.test", &files).await);
    assert_eq!(acceptor.certificates()[0].names, ["new.example.test"]);

    let good = fs::read(&files.chain).unwrap();
    fs::write(&files.chain, "-----BEGIN CERTIFICATE-----\nnonsense").unwrap();
    let error = acceptor.reload_if_changed().unwrap_err().to_string();
    assert!(error.contains("mx.pem"), "{error}");
    assert_eq!(acceptor.reload_if_changed().unwrap(), Reload::Unchanged, "reported once");
    assert!(acceptor.reload().is_err(), "asked for, it is tried again");
    assert_eq!(acceptor.certificates()[0].names, ["new.example.test"], "the old one stays");

    fs::remove_file(&files.chain).unwrap();
    assert!(acceptor.reload_if_changed().is_err());
    fs::write(&files.chain, good).unwrap();
    assert_eq!(acceptor.reload_if_changed().unwrap(), Reload::Changed);
    assert!(is_shown(&acceptor, "new.example.test", &files).await);
}

#[tokio::test(start_paused = true)]
async fn the_files_are_watched() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["old.example.test"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![files.clone()])).unwrap();
    let (report, mut reports) = tokio::sync::mpsc::unbounded_channel();
    let watched = acceptor.clone();
    let watching = tokio::spawn(async move {
        watched.watch(Duration::from_secs(30), move |what| report.send(what.is_ok()).unwrap()).await;
    });
    write_certificate(folder.path(), "mx", &["new.example.test"]);
    assert_eq!(reports.recv().await, Some(true));
    assert_eq!(acceptor.certificates()[0].names, ["new.example.test"]);
    fs::write(&files.key, "").unwrap();
    assert_eq!(reports.recv().await, Some(false));
    watching.abort();
}

#[test]
fn a_certificate_says_what_it_is() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["mx.example.test", "*.Example.ORG"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![files.clone()])).unwrap();
    let facts = acceptor.certificates().remove(0);
    assert_eq!(facts.file, files.chain);
    assert!(facts.is_self_signed());
    let now = Timestamp::now();
    assert!(facts.not_before < now && now < facts.not_after);
    for (name, covered) in [
        ("mx.example.test", true),
        ("a.example.org", true),
        ("example.org", false),
        ("a.b.example.org", false),
        ("example.test", false),
    ] {
        assert_eq!(facts.covers(&Domain::parse(name).unwrap()), covered, "{name}");
    }
}

#[test]
fn wrong_files_are_named() {
    let folder = TempDir::new().unwrap();
    let one = write_certificate(folder.path(), "one", &["one.example"]);
    let two = write_certificate(folder.path(), "two", &["two.example"]);
    let refused = |chain: &Path, key: &Path| {
        let files = CertificateFiles { chain: chain.to_owned(), key: key.to_owned() };
        TlsAcceptor::new(TlsSettings::new(vec![files])).unwrap_err().to_string()
    };
    let mixed = refused(&one.chain, &two.key);
    assert!(mixed.contains("two.key") && mixed.contains("not the key of"), "{mixed}");
    let swapped = refused(&one.key, &one.chain);
    assert!(swapped.contains("one.key") && swapped.contains("no certificate"), "{swapped}");
    let missing = refused(&folder.path().join("none.pem"), &one.key);
    assert!(missing.contains("none.pem") && missing.contains("No such file"), "{missing}");
    let none = TlsAcceptor::new(TlsSettings::new(Vec::new())).unwrap_err().to_string();
    assert!(none.contains("no certificate"), "{none}");
    let roots = TlsConnector::new(Verification::Required, &Roots::File(one.key), SOON).unwrap_err();
    assert!(roots.to_string().contains("no certificate"), "{roots}");
}

#[tokio::test]
async fn a_client_that_says_nothing_is_not_waited_for() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["mx.example.test"]);
    let mut settings = TlsSettings::new(vec![files]);
    settings.handshake_timeout = Duration::from_millis(20);
    let acceptor = TlsAcceptor::new(settings).unwrap();
    let listener = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap();
    let _silent = connect(listener.address(), SOON, None).await.unwrap();
    let outcome = listener.accept().await.into_tls(&acceptor).await;
    assert!(matches!(outcome, Err(NetError::HandshakeTimeout(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_client_that_speaks_something_else_is_an_error() {
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["mx.example.test"]);
    let acceptor = TlsAcceptor::new(TlsSettings::new(vec![files])).unwrap();
    let listener = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap();
    let mut client = connect(listener.address(), SOON, None).await.unwrap();
    client.write_all(b"EHLO client.example\r\n").await.unwrap();
    let outcome = listener.accept().await.into_tls(&acceptor).await;
    assert!(matches!(outcome, Err(NetError::Handshake(_))), "{outcome:?}");
}

/// Lets `openssl s_client` talk to an acceptor. `None` where it is not installed.
async fn openssl(minimum: TlsMinimum, arguments: &[&str]) -> Option<(Result<Stream, NetError>, String)> {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        eprintln!("SKIPPED: openssl is not installed");
        return None;
    }
    let folder = TempDir::new().unwrap();
    let files = write_certificate(folder.path(), "mx", &["mx.example.test"]);
    let mut settings = TlsSettings::new(vec![files.clone()]);
    settings.minimum = minimum;
    let acceptor = TlsAcceptor::new(settings).unwrap();
    let listener = Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap();
    let child = Command::new("openssl")
        // It has nothing to say, and is to hear the server out all the same.
        .args(["s_client", "-ign_eof", "-brief", "-servername", "mx.example.test", "-CAfile"])
        .arg(&files.chain)
        .args(["-connect", &listener.address().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut outcome = listener.accept().await.into_tls(&acceptor).await;
    if let Ok(server) = &mut outcome {
        server.write_all(b"220 hello openssl\r\n").await.unwrap();
        server.shutdown().await.unwrap();
    }
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some((outcome, said))
}

#[tokio::test]
async fn openssl_verifies_the_certificate_over_tls_1_3() {
    let Some((server, said)) = openssl(TlsMinimum::V1_2, &[]).await else { return };
    assert_eq!(server.unwrap().tls().unwrap().version, "TLSv1.3");
    for expected in ["Protocol version: TLSv1.3", "Verification: OK", "220 hello openssl"] {
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn openssl_may_speak_tls_1_2() {
    let Some((server, said)) = openssl(TlsMinimum::V1_2, &["-tls1_2"]).await else { return };
    let server = server.unwrap();
    let tls = server.tls().unwrap();
    assert_eq!(tls.version, "TLSv1.2");
    assert!(tls.cipher.starts_with("TLS_ECDHE_"), "{}", tls.cipher);
    assert!(said.contains("Protocol version: TLSv1.2"), "{said}");
}

#[tokio::test]
async fn openssl_may_not_speak_tls_1_2_where_that_is_too_old() {
    let Some((server, said)) = openssl(TlsMinimum::V1_3, &["-tls1_2"]).await else { return };
    assert!(matches!(server, Err(NetError::Handshake(_))), "{server:?}");
    assert!(said.contains("alert protocol version"), "{said}");
}
