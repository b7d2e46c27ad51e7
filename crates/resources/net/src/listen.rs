//! Listening sockets: bound before the rights are dropped, accepting afterwards.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream as StdStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::SockRef;
use tokio::io::unix::AsyncFd;

use crate::{NetError, Stream};

/// How many connections the system keeps for us until they are accepted (the kernel's
/// `net.core.somaxconn` may make it less).
const BACKLOG: i32 = 4096;

/// Between attempts to accept while the process is out of file descriptors or memory.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A bound, listening socket that no runtime knows yet: made while the process still has the
/// right to, turned into a [`Listener`] later. Clients may connect already; they wait.
#[derive(Debug)]
pub struct Socket {
    listener: StdListener,
    address: SocketAddr,
}

impl Socket {
    /// Binds an address. Port 0 takes a free one; see [`Socket::address`].
    ///
    /// `[::]:25` takes IPv6 only, so that it and `0.0.0.0:25` stand side by side whatever the
    /// system's default is.
    ///
    /// # Errors
    /// [`NetError::Bind`] with a hint where the cause is a common one.
    pub fn bind(address: SocketAddr) -> Result<Self, NetError> {
        let bound = || -> io::Result<Self> {
            let socket = socket2::Socket::new(
                socket2::Domain::for_address(address),
                socket2::Type::STREAM,
                Some(socket2::Protocol::TCP),
            )?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            // A restart must not wait for old connections in TIME_WAIT.
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Self::from_std(socket.into())
        };
        bound().map_err(|source| NetError::Bind { address, source })
    }

    /// Binds all of a list; at the first error none stays bound.
    ///
    /// # Errors
    /// See [`Socket::bind`].
    pub fn bind_all(addresses: &[SocketAddr]) -> Result<Vec<Self>, NetError> {
        addresses.iter().map(|&address| Self::bind(address)).collect()
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// When it cannot be made non-blocking or has no address.
    pub fn from_std(listener: StdListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        // Small replies must not wait for the acknowledgement of the one before. Linux hands the option down to
        // each accepted connection, which saves a call for each.
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands the socket to the runtime; must be called inside one.
    ///
    /// # Errors
    /// When the runtime cannot watch the socket.
    pub fn listen(self) -> Result<Listener, NetError> {
        let address = self.address;
        #[allow(
            deprecated,
            reason = "a TcpListener keeps its descriptor for as long as it lives; the successor of `new` is unsafe"
        )]
        let inner = AsyncFd::new(self.listener).map_err(|source| NetError::Bind { address, source })?;
        Ok(Listener { inner, address, exhausted: Arc::default() })
    }
}

/// A listening socket in the runtime.
#[derive(Debug)]
pub struct Listener {
    inner: AsyncFd<StdListener>,
    address: SocketAddr,
    exhausted: Arc<AtomicU64>,
}

/// A connection that nobody has decided about: the runtime does not watch it yet, so that one which is turned
/// away costs three system calls (accept, send, close).
#[derive(Debug)]
pub struct Incoming {
    tcp: StdStream,
    peer: SocketAddr,
}

impl Incoming {
    /// The other end. IPv4 is IPv4 here, never an IPv6-mapped address.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Says a last word and closes. What does not go out at once is lost with the connection.
    pub fn refuse(self, last_word: &[u8]) {
        // Nothing can be done for a client that does not take it.
        let _ = (&self.tcp).write(last_word);
    }

    /// Hands the connection to the runtime.
    ///
    /// # Errors
    /// When the runtime cannot watch it.
    pub fn let_in(self) -> io::Result<Stream> {
        Ok(Stream::accepted(tokio::net::TcpStream::from_std(self.tcp)?, self.peer))
    }
}

impl Listener {
    /// The next connection, handed to the runtime. Otherwise as [`Listener::incoming`].
    pub async fn accept(&self) -> Stream {
        loop {
            match self.incoming().await.let_in() {
                Ok(stream) => return stream,
                Err(error) => tracing::warn!(listener = %self.address, %error, "cannot watch a connection"),
            }
        }
    }

