//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`): the addresses of the client behind a
//! load balancer, in front of everything else. Read it from trusted addresses only.

#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::net::SocketAddr;

pub use v1::encode_v1;
pub use v2::encode_v2;

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// A TCP connection that was passed on.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// What it connected to.
        destination: SocketAddr,
    },
    /// The balancer's own connection (health check), or one whose addresses it cannot say: those of the
    /// connection itself count.
    Local,
}

/// How far reading got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parsed {
    /// The header is not complete; never asked for more than 2064 octets in all.
    NeedMore,
    /// The header, and how many octets it took; the session begins behind them.
    Header {
        /// What it says.
        header: Header,
        /// Octets of it.
        consumed: usize,
    },
}

/// Why the octets are not a PROXY header. There is nothing to answer: close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HeaderError {
    /// Neither signature.
    #[error("there is no PROXY header")]
    NoSignature,
    /// A version 1 line that is not one.
    #[error("the PROXY line is malformed")]
    Line,
    /// A version 1 line longer than 107 octets.
    #[error("the PROXY line is longer than 107 octets")]
    LineTooLong,
    /// A version or command that does not exist.
    #[error("the PROXY header has an unknown version or command")]
    Command,
    /// A family or transport other than TCP.
    #[error("the PROXY header is for another transport than TCP")]
    Family,
    /// More than 2048 octets of addresses and TLVs.
    #[error("the PROXY header is longer than 2048 octets")]
    TooLong,
    /// Too short for its family, or TLVs that run over its end.
    #[error("the PROXY header is shorter than it says")]
    TooShort,
    /// The CRC32C does not fit.
    #[error("the PROXY header has a wrong checksum")]
    Checksum,
}

/// Reads a header at the start of `bytes`.
///
/// # Errors
/// [`HeaderError`], as soon as the octets cannot become a header.
pub fn parse(bytes: &[u8]) -> Result<Parsed, HeaderError> {
    if starts_alike(bytes, v1::SIGNATURE) {
        v1::parse(bytes)
    } else if starts_alike(bytes, v2::SIGNATURE) {
        v2::parse(bytes)
    } else {
        Err(HeaderError::NoSignature)
    }
}

/// Whether `bytes` is a beginning of `signature`, or the other way round.
fn starts_alike(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(a, b)| a == b)
}
