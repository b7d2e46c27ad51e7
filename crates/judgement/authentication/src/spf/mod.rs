//! SPF (RFC 7208): may this address send mail for this domain?
//!
//! The record is read as a whole before anything is asked (`record`), macros are values (`macros`), and the walk
//! through it (`evaluate`) has the limits of §4.6.4: ten terms that need the DNS, two lookups that find nothing.

mod evaluate;
mod macros;
mod record;

use std::net::IpAddr;

use postern_dns::QueryName;
use postern_types::{Authenticity, Domain, Host, ReversePath};
use tokio::time::Instant;

use crate::lookup::Lookup;
use evaluate::{Case, Level, Walk};

/// Which name of the client was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// The domain of MAIL FROM.
    MailFrom,
    /// The HELO name, for the null sender (§2.4).
    Helo,
}

/// What SPF says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spf {
    /// The result.
    pub result: Authenticity,
    /// Which name was checked.
    pub identity: Identity,
    /// The name, as it was given where it is no domain.
    pub domain: String,
    /// The term of the record that decided.
    pub term: Option<String>,
    /// What is wrong, for `temperror` and `permerror`.
    pub problem: Option<String>,
    /// What the domain wants a sender told who fails: ASCII, at most 200 characters, written by a stranger.
    pub explanation: Option<String>,
}

/// The sender as `check_host` sees it; `receiver` is our own name, for explanations.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The client's address.
    pub ip: IpAddr,
    /// What it calls itself.
    pub helo: &'a str,
    /// MAIL FROM.
    pub path: &'a ReversePath,
    /// Our own name.
    pub receiver: &'a str,
}

/// Checks the sender, or the HELO name where the sender is null. All lookups end at the deadline.
pub async fn spf<L: Lookup>(lookup: &L, sender: &Sender<'_>, deadline: Instant) -> Spf {
    let (identity, local, domain) = match sender.path {
        ReversePath::Address(address) => {
            let domain = match address.host() {
                Host::Domain(domain) => domain.to_string(),
                host => host.to_string(),
            };
            (Identity::MailFrom, address.local().as_str(), domain)
        }
        // rfc7208 §2.4: the null sender is postmaster of the HELO name
        ReversePath::Null => (Identity::Helo, "", sender.helo.to_owned()),
    };
    let case = Case {
        ip: sender.ip.to_canonical(),
        // rfc7208 §4.3
        local: if local.is_empty() { "postmaster" } else { local },
        sender_domain: &domain,
        helo: sender.helo,
        receiver: sender.receiver,
        deadline,
    };
    let outcome = match Domain::parse(&domain) {
        Ok(domain) if domain.is_qualified() => {
            let mut walk = Walk { lookup, case: &case, lookups: 0, void: 0, validated: None };
            walk.check(&QueryName::from(&domain), Level::Own).await
        }
        // rfc7208 §4.3: what is no domain name has no record
        _ => evaluate::Outcome::default(),
    };
    let evaluate::Outcome { result, term, problem, explanation } = outcome;
    Spf { result, identity, domain, term, problem, explanation }
}
