//! The name of the client's address, and whether it leads back (FCrDNS).

use std::time::Instant as Clock;

use postern_dns::{Absent, Answer, Dns, Forward, ReverseName, Unknown};
use postern_policy::{Fact, Finding, Outcome, Rdns, Test};
use tokio::time::Instant;

use crate::lookup::micros;

/// Asks for the name; the two findings are `rdns` and `fcrdns`.
pub(crate) async fn find(dns: &Dns, ip: std::net::IpAddr, deadline: Instant) -> (Rdns, [Finding; 2]) {
    let began = Clock::now();
    let answer = match tokio::time::timeout_at(deadline, dns.fcrdns(ip)).await {
        Ok(Answer::Found { value, .. }) => Ok(value),
        Ok(Answer::NotFound(absent)) => Err(Ok(absent)),
        Ok(Answer::Unknown(why)) => Err(Err(why)),
        Err(_) => Err(Err(Unknown::Timeout)),
    };
    let (rdns, (has_name, name_fact), (leads_back, back_fact)) = match answer {
        Ok(names) => read(&names),
        Err(Ok(absent)) => missing(absent),
        Err(Err(why)) => {
            let fact = Fact::NoAnswer { question: "the name of the address".into(), why: why.to_string() };
            (Rdns::Unknown, (Outcome::Unknown, fact.clone()), (Outcome::Unknown, fact))
        }
    };
    let micros = micros(began);
    let finding = |test, outcome, fact| Finding { test, outcome, fact, micros };
    (rdns, [finding(Test::Rdns, has_name, name_fact), finding(Test::Fcrdns, leads_back, back_fact)])
}

type Read = (Rdns, (Outcome, Fact), (Outcome, Fact));

fn missing(absent: Absent) -> Read {
    let no_name = Fact::NotAsked { why: "the address has no name".into() };
    let fact = match absent {
        Absent::NxDomain | Absent::NoData => Fact::Nothing,
        Absent::Unusable => Fact::NotAsked { why: absent.to_string() },
    };
    (Rdns::Missing, (Outcome::Hit, fact), (Outcome::Skipped, no_name))
}

fn read(names: &[ReverseName]) -> Read {
    // Confirmed names come first.
    let Some(first) = names.first() else { return missing(Absent::NoData) };
    let name = first.name.to_string();
    let unknown = names.iter().find_map(|name| match name.forward {
        Forward::Unknown(why) => {
            Some(Fact::NoAnswer { question: name.name.to_string(), why: why.to_string() })
        }
        _ => None,
    });
    let (rdns, leads_back) = match (first.forward, unknown) {
        (Forward::Confirmed, _) => (Rdns::Confirmed { name: name.clone() }, (Outcome::Clear, Fact::Nothing)),
        // Another name might have led back.
        (_, Some(fact)) => (Rdns::Unconfirmed { name: name.clone() }, (Outcome::Unknown, fact)),
        (_, None) => {
            let fact = Fact::Name { name: name.clone() };
            (Rdns::Unconfirmed { name: name.clone() }, (Outcome::Hit, fact))
        }
    };
    (rdns, (Outcome::Clear, Fact::Name { name }), leads_back)
}
