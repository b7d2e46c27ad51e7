//! What the names of hosts come to, remembered for those that send again: the score is a pure function of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use postern_dialup::{Assessment, Looked, Observation, Weights};
use postern_policy::Fact;

/// Hosts in a generation; two are kept.
const HOSTS: usize = 1024;
/// Observations with more octets of names are not kept.
const OCTETS: usize = 2048;

/// What an observation comes to.
pub(crate) struct Weighed {
    /// Whether the host counts as a dial-up one.
    pub(crate) accused: bool,
    /// Why, for the evidence.
    pub(crate) fact: Fact,
    /// Whether its neighbours' names could change that.
    pub(crate) neighbours_matter: bool,
    /// Whether connecting to it could.
    pub(crate) smtp_matters: bool,
}

impl Weighed {
    fn new(observation: &Observation) -> Self {
        let (looked, weights) = (Looked::at(observation), Weights::default());
        let assessment = looked.score(&weights);
        Self {
            accused: assessment.is_dialup(),
            fact: fact(&assessment),
            neighbours_matter: looked.neighbours_matter(&weights),
            smtp_matters: looked.smtp_matters(&weights),
        }
    }
}

/// The evidence of an assessment.
pub(crate) fn fact(assessment: &Assessment) -> Fact {
    Fact::Dialup {
        likelihood: assessment.likelihood.percent(),
        name: assessment.name.clone(),
        because: assessment.reasons.iter().map(ToString::to_string).collect(),
    }
}

/// Those that were weighed lately. Bounded: what was not asked for while a whole generation came is forgotten.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Observation, Arc<Weighed>>,
    old: HashMap<Observation, Arc<Weighed>>,
}

impl Memory {
    pub(crate) fn weigh(&self, observation: &Observation) -> Arc<Weighed> {
        if let Some(known) = self.known(observation) {
            return known;
        }
        let weighed = Arc::new(Weighed::new(observation));
        if octets(observation) <= OCTETS {
            self.keep(observation.clone(), Arc::clone(&weighed));
        }
        weighed
    }

    fn known(&self, observation: &Observation) -> Option<Arc<Weighed>> {
        // Whole between any two statements: a panic elsewhere cannot spoil it.
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(weighed) = both.young.get(observation) {
            return Some(Arc::clone(weighed));
        }
        let (observation, weighed) = both.old.remove_entry(observation)?;
        both.put(observation, Arc::clone(&weighed));
        Some(weighed)
    }

    fn keep(&self, observation: Observation, weighed: Arc<Weighed>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).put(observation, weighed);
    }
}

impl Generations {
    fn put(&mut self, observation: Observation, weighed: Arc<Weighed>) {
        if self.young.len() >= HOSTS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(observation, weighed);
    }
}

fn octets(observation: &Observation) -> usize {
    let near = observation.neighbours.iter().flat_map(|near| &near.names);
    observation.names.iter().chain(near).map(String::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(last: u16, name: &str) -> Observation {
        let [high, low] = last.to_be_bytes();
        Observation::new([192, 0, high, low].into(), vec![name.to_owned()])
    }

    #[test]
    fn a_host_is_weighed_again_when_its_name_has_changed() {
        let memory = Memory::default();
        let pool = memory.weigh(&named(7, "dsl-192-0-0-7.pool.example.net"));
        assert!(pool.accused);
        assert!(Arc::ptr_eq(&pool, &memory.weigh(&named(7, "dsl-192-0-0-7.pool.example.net"))));
        assert!(!memory.weigh(&named(7, "mail.example.net")).accused);
    }

    #[test]
    fn strangers_do_not_fill_the_memory_and_who_sends_stays_in_it() {
        let memory = Memory::default();
        let friend = named(0, "mail.example.net");
        let known = memory.weigh(&friend);
        for stranger in 1..5000 {
            memory.weigh(&named(stranger, "a.example.net"));
            assert!(stranger % 500 != 0 || Arc::ptr_eq(&known, &memory.weigh(&friend)), "{stranger}");
        }
        memory.weigh(&named(7, &"x".repeat(OCTETS + 1)));
        let both = memory.0.lock().unwrap();
        assert!(both.young.len() <= HOSTS && both.old.len() <= HOSTS);
        assert!(both.young.keys().chain(both.old.keys()).all(|kept| octets(kept) <= OCTETS));
    }
}
