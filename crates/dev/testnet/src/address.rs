//! Addresses of 127.0.0.0/8 for the hosts of the test internet.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpListener;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address of 127.0.0.0/8 that nobody else in this test run uses: made from the process
/// id and a counter, so that tests in parallel processes do not meet. Never 127.0.0.x.
#[must_use]
pub fn fresh_address() -> Ipv4Addr {
    // 127.(1..=254).y.z: 16 bits of process id, then a counter in the last octet; every
    // 250 addresses the block moves by a step coprime to the number of blocks.
    const BLOCKS: u32 = 254 * 256;
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let block = (std::process::id() + (n / 250) * 7919) % BLOCKS;
    let octet = |value: u32| u8::try_from(value & 255).unwrap_or(1);
    Ipv4Addr::new(127, octet(1 + block / 256), octet(block), octet(1 + n % 250))
}

/// Listens on port 25 of `ip`; where that is not allowed, on a port that the system chooses.
///
/// # Errors
/// Port 25 is taken, or the address is none of this host's.
pub async fn bind_smtp(ip: Ipv4Addr) -> io::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((ip, 25))).await {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            TcpListener::bind(SocketAddr::from((ip, 0))).await
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::fresh_address;

    #[test]
    fn a_thousand_addresses_differ() {
        let all: std::collections::HashSet<_> = (0..1000).map(|_| fresh_address()).collect();
        assert_eq!(all.len(), 1000);
        assert!(all.iter().all(|ip| ip.octets()[0] == 127 && ip.octets()[1] != 0));
    }
}
