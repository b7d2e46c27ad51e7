//! `check_host` (RFC 7208 §4): walks through a record with bounds on what it may cost.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use postern_dns::{Answer, MAX_ADDRESSES, QueryName, Unknown};
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use super::macros::{MacroString, Values};
use super::record::{Directive, Mechanism, Record, Widths, is_spf};
use crate::lookup::{Lookup, within};

/// rfc7208 §4.6.4: terms that cost lookups.
const MOST_LOOKUPS: usize = 10;
/// rfc7208 §4.6.4: lookups that find nothing.
const MOST_VOID: usize = 2;
/// rfc7208 §4.6.4: exchangers of one `mx`, names of one `ptr`.
const MOST_NAMES: usize = 10;
/// How much of an explanation is kept, in characters.
const EXPLANATION_MAX: usize = 200;

/// Who sends, to whom; the same through all records.
pub(super) struct Case<'a> {
    pub(super) ip: IpAddr,
    pub(super) local: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) helo: &'a str,
    pub(super) receiver: &'a str,
    pub(super) deadline: Instant,
}

/// What a record comes to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) result: Authenticity,
    /// The term that decided.
    pub(super) term: Option<String>,
    /// What is wrong, for the two errors.
    pub(super) problem: Option<String>,
    pub(super) explanation: Option<String>,
}

/// Why the walk ends without a result of the record.
enum Stop {
    Temporary(String),
    Permanent(String),
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        let (result, problem) = match stop {
            Stop::Temporary(problem) => (Authenticity::TempError, problem),
            Stop::Permanent(problem) => (Authenticity::PermError, problem),
        };
        Self { result, problem: Some(problem), ..Self::default() }
    }
}

pub(super) struct Walk<'a, L> {
    pub(super) lookup: &'a L,
    pub(super) case: &'a Case<'a>,
    pub(super) lookups: usize,
    pub(super) void: usize,
    /// `%{p}`, once it was asked for.
    pub(super) validated: Option<String>,
}

/// Whether the record is the sender's own (or stands for it) or one that it includes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Own,
    Included,
}

