//! The DNS as authentication asks it: by names that others wrote, under one deadline.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use postern_dns::{Answer, Dns, Mxs, Unknown};
use postern_types::Domain;
use tokio::time::{Instant, timeout_at};

/// Where the records come from.
pub trait Lookup: Sync {
    /// TXT records.
    fn txt(&self, name: &Domain) -> impl Future<Output = Answer<Arc<[Box<str>]>>> + Send;
    /// IPv4 addresses.
    fn a(&self, name: &Domain) -> impl Future<Output = Answer<Arc<[Ipv4Addr]>>> + Send;
    /// IPv6 addresses.
    fn aaaa(&self, name: &Domain) -> impl Future<Output = Answer<Arc<[Ipv6Addr]>>> + Send;
    /// Mail exchangers.
    fn mx(&self, name: &Domain) -> impl Future<Output = Answer<Mxs>> + Send;
    /// The names of an address.
    fn ptr(&self, ip: IpAddr) -> impl Future<Output = Answer<Arc<[Domain]>>> + Send;
}

impl Lookup for Dns {
    async fn txt(&self, name: &Domain) -> Answer<Arc<[Box<str>]>> {
        Dns::txt(self, name).await
    }
    async fn a(&self, name: &Domain) -> Answer<Arc<[Ipv4Addr]>> {
        Dns::a(self, name).await
    }
    async fn aaaa(&self, name: &Domain) -> Answer<Arc<[Ipv6Addr]>> {
        Dns::aaaa(self, name).await
    }
    async fn mx(&self, name: &Domain) -> Answer<Mxs> {
        Dns::mx(self, name).await
    }
    async fn ptr(&self, ip: IpAddr) -> Answer<Arc<[Domain]>> {
        Dns::ptr(self, ip).await
    }
}

/// An answer that comes too late is none.
pub(crate) async fn within<T>(deadline: Instant, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
    timeout_at(deadline, answer).await.unwrap_or(Answer::Unknown(Unknown::Timeout))
}
