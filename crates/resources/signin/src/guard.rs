//! Who guesses passwords must wait, longer each time, and is shut out in the end.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postern_types::{AddressSet, Network, Timestamp};

use crate::ledger::{Ledger, Record};

/// When guessing is slowed down and when it ends.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Failures of an address, or at an account, that cost nothing; 3.
    pub free_failures: u32,
    /// The wait after the first failure beyond that; doubled by each further one. 1 s.
    pub first_delay: Duration,
    /// The longest wait; 30 s. Also the most that attackers can make an owner wait.
    pub longest_delay: Duration,
    /// How long failures count; 10 minutes from the first.
    pub window: Duration,
    /// Failures within the window that shut out an address; 10.
    pub address_failures: u32,
    /// Failures within the window that shut out its network (/24, or /64 of IPv6); 50.
    pub network_failures: u32,
    /// How long they are shut out; 1 hour.
    pub ban: Duration,
    /// Addresses, networks and accounts that are remembered, of each kind; 65,536.
    pub capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            free_failures: 3,
            first_delay: Duration::from_secs(1),
            longest_delay: Duration::from_secs(30),
            window: Duration::from_secs(600),
            address_failures: 10,
            network_failures: 50,
            ban: Duration::from_secs(3600),
            capacity: 65_536,
        }
    }
}

/// Whether an attempt may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// At once.
    Now,
    /// After this wait.
    After(Duration),
    /// Not at all.
    Banned(Ban),
}

/// A network, or a single address, that is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub network: Network,
    /// Until when.
    pub until: Timestamp,
    /// After how many failures.
    pub failures: u32,
}

/// Remembers failed logins of all services, in memory.
///
/// Delays count by address and by account; bans only by address and network, so that nobody
/// can shut an owner out of their account from elsewhere. The operator's own networks are
/// exempt from bans: they have only delays. To be shared by all services of a process.
#[derive(Debug)]
pub struct Guard {
    settings: Settings,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    exempt: AddressSet,
    addresses: Ledger<IpAddr>,
    networks: Ledger<Network>,
    /// By the keyed hash of the name: attackers choose names, and may choose long ones.
    accounts: Ledger<u64>,
}

impl Guard {
    /// A guard that remembers nothing yet; `exempt` are the operator's own networks.
    #[must_use]
    pub fn new(settings: Settings, exempt: AddressSet) -> Self {
        let state = State {
            exempt,
            addresses: Ledger::new(settings.capacity, settings.window),
            networks: Ledger::new(settings.capacity, settings.window),
            accounts: Ledger::new(settings.capacity, settings.window),
        };
        Self { settings, hasher: RandomState::new(), state: Mutex::new(state) }
    }

    /// Replaces the operator's own networks; bans on them end with it.
    pub fn set_exempt(&self, exempt: AddressSet) {
        self.state().exempt = exempt;
    }

    /// The ban on an address, if there is one: to be asked when a connection comes.
    #[must_use]
    pub fn banned(&self, ip: IpAddr, now: Timestamp) -> Option<Ban> {
        self.state().ban_of(ip, now)
    }

    /// Whether `ip` may try a password of `account` now, or when. `account` is the name as the
    /// client gave it; case does not count.
    pub fn admit(&self, ip: IpAddr, account: &str, now: Timestamp) -> Admission {
        let account = self.account(account);
        let state = self.state();
        if let Some(ban) = state.ban_of(ip, now) {
            return Admission::Banned(ban);
        }
        let records = [state.addresses.get(ip.to_canonical(), now), state.accounts.get(account, now)];
        let wait = records.into_iter().flatten().map(|record| self.wait(record, now)).max();
        match wait {
            Some(wait) if !wait.is_zero() => Admission::After(wait),
            _ => Admission::Now,
        }
    }

    /// An attempt failed. Returns the ban that this failure brought about, if it did.
    pub fn failed(&self, ip: IpAddr, account: &str, now: Timestamp) -> Option<Ban> {
        let account = self.account(account);
        let mut state = self.state();
        state.accounts.fail(account, now);
        let until = now.plus(self.settings.ban);
        let ip = ip.to_canonical();
        let exempt = state.exempt.contains(ip);
        let record = state.addresses.fail(ip, now);
        if exempt {
            return None;
        }
        let address = shut_out(record, self.settings.address_failures, Network::single(ip), until, now);
        let network = network_of(ip);
        let record = state.networks.fail(network, now);
        shut_out(record, self.settings.network_failures, network, until, now).or(address)
    }

