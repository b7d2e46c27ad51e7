//! DNS lists of addresses (RFC 5782): the question, what an answer means, and whether the list may be believed.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use postern_dns::{Answer, Dns, Unknown};
use postern_policy::{Fact, Finding, Outcome, Test};
use postern_types::{Domain, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::{Dnsbl, DnsblCheck, GateError};

/// Errors in a row that call for a health check.
const ERRORS_IN_A_ROW: u32 = 5;
/// Listed clients in a row that call for one: the list may have begun to list everything.
const HITS_IN_A_ROW: u32 = 30;

/// The longest name of an address in front of a zone: 32 nibbles with a dot each.
const REVERSED_MAX: usize = 64;

/// One list and its state.
pub(crate) struct Zone {
    pub(crate) settings: Dnsbl,
    suffix: String,
    /// Whether it is asked: the part of the state that every session reads.
    on: AtomicBool,
    state: Mutex<(ZoneState, Option<Timestamp>)>,
    errors_in_a_row: AtomicU32,
    hits_in_a_row: AtomicU32,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    asked: AtomicU64,
    listed: AtomicU64,
    errors: AtomicU64,
}

/// Whether a list is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ZoneState {
    /// Its health was not checked yet; it is not asked.
    Unchecked,
    /// It is asked.
    Healthy,
    /// It is switched off until a check finds it healthy.
    Off {
        /// What the check saw.
        why: String,
    },
}

/// A list's state and counts, for people and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneReport {
    /// Its zone.
    pub zone: Domain,
    /// Whether it is asked.
    pub state: ZoneState,
    /// When that was checked last.
    pub checked: Option<Timestamp>,
    /// Questions about clients so far.
    pub asked: u64,
    /// Those that were listed.
    pub listed: u64,
    /// Those without a usable answer.
    pub errors: u64,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Listed { codes: Vec<Ipv4Addr>, meaning: String },
    NotListed,
    Error(String),
}

impl Zone {
    pub(crate) fn new(settings: Dnsbl) -> Result<Self, GateError> {
        let key = settings.key.as_ref().map(|key| format!("{}.", key.expose())).unwrap_or_default();
        let suffix = format!("{key}{}", settings.zone);
        let fits = Domain::parse(&suffix).is_ok() && suffix.len() + REVERSED_MAX <= 253;
        if !fits {
            let why = "key and zone are no domain name, or leave no room for an address".to_owned();
            return Err(GateError::Zone { zone: settings.zone.to_string(), why });
        }
        Ok(Self {
            suffix,
            on: AtomicBool::new(false),
            state: Mutex::new((ZoneState::Unchecked, None)),
            errors_in_a_row: AtomicU32::new(0),
            hits_in_a_row: AtomicU32::new(0),
            counters: Counters::default(),
            settings,
        })
    }

    /// Asks about a client, for as long as the list is healthy.
    pub(crate) async fn find(&self, dns: &Dns, recheck: &Notify, ip: IpAddr, deadline: Instant) -> Finding {
        let zone = || self.settings.zone.to_string();
        let skipped =
            |why: String| Finding::new(Test::Dnsbl, Outcome::Skipped, Fact::ZoneOff { zone: zone(), why });
        if !self.on.load(Ordering::Relaxed) {
            return skipped(match self.report().state {
                ZoneState::Off { why } => why,
                _ => "its health is not checked yet".to_owned(),
            });
        }
        if ip.is_ipv6() && !self.settings.ipv6 {
            return skipped("it is not asked about IPv6".to_owned());
        }
        let began = std::time::Instant::now();
        let reading = self.ask(dns, ip, deadline).await;
        self.note(&reading, recheck);
        let (outcome, fact) = match reading {
            Reading::Listed { codes, meaning } => {
                (Outcome::Hit, Fact::Dnsbl { zone: zone(), codes, meaning })
            }
            Reading::NotListed => (Outcome::Clear, Fact::Name { name: zone() }),
            Reading::Error(why) => (Outcome::Unknown, Fact::NoAnswer { question: zone(), why }),
        };
        Finding { test: Test::Dnsbl, outcome, fact, micros: crate::lookup::micros(began) }
    }

    /// One question about an address, whatever the list's health.
    async fn ask(&self, dns: &Dns, ip: IpAddr, deadline: Instant) -> Reading {
        self.ask_name(dns, &question(ip, &self.suffix), deadline).await
    }

