//! What the feedback list is told.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use postern_types::AddressSet;

/// When a host is blocked, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Strikes of ordinary weight within a short time that bring a block. Default 3.
    pub after: u32,
    /// After this long a strike counts half. Default 1 d.
    pub half_life: Duration,
    /// The first block. Each further one is four times as long. Default 1 h.
    pub first: Duration,
    /// The longest block. Default 7 d.
    pub max: Duration,
    /// The longest block of a host that many share. Default 15 min.
    pub max_shared: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            after: 3,
            half_life: Duration::from_secs(86_400),
            first: Duration::from_secs(3_600),
            max: Duration::from_secs(7 * 86_400),
            max_shared: Duration::from_secs(15 * 60),
        }
    }
}

/// The addresses that are never blocked: what the operator allows. May be exchanged at any time.
#[derive(Clone, Debug, Default)]
pub struct Exempt(Arc<ArcSwap<AddressSet>>);

impl Exempt {
    /// These addresses.
    #[must_use]
    pub fn new(addresses: AddressSet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(addresses)))
    }

    /// Others from now on.
    pub fn set(&self, addresses: AddressSet) {
        self.0.store(Arc::new(addresses));
    }

    /// What is left of the addresses on the list: who is exempt now and was blocked before is not turned away.
    #[must_use]
    pub fn spare(&self, listed: &AddressSet) -> AddressSet {
        listed.without(&self.0.load())
    }

    pub(crate) fn contains(&self, ip: std::net::IpAddr) -> bool {
        self.0.load().contains(ip)
    }
}