    /// An attempt succeeded: the account's failures are forgotten. Those of the address are
    /// not, or whoever has one password could guess others for ever.
    pub fn succeeded(&self, account: &str) {
        let account = self.account(account);
        self.state().accounts.forget(account);
    }

    /// Who is shut out now.
    #[must_use]
    pub fn bans(&self, now: Timestamp) -> Vec<Ban> {
        let state = self.state();
        let addresses = state.addresses.live(now).map(|(ip, record)| (Network::single(ip), record));
        let all = addresses.chain(state.networks.live(now));
        let bans = all.filter_map(|(network, record)| ban(network, record, now));
        let mut bans: Vec<Ban> = bans.filter(|ban| !state.exempt.contains(ban.network.range().0)).collect();
        bans.sort_unstable_by_key(|ban| (ban.network, ban.until));
        bans
    }

    /// How long after the last failure the next attempt may come, less what has passed.
    fn wait(&self, record: &Record, now: Timestamp) -> Duration {
        let Some(beyond) = record.failures.checked_sub(self.settings.free_failures + 1) else {
            return Duration::ZERO;
        };
        let factor = 1u32.checked_shl(beyond).unwrap_or(u32::MAX);
        let delay = self.settings.first_delay.saturating_mul(factor).min(self.settings.longest_delay);
        delay.saturating_sub(now.since(record.last))
    }

    fn account(&self, name: &str) -> u64 {
        self.hasher.hash_one(name.to_lowercase())
    }

    /// A panic elsewhere leaves only counts behind: go on with them.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ban_of(&self, ip: IpAddr, now: Timestamp) -> Option<Ban> {
        let ip = ip.to_canonical();
        if self.exempt.contains(ip) {
            return None;
        }
        let network = network_of(ip);
        let of_address = self.addresses.get(ip, now).and_then(|r| ban(Network::single(ip), r, now));
        of_address.or_else(|| self.networks.get(network, now).and_then(|r| ban(network, r, now)))
    }
}

/// The network that is shut out together: what one customer of a provider usually has.
fn network_of(ip: IpAddr) -> Network {
    Network::around(ip, 24, 64)
}

fn ban(network: Network, record: &Record, now: Timestamp) -> Option<Ban> {
    let until = record.banned_until.filter(|_| record.is_banned(now))?;
    Some(Ban { network, until, failures: record.failures })
}

