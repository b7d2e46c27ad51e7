//! What a stranger's header may cost us: hashes of the body, and questions to whomever it names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postern_authentication::{Authentication, Lookup, MOST_KEYS};
use postern_dns::{Answer, QueryName};
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use crate::example;
use crate::message::{authenticate, dkim};
use crate::zone::Records;

/// A DNS that counts the keys that it is asked for.
struct Counting {
    records: Records,
    keys: AtomicUsize,
}

impl Lookup for Counting {
    async fn txt(&self, name: &QueryName) -> Answer<Arc<[Box<str>]>> {
        self.keys.fetch_add(usize::from(name.as_str().contains("._domainkey.")), Ordering::Relaxed);
        self.records.txt(name).await
    }
    async fn a(&self, name: &QueryName) -> Answer<Arc<[Ipv4Addr]>> {
        self.records.a(name).await
    }
    async fn aaaa(&self, name: &QueryName) -> Answer<Arc<[Ipv6Addr]>> {
        self.records.aaaa(name).await
    }
    async fn mx(&self, name: &QueryName) -> Answer<Vec<QueryName>> {
        self.records.mx(name).await
    }
    async fn ptr(&self, ip: IpAddr) -> Answer<Arc<[Domain]>> {
        self.records.ptr(ip).await
    }
}

/// What comes of the signed message with more header before it, and how many keys that took.
async fn with(header: &str) -> (Authentication, usize) {
    let dns = Counting { records: example::keys(), keys: AtomicUsize::new(0) };
    let message = format!("{header}{}", example::signed());
    let deadline = Instant::now() + Duration::from_secs(5);
    let found = authenticate(&dns, message.as_bytes(), 7, deadline).await;
    (found, dns.keys.into_inner())
}

/// A signature that nobody made, over the first octets of the body.
fn made_up(number: usize) -> String {
    format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=s{number}.example; s=k; l={number}; h=from;\r\n \
         bh=AAAA; b=AAAA\r\n"
    )
}

/// A set of a chain that nobody made, with a key of its own or one that it shares.
fn set(number: usize, key: usize) -> String {
    let chain = if number == 1 { "none" } else { "pass" };
    format!(
        "ARC-Seal: i={number}; a=rsa-sha256; d=c{key}.example; s=k; cv={chain}; b=AAAA\r\n\
         ARC-Message-Signature: i={number}; a=rsa-sha256; c=relaxed/relaxed; d=c{key}.example; s=k; h=from;\r\n \
         bh=AAAA; b=AAAA\r\n\
         ARC-Authentication-Results: i={number}; c{key}.example; none\r\n"
    )
}

#[tokio::test]
async fn a_body_is_hashed_in_five_ways_at_most() {
    let some: String = (1..=4).map(made_up).collect();
    let (found, _) = with(&some).await;
    assert_eq!(dkim(&found)[4..], example::PASS, "{found:?}");
    let many: String = (1..=5).map(made_up).collect();
    let (found, _) = with(&many).await;
    // Not temperror: nothing that a forger can bring about may keep the forgery from being judged.
    assert_eq!(dkim(&found)[5..], [Authenticity::Policy; 2], "{found:?}");
}

#[tokio::test]
async fn a_key_is_asked_for_once_and_twenty_at_most() {
    let signatures: String = (1..=3).map(made_up).collect();
    let of_signatures = 5;
    for (sets, keys, asked) in [
        (50, 1, of_signatures + 1),
        (MOST_KEYS - of_signatures, MOST_KEYS - of_signatures, MOST_KEYS),
        (MOST_KEYS - of_signatures + 1, MOST_KEYS - of_signatures + 1, of_signatures),
        (50, 50, of_signatures),
    ] {
        let chain: String = (1..=sets).map(|number| set(number, number % keys)).collect();
        let (found, count) = with(&format!("{chain}{signatures}")).await;
        assert_eq!(count, asked, "{sets} sets with {keys} keys: {:?}", found.arc);
        assert_eq!(found.arc.result, Authenticity::Fail);
        let too_many = found.arc.problem.as_deref().unwrap().contains("more than 20 different keys");
        assert_eq!(too_many, asked == of_signatures, "{:?}", found.arc);
        assert_eq!(dkim(&found)[3..], example::PASS, "signatures come first");
    }
}
