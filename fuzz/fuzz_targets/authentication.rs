//! What strangers write for sender authentication: SPF records and their macros, DKIM keys, DMARC records, signatures,
//! ARC chains, reports in our name. The first octet is the size of the pieces; the first line is every TXT record.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use postern_authentication::{Lookup, Plan, Report, Sender, spf, without_forged};
use postern_dns::{Absent, Answer, QueryName};
use postern_types::{Domain, ReversePath};
use tokio::time::Instant;

/// A DNS where every name has the same record, and counts the questions.
struct Everywhere {
    text: Box<str>,
    asked: AtomicUsize,
}

impl Everywhere {
    fn answer<T>(&self, value: T) -> Answer<T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Answer::Found { value, ttl: Duration::from_secs(60) }
    }
}

impl Lookup for Everywhere {
    async fn txt(&self, name: &QueryName) -> Answer<Arc<[Box<str>]>> {
        if name.as_str().starts_with("no.") {
            return Answer::NotFound(Absent::NxDomain);
        }
        self.answer([self.text.clone()].into())
    }
    async fn a(&self, _: &QueryName) -> Answer<Arc<[Ipv4Addr]>> {
        self.answer([Ipv4Addr::new(192, 0, 2, 9)].into())
    }
    async fn aaaa(&self, _: &QueryName) -> Answer<Arc<[Ipv6Addr]>> {
        Answer::NotFound(Absent::NoData)
    }
    async fn mx(&self, name: &QueryName) -> Answer<Vec<QueryName>> {
        self.answer(vec![name.clone(); 3])
    }
    async fn ptr(&self, _: IpAddr) -> Answer<Arc<[Domain]>> {
        self.answer([Domain::parse("mx.example.test").unwrap()].into())
    }
}

fuzz_target!(|data: &[u8]| {
    let [step, rest @ ..] = data else { return };
    let end = rest.iter().position(|octet| *octet == b'\n').unwrap_or(rest.len());
    let (record, message) = (String::from_utf8_lossy(&rest[..end]), rest.get(end + 1..).unwrap_or_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let deadline = runtime.block_on(async { Instant::now() + Duration::from_secs(60) });
    let ours = Domain::parse("mx.here.test").unwrap();

    let dns = Everywhere { text: record.as_ref().into(), asked: AtomicUsize::new(0) };
    let path = ReversePath::parse("a+b=c@x.example.test").unwrap();
    let sender = Sender { ip: [192, 0, 2, 1].into(), helo: &record, path: &path, receiver: "here" };
    let spf = runtime.block_on(spf(&dns, &sender, deadline));
    // rfc7208 §4.6.4: ten terms, each with a list of ten at most; a few more for macros and the explanation.
    assert!(dns.asked.load(Ordering::Relaxed) <= 10 * 11 + 30);

    let at = message.windows(4).position(|octets| octets == b"\r\n\r\n").map_or(message.len(), |at| at + 4);
    let (header, body) = message.split_at(at);
    let plan = Plan::of(header);
    let known = runtime.block_on(plan.ask(&dns, deadline));
    let conclude = |step: usize| {
        let mut hashes = plan.body();
        body.chunks(step).for_each(|piece| hashes.push(piece));
        plan.conclude(&known, hashes, Some(&spf), std::slice::from_ref(&ours), 1_600_000_000)
    };
    let found = conclude(usize::from(*step) + 1);
    assert_eq!(found, conclude(body.len().max(1)), "the pieces make no difference");

    let once = without_forged(header, &ours).into_owned();
    assert_eq!(without_forged(&once, &ours), once, "one pass takes all");
    let report = Report {
        authserv_id: &ours,
        spf: Some(&spf),
        message: Some(&found),
        iprev: Some((spf.result, [192, 0, 2, 1].into())),
    };
    let field = report.to_field();
    assert!(field.is_ascii() && field.ends_with("\r\n"));
    for line in field.trim_end().split("\r\n").skip(1) {
        assert!(line.starts_with('\t') && line.len() < 998 && !line.contains(['\r', '\n']));
    }
    assert!(without_forged(field.as_bytes(), &ours).is_empty(), "we know our own");
});
