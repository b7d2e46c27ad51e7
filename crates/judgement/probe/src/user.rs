//! The user test (active-filter §5): does the sender's address exist?

use std::net::IpAddr;

use futures_util::future::join_all;
use postern_dns::{Answer, Dns, MailHosts};
use postern_types::{Address, Domain, LocalPart};
use serde::{Deserialize, Serialize};

use crate::errand::{Errand, Heard};
use crate::reply::{Recipient, classify};
use crate::visit::{Case, Host, Visited, World, visit};
use crate::{NotAllowed, Obstacle, Settings, User, place};

/// Mail hosts of a domain beyond these are not looked at.
const EXCHANGES: usize = 8;
/// Addresses of one mail host beyond these are not tried.
const ADDRESSES: usize = 2;

/// What holds for every sender of a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DomainFact {
    /// What stands in the way; `None`: its mail hosts know their users.
    pub(crate) obstacle: Option<Obstacle>,
    #[serde(default)]
    pub(crate) detail: String,
}

/// What was found out.
pub(crate) struct Found {
    pub(crate) user: User,
    pub(crate) domain: Option<DomainFact>,
}

impl Found {
    fn stopped(obstacle: Obstacle, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let domain = DomainFact { obstacle: Some(obstacle), detail: detail.clone() };
        Self {
            user: User::Unverifiable { obstacle, detail },
            domain: Some(domain).filter(|_| obstacle.is_of_domain()),
        }
    }
}

impl DomainFact {
    /// What it makes of a sender that nobody has asked about.
    pub(crate) fn user(&self) -> Option<User> {
        let Self { obstacle, detail } = self;
        obstacle.map(|obstacle| User::Unverifiable { obstacle, detail: detail.clone() })
    }
}

/// Asks the domain's mail hosts, in their order, until one tells. `knows_users`: that they do was found out lately, so
/// that no name that nobody has is asked for.
pub(crate) async fn find(
    world: &World<'_>,
    dns: &Dns,
    case: &Case,
    user: &Address,
    knows_users: bool,
) -> Found {
    let Some(domain) = user.domain() else { return Found::stopped(Obstacle::Unclear, "no domain") };
    let hosts = match mail_hosts(dns, domain, world.settings).await {
        Ok(hosts) => hosts,
        Err((obstacle, detail)) => return Found::stopped(obstacle, detail),
    };
    case.targets.set(hosts.iter().map(|host| host.ip));
    let nobody = if knows_users { None } else { nobody(user) };
    let errand = Errand::User { user: user.clone(), nobody };
    let (mut tried, mut last) = (0, Found::stopped(Obstacle::Unreachable, ""));
    for host in &hosts {
        if tried >= world.settings.limits.hosts {
            break;
        }
        let visited = visit(world, case, host, &errand).await;
        // A network that cannot be reached from here costs nobody anything.
        tried += u32::from(!matches!(&visited, Ok(Err(error)) if !error.is_theirs()));
        match read(visited, user, host) {
            Step::Told(found) => return found,
            Step::Next(found) => last = found,
        }
    }
    last
}

/// Whether the next host is to be asked.
enum Step {
    Told(Found),
    Next(Found),
}

fn read(visited: Visited, user: &Address, host: &Host) -> Step {
    let named = host.name.clone().unwrap_or_else(|| host.ip.to_string());
    match visited {
        Err(not_allowed @ NotAllowed::OptedOut(_)) => {
            Step::Told(Found::stopped(Obstacle::OptedOut, not_allowed.to_string()))
        }
        // Not a word about the domain. Nor is its next host asked for it: that would send the whole load there.
        Err(not_allowed) => {
            let obstacle = if not_allowed.will_pass() { Obstacle::HeldBack } else { Obstacle::Unclear };
            let user = User::Unverifiable { obstacle, detail: not_allowed.to_string() };
            Step::Told(Found { user, domain: None })
        }
        Ok(Err(error)) => Step::Next(Found::stopped(Obstacle::Unreachable, format!("{named}: {error}"))),
        Ok(Ok(Heard::Refused { at, reply })) => {
            let detail = format!("{named} at {at}: {reply}");
            if reply.code.is_permanent() {
                Step::Told(Found::stopped(Obstacle::RefusesUs, detail))
            } else {
                Step::Next(Found::stopped(Obstacle::Later, detail))
            }
        }
        Ok(Ok(Heard::User { user: reply, nobody })) => {
            let nobody = nobody.map(|reply| classify(&reply, user));
            match classify(&reply, user) {
                Recipient::Later => Step::Next(Found::stopped(Obstacle::Later, format!("{named}: {reply}"))),
                said => Step::Told(told(said, nobody, &named, reply.to_string())),
            }
        }
        Ok(Ok(Heard::Greeting(_) | Heard::Relay(_) | Heard::BrokenOff(_))) => {
            Step::Told(Found::stopped(Obstacle::Unclear, "it was asked something else"))
        }
    }
}

