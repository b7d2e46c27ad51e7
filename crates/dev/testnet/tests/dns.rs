//! The DNS of the test internet, asked by our own question and by `dig`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hickory_server::proto::op::{Message, OpCode, Query, ResponseCode};
use hickory_server::proto::rr::Name;
use postern_testnet::{DnsServer, Fault, Finished, Kind, Tool, Zone};
use tokio::net::UdpSocket;

async fn server() -> DnsServer {
    let dns = DnsServer::start().await.unwrap();
    dns.add(
        Zone::new("example.test")
            .mx(10, "mx1")
            .a("mx1", Ipv4Addr::new(127, 0, 20, 1))
            .txt("@", "v=spf1 mx -all")
            .txt("long", &"x".repeat(3000))
            .ptr(IpAddr::V4(Ipv4Addr::new(127, 0, 20, 1)), "mx1")
            .fault("broken", Fault::ServFail)
            .fault("silent", Fault::Silent),
    );
    dns
}

/// One question over UDP; `None` when no answer comes before another name was answered.
async fn ask(dns: &DnsServer, name: &str, kind: Kind) -> (ResponseCode, Vec<String>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut question = Message::query();
    question.metadata.op_code = OpCode::Query;
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    socket.send_to(&question.to_vec().unwrap(), dns.address()).await.unwrap();
    let mut answer = [0; 4096];
    let size =
        tokio::time::timeout(Duration::from_secs(20), socket.recv(&mut answer)).await.unwrap().unwrap();
    let answer = Message::from_vec(&answer[..size]).unwrap();
    (answer.metadata.response_code, answer.answers.iter().map(|r| r.data.to_string()).collect())
}

#[tokio::test]
async fn zones_are_served_and_questions_counted() {
    let dns = server().await;
    let (code, answers) = ask(&dns, "example.test.", Kind::MX).await;
    assert_eq!((code, answers), (ResponseCode::NoError, vec!["10 mx1.example.test.".to_owned()]));
    assert_eq!(ask(&dns, "1.20.0.127.in-addr.arpa.", Kind::PTR).await.1, ["mx1.example.test."]);
    assert_eq!(ask(&dns, "none.example.test.", Kind::A).await.0, ResponseCode::NXDomain);
    assert_eq!(ask(&dns, "MX1.Example.Test.", Kind::AAAA).await, (ResponseCode::NoError, vec![]));
    assert_eq!(ask(&dns, "a.broken.example.test.", Kind::A).await.0, ResponseCode::ServFail);
    assert_eq!(dns.count("example.test", Kind::MX), 1);
    assert_eq!(dns.questions().len(), 5);
    dns.forget_questions();
    assert_eq!(dns.questions(), []);
}

#[tokio::test]
async fn the_world_changes_at_run_time() {
    let dns = server().await;
    let listed = IpAddr::V4(Ipv4Addr::new(127, 0, 20, 9));
    dns.add(Zone::dnsbl("bl.test", [listed]));
    assert_eq!(ask(&dns, "9.20.0.127.bl.test.", Kind::A).await.1, ["127.0.0.2"]);
    assert_eq!(ask(&dns, "2.0.0.127.bl.test.", Kind::A).await.1, ["127.0.0.2"], "rfc5782 §5: the test entry");
    assert_eq!(ask(&dns, "1.0.0.127.bl.test.", Kind::A).await.0, ResponseCode::NXDomain);

    dns.remove("9.20.0.127.bl.test");
    assert_eq!(ask(&dns, "9.20.0.127.bl.test.", Kind::A).await.0, ResponseCode::NXDomain);

    dns.add(Zone::new("bl.test").a("*", Ipv4Addr::new(127, 0, 0, 2)));
    assert_eq!(ask(&dns, "7.7.7.7.bl.test.", Kind::A).await.1, ["127.0.0.2"], "it lists everything now");

    dns.fault("bl.test", Fault::Refused);
    assert_eq!(ask(&dns, "9.20.0.127.bl.test.", Kind::A).await.0, ResponseCode::Refused);
    dns.heal("bl.test");
    dns.fault(".", Fault::ServFail);
    assert_eq!(ask(&dns, "example.test.", Kind::MX).await.0, ResponseCode::ServFail);
}

async fn dig(dns: &DnsServer, words: &str) -> Option<Finished> {
    let port = dns.address().port().to_string();
    let tool = Tool::find("dig")?.args(["@127.0.0.1", "-p", &port, "+tries=1", "+time=10"]);
    Some(tool.args(words.split(' ')).run().await)
}

#[tokio::test]
async fn dig_agrees() {
    let dns = server().await;
    let Some(answer) = dig(&dns, "+short -x 127.0.20.1").await else { return };
    assert_eq!(answer.stdout, "mx1.example.test.\n", "{answer:?}");
    let answer = dig(&dns, "+tcp +short example.test TXT").await.unwrap();
    assert_eq!(answer.stdout, "\"v=spf1 mx -all\"\n", "{answer:?}");
    let answer = dig(&dns, "none.example.test").await.unwrap();
    assert!(answer.stdout.contains("status: NXDOMAIN"), "{answer:?}");
    assert!(answer.stdout.contains("SOA"), "negative answers can be cached: {answer:?}");
    let answer = dig(&dns, "example.org").await.unwrap();
    assert!(answer.stdout.contains("status: NXDOMAIN"), "{answer:?}");
}

#[tokio::test]
async fn a_long_answer_is_cut_and_asked_again_over_tcp() {
    let dns = server().await;
    let Some(answer) = dig(&dns, "+short long.example.test TXT").await else { return };
    assert!(answer.stdout.len() > 3000, "{answer:?}");
    let over_tcp: Vec<bool> = dns.questions().iter().map(|q| q.over_tcp).collect();
    assert_eq!(over_tcp, [false, true]);
}

#[tokio::test]
async fn a_silent_name_is_not_answered_but_others_are() {
    let dns = server().await;
    let Some(answer) = dig(&dns, "+time=1 +short silent.example.test").await else { return };
    assert_eq!(answer.code, Some(9), "dig's code for no reply: {answer:?}");
    assert_eq!(dns.count("silent.example.test", Kind::A), 1);
    assert_eq!(dig(&dns, "+short mx1.example.test").await.unwrap().stdout, "127.0.20.1\n");
}
