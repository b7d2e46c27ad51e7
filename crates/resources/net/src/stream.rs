//! One connection, plain or encrypted, with both of its addresses.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

use crate::listen::canonical;
use crate::{NetError, TlsAcceptor, TlsConnector};

/// A TCP connection, plain or with TLS.
#[derive(Debug)]
pub struct Stream {
    inner: Inner,
    peer: SocketAddr,
    tls: Option<Box<TlsInfo>>,
}

// Boxed: a TLS session is some kilobytes, and most connections are plain.
#[derive(Debug)]
enum Inner {
    Plain(TcpStream),
    Server(Box<server::TlsStream<TcpStream>>),
    Client(Box<client::TlsStream<TcpStream>>),
}

/// What was agreed in a TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub cipher: String,
    /// The name that the client asked for; on an outgoing connection, the one we asked for.
    pub server_name: Option<String>,
    /// What is known of the other side.
    pub peer: Peer,
}

/// What a TLS handshake has shown about the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It was not asked for a certificate (every client of ours).
    NotAsked,
    /// Its certificate is valid for the name.
    Verified,
    /// Its certificate is not; the connection was to be encrypted all the same. Says why.
    Unverified(String),
}

impl Stream {
    /// A connection from outside.
    pub(crate) fn accepted(tcp: TcpStream, peer: SocketAddr) -> Self {
        Self { inner: Inner::Plain(tcp), peer: canonical(peer), tls: None }
    }

    /// A plain TCP connection that is made already.
    ///
    /// # Errors
    /// When it is not connected any more.
    pub fn from_tcp(tcp: TcpStream) -> io::Result<Self> {
        let peer = tcp.peer_addr()?;
        // Small replies must not wait for the acknowledgement of the one before.
        tcp.set_nodelay(true)?;
        Ok(Self::accepted(tcp, peer))
    }

    /// The other end. IPv4 is IPv4 here, never an IPv6-mapped address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// This end.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr().map(canonical)
    }

    #[cfg(test)]
    pub(crate) fn nodelay(&self) -> io::Result<bool> {
        self.tcp().nodelay()
    }

    fn tcp(&self) -> &TcpStream {
        match &self.inner {
            Inner::Plain(tcp) => tcp,
            Inner::Server(tls) => tls.get_ref().0,
            Inner::Client(tls) => tls.get_ref().0,
        }
    }

    /// What was agreed, where the connection is encrypted.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// Encrypts a connection as its server. What the client sent in clear before and nobody
    /// has read must be dropped by the caller (RFC 3207 §4.2).
    ///
    /// # Errors
    /// A failed or slow handshake; a connection that is encrypted already.
    pub async fn into_tls(self, acceptor: &TlsAcceptor) -> Result<Self, NetError> {
        let Self { inner: Inner::Plain(tcp), peer, .. } = self else {
            return Err(NetError::AlreadyTls);
        };
        let (stream, tls) = acceptor.handshake(tcp).await?;
        Ok(Self { inner: Inner::Server(Box::new(stream)), peer, tls: Some(Box::new(tls)) })
    }

    /// Encrypts a connection as its client. `host` is whose certificate is expected.
    ///
    /// # Errors
    /// A failed or slow handshake; a certificate that is not valid for the host, where that is
    /// required; a connection that is encrypted already.
    pub async fn into_tls_client(
        self,
        connector: &TlsConnector,
        host: &postern_types::Host,
    ) -> Result<Self, NetError> {
        let Self { inner: Inner::Plain(tcp), peer, .. } = self else {
            return Err(NetError::AlreadyTls);
        };
        let (stream, tls) = connector.handshake(tcp, host).await?;
        Ok(Self { inner: Inner::Client(Box::new(stream)), peer, tls: Some(Box::new(tls)) })
    }

    /// Writes what the system takes at once, without waiting and without the runtime: for a
    /// last word to a client that gets no session.
    ///
    /// # Errors
    /// `WouldBlock` when nothing can be written now, or when the connection is encrypted.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.inner {
            // Past tokio's readiness, which a fresh connection does not have yet.
            Inner::Plain(tcp) => SockRef::from(tcp).send(bytes),
            Inner::Server(_) | Inner::Client(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Says a last word and closes. What does not go out at once is lost with the connection.
    pub fn refuse(self, last_word: &[u8]) {
        // Nothing can be done for a client that does not take it.
        let _ = self.try_write(last_word);
    }
}

/// The inner stream, pinned, whichever it is.
macro_rules! inner {
    ($self:ident, $stream:ident => $call:expr) => {
        match &mut $self.get_mut().inner {
            Inner::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Inner::Server($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
            Inner::Client($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        inner!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Inner::Plain(stream) => stream.is_write_vectored(),
            Inner::Server(stream) => stream.is_write_vectored(),
            Inner::Client(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, stream => stream.poll_shutdown(cx))
    }
}

pub(crate) fn version_name(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        // Nothing older is built in.
        _ => "TLSv1.2",
    }
}

/// The IANA name: rustls writes `TLS13_` where the registry has `TLS_`.
pub(crate) fn cipher_name(suite: Option<rustls::SupportedCipherSuite>) -> String {
    let name = suite.and_then(|suite| suite.suite().as_str()).unwrap_or("unknown");
    name.replacen("TLS13_", "TLS_", 1)
}
