//! Questions to a real server on loopback, over UDP and TCP.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::future::{Future, poll_fn};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use postern_dns::{
    Absent, Answer, Dns, DnsError, Forward, MAX_ADDRESSES, MAX_EXCHANGES, MAX_NAMES, MailHosts, Mxs, Servers,
    Settings, Unknown,
};
use postern_testnet::{DnsServer, Fault, Kind, Zone};
use postern_types::Domain;

fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

fn v4(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 20, last)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn settings(server: &DnsServer) -> Settings {
    Settings {
        servers: Servers::List(vec![server.address()]),
        // Nothing on loopback is lost: whoever is silent here means it.
        timeout: Duration::from_secs(20),
        deadline: Duration::from_secs(20),
        attempts: 1,
        ..Settings::default()
    }
}

async fn internet(zone: Zone) -> (DnsServer, Dns) {
    let server = DnsServer::start().await.unwrap();
    server.add(zone);
    let dns = Dns::new(settings(&server)).unwrap();
    (server, dns)
}

fn found<T>(answer: Answer<T>) -> T
where
    Answer<T>: std::fmt::Debug,
{
    assert!(answer.is_found(), "{answer:?}");
    answer.found().unwrap()
}

fn exchanges(answer: Answer<Mxs>) -> Vec<String> {
    match found(answer) {
        Mxs::Null => vec![".".to_owned()],
        Mxs::Hosts(list) => list.iter().map(|mx| format!("{} {}", mx.preference, mx.exchange)).collect(),
    }
}

#[tokio::test]
async fn records_are_values() {
    let (_server, dns) = internet(
        Zone::new("example.test")
            .mx(20, "mx2")
            .mx(10, "mx1")
            .a("mx1", v4(1))
            .aaaa("mx1", "2001:db8::1".parse().unwrap())
            .cname("www", "mx1")
            .txt("@", "v=spf1 mx -all")
            .txt("long", &"x".repeat(600))
            .ptr(ip("127.0.20.1"), "mx1")
            .ptr(ip("2001:db8::1"), "mx1"),
    )
    .await;
    assert_eq!(
        exchanges(dns.mx(&domain("example.test")).await),
        ["10 mx1.example.test", "20 mx2.example.test"]
    );
    for name in ["mx1.example.test", "www.example.test"] {
        assert_eq!(*found(dns.a(&domain(name)).await), [v4(1)]);
        assert_eq!(*found(dns.addresses(&domain(name)).await), [ip("2001:db8::1"), v4(1).into()]);
    }
    assert_eq!(*found(dns.txt(&domain("example.test")).await), ["v=spf1 mx -all".into()]);
    assert_eq!(*found(dns.txt(&domain("long.example.test")).await), ["x".repeat(600).into()]);
    // Loopback addresses are asked about like all others.
    for address in ["127.0.20.1", "::ffff:127.0.20.1", "2001:db8::1"] {
        assert_eq!(*found(dns.ptr(ip(address)).await), [domain("mx1.example.test")], "{address}");
    }
}

#[tokio::test]
async fn absence_is_stated_and_has_two_kinds() {
    let (server, dns) = internet(
        Zone::new("example.test").a("host", v4(1)).cname("dangling", "gone").cname("textless", "host"),
    )
    .await;
    assert_eq!(dns.a(&domain("none.example.test")).await, Answer::NotFound(Absent::NxDomain));
    assert_eq!(dns.mx(&domain("host.example.test")).await, Answer::NotFound(Absent::NoData));
    assert_eq!(dns.a(&domain("dangling.example.test")).await, Answer::NotFound(Absent::NxDomain));
    assert_eq!(dns.txt(&domain("textless.example.test")).await, Answer::NotFound(Absent::NoData));
    assert_eq!(dns.addresses(&domain("none.example.test")).await, Answer::NotFound(Absent::NxDomain));
    assert_eq!(dns.ptr(ip("127.9.9.9")).await, Answer::NotFound(Absent::NxDomain));
    // The SOA's minute: stated again from memory.
    for _ in 0..3 {
        assert!(dns.mx(&domain("host.example.test")).await.is_not_found());
    }
    assert_eq!(server.count("host.example.test", Kind::MX), 1);
}

