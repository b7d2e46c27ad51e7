//! The bytes of one connection: read and written with a deadline, memory only while it is needed.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use postern_net::{Stream, TlsAcceptor, TlsInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Room for commands: an idle session should cost little.
const COMMAND_ROOM: usize = 1024;
/// Room for a message's data: large reads cost fewer calls.
const BODY_ROOM: usize = 32 * 1024;
/// So many rooms for data that nobody uses are kept for the next who does.
const SPARE_ROOMS: usize = 64;

/// Rooms for data, lent to whoever reads a message: to allocate one for each costs more than to read into it.
static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A connection and its input buffer.
pub(crate) struct Connection {
    /// `None` only after a failed TLS handshake, when nothing can be said any more.
    stream: Option<Stream>,
    input: Vec<u8>,
}

/// What is expected next, and so how much room to make for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Commands,
    Body,
}

impl Connection {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: Some(stream), input: Vec::new() }
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.stream.as_ref().map(Stream::peer)
    }

    pub(crate) fn tls(&self) -> Option<&TlsInfo> {
        self.stream.as_ref()?.tls()
    }

    /// Reads what is there, waiting for the first byte. Empty: the client closed. Cancel-safe.
    pub(crate) async fn read(&mut self, expect: Expect) -> io::Result<&[u8]> {
        self.make_room(expect);
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        // As much as there is room for: the vector never grows.
        stream.read_buf(&mut self.input).await?;
        Ok(&self.input)
    }

    fn make_room(&mut self, expect: Expect) {
        match expect {
            Expect::Commands if self.input.capacity() != COMMAND_ROOM => {
                give_back(std::mem::replace(&mut self.input, Vec::with_capacity(COMMAND_ROOM)));
            }
            Expect::Body if self.input.capacity() != BODY_ROOM => {
                let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
                self.input = spare.unwrap_or_else(|| Vec::with_capacity(BODY_ROOM));
            }
            _ => {}
        }
        self.input.clear();
    }

    /// Writes all of `output` and empties it.
    pub(crate) async fn write(&mut self, output: &mut Vec<u8>, within: Duration) -> io::Result<()> {
        if output.is_empty() {
            return Ok(());
        }
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let write = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        // A client that does not read its replies is as good as gone.
        tokio::time::timeout(within, write).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        output.clear();
        Ok(())
    }

    /// The handshake, as server. On failure the connection is gone.
    pub(crate) async fn start_tls(&mut self, acceptor: &TlsAcceptor) -> Result<(), postern_net::NetError> {
        // What came in clear and was not read stays in the kernel and belongs to the handshake;
        // what was read is in the protocol, which forgets it (rfc3207 §4.2).
        if let Some(stream) = self.stream.take() {
            // Boxed: an idle session should not carry room for a handshake.
            self.stream = Some(Box::pin(stream.into_tls(acceptor)).await?);
        }
        Ok(())
    }

    /// Says goodbye to the transport: TLS close_notify. A plain connection ends by being dropped.
    pub(crate) async fn close(mut self) {
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.tls().is_some()) {
            // Nothing depends on whether the client hears it.
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.shutdown()).await;
        }
    }
}

/// Keeps a room for data for the next message; any other is dropped.
fn give_back(room: Vec<u8>) {
    if room.capacity() != BODY_ROOM {
        return;
    }
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    if spare.len() < SPARE_ROOMS {
        spare.push(room);
    }
}