    async fn ask_name(&self, dns: &Dns, name: &str, deadline: Instant) -> Reading {
        // `new` has made sure that every address fits in front of the suffix.
        let Ok(name) = Domain::parse(name) else { return Reading::NotListed };
        match tokio::time::timeout_at(deadline, dns.a(&name)).await {
            Ok(Answer::Found { value, .. }) => self.read(&value),
            Ok(Answer::NotFound(_)) => Reading::NotListed,
            Ok(Answer::Unknown(why)) => Reading::Error(why.to_string()),
            Err(_) => Reading::Error(Unknown::Timeout.to_string()),
        }
    }

    fn read(&self, answers: &[Ipv4Addr]) -> Reading {
        // One answer that no list gives makes the rest worthless: somebody else has answered, or the list
        // does not want us. 127.255.255.x are error codes; rfc5782 §2.1: 127.0.0.1 is never used.
        let strange = |ip: &&Ipv4Addr| !ip.is_loopback() || **ip == Ipv4Addr::LOCALHOST || is_error(**ip);
        if let Some(ip) = answers.iter().find(strange) {
            return Reading::Error(if is_error(*ip) {
                format!("it refuses to answer us ({ip})")
            } else {
                format!("{ip} is no answer of a list")
            });
        }
        let codes = &self.settings.codes;
        let meaning_of = |ip: Ipv4Addr| codes.iter().find(|code| code.answers.contains(ip.into()));
        let counts = |ip: &Ipv4Addr| codes.is_empty() || meaning_of(*ip).is_some();
        let mut counted: Vec<Ipv4Addr> = answers.iter().copied().filter(counts).collect();
        // Servers turn the order of records round; evidence does not.
        counted.sort_unstable();
        if counted.is_empty() {
            return Reading::NotListed;
        }
        let mut meanings: Vec<&str> =
            counted.iter().filter_map(|ip| meaning_of(*ip)).map(|code| code.meaning.as_str()).collect();
        meanings.retain(|meaning| !meaning.is_empty());
        meanings.dedup();
        Reading::Listed { meaning: meanings.join(", "), codes: counted }
    }

    /// Counts an answer, and calls for a health check when something looks wrong.
    fn note(&self, reading: &Reading, recheck: &Notify) {
        self.counters.asked.fetch_add(1, Ordering::Relaxed);
        let (errors, hits) = (&self.errors_in_a_row, &self.hits_in_a_row);
        let suspicious = match reading {
            Reading::Error(_) => {
                self.counters.errors.fetch_add(1, Ordering::Relaxed);
                errors.fetch_add(1, Ordering::Relaxed) + 1 == ERRORS_IN_A_ROW
            }
            Reading::Listed { .. } => {
                self.counters.listed.fetch_add(1, Ordering::Relaxed);
                errors.store(0, Ordering::Relaxed);
                hits.fetch_add(1, Ordering::Relaxed) + 1 == HITS_IN_A_ROW
            }
            Reading::NotListed => {
                errors.store(0, Ordering::Relaxed);
                hits.store(0, Ordering::Relaxed);
                false
            }
        };
        if suspicious {
            recheck.notify_one();
        }
    }

    /// Whether it passes its health check at the time `now`; says what is wrong.
    pub(crate) async fn check(&self, dns: &Dns, now: Timestamp, deadline: Instant) -> Result<(), String> {
        // A name that nobody has asked for before: no cache on the way hides a zone that answers everything.
        let fresh = format!("postern-check-{}.{}", now.as_millis(), self.suffix);
        let ask = |octet| self.ask(dns, IpAddr::V4(Ipv4Addr::new(127, 0, 0, octet)), deadline);
        let fresh = self.ask_name(dns, &fresh, deadline);
        let (listed, unlisted, fresh) = futures_util::future::join3(ask(2), ask(1), fresh).await;
        if let Reading::Listed { .. } = fresh {
            return Err("it lists everything: even a name that is no address".to_owned());
        }
        // rfc5782 §5: 127.0.0.2 must be listed, 127.0.0.1 must not.
        match (listed, unlisted) {
            (Reading::Error(why), _) | (_, Reading::Error(why)) => Err(why),
            _ if self.settings.check == DnsblCheck::Believed => Ok(()),
            (_, Reading::Listed { .. }) => Err("it lists everything: 127.0.0.1 is listed".to_owned()),
            (Reading::NotListed, _) => Err("its test entry 127.0.0.2 is not listed".to_owned()),
            (Reading::Listed { .. }, Reading::NotListed) => Ok(()),
        }
    }