#[tokio::test]
async fn a_failure_is_never_absence() {
    let (server, dns) = internet(Zone::new("example.test").a("host", v4(1))).await;
    server.fault("servfail.test", Fault::ServFail);
    server.fault("refused.test", Fault::Refused);
    assert_eq!(dns.a(&domain("servfail.test")).await, Answer::Unknown(Unknown::Failure(2)));
    assert_eq!(dns.mail_hosts(&domain("servfail.test")).await, Answer::Unknown(Unknown::Failure(2)));
    assert_eq!(dns.a(&domain("refused.test")).await, Answer::Unknown(Unknown::Failure(5)));
    // rfc9520 §3.2: not asked again for a while, even if it would work by now.
    let asked = server.count("servfail.test", Kind::A);
    server.heal("servfail.test");
    assert!(dns.a(&domain("servfail.test")).await.is_unknown());
    assert_eq!(server.count("servfail.test", Kind::A), asked);
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (server, _) = internet(Zone::new("example.test").a("host", v4(1))).await;
    server.fault("example.test", Fault::Silent);
    let quick =
        Settings { deadline: Duration::from_millis(50), failure_ttl: Duration::ZERO, ..settings(&server) };
    let dns = Dns::new(quick).unwrap();
    assert_eq!(dns.a(&domain("host.example.test")).await, Answer::Unknown(Unknown::Timeout));
    assert_eq!(dns.addresses(&domain("host.example.test")).await, Answer::Unknown(Unknown::Timeout));
    assert_eq!(dns.counts().unknown, 3);
}

#[tokio::test]
async fn an_unanswered_question_is_sent_again() {
    let (server, _) = internet(Zone::new("example.test").a("host", v4(1))).await;
    server.fault("example.test", Fault::Silent);
    let timeout = Duration::from_millis(300);
    let dns = Dns::new(Settings { timeout, attempts: 3, ..settings(&server) }).unwrap();
    assert_eq!(dns.a(&domain("host.example.test")).await, Answer::Unknown(Unknown::Timeout));
    assert!(server.count("host.example.test", Kind::A) >= 3);
}

#[tokio::test]
async fn a_dead_server_does_not_hide_a_living_one() {
    let (server, _) = internet(Zone::new("example.test").a("host", v4(1))).await;
    // Bound, and nobody reads.
    let dead = UdpSocket::bind("127.0.0.2:0").unwrap();
    let servers = Servers::List(vec![dead.local_addr().unwrap(), server.address()]);
    let dns = Dns::new(Settings { servers, ..settings(&server) }).unwrap();
    assert_eq!(*found(dns.a(&domain("host.example.test")).await), [v4(1)]);
}

#[tokio::test]
async fn no_server_at_all_is_unknown() {
    // Free for a moment, and then nobody listens there.
    let gone: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings {
        servers: Servers::List(vec![gone]),
        timeout: Duration::from_millis(50),
        ..Settings::default()
    };
    let answer = Dns::new(settings).unwrap().a(&domain("host.example.test")).await;
    // Over UDP a closed port is as silent as a dead host.
    assert_eq!(answer, Answer::Unknown(Unknown::Timeout));
    let none = Settings { servers: Servers::List(vec![]), ..Settings::default() };
    assert!(matches!(Dns::new(none), Err(DnsError::NoServers)));
}

#[tokio::test]
async fn many_who_ask_at_once_are_one_question() {
    let (server, dns) = internet(Zone::new("example.test").a("host", v4(1))).await;
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let dns = dns.clone();
            tokio::spawn(async move { found(dns.a(&domain("host.example.test")).await) })
        })
        .collect();
    for asked in asking {
        assert_eq!(*asked.await.unwrap(), [v4(1)]);
    }
    assert_eq!(server.count("host.example.test", Kind::A), 1);
    let counts = dns.counts();
    assert_eq!((counts.questions, counts.sent, counts.joined + counts.cached), (100, 1, 99));
}

