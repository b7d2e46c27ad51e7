//! The dial-up test: asks for the names that `postern-dialup` scores, and whether the sender's domain has its
//! mail host at the client's address, which clears a small office on a fixed line.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant as Clock;

use futures_util::future::{join, join_all};
use postern_dialup::{Looked, Neighbour, Observation, Smtp, Weights, score};
use postern_dns::{Answer, Dns, MailHosts, Unknown};
use postern_policy::{Fact, Finding, Outcome, Test};
use postern_types::Domain;
use tokio::time::Instant;

use crate::active::Probe;
use crate::lookup::micros;
use crate::weighed::{Memory, fact};

/// Mail hosts of the sender's domain beyond these are not asked for their addresses.
const MAIL_HOSTS: usize = 8;

/// What came of the test, and what it rests on.
pub(crate) struct Found {
    pub(crate) finding: Finding,
    /// What was seen, where that accuses the host or leaves it in doubt.
    seen: Option<Observation>,
}

impl Found {
    /// The same for a host that the sender's domain knows as its own, by SPF.
    pub(crate) fn cleared_by_spf(mut self) -> Self {
        let Some(observation) = &mut self.seen else { return self };
        observation.spf_pass = true;
        let assessment = score(observation, &Weights::default());
        if !assessment.is_dialup() {
            self.finding = Finding { outcome: Outcome::Clear, fact: fact(&assessment), ..self.finding };
        }
        self
    }

    /// Connects back where that could change the answer.
    pub(crate) async fn connected_back(self, probe: Option<&Probe<'_>>) -> Finding {
        let weights = Weights::default();
        let (Some(mut observation), Some(probe)) = (self.seen, probe) else { return self.finding };
        if self.finding.outcome == Outcome::Unknown || !Looked::at(&observation).smtp_matters(&weights) {
            return self.finding;
        }
        let began = Clock::now();
        observation.smtp = probe.connect_back().await;
        if observation.smtp != Smtp::Answers {
            observation.smtp_beside = probe.beside().await;
        }
        let assessment = score(&observation, &weights);
        let outcome = if assessment.is_dialup() { Outcome::Hit } else { Outcome::Clear };
        let micros = self.finding.micros.saturating_add(micros(began));
        Finding { outcome, fact: fact(&assessment), micros, ..self.finding }
    }
}

/// A client that may be a dial-up host, and whom to ask. `near` neighbours on each side are asked for their names.
pub(crate) struct Asked<'a> {
    pub(crate) dns: &'a Dns,
    pub(crate) ip: IpAddr,
    pub(crate) near: u8,
    pub(crate) memory: &'a Memory,
}

/// What the DNS says about the names of an address and of those around it.
#[derive(Clone, Debug)]
pub struct DialupNames {
    /// The names.
    pub observation: Observation,
    /// Why most neighbours' names are not known, where they are not.
    pub unanswered: Option<Unknown>,
}

/// Asks for the names of an address and, where they could change the answer, of up to `near` neighbours on each
/// side.
pub async fn dialup_names(dns: &Dns, ip: IpAddr, near: u8, weights: &Weights) -> Answer<DialupNames> {
    names(dns, ip, near, |observation| Looked::at(observation).neighbours_matter(weights)).await
}

async fn names(
    dns: &Dns,
    ip: IpAddr,
    near: u8,
    neighbours_matter: impl Fn(&Observation) -> bool,
) -> Answer<DialupNames> {
    match dns.ptr(ip).await {
        Answer::Found { value, ttl } => {
            let names = value.iter().map(ToString::to_string).collect();
            let mut observation = Observation::new(ip, names);
            let mut unanswered = None;
            if neighbours_matter(&observation) {
                (observation.neighbours, unanswered) = neighbours(dns, ip, near).await;
            }
            Answer::Found { value: DialupNames { observation, unanswered }, ttl }
        }
        Answer::NotFound(absent) => Answer::NotFound(absent),
        Answer::Unknown(why) => Answer::Unknown(why),
    }
}