/// What the two answers of a mail host come to.
fn told(said: Recipient, nobody: Option<Recipient>, host: &str, reply: String) -> Found {
    let knows_users = DomainFact { obstacle: None, detail: String::new() };
    match (said, nobody) {
        (Recipient::Accepted, Some(Recipient::Accepted)) => {
            Found::stopped(Obstacle::CatchAll, format!("{host} accepts a name that nobody has"))
        }
        (Recipient::Accepted, Some(Recipient::NoSuchUser)) => {
            Found { user: User::Exists, domain: Some(knows_users) }
        }
        (Recipient::Accepted, _) => Found { user: User::Exists, domain: None },
        (Recipient::NoSuchUser, _) => {
            Found { user: User::Missing { host: host.to_owned(), said: reply }, domain: Some(knows_users) }
        }
        (Recipient::DislikesUs, _) => Found::stopped(Obstacle::RefusesUs, format!("{host}: {reply}")),
        (Recipient::Later, _) => Found::stopped(Obstacle::Later, format!("{host}: {reply}")),
        (Recipient::Unclear, _) => Found::stopped(Obstacle::Unclear, format!("{host}: {reply}")),
    }
}

/// A name at the same domain that nobody has.
fn nobody(user: &Address) -> Option<Address> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).ok()?;
    let local = LocalPart::parse(&format!("no-such-user-{:016x}", u64::from_ne_bytes(bytes))).ok()?;
    Some(Address::new(local, user.host().clone()))
}

/// The hosts to ask, the preferred ones first; or why there are none.
async fn mail_hosts(
    dns: &Dns,
    domain: &Domain,
    settings: &Settings,
) -> Result<Vec<Host>, (Obstacle, String)> {
    let hosts = match dns.mail_hosts(domain).await {
        Answer::Found { value: MailHosts::Null, .. } => return Err((Obstacle::NullMx, String::new())),
        Answer::Found { value: MailHosts::Implicit(addresses), .. } => named(domain, &addresses),
        Answer::Found { value: MailHosts::Mx(exchanges), .. } => {
            if exchanges.iter().any(|mx| mx.exchange == settings.hostname) {
                return Err((Obstacle::LeadsToUs, String::new()));
            }
            let exchanges = &exchanges[..exchanges.len().min(EXCHANGES)];
            let answers = join_all(exchanges.iter().map(|mx| dns.addresses(&mx.exchange))).await;
            let unknown = answers.iter().any(Answer::is_unknown);
            let hosts: Vec<Host> = exchanges
                .iter()
                .zip(answers)
                .flat_map(|(mx, answer)| {
                    answer.found().map_or(Vec::new(), |found| named(&mx.exchange, &found))
                })
                .collect();
            if hosts.is_empty() {
                let obstacle = if unknown { Obstacle::NoDns } else { Obstacle::NoMailHost };
                return Err((obstacle, "no mail host has an address".into()));
            }
            hosts
        }
        Answer::NotFound(absent) => return Err((Obstacle::NoMailHost, absent.to_string())),
        Answer::Unknown(why) => return Err((Obstacle::NoDns, why.to_string())),
    };
    choose(hosts, settings)
}

/// Those that may be connected to. A domain whose mail comes to us as well is not asked at all: a host behind us
/// would ask us again.
fn choose(hosts: Vec<Host>, settings: &Settings) -> Result<Vec<Host>, (Obstacle, String)> {
    let mut chosen = Vec::new();
    let mut refused = (Obstacle::NotPublic, String::new());
    for host in hosts {
        match place::may_connect(host.ip, settings) {
            Ok(()) => chosen.push(host),
            Err(NotAllowed::Ours(_)) => return Err((Obstacle::LeadsToUs, String::new())),
            Err(why @ NotAllowed::OptedOut(_)) => return Err((Obstacle::OptedOut, why.to_string())),
            Err(why) => refused.1 = why.to_string(),
        }
    }
    if chosen.is_empty() { Err(refused) } else { Ok(chosen) }
}

/// A mail host at a few of its addresses, one of each family first.
fn named(name: &Domain, addresses: &[IpAddr]) -> Vec<Host> {
    let v6 = addresses.iter().filter(|ip| ip.is_ipv6());
    let v4 = addresses.iter().filter(|ip| ip.is_ipv4());
    let mut chosen: Vec<IpAddr> = v6.clone().take(1).chain(v4.clone().take(1)).copied().collect();
    chosen.extend(v6.skip(1).chain(v4.skip(1)));
    chosen.truncate(ADDRESSES);
    chosen.into_iter().map(|ip| Host { ip, name: Some(name.to_string()) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_make_one() {
        use Recipient::*;
        let is = |user: &User| match user {
            User::Exists => "exists",
            User::Missing { .. } => "missing",
            User::Unverifiable { obstacle: Obstacle::CatchAll, .. } => "catch-all",
            User::Unverifiable { .. } => "unverifiable",
        };
        for (said, nobody, expected, of_domain) in [
            (Accepted, Some(NoSuchUser), "exists", true),
            (Accepted, Some(Accepted), "catch-all", true),
            (Accepted, Some(Later), "exists", false),
            (Accepted, Some(DislikesUs), "exists", false),
            (Accepted, None, "exists", false),
            (NoSuchUser, None, "missing", true),
            (DislikesUs, None, "unverifiable", true),
            (Unclear, None, "unverifiable", false),
            (Later, None, "unverifiable", false),
        ] {
            let found = told(said, nobody, "mx", String::new());
            assert_eq!(
                (is(&found.user), found.domain.is_some()),
                (expected, of_domain),
                "{said:?} {nobody:?}"
            );
        }
    }

    #[test]
    fn each_family_has_its_turn() {
        let ips: Vec<IpAddr> =
            ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap()).into();
        let hosts = named(&"mx.test".parse().unwrap(), &ips);
        let chosen: Vec<String> = hosts.iter().map(|host| host.ip.to_string()).collect();
        assert_eq!(chosen, ["2001:db8::1", "192.0.2.1"]);
    }
}