#[tokio::test]
async fn who_leaves_does_not_take_the_answer_along() {
    let (server, dns) = internet(Zone::new("example.test").a("host", v4(1))).await;
    let name = domain("host.example.test");
    {
        let mut first = pin!(dns.a(&name));
        poll_fn(|cx| {
            assert!(first.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    assert_eq!(*found(dns.a(&name).await), [v4(1)]);
    assert_eq!(server.count("host.example.test", Kind::A), 1);
    assert_eq!(dns.counts().sent, 1);
}

#[tokio::test]
async fn too_many_questions_are_refused_at_once() {
    let (server, _) = internet(Zone::new("example.test")).await;
    server.fault(".", Fault::Silent);
    let dns = Dns::new(Settings { concurrent: 1, ..settings(&server) }).unwrap();
    let mut waiting = Vec::new();
    for n in 0..16 {
        let dns = dns.clone();
        let name = domain(&format!("host{n}.example.test"));
        waiting.push(tokio::spawn(async move { dns.a(&name).await }));
        tokio::task::yield_now().await;
    }
    assert_eq!(dns.a(&domain("one.too.many")).await, Answer::Unknown(Unknown::Overloaded));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_large_answer_comes_over_tcp_and_is_cut_to_size() {
    let mut zone = Zone::new("example.test");
    for n in 0..1000_u16 {
        zone = zone.mx(2000 - n, &format!("mx{n}"));
    }
    for n in 0..200 {
        zone = zone.a("many", v4(n)).ptr(ip("127.0.20.7"), &format!("name{n}"));
    }
    let (server, dns) = internet(zone).await;
    let hosts = exchanges(dns.mx(&domain("example.test")).await);
    assert_eq!(hosts.len(), MAX_EXCHANGES);
    assert_eq!(hosts[0], "1001 mx999.example.test", "the preferred ones are kept");
    assert_eq!(hosts[15], "1016 mx984.example.test");
    let questions = server.questions();
    let over_tcp: Vec<bool> = questions.iter().filter(|q| q.kind == Kind::MX).map(|q| q.over_tcp).collect();
    assert_eq!(over_tcp, [false, true]);
    assert_eq!(found(dns.a(&domain("many.example.test")).await).len(), MAX_ADDRESSES);
    assert_eq!(found(dns.ptr(ip("127.0.20.7")).await).len(), MAX_NAMES);
}

#[tokio::test]
async fn aliases_that_never_end_are_unknown() {
    let mut zone =
        Zone::new("example.test").cname("loop", "loop").cname("ping", "pong").cname("pong", "ping");
    for n in 0..30 {
        zone = zone.cname(&format!("chain{n}"), &format!("chain{}", n + 1));
    }
    let (_server, dns) = internet(zone).await;
    for name in ["loop.example.test", "ping.example.test", "chain0.example.test"] {
        assert_eq!(dns.a(&domain(name)).await, Answer::Unknown(Unknown::AliasLoop), "{name}");
    }
}

#[tokio::test]
async fn mail_goes_where_the_domain_says() {
    let (server, dns) = internet(
        Zone::new("example.test")
            .mx(10, "mx1")
            .mx_of("null", 0, ".")
            .a("implicit", v4(2))
            .txt("mailless", "nothing here")
            .mx_of("broken", 5, "*.host")
            .a("broken", v4(3))
            .a("unsure", v4(4)),
    )
    .await;
    assert!(
        matches!(found(dns.mail_hosts(&domain("example.test")).await), MailHosts::Mx(hosts) if hosts.len() == 1)
    );
    assert_eq!(found(dns.mail_hosts(&domain("null.example.test")).await), MailHosts::Null);
    let implicit = found(dns.mail_hosts(&domain("implicit.example.test")).await);
    assert_eq!(implicit, MailHosts::Implicit([v4(2).into()].into()));
    let answer = dns.mail_hosts(&domain("mailless.example.test")).await;
    assert_eq!(answer, Answer::NotFound(Absent::NoData));
    assert_eq!(dns.mail_hosts(&domain("none.test")).await, Answer::NotFound(Absent::NxDomain));
    // rfc5321 §5.1: MX records that cannot be used do not make the host its own exchanger.
    let answer = dns.mail_hosts(&domain("broken.example.test")).await;
    assert_eq!(answer, Answer::NotFound(Absent::Unusable));
    server.fault("unsure.example.test", Fault::ServFail);
    assert!(dns.mail_hosts(&domain("unsure.example.test")).await.is_unknown());
}

#[tokio::test]
async fn reverse_names_are_confirmed_by_their_own_zone() {
    let zone = Zone::new("example.test")
        .a("mine", v4(1))
        .a("moved", v4(9))
        .aaaa("six", "2001:db8::1".parse().unwrap())
        .a("six", v4(7))
        .ptr(ip("127.0.20.1"), "moved")
        .ptr(ip("127.0.20.1"), "claimed.elsewhere.test.")
        .ptr(ip("127.0.20.1"), "unsure")
        .ptr(ip("127.0.20.1"), "mine")
        .ptr(ip("2001:db8::1"), "six");
    let (server, dns) = internet(zone).await;
    server.fault("unsure.example.test", Fault::ServFail);
    let names = found(dns.fcrdns(ip("127.0.20.1")).await);
    let forward = |name: &str| names.iter().find(|n| n.name == domain(name)).unwrap().forward;
    assert_eq!(names[0].name, domain("mine.example.test"), "confirmed names come first");
    assert_eq!(forward("mine.example.test"), Forward::Confirmed);
    assert_eq!(forward("moved.example.test"), Forward::Denied);
    assert_eq!(forward("claimed.elsewhere.test"), Forward::Denied);
    assert_eq!(forward("unsure.example.test"), Forward::Unknown(Unknown::Failure(2)));
    assert_eq!(found(dns.fcrdns(ip("2001:db8::1")).await)[0].forward, Forward::Confirmed);
    assert_eq!(dns.fcrdns(ip("127.0.20.99")).await, Answer::NotFound(Absent::NxDomain));
    server.fault("in-addr.arpa", Fault::ServFail);
    assert!(dns.fcrdns(ip("127.0.20.98")).await.is_unknown());
}

#[tokio::test]
async fn a_name_with_more_addresses_than_are_kept_is_not_denied() {
    let mut zone = Zone::new("example.test").ptr(ip("127.0.20.250"), "pool");
    for n in 0..=250 {
        zone = zone.a("pool", v4(n));
    }
    let (_server, dns) = internet(zone).await;
    let names = found(dns.fcrdns(ip("127.0.20.250")).await);
    assert!(matches!(names[0].forward, Forward::Unknown(Unknown::TooMany) | Forward::Confirmed), "{names:?}");
}

#[tokio::test]
async fn special_names_are_asked_of_nobody() {
    let (server, dns) = internet(Zone::new("localhost").a("@", v4(1))).await;
    let loopback = [ip("::1"), ip("127.0.0.1")];
    assert_eq!(*found(dns.addresses(&domain("localhost")).await), loopback);
    assert_eq!(dns.mx(&domain("a.invalid")).await, Answer::NotFound(Absent::NxDomain));
    assert_eq!(dns.a(&domain("abc.onion")).await, Answer::NotFound(Absent::NxDomain));
    assert_eq!(server.questions(), []);
}

#[tokio::test]
async fn the_ttl_of_a_remembered_answer_is_what_is_left() {
    let (server, dns) =
        internet(Zone::new("example.test").ttl(300).a("long", v4(1)).ttl(0).a("never", v4(2))).await;
    for _ in 0..2 {
        let answer = dns.a(&domain("long.example.test")).await;
        assert!(matches!(answer, Answer::Found { ttl, .. } if ttl <= Duration::from_secs(300)), "{answer:?}");
        assert!(dns.a(&domain("never.example.test")).await.is_found());
    }
    assert_eq!(server.count("long.example.test", Kind::A), 1);
}
