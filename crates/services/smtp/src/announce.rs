//! The PROXY protocol header in front of a connection from a trusted balancer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use postern_net::Stream;
use postern_smtp::proxy_protocol::{Header, HeaderError, Parsed, parse};
use tokio::io::AsyncReadExt;

/// Why there is no usable header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnnounceError {
    /// What came is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It did not come in time.
    #[error("it did not come in time")]
    Timeout,
}

/// Reads the header; the client's address, or `None` for the balancer's own connections.
///
/// Reads octet by octet: what comes behind the header belongs to TLS or SMTP. The header is short,
/// and this is done for trusted balancers only.
pub(crate) async fn read(stream: &mut Stream, within: Duration) -> Result<Option<SocketAddr>, AnnounceError> {
    let header =
        tokio::time::timeout(within, read_header(stream)).await.map_err(|_| AnnounceError::Timeout)??;
    Ok(match header {
        Header::Proxied { source, .. } => Some(SocketAddr::new(source.ip().to_canonical(), source.port())),
        Header::Local => None,
    })
}

async fn read_header(stream: &mut Stream) -> Result<Header, AnnounceError> {
    // The parser asks for 2064 octets at most before it decides.
    let mut bytes = Vec::with_capacity(128);
    loop {
        bytes.push(stream.read_u8().await?);
        if let Parsed::Header { header, .. } = parse(&bytes)? {
            return Ok(header);
        }
    }
}
