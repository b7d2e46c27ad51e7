//! The bytes of one connection, read and written with a deadline.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use postern_net::Shutdown;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// Large enough for most of what an MTA says at a time.
const ROOM: usize = 16 * 1024;
/// How long an MTA may take to take what we say.
const WRITE: Duration = Duration::from_secs(60);

/// What bytes come and go by: TCP or a local socket.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A connection and its input buffer.
pub(crate) struct Connection<W> {
    wire: W,
    from: Option<IpAddr>,
    input: Vec<u8>,
}

/// What reading brought.
pub(crate) enum Read<'a> {
    Bytes(&'a [u8]),
    /// The other side has closed.
    Closed,
    /// The process is stopping and nothing is under way, or its time is up.
    Stopping,
}

/// Whether something is under way that should be finished before the process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    None,
    UnderWay,
}

impl<W: Wire> Connection<W> {
    pub(crate) fn new(wire: W, from: Option<IpAddr>) -> Self {
        Self { wire, from, input: Vec::new() }
    }

    /// Who connected: 127.0.0.1 by a local socket.
    pub(crate) fn from(&self) -> IpAddr {
        self.from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// Reads what is there, waiting for the first byte.
    pub(crate) async fn read(
        &mut self,
        within: Duration,
        stop: &Shutdown,
        work: Work,
    ) -> io::Result<Read<'_>> {
        let stopping = async {
            match work {
                Work::None => stop.begun().await,
                Work::UnderWay => stop.expired().await,
            }
        };
        self.input.clear();
        self.input.reserve(ROOM);
        let read = tokio::select! {
            biased;
            read = timeout(within, self.wire.read_buf(&mut self.input)) => read,
            () = stopping => return Ok(Read::Stopping),
        };
        match read {
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
            Ok(Err(error)) => Err(error),
            Ok(Ok(0)) => Ok(Read::Closed),
            Ok(Ok(_)) => Ok(Read::Bytes(&self.input)),
        }
    }

    /// Writes all of `output` and empties it.
    pub(crate) async fn write(&mut self, output: &mut Vec<u8>) -> io::Result<()> {
        if output.is_empty() {
            return Ok(());
        }
        let write = async {
            self.wire.write_all(output).await?;
            self.wire.flush().await
        };
        timeout(WRITE, write).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        output.clear();
        output.shrink_to(ROOM);
        Ok(())
    }
}