    /// The next connection. Never fails: a client that went away is passed over; out of file
    /// descriptors or memory, it waits (20 ms at first, 1 s at most) and tries again, and the
    /// clients wait in the kernel's queue.
    ///
    /// Cancel-safe.
    pub async fn incoming(&self) -> Incoming {
        let mut pause = FIRST_PAUSE;
        loop {
            // A flood must not keep the thread to itself.
            tokio::task::consume_budget().await;
            match self.try_accept().await {
                Ok(incoming) => {
                    if pause > FIRST_PAUSE {
                        tracing::info!(listener = %self.address, "accepting connections again");
                    }
                    return incoming;
                }
                Err(error) if is_the_clients(&error) => {}
                Err(error) => {
                    self.exhausted.fetch_add(1, Ordering::Relaxed);
                    if pause == FIRST_PAUSE {
                        tracing::warn!(listener = %self.address, %error, "cannot accept connections");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn try_accept(&self) -> io::Result<Incoming> {
        loop {
            let mut ready = self.inner.readable().await?;
            let accepted = ready.try_io(|listener| {
                Ok(acceptfrom_with(listener.get_ref(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?)
            });
            // `Err`: nobody was there after all.
            let Ok(accepted) = accepted else { continue };
            let (socket, peer) = accepted?;
            // A TCP socket's peer has an IP address; ECONNABORTED stands for one that has gone.
            let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
            let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
            return Ok(Incoming { tcp: socket.into(), peer: canonical(peer) });
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often accepting failed for want of file descriptors or memory.
    #[must_use]
    pub fn exhausted(&self) -> u64 {
        self.exhausted.load(Ordering::Relaxed)
    }
}

/// Errors of one connection that is gone already (accept(2): "treat them like EAGAIN"): each
/// takes one connection off the queue, so going on at once cannot spin.
fn is_the_clients(error: &io::Error) -> bool {
    let Some(code) = error.raw_os_error() else { return error.kind() == io::ErrorKind::ConnectionAborted };
    matches!(
        Errno::from_raw(code),
        Errno::ECONNABORTED
            | Errno::ECONNRESET
            | Errno::EINTR
            | Errno::EPROTO
            | Errno::ENETDOWN
            | Errno::ENOPROTOOPT
            | Errno::EHOSTDOWN
            | Errno::ENONET
            | Errno::EHOSTUNREACH
            | Errno::EOPNOTSUPP
            | Errno::ENETUNREACH
            | Errno::EPERM
    )
}

/// Both ends of a connection as the limits and logs want them: IPv4 as IPv4, even where it
/// came in through a socket for both families (systemd makes such).
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::connect;

    fn loopback() -> Listener {
        Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap().listen().unwrap()
    }

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn what_is_bound_can_be_connected_to() {
        let listener = loopback();
        let source = "127.0.0.9".parse().unwrap();
        let mut client = connect(listener.address(), SOON, Some(source)).await.unwrap();
        let mut server = listener.accept().await;
        assert_eq!(server.peer(), client.local().unwrap());
        assert_eq!(server.peer().ip(), source);
        assert_eq!(server.local().unwrap(), listener.address());
        assert!(server.nodelay().unwrap(), "it comes down from the listener");
        assert!(server.tls().is_none());
        client.write_all(b"EHLO\r\n").await.unwrap();
        let mut line = [0; 6];
        server.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"EHLO\r\n");
    }

    #[tokio::test]
    async fn a_last_word_reaches_the_client() {
        let listener = loopback();
        let mut client = connect(listener.address(), SOON, None).await.unwrap();
        listener.incoming().await.refuse(b"554 5.7.1 no\r\n");
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "554 5.7.1 no\r\n");
    }

    #[tokio::test]
    async fn nobody_there_says_so() {
        let address = loopback().address();
        let error = connect(address, SOON, None).await.unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("refused"), "{error}");
    }

    #[tokio::test]
    async fn a_taken_port_says_so() {
        let listener = loopback();
        let error = Socket::bind(listener.address()).unwrap_err().to_string();
        assert!(error.contains("another program listens there"), "{error}");
        let both = ["127.0.0.1:0".parse().unwrap(), listener.address()];
        assert!(Socket::bind_all(&both).is_err());
    }

    #[test]
    fn ipv6_does_not_take_ipv4_with_it() {
        let Ok(socket) = Socket::bind("[::1]:0".parse().unwrap()) else {
            eprintln!("SKIPPED: this machine has no IPv6 loopback");
            return;
        };
        assert!(SockRef::from(&socket.listener).only_v6().unwrap());
        let same_port = SocketAddr::new("127.0.0.1".parse().unwrap(), socket.address().port());
        Socket::bind(same_port).unwrap();
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:25".parse().unwrap();
        assert_eq!(canonical(mapped), "192.0.2.1:25".parse().unwrap());
    }

    #[test]
    fn only_the_clients_own_errors_are_passed_over() {
        for (errno, passed_over) in [
            (Errno::ECONNABORTED, true),
            (Errno::EMFILE, false),
            (Errno::ENFILE, false),
            (Errno::ENOMEM, false),
        ] {
            assert_eq!(is_the_clients(&errno.into()), passed_over, "{errno}");
        }
    }
}
