//! Outgoing connections.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::{NetError, Stream};

/// Connects within a time. `source` is the address of ours to come from, where it matters
/// (its reverse name is what the other side sees).
///
/// # Errors
/// [`NetError::Connect`] and [`NetError::ConnectTimeout`].
pub async fn connect(
    address: SocketAddr,
    within: Duration,
    source: Option<IpAddr>,
) -> Result<Stream, NetError> {
    let connecting = async {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        if let Some(ip) = source {
            socket.bind((ip, 0).into())?;
        }
        Stream::from_tcp(socket.connect(address).await?)
    };
    match tokio::time::timeout(within, connecting).await {
        Ok(connected) => connected.map_err(|source| NetError::Connect { address, source }),
        Err(_) => Err(NetError::ConnectTimeout { address, within }),
    }
}