impl<L: Lookup> Walk<'_, L> {
    /// What the record of `domain` says. Boxed because records lead to records.
    pub(super) fn check<'b>(
        &'b mut self,
        domain: &'b QueryName,
        level: Level,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'b>> {
        Box::pin(async move { self.try_check(domain, level).await.unwrap_or_else(Outcome::from) })
    }

    async fn try_check(&mut self, domain: &QueryName, level: Level) -> Result<Outcome, Stop> {
        let Some(record) = self.record(domain).await? else { return Ok(Outcome::default()) };
        for directive in &record.directives {
            if self.matches(&directive.mechanism, domain).await? {
                return Ok(self.matched(directive, &record, domain, level).await);
            }
        }
        let Some(redirect) = &record.redirect else {
            // rfc7208 §4.7
            return Ok(Outcome { result: Authenticity::Neutral, ..Outcome::default() });
        };
        self.count()?;
        let name = self.expand(redirect, domain).await;
        // rfc7208 §6.1: no record there is a fault of the record that leads there
        let nowhere = || Stop::Permanent(format!("the record redirects to {name}, which has none"));
        let target = QueryName::parse(&name).ok_or_else(nowhere)?;
        let outcome = self.check(&target, level).await;
        if outcome.result == Authenticity::None { Err(nowhere()) } else { Ok(outcome) }
    }

    async fn matched(
        &mut self,
        by: &Directive,
        record: &Record,
        domain: &QueryName,
        level: Level,
    ) -> Outcome {
        let explanation = match &record.exp {
            Some(exp) if by.result == Authenticity::Fail && level == Level::Own => {
                self.explanation(exp, domain).await
            }
            _ => None,
        };
        Outcome { result: by.result, term: Some(by.text.clone()), problem: None, explanation }
    }

    /// rfc7208 §4.4, §4.5: the one SPF record of a domain.
    async fn record(&mut self, domain: &QueryName) -> Result<Option<Record>, Stop> {
        let texts = match within(self.case.deadline, self.lookup.txt(domain)).await {
            Answer::Found { value, .. } => value,
            Answer::NotFound(_) => return Ok(None),
            Answer::Unknown(why) => return Err(unknown(domain.as_str(), why)),
        };
        let mut records = texts.iter().filter(|text| is_spf(text));
        let Some(text) = records.next() else { return Ok(None) };
        if records.next().is_some() {
            return Err(Stop::Permanent(format!("{domain} has more than one SPF record")));
        }
        let wrong = |what: String| Stop::Permanent(format!("in the SPF record of {domain}, {what}"));
        Record::parse(text).map(Some).map_err(|fault| wrong(fault.0))
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &QueryName) -> Result<bool, Stop> {
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip4(network, width) => Ok(within_v4(self.case.ip, *network, *width)),
            Mechanism::Ip6(network, width) => Ok(within_v6(self.case.ip, *network, *width)),
            Mechanism::Include(target) => {
                self.count()?;
                let name = self.expand(target, domain).await;
                self.includes(&name).await
            }
            Mechanism::A(target, widths) => {
                self.count()?;
                let name = self.target(target.as_ref(), domain).await;
                self.leads_here(&name, *widths).await
            }
            Mechanism::Mx(target, widths) => {
                self.count()?;
                let name = self.target(target.as_ref(), domain).await;
                self.exchangers_lead_here(&name, *widths).await
            }
            Mechanism::Ptr(target) => {
                self.count()?;
                let name = self.target(target.as_ref(), domain).await;
                Ok(self.validated_names().await.iter().any(|host| is_within(host, &name)))
            }
            Mechanism::Exists(target) => {
                self.count()?;
                let name = self.expand(target, domain).await;
                // rfc7208 §5.7: an A lookup, whatever the client's family
                let Some(name) = QueryName::parse(&name) else { return self.nothing().map(|()| false) };
                let answer = within(self.case.deadline, self.lookup.a(&name)).await;
                Ok(self.found(&name, answer)?.is_some())
            }
        }
    }

    /// rfc7208 §5.2
    async fn includes(&mut self, name: &str) -> Result<bool, Stop> {
        let none = || Stop::Permanent(format!("the record includes {name}, which has none"));
        let target = QueryName::parse(name).ok_or_else(none)?;
        let outcome = self.check(&target, Level::Included).await;
        match outcome.result {
            Authenticity::Pass => Ok(true),
            Authenticity::TempError => Err(Stop::Temporary(outcome.problem.unwrap_or_default())),
            Authenticity::PermError => Err(Stop::Permanent(outcome.problem.unwrap_or_default())),
            Authenticity::None => Err(none()),
            _ => Ok(false),
        }
    }

    /// rfc7208 §5.3: whether an address of the name is the client's.
    async fn leads_here(&mut self, name: &str, widths: Widths) -> Result<bool, Stop> {
        let Some(name) = QueryName::parse(name) else { return self.nothing().map(|()| false) };
        let (here, many) = match self.case.ip {
            IpAddr::V4(_) => {
                let answer = within(self.case.deadline, self.lookup.a(&name)).await;
                let list = self.found(&name, answer)?;
                let list = list.as_deref().unwrap_or_default();
                (list.iter().any(|&ip| within_v4(self.case.ip, ip, widths.v4)), list.len())
            }
            IpAddr::V6(_) => {
                let answer = within(self.case.deadline, self.lookup.aaaa(&name)).await;
                let list = self.found(&name, answer)?;
                let list = list.as_deref().unwrap_or_default();
                (list.iter().any(|&ip| within_v6(self.case.ip, ip, widths.v6)), list.len())
            }
        };
        // The list was cut: the address may have been in the rest.
        if !here && many >= MAX_ADDRESSES { Err(unknown(name.as_str(), Unknown::TooMany)) } else { Ok(here) }
    }

    /// rfc7208 §5.4
    async fn exchangers_lead_here(&mut self, name: &str, widths: Widths) -> Result<bool, Stop> {
        let Some(name) = QueryName::parse(name) else { return self.nothing().map(|()| false) };
        let answer = within(self.case.deadline, self.lookup.mx(&name)).await;
        let hosts = self.found(&name, answer)?.unwrap_or_default();
        if hosts.len() > MOST_NAMES {
            return Err(Stop::Permanent(format!("{name} has more than {MOST_NAMES} MX records")));
        }
        for host in &hosts {
            if self.leads_here(host.as_str(), widths).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// rfc7208 §5.5: the names of the client's address that lead back to it. A DNS error finds none.
    async fn validated_names(&mut self) -> Vec<Domain> {
        let deadline = self.case.deadline;
        let Answer::Found { value: names, .. } = within(deadline, self.lookup.ptr(self.case.ip)).await else {
            return Vec::new();
        };
        let mut validated = Vec::new();
        for name in names.iter().take(MOST_NAMES) {
            let here = match self.case.ip {
                IpAddr::V4(ip) => within(deadline, self.lookup.a(&name.into()))
                    .await
                    .found()
                    .is_some_and(|list| list.contains(&ip)),
                IpAddr::V6(ip) => within(deadline, self.lookup.aaaa(&name.into()))
                    .await
                    .found()
                    .is_some_and(|list| list.contains(&ip)),
            };
            if here {
                validated.push(name.clone());
            }
        }
        validated
    }

    /// rfc7208 §6.2: what the domain wants said; nothing where anything about it is wrong.
    async fn explanation(&mut self, exp: &MacroString, domain: &QueryName) -> Option<String> {
        let name = self.expand(exp, domain).await;
        let name = QueryName::parse(&name)?;
        let texts = within(self.case.deadline, self.lookup.txt(&name)).await.found()?;
        let [text] = &*texts else { return None };
        let text = MacroString::parse_explanation(text)?;
        let text = self.expand_with(&text, domain, MacroString::expand).await;
        Some(text.chars().take(EXPLANATION_MAX).collect())
    }

    async fn target(&mut self, target: Option<&MacroString>, domain: &QueryName) -> String {
        match target {
            None => domain.to_string(),
            Some(target) => self.expand(target, domain).await,
        }
    }

    async fn expand(&mut self, text: &MacroString, domain: &QueryName) -> String {
        self.expand_with(text, domain, MacroString::expand_name).await
    }

    async fn expand_with(
        &mut self,
        text: &MacroString,
        domain: &QueryName,
        how: fn(&MacroString, &Values<'_>) -> String,
    ) -> String {
        if text.needs_validated() && self.validated.is_none() {
            let names = self.validated_names().await;
            // rfc7208 §7.3: the domain itself, else a name below it, else any, else "unknown"
            let best = names.iter().find(|name| name.as_str() == domain.as_str());
            let best =
                best.or_else(|| names.iter().find(|name| is_within(name, domain.as_str()))).or(names.first());
            self.validated = Some(best.map_or_else(|| "unknown".to_owned(), ToString::to_string));
        }
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let case = self.case;
        how(
            text,
            &Values {
                ip: case.ip,
                local: case.local,
                sender_domain: case.sender_domain,
                domain: domain.as_str(),
                helo: case.helo,
                validated: self.validated.as_deref().unwrap_or("unknown"),
                receiver: case.receiver,
                seconds,
            },
        )
    }

    /// Counts a term that costs lookups.
    fn count(&mut self) -> Result<(), Stop> {
        self.lookups += 1;
        if self.lookups > MOST_LOOKUPS {
            return Err(Stop::Permanent(format!("more than {MOST_LOOKUPS} terms need the DNS")));
        }
        Ok(())
    }

    /// Counts a lookup that found nothing.
    fn nothing(&mut self) -> Result<(), Stop> {
        self.void += 1;
        if self.void > MOST_VOID {
            return Err(Stop::Permanent(format!("more than {MOST_VOID} lookups find nothing")));
        }
        Ok(())
    }

    fn found<T>(&mut self, name: &QueryName, answer: Answer<T>) -> Result<Option<T>, Stop> {
        match answer {
            Answer::Found { value, .. } => Ok(Some(value)),
            Answer::NotFound(_) => self.nothing().map(|()| None),
            Answer::Unknown(why) => Err(unknown(name.as_str(), why)),
        }
    }
}

fn unknown(name: &str, why: Unknown) -> Stop {
    Stop::Temporary(format!("no answer about {name}: {why}"))
}

fn is_within(name: &Domain, other: &str) -> bool {
    let other = other.to_ascii_lowercase();
    name.as_str().strip_suffix(other.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn within_v4(ip: IpAddr, network: Ipv4Addr, width: u8) -> bool {
    let IpAddr::V4(ip) = ip else { return false };
    let mask = u32::MAX.checked_shl(32 - u32::from(width)).unwrap_or(0);
    (u32::from(ip) ^ u32::from(network)) & mask == 0
}

fn within_v6(ip: IpAddr, network: Ipv6Addr, width: u8) -> bool {
    let IpAddr::V6(ip) = ip else { return false };
    let mask = u128::MAX.checked_shl(128 - u32::from(width)).unwrap_or(0);
    (u128::from(ip) ^ u128::from(network)) & mask == 0
}
