//! The real programs send to, and fetch from, scripted servers: their options are right.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::net::SocketAddr;
use std::sync::Arc;

use postern_testnet::real_client::{Afterwards, Login, Mail, Security, Server};
use postern_testnet::{Certificate, Finished, RunningPeer, SmtpPeer, fresh_address, real_client};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const MAIL: Mail<'_> = Mail {
    from: "ann@example.org",
    to: &["bob@example.test", "carl@example.test"],
    text: "From: ann@example.org\nTo: bob@example.test\nSubject: hello\n\n.dot\nend\n",
};

async fn hosts() -> [(RunningPeer, Security); 3] {
    let certificate = Certificate::self_signed(&["peer.test"]).unwrap();
    let start = async |peer: SmtpPeer| peer.start_at((fresh_address(), 0).into()).await.unwrap();
    [
        (start(SmtpPeer::new()).await, Security::Open),
        (start(SmtpPeer::new().starttls(certificate.clone())).await, Security::StartTls),
        (start(SmtpPeer::new().implicit_tls(certificate)).await, Security::Tls),
    ]
}

/// The host has one message, with both recipients, encrypted if it was meant to be.
fn check(peer: &RunningPeer, security: Security, finished: &Finished) {
    assert!(finished.ok(), "{security:?} {finished:?}");
    let [message] = &peer.messages()[..] else { panic!("one message: {:?}", peer.commands()) };
    assert_eq!((&*message.from, message.to.len()), ("ann@example.org", 2));
    assert_eq!(message.over_tls, security != Security::Open);
    assert!(message.text().contains("Subject: hello\r\n"), "{message:?}");
    assert!(message.text().contains("\r\n.dot\r\nend\r\n"), "{message:?}");
}

macro_rules! sends {
    ($($name:ident: $server:ident => $call:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            for (peer, security) in hosts().await {
                let $server = Server { address: peer.address(), security };
                let Some(finished) = $call.await else { return };
                check(&peer, security, &finished);
            }
        }
    )*};
}

sends! {
    swaks_sends: server => real_client::swaks(&server, &MAIL, &[]);
    curl_sends: server => real_client::curl_smtp(&server, &MAIL, &[]);
    python_sends: server => real_client::python_smtplib(&server, &MAIL);
    msmtp_sends: server => real_client::msmtp(&server, &MAIL);
}

#[tokio::test]
async fn openssl_speaks_after_starttls() {
    let [_, (peer, security), _] = hosts().await;
    let server = Server { address: peer.address(), security };
    let Some(finished) = real_client::openssl_s_client(&server, "smtp", "EHLO openssl.test\nQUIT\n").await
    else {
        return;
    };
    assert!(finished.ok() && finished.stdout.contains("221 2.0.0 Bye"), "{finished:?}");
    assert_eq!(peer.count("EHLO openssl.test"), 1);
}

/// A POP3 server with one message for whoever asks; in the clear or with TLS from the start.
async fn pop3(tls: Option<&Certificate>) -> SocketAddr {
    let listener = TcpListener::bind((fresh_address(), 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls.map(|certificate| TlsAcceptor::from(Arc::clone(&certificate.server().unwrap())));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &acceptor {
                Some(acceptor) => serve(acceptor.accept(stream).await.unwrap()).await,
                None => serve(stream).await,
            }
        }
    });
    address
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"+OK ready\r\n").await.unwrap();
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|n| n > 0) {
        let verb = line.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let reply = match (verb.as_str(), line.split_whitespace().count()) {
            ("CAPA", _) => "+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.\r\n",
            ("STAT", _) => "+OK 1 23\r\n",
            ("LIST", 1) => "+OK\r\n1 23\r\n.\r\n",
            ("LIST", _) => "+OK 1 23\r\n",
            ("UIDL", 1) => "+OK\r\n1 one\r\n.\r\n",
            ("UIDL", _) => "+OK 1 one\r\n",
            ("LAST", _) => "+OK 0\r\n",
            ("RETR" | "TOP", _) => "+OK\r\nSubject: waiting\r\n\r\nx\r\n.\r\n",
            _ => "+OK\r\n",
        };
        if stream.write_all(reply.as_bytes()).await.is_err() || verb == "QUIT" {
            break;
        }
        // TLS writes what it has only when it is flushed.
        stream.flush().await.unwrap();
        line.clear();
    }
    // The client may be gone already.
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn mail_is_fetched_by_curl_python_fetchmail_and_getmail() {
    let certificate = Certificate::self_signed(&["pop.test"]).unwrap();
    let login = Login { user: "ann", password: "secret" };
    for server in [Server::open(pop3(None).await), Server::tls(pop3(Some(&certificate)).await)] {
        let fetched = [
            real_client::curl_pop3(&server, &login, "1", &[]).await,
            real_client::python_poplib(&server, &login, Afterwards::Delete).await,
            real_client::fetchmail(&server, &login).await,
            real_client::getmail(&server, &login).await,
        ];
        for finished in fetched.into_iter().flatten() {
            assert!(finished.ok() && finished.stdout.contains("Subject: waiting"), "{server:?} {finished:?}");
        }
    }
}
