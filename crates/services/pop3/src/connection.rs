//! The bytes of one connection, read and written with a deadline.

use std::io;
use std::time::Duration;

use postern_net::{NetError, Stream, TlsAcceptor, TlsInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// Room for a few command lines.
const ROOM: usize = 1024;

/// A connection and its input buffer.
pub(crate) struct Connection {
    /// `None` only after a failed TLS handshake, when nothing can be said any more.
    stream: Option<Stream>,
    input: Box<[u8; ROOM]>,
}

impl Connection {
    pub(crate) fn new(stream: Stream) -> Self {
        Self { stream: Some(stream), input: Box::new([0; ROOM]) }
    }

    pub(crate) fn tls(&self) -> Option<&TlsInfo> {
        self.stream.as_ref()?.tls()
    }

    /// Reads what is there, waiting for the first byte. Empty: the client closed. Cancel-safe.
    pub(crate) async fn read(&mut self, within: Duration) -> io::Result<&[u8]> {
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let read = timeout(within, stream.read(&mut self.input[..])).await;
        let length = read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(&self.input[..length])
    }

    /// Writes all of `output` and empties it. Memory that a large answer took is given back.
    pub(crate) async fn write(&mut self, output: &mut Vec<u8>, within: Duration) -> io::Result<()> {
        if output.is_empty() {
            return Ok(());
        }
        let Some(stream) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        let write = async {
            stream.write_all(output).await?;
            stream.flush().await
        };
        timeout(within, write).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        output.clear();
        output.shrink_to(ROOM);
        Ok(())
    }

    /// The handshake, as server. On failure the connection is gone.
    pub(crate) async fn start_tls(&mut self, acceptor: &TlsAcceptor) -> Result<(), NetError> {
        if let Some(stream) = self.stream.take() {
            self.stream = Some(stream.into_tls(acceptor).await?);
        }
        Ok(())
    }

    /// Says goodbye to the transport: TLS close_notify and FIN.
    pub(crate) async fn close(mut self) {
        if let Some(stream) = &mut self.stream {
            // Nothing depends on whether the client hears it.
            let _ = timeout(Duration::from_secs(1), stream.shutdown()).await;
        }
    }
}
