//! How a question is answered from the declared zones: names, aliases, wildcards, faults.

use std::collections::BTreeMap;

use hickory_server::proto::rr::rdata::SOA;
use hickory_server::proto::rr::{Name, RData, Record, RecordType};

use crate::zone::{Fault, Zone, parsed};

/// `mx1.example.test` → `test.example.mx1`: everything below a name follows it in the map.
fn key(name: &str) -> String {
    name.rsplit('.').collect::<Vec<_>>().join(".")
}

/// What the whole test internet knows.
#[derive(Debug, Default)]
pub(crate) struct World {
    names: BTreeMap<String, Vec<Record>>,
    apexes: BTreeMap<String, String>,
    faults: BTreeMap<String, Fault>,
}

/// The answer from the zones, before any fault.
#[derive(Debug)]
pub(crate) struct Lookup {
    /// Whether the name exists, or the one that its aliases end in (rfc2308 §2.1).
    pub(crate) exists: bool,
    /// The records; none, of a name that exists, is NODATA.
    pub(crate) answers: Vec<Record>,
    /// The zone's SOA, for the answers that say no.
    pub(crate) soa: Record,
}

impl World {
    pub(crate) fn add(&mut self, zone: &Zone) {
        self.apexes.insert(key(zone.apex()), zone.apex().to_owned());
        for (name, ttl, data) in &zone.records {
            let records = self.names.entry(key(name)).or_default();
            let record = Record::from_rdata(parsed(name), *ttl, data.clone());
            if !records.contains(&record) {
                records.push(record);
            }
        }
        for (name, fault) in &zone.faults {
            self.faults.insert(key(name), *fault);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let key = key(name);
        self.names.remove(&key);
        self.apexes.remove(&key);
    }

    pub(crate) fn set_fault(&mut self, name: &str, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.faults.insert(key(name), fault),
            None => self.faults.remove(&key(name)),
        };
    }

    /// The fault of the name itself or of the closest name above it.
    pub(crate) fn fault(&self, name: &str) -> Option<Fault> {
        let mut key = key(name);
        loop {
            if let Some(fault) = self.faults.get(&key) {
                return Some(*fault);
            }
            match key.rfind('.') {
                Some(dot) => key.truncate(dot),
                None => return self.faults.get("").copied(),
            }
        }
    }

    /// rfc1034 §4.3.2: the name, aliases followed, or the wildcard of its closest encloser.
    pub(crate) fn look_up(&self, name: &str, kind: RecordType) -> Lookup {
        let mut answers = Vec::new();
        let mut current = name.to_owned();
        let mut exists = true;
        // A chain of aliases longer than 8 is a loop, or might as well be.
        for _ in 0..8 {
            let Some(records) = self.records(&current) else {
                exists = false;
                break;
            };
            let alias = if kind == RecordType::CNAME { None } else { records.iter().find_map(alias_of) };
            let wanted = |r: &&Record| alias.is_some() || kind == RecordType::ANY || r.record_type() == kind;
            answers.extend(records.iter().filter(wanted).cloned());
            let Some(alias) = alias else { break };
            current = alias;
        }
        Lookup { exists, answers, soa: self.soa(&current) }
    }

    /// The records of a name, owner names set; empty for a name that only has names below it.
    fn records(&self, name: &str) -> Option<Vec<Record>> {
        let mut key = key(name);
        if self.exists(&key) {
            return Some(self.names.get(&key).cloned().unwrap_or_default());
        }
        // rfc4592 §3.3.1: only the closest name that exists is asked for a wildcard.
        while let Some(dot) = key.rfind('.') {
            key.truncate(dot);
            if let Some(wild) = self.names.get(&format!("{key}.*")) {
                let owner = Name::from_ascii(format!("{name}.")).ok()?;
                let named = |r: &Record| Record::from_rdata(owner.clone(), r.ttl, r.data.clone());
                return Some(wild.iter().map(named).collect());
            }
            if self.exists(&key) {
                return None;
            }
        }
        None
    }

    fn exists(&self, key: &str) -> bool {
        let below = format!("{key}.");
        self.names.contains_key(key)
            || self.apexes.contains_key(key)
            || self.names.range(below.clone()..).next().is_some_and(|(k, _)| k.starts_with(&below))
    }

    /// The SOA of the zone that the name lies in; names in no zone lie in the root.
    fn soa(&self, name: &str) -> Record {
        let mut key = key(name);
        let apex = loop {
            if let Some(apex) = self.apexes.get(&key) {
                break parsed(apex);
            }
            match key.rfind('.') {
                Some(dot) => key.truncate(dot),
                None => break Name::root(),
            }
        };
        let soa = SOA::new(apex.clone(), apex.clone(), 1, 3600, 600, 86400, 60);
        Record::from_rdata(apex, 60, RData::SOA(soa))
    }
}

fn alias_of(record: &Record) -> Option<String> {
    match &record.data {
        RData::CNAME(target) => Some(target.0.to_lowercase().to_ascii().trim_end_matches('.').to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn world() -> World {
        let mut world = World::default();
        world.add(
            &Zone::new("example.test")
                .mx(10, "mx1")
                .a("mx1", Ipv4Addr::new(127, 0, 20, 1))
                .a("*.wild", Ipv4Addr::new(127, 0, 20, 2))
                .a("deep.empty", Ipv4Addr::new(127, 0, 20, 3))
                .cname("www", "mx1")
                .cname("loop", "loop")
                .cname("dangling", "gone")
                .ptr(IpAddr::V4(Ipv4Addr::new(127, 0, 20, 1)), "mx1"),
        );
        world
    }

    fn answer(name: &str, kind: RecordType) -> Option<Vec<String>> {
        let found = world().look_up(name, kind);
        found.exists.then(|| found.answers.iter().map(|r| r.data.to_string()).collect())
    }

    #[test]
    fn names_answer_as_their_zone_says() {
        use RecordType as T;
        assert_eq!(answer("example.test", T::MX), Some(vec!["10 mx1.example.test.".into()]));
        assert_eq!(answer("1.20.0.127.in-addr.arpa", T::PTR), Some(vec!["mx1.example.test.".into()]));
        assert_eq!(answer("any.wild.example.test", T::A), Some(vec!["127.0.20.2".into()]));
        assert_eq!(
            answer("www.example.test", T::A),
            Some(vec!["mx1.example.test.".into(), "127.0.20.1".into()])
        );
        assert_eq!(answer("mx1.example.test", T::MX), Some(vec![]), "no data");
        assert_eq!(answer("empty.example.test", T::A), Some(vec![]), "only names below it");
        assert_eq!(answer("nothing.example.test", T::A), None);
        assert_eq!(answer("else.where", T::A), None);
        assert!(answer("loop.example.test", T::A).is_some());
    }

    #[test]
    fn faults_hold_for_everything_below() {
        let mut world = world();
        world.set_fault("bl.test", Some(Fault::Silent));
        assert_eq!(world.fault("9.20.0.127.bl.test"), Some(Fault::Silent));
        assert_eq!(world.fault("otherbl.test"), None);
        world.set_fault("bl.test", None);
        assert_eq!(world.fault("9.20.0.127.bl.test"), None);
    }
}