    /// Takes the result of a check; says whether that changed the state.
    pub(crate) fn set(&self, result: Result<(), String>, now: Timestamp) -> bool {
        let next = match result {
            Ok(()) => ZoneState::Healthy,
            Err(why) => ZoneState::Off { why },
        };
        self.errors_in_a_row.store(0, Ordering::Relaxed);
        self.hits_in_a_row.store(0, Ordering::Relaxed);
        self.on.store(next == ZoneState::Healthy, Ordering::Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Another reason for the same state is no news.
        let changed = std::mem::discriminant(&state.0) != std::mem::discriminant(&next);
        *state = (next, Some(now));
        changed
    }

    pub(crate) fn report(&self) -> ZoneReport {
        let (state, checked) = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ZoneReport {
            zone: self.settings.zone.clone(),
            state,
            checked,
            asked: value(&self.counters.asked),
            listed: value(&self.counters.listed),
            errors: value(&self.counters.errors),
        }
    }
}

fn is_error(ip: Ipv4Addr) -> bool {
    matches!(ip.octets(), [127, 255, 255, _])
}

/// `2.0.0.127.zone`; for IPv6 the nibbles (RFC 5782 §2.1, §2.4).
fn question(ip: IpAddr, suffix: &str) -> String {
    use std::fmt::Write;
    let mut name = String::with_capacity(REVERSED_MAX + suffix.len());
    // Writing to a String cannot fail.
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            for octet in ip.octets().iter().rev() {
                let _ = write!(name, "{octet}.");
            }
        }
        IpAddr::V6(ip) => {
            for octet in ip.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
            }
        }
    }
    name.push_str(suffix);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_types::{Network, Secret};

    fn zone(codes: &[(&str, &str)]) -> Zone {
        let codes = codes.iter().map(|(answers, meaning)| crate::Code {
            answers: Network::parse(answers).unwrap(),
            meaning: (*meaning).to_owned(),
        });
        let zone = Domain::parse("bl.test").unwrap();
        Zone::new(Dnsbl { codes: codes.collect(), ..Dnsbl::new(zone) }).unwrap()
    }

    fn answers(octets: &[[u8; 4]]) -> Vec<Ipv4Addr> {
        octets.iter().map(|&octets| octets.into()).collect()
    }

    #[test]
    fn addresses_are_turned_round() {
        assert_eq!(question("192.0.2.9".parse().unwrap(), "bl.test"), "9.2.0.192.bl.test");
        assert_eq!(question("::ffff:192.0.2.9".parse().unwrap(), "bl.test"), "9.2.0.192.bl.test");
        let name = question("2001:db8::1".parse().unwrap(), "bl.test");
        assert!(name.starts_with("1.0.0.0.") && name.ends_with(".8.b.d.0.1.0.0.2.bl.test"), "{name}");
        assert_eq!(name.len(), REVERSED_MAX + "bl.test".len());
    }

    #[test]
    fn only_answers_of_a_list_count() {
        let any = zone(&[]);
        let listed = |codes: &[[u8; 4]]| Reading::Listed { codes: answers(codes), meaning: String::new() };
        assert_eq!(
            any.read(&answers(&[[127, 0, 0, 4], [127, 0, 0, 2]])),
            listed(&[[127, 0, 0, 2], [127, 0, 0, 4]])
        );
        for bad in [[127, 255, 255, 254], [127, 0, 0, 1], [203, 0, 113, 1], [0, 0, 0, 0]] {
            let reading = any.read(&answers(&[[127, 0, 0, 2], bad]));
            assert!(matches!(reading, Reading::Error(_)), "{bad:?}: {reading:?}");
        }
    }

    #[test]
    fn codes_have_meanings_and_others_do_not_count() {
        let some = zone(&[("127.0.0.2", "spam"), ("127.0.0.4/30", "hijacked")]);
        assert_eq!(some.read(&answers(&[[127, 0, 0, 10]])), Reading::NotListed);
        assert_eq!(
            some.read(&answers(&[[127, 0, 0, 10], [127, 0, 0, 5], [127, 0, 0, 2], [127, 0, 0, 6]])),
            Reading::Listed {
                codes: answers(&[[127, 0, 0, 2], [127, 0, 0, 5], [127, 0, 0, 6]]),
                meaning: "spam, hijacked".to_owned()
            }
        );
    }

    #[test]
    fn a_key_stays_secret_and_must_be_a_name() {
        let zone = Domain::parse("bl.test").unwrap();
        let with = |key: &str| Dnsbl { key: Some(Secret::new(key.to_owned())), ..Dnsbl::new(zone.clone()) };
        let keyed = Zone::new(with("k3y")).unwrap();
        assert_eq!(question("192.0.2.9".parse().unwrap(), &keyed.suffix), "9.2.0.192.k3y.bl.test");
        assert_eq!(keyed.report().zone.as_str(), "bl.test");
        let error = Zone::new(with("no key")).map(|_| ()).unwrap_err().to_string();
        assert!(!error.contains("no key."), "{error}");
        assert!(Zone::new(with(&"a".repeat(63).repeat(4))).is_err());
    }
}