impl Asked<'_> {
    /// Whether it is a dial-up host, as far as the DNS tells. With `probe` a host in doubt is looked at more closely,
    /// so that it can be connected to.
    pub(crate) async fn find(
        &self,
        sender: Option<&Domain>,
        probe: Option<&Probe<'_>>,
        deadline: Instant,
    ) -> Found {
        let began = Clock::now();
        let answer = tokio::time::timeout_at(deadline, self.ask(sender, probe)).await;
        let late = || (unknown("the names of the address", Unknown::Timeout), None);
        let ((outcome, fact), seen) = answer.unwrap_or_else(|_| late());
        Found { finding: Finding { test: Test::Dialup, outcome, fact, micros: micros(began) }, seen }
    }

    async fn ask(
        &self,
        sender: Option<&Domain>,
        probe: Option<&Probe<'_>>,
    ) -> ((Outcome, Fact), Option<Observation>) {
        let (ip, memory) = (self.ip.to_canonical(), self.memory);
        let matter = |observation: &Observation| memory.weigh(observation).neighbours_matter;
        let DialupNames { mut observation, unanswered } = match names(self.dns, ip, self.near, matter).await {
            Answer::Found { value, .. } => value,
            Answer::NotFound(_) => {
                return ((Outcome::Skipped, Fact::NotAsked { why: "the address has no name".into() }), None);
            }
            Answer::Unknown(why) => return (unknown("the names of the address", why), None),
        };
        let weighed = memory.weigh(&observation);
        let accused = weighed.accused;
        let doubtful = probe.is_some() && weighed.smtp_matters;
        let alone = (if accused { Outcome::Hit } else { Outcome::Clear }, weighed.fact.clone());
        if !accused && (!doubtful || unanswered.is_some()) {
            return (alone, None);
        }
        // What most neighbours are called might have cleared the host.
        if let Some(why) = unanswered {
            return (unknown("the names of neighbouring addresses", why), None);
        }
        match sender {
            Some(domain) => match leads_here(self.dns, domain, ip).await {
                Leads::Here => {
                    observation.sender_points_here = true;
                    ((Outcome::Clear, memory.weigh(&observation).fact.clone()), None)
                }
                Leads::Elsewhere => (alone, Some(observation)),
                Leads::Unknown(why) if accused => (unknown(domain.as_str(), why), Some(observation)),
                Leads::Unknown(_) => (alone, None),
            },
            None => (alone, Some(observation)),
        }
    }
}

fn unknown(question: &str, why: Unknown) -> (Outcome, Fact) {
    (Outcome::Unknown, Fact::NoAnswer { question: question.to_owned(), why: why.to_string() })
}

/// The neighbours that have names; and why, when most could not be asked.
async fn neighbours(dns: &Dns, ip: IpAddr, near: u8) -> (Vec<Neighbour>, Option<Unknown>) {
    let addresses = beside(ip, near);
    let answers = join_all(addresses.iter().map(|&address| dns.ptr(address))).await;
    let (mut found, mut failed, mut why) = (Vec::new(), 0, None);
    for (&address, answer) in addresses.iter().zip(answers) {
        match answer {
            Answer::Found { value, .. } => {
                let names = value.iter().map(ToString::to_string).collect();
                found.push(Neighbour { address, names });
            }
            Answer::NotFound(_) => {}
            Answer::Unknown(reason) => {
                failed += 1;
                why = Some(reason);
            }
        }
    }
    (found, why.filter(|_| 2 * failed > addresses.len()))
}

/// The addresses on each side, within the /24. An IPv6 address has none: the next ones are mostly not in use.
fn beside(ip: IpAddr, near: u8) -> Vec<IpAddr> {
    let IpAddr::V4(v4) = ip else { return Vec::new() };
    let [a, b, c, d] = v4.octets();
    let around = d.saturating_sub(near).max(1)..=d.saturating_add(near).min(254);
    around.filter(|near| *near != d).map(|near| Ipv4Addr::new(a, b, c, near).into()).collect()
}

/// Where a domain's mail goes, and where the domain itself is.
enum Leads {
    Here,
    Elsewhere,
    Unknown(Unknown),
}

async fn leads_here(dns: &Dns, domain: &Domain, ip: IpAddr) -> Leads {
    let (hosts, own) = join(dns.mail_hosts(domain), dns.addresses(domain)).await;
    let mut answers = vec![own];
    match hosts {
        Answer::Found { value: MailHosts::Mx(hosts), .. } => {
            let hosts = hosts.iter().take(MAIL_HOSTS);
            answers.extend(join_all(hosts.map(|mx| dns.addresses(&mx.exchange))).await);
        }
        Answer::Unknown(why) => answers.push(Answer::Unknown(why)),
        _ => {}
    }
    let mut leads = Leads::Elsewhere;
    for answer in answers {
        match answer {
            Answer::Found { value, .. } if value.contains(&ip) => return Leads::Here,
            Answer::Unknown(why) => leads = Leads::Unknown(why),
            _ => {}
        }
    }
    leads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_stay_within_the_network() {
        let last = |ip: &str| -> Vec<u8> {
            let octet = |ip: IpAddr| if let IpAddr::V4(v4) = ip { v4.octets()[3] } else { 0 };
            beside(ip.parse().unwrap(), 2).into_iter().map(octet).collect()
        };
        assert_eq!(last("203.0.113.9"), [7, 8, 10, 11]);
        assert_eq!(last("203.0.113.1"), [2, 3]);
        assert_eq!(last("203.0.113.254"), [252, 253]);
        assert!(beside("2001:db8::9".parse().unwrap(), 2).is_empty());
    }
}
