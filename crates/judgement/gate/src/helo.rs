//! The name in HELO (RFC 5321 §4.1.1.1, §4.1.3, §4.1.4).

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant as Clock;

use postern_dns::{Answer, Dns, Unknown};
use postern_policy::{Fact, Finding, Outcome, Test};
use postern_types::{Domain, Host};
use tokio::time::Instant;

use crate::loaded::Loaded;
use crate::lookup::micros;

/// What the name alone shows.
pub(crate) struct Look {
    pub(crate) findings: Vec<Finding>,
    /// The name to look for in the DNS; `None` where that would tell nothing more.
    pub(crate) ask: Option<Domain>,
}

/// Looks at the name that a client at `ip` gives.
pub(crate) fn look(name: &str, ip: IpAddr, loaded: &Loaded, domains: &HashSet<Domain>) -> Look {
    let said = || Fact::Name { name: name.to_owned() };
    let mut look = Look { findings: Vec::new(), ask: None };
    // rfc5321 §4.1.3: an address stands in brackets; without them it is neither name nor literal.
    let host = if name.parse::<Ipv4Addr>().is_ok() { None } else { Host::parse(name).ok() };
    let Some(host) = host else {
        look.add(loaded, Test::HeloSyntax, Outcome::Hit, said());
        return look;
    };
    look.add(loaded, Test::HeloSyntax, Outcome::Clear, Fact::Nothing);
    let settings = &loaded.settings;
    let ours = match &host {
        Host::Domain(domain) => settings.our_names.contains(domain) || domains.contains(domain),
        Host::Literal(literal) => settings.our_addresses.contains(literal),
    };
    // Who speaks from our address is no stranger.
    let stranger = !settings.our_addresses.contains(&ip.to_canonical());
    if ours && stranger {
        look.add(loaded, Test::HeloOurs, Outcome::Hit, said());
        return look;
    }
    look.add(loaded, Test::HeloOurs, Outcome::Clear, Fact::Nothing);
    match host {
        Host::Literal(literal) if literal.to_canonical() == ip.to_canonical() => {
            look.add(loaded, Test::HeloLiteral, Outcome::Clear, Fact::Nothing);
        }
        Host::Literal(literal) => {
            let fact = Fact::OtherAddress { said: literal.to_string(), is: ip.to_string() };
            look.add(loaded, Test::HeloLiteral, Outcome::Hit, fact);
        }
        Host::Domain(domain) if !domain.is_qualified() => {
            look.add(loaded, Test::HeloUnqualified, Outcome::Hit, said());
        }
        Host::Domain(domain) => {
            look.add(loaded, Test::HeloUnqualified, Outcome::Clear, Fact::Nothing);
            look.ask = (!ours && loaded.asks(Test::HeloUnresolved)).then_some(domain);
        }
    }
    look
}

impl Look {
    fn add(&mut self, loaded: &Loaded, test: Test, outcome: Outcome, fact: Fact) {
        if loaded.asks(test) {
            self.findings.push(Finding::new(test, outcome, fact));
        }
    }
}

/// Whether the name is in the DNS: it has an address, or takes mail.
pub(crate) async fn resolve(dns: &Dns, name: &Domain, deadline: Instant) -> Finding {
    let began = Clock::now();
    let asked = async {
        match dns.addresses(name).await {
            Answer::NotFound(_) => dns.mx(name).await.map(|_| ()),
            answer => answer.map(|_| ()),
        }
    };
    let answer = tokio::time::timeout_at(deadline, asked).await.unwrap_or(Answer::Unknown(Unknown::Timeout));
    let (outcome, fact) = match answer {
        Answer::Found { .. } => (Outcome::Clear, Fact::Nothing),
        Answer::NotFound(_) => (Outcome::Hit, Fact::Name { name: name.to_string() }),
        Answer::Unknown(why) => {
            (Outcome::Unknown, Fact::NoAnswer { question: name.to_string(), why: why.to_string() })
        }
    };
    Finding { test: Test::HeloUnresolved, outcome, fact, micros: micros(began) }
}
