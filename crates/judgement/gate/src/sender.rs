//! The envelope sender: the operator's list, and whether its domain can receive mail.

use std::time::Instant as Clock;

use postern_dns::{Answer, Dns, MailHosts, Unknown};
use postern_policy::{Fact, Finding, Outcome, Test};
use postern_types::{Address, Domain};
use tokio::time::Instant;

use crate::loaded::Loaded;
use crate::lookup::micros;

/// Whether the operator's lists have the sender.
pub(crate) fn listed(sender: &Address, loaded: &Loaded) -> Finding {
    for list in &loaded.senders {
        if let Some(entry) = list.entry_for(sender) {
            let fact = Fact::Listed { list: list.name.clone(), entry: Some(entry) };
            return Finding::new(Test::SenderList, Outcome::Hit, fact);
        }
    }
    Finding::new(Test::SenderList, Outcome::Clear, Fact::Nothing)
}

/// Whether the sender's domain can receive mail (RFC 5321 §5.1, RFC 7505).
pub(crate) async fn domain(dns: &Dns, domain: &Domain, deadline: Instant) -> Finding {
    let began = Clock::now();
    let answer = tokio::time::timeout_at(deadline, dns.mail_hosts(domain)).await;
    let named = || domain.to_string();
    let (outcome, fact) = match answer.unwrap_or(Answer::Unknown(Unknown::Timeout)) {
        Answer::Found { value: MailHosts::Null, .. } => (Outcome::Hit, Fact::NullMx { domain: named() }),
        Answer::Found { .. } => (Outcome::Clear, Fact::Nothing),
        Answer::NotFound(_) => (Outcome::Hit, Fact::NoMailHost { domain: named() }),
        Answer::Unknown(why) => {
            (Outcome::Unknown, Fact::NoAnswer { question: named(), why: why.to_string() })
        }
    };
    Finding { test: Test::SenderDomain, outcome, fact, micros: micros(began) }
}
