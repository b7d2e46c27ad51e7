//! The DNS as authentication asks it: by names that others wrote, under one deadline.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use postern_dns::{Answer, Dns, Mxs, QueryName, Unknown};
use postern_types::Domain;
use tokio::time::{Instant, timeout_at};

/// Where the records come from.
pub trait Lookup: Sync {
    /// TXT records.
    fn txt(&self, name: &QueryName) -> impl Future<Output = Answer<Arc<[Box<str>]>>> + Send;
    /// IPv4 addresses.
    fn a(&self, name: &QueryName) -> impl Future<Output = Answer<Arc<[Ipv4Addr]>>> + Send;
    /// IPv6 addresses.
    fn aaaa(&self, name: &QueryName) -> impl Future<Output = Answer<Arc<[Ipv6Addr]>>> + Send;
    /// The names of the mail exchangers; none of them for a domain that takes no mail (RFC 7505).
    fn mx(&self, name: &QueryName) -> impl Future<Output = Answer<Vec<QueryName>>> + Send;
    /// The names of an address.
    fn ptr(&self, ip: IpAddr) -> impl Future<Output = Answer<Arc<[Domain]>>> + Send;
}

impl Lookup for Dns {
    async fn txt(&self, name: &QueryName) -> Answer<Arc<[Box<str>]>> {
        Dns::txt(self, name).await
    }
    async fn a(&self, name: &QueryName) -> Answer<Arc<[Ipv4Addr]>> {
        Dns::a(self, name).await
    }
    async fn aaaa(&self, name: &QueryName) -> Answer<Arc<[Ipv6Addr]>> {
        Dns::aaaa(self, name).await
    }
    async fn mx(&self, name: &QueryName) -> Answer<Vec<QueryName>> {
        Dns::mx(self, name).await.map(|mxs| match mxs {
            Mxs::Hosts(hosts) => hosts.iter().map(|mx| QueryName::from(&mx.exchange)).collect(),
            Mxs::Null => Vec::new(),
        })
    }
    async fn ptr(&self, ip: IpAddr) -> Answer<Arc<[Domain]>> {
        Dns::ptr(self, ip).await
    }
}

/// An answer that comes too late is none.
pub(crate) async fn within<T>(deadline: Instant, answer: impl Future<Output = Answer<T>>) -> Answer<T> {
    timeout_at(deadline, answer).await.unwrap_or(Answer::Unknown(Unknown::Timeout))
}