/// Bans when the failures reach the limit, once.
fn shut_out(
    record: &mut Record,
    limit: u32,
    network: Network,
    until: Timestamp,
    now: Timestamp,
) -> Option<Ban> {
    if record.failures < limit || record.is_banned(now) {
        return None;
    }
    record.banned_until = Some(until);
    Some(Ban { network, until, failures: record.failures })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Admission::{After, Banned, Now};

    const EVE: &str = "192.0.2.66";

    fn guard(exempt: &str) -> Guard {
        let exempt = exempt.split_whitespace().map(|n| Network::parse(n).unwrap()).collect();
        Guard::new(Settings::default(), exempt)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn fail(guard: &Guard, from: &str, account: &str, times: usize, now: Timestamp) -> Option<Ban> {
        (0..times).filter_map(|_| guard.failed(ip(from), account, now)).last()
    }

    #[test]
    fn every_failure_beyond_three_doubles_the_wait() {
        let guard = guard("");
        for (failures, wait) in [(3, 0), (1, 1), (1, 2), (1, 4), (1, 8), (1, 16)] {
            fail(&guard, EVE, "ann", failures, at(0));
            let expected = if wait == 0 { Now } else { After(Duration::from_secs(wait)) };
            assert_eq!(guard.admit(ip(EVE), "bob", at(0)), expected, "the address waits for any account");
        }
        assert_eq!(guard.admit(ip(EVE), "bob", at(10)), After(Duration::from_secs(6)), "time passes");
        assert_eq!(guard.admit(ip(EVE), "bob", at(16)), Now);
    }

    #[test]
    fn the_account_waits_too_but_is_never_shut_out() {
        let guard = guard("");
        for host in 1..=200 {
            fail(&guard, &format!("198.51.{host}.1"), "Ann@Example.test", 1, at(0));
        }
        let owner = ip("203.0.113.5");
        assert_eq!(guard.admit(owner, "ann@example.test", at(0)), After(Duration::from_secs(30)));
        assert_eq!(guard.admit(owner, "bob@example.test", at(0)), Now);
        guard.succeeded("ann@example.test");
        assert_eq!(guard.admit(owner, "ann@example.test", at(0)), Now);
    }

    #[test]
    fn ten_failures_shut_out_the_address_for_an_hour() {
        let guard = guard("");
        assert_eq!(fail(&guard, EVE, "ann", 9, at(0)), None);
        let ban = guard.failed(ip(EVE), "ann", at(0)).unwrap();
        assert_eq!(ban, Ban { network: Network::parse(EVE).unwrap(), until: at(3600), failures: 10 });
        assert_eq!(guard.failed(ip(EVE), "ann", at(1)), None, "told once");
        assert!(matches!(guard.admit(ip(EVE), "bob", at(3599)), Banned(_)));
        assert_eq!(guard.banned(ip("::ffff:192.0.2.66"), at(3599)).map(|ban| ban.until), Some(at(3600)));
        assert_eq!(guard.banned(ip("192.0.2.67"), at(0)), None, "the neighbour is not Eve");
        assert_eq!(guard.bans(at(0)).len(), 1);
        assert_eq!(guard.admit(ip(EVE), "bob", at(3600)), Now);
        assert_eq!(guard.bans(at(3600)), []);
    }

    #[test]
    fn a_success_does_not_wash_the_address() {
        let guard = guard("");
        for _ in 0..9 {
            assert_eq!(guard.failed(ip(EVE), "ann", at(0)), None);
            guard.succeeded("eves.own@example.test");
        }
        assert!(guard.failed(ip(EVE), "ann", at(0)).is_some());
    }

    #[test]
    fn a_network_that_takes_turns_is_shut_out_together() {
        let guard = guard("");
        for host in 0..49 {
            assert_eq!(fail(&guard, &format!("2001:db8::{host:x}"), "ann", 1, at(0)), None);
        }
        let ban = guard.failed(ip("2001:db8::ffff"), "bob", at(0)).unwrap();
        assert_eq!(ban.network.to_string(), "2001:db8::/64");
        assert!(guard.banned(ip("2001:db8::abcd"), at(0)).is_some());
        assert!(guard.banned(ip("2001:db8:0:1::1"), at(0)).is_none());
    }

    #[test]
    fn failures_far_apart_are_forgotten() {
        let guard = guard("");
        for minute in 0..100 {
            assert_eq!(fail(&guard, EVE, "ann", 1, at(minute * 300)), None, "a device with an old password");
        }
        assert_eq!(guard.admit(ip(EVE), "ann", at(30_000)), Now);
    }

    #[test]
    fn the_operators_networks_only_wait() {
        let guard = guard("192.0.2.0/24");
        assert_eq!(fail(&guard, EVE, "ann", 500, at(0)), None);
        assert_eq!(guard.banned(ip(EVE), at(0)), None);
        assert_eq!(guard.admit(ip(EVE), "ann", at(0)), After(Duration::from_secs(30)));
        assert_eq!(guard.bans(at(0)), []);
    }

    #[test]
    fn a_network_that_becomes_exempt_is_free_at_once() {
        let guard = guard("");
        fail(&guard, EVE, "ann", 10, at(0));
        assert!(guard.banned(ip(EVE), at(0)).is_some());
        guard.set_exempt([Network::parse("192.0.2.0/24").unwrap()].into_iter().collect());
        assert_eq!(guard.banned(ip(EVE), at(0)), None);
        assert_eq!(guard.bans(at(0)), []);
    }

    #[test]
    fn memory_stays_small_under_attack() {
        let settings = Settings { capacity: 100, ..Settings::default() };
        let guard = Guard::new(settings, AddressSet::default());
        for n in 0..10_000u32 {
            let from = IpAddr::from(n.to_be_bytes());
            guard.failed(from, &format!("user{n}"), at(0));
        }
        let state = guard.state();
        assert!(state.addresses.live(at(0)).count() <= 100);
        assert!(state.networks.live(at(0)).count() <= 100);
        assert!(state.accounts.live(at(0)).count() <= 100);
    }
}
