//! The ARC chain (RFC 8617): what those who passed a message on saw, sealed one over the other.

use std::collections::BTreeMap;

use postern_types::{Authenticity, Domain};

use crate::header::{Canonical, RawField, write, write_unsigned};
use crate::signature::{Algorithm, Chain, Seal, Signature, results_instance};

/// What came of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Arc {
    /// `none`, `pass`, `fail` or `temperror`.
    pub result: Authenticity,
    /// Who sealed, the last one last.
    pub sealers: Vec<Domain>,
    /// What is wrong.
    pub problem: Option<String>,
}

/// One set of the chain, by the index of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) results: usize,
    pub(crate) message: (usize, Signature),
    pub(crate) seal: (usize, Seal),
}

/// The fields that make the chain, as far as they can be judged by themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sets {
    None,
    Broken(String),
    /// In order, the first instance first; never empty.
    Whole(Vec<Set>),
}

/// rfc8617 §4.2.1: no chain is longer.
const LONGEST: usize = 50;

/// rfc8617 §5.2, steps 1 to 3: the sets, and whether each is complete and says that the chain held before it.
pub(crate) fn sets(fields: &[RawField<'_>]) -> Sets {
    match find(fields) {
        Ok(sets) if sets.is_empty() => Sets::None,
        Ok(sets) => Sets::Whole(sets),
        Err(why) => Sets::Broken(why),
    }
}

fn find(fields: &[RawField<'_>]) -> Result<Vec<Set>, String> {
    let mut results = BTreeMap::new();
    let mut messages = BTreeMap::new();
    let mut seals = BTreeMap::new();
    let twice = |name: &str, number: u32| format!("there are two {name} of set {number}");
    for (at, field) in fields.iter().enumerate() {
        if field.is("ARC-Authentication-Results") {
            let wrong = |why| format!("ARC-Authentication-Results cannot be used: {why}");
            let number = results_instance(*field).map_err(wrong)?;
            if results.insert(number, at).is_some() {
                return Err(twice("ARC-Authentication-Results", number));
            }
        } else if field.is("ARC-Message-Signature") {
            let wrong = |why| format!("ARC-Message-Signature cannot be used: {why}");
            let (number, signature) = Signature::arc(*field).map_err(wrong)?;
            if messages.insert(number, (at, signature)).is_some() {
                return Err(twice("ARC-Message-Signature", number));
            }
        } else if field.is("ARC-Seal") {
            let (number, seal) =
                Seal::parse(*field).map_err(|why| format!("ARC-Seal cannot be used: {why}"))?;
            if seals.insert(number, (at, seal)).is_some() {
                return Err(twice("ARC-Seal", number));
            }
        }
        if results.len().max(messages.len()).max(seals.len()) > LONGEST {
            return Err(format!("the chain has more than {LONGEST} sets"));
        }
    }
    let complete = results.keys().eq(messages.keys()) && results.keys().eq(seals.keys());
    if !complete || !in_order(results.keys()) {
        return Err("the sets are not complete, or not numbered from 1 on".to_owned());
    }
    let sets = results.into_values().zip(messages.into_values()).zip(seals.into_values());
    let sets: Vec<Set> = sets.map(|((results, message), seal)| Set { results, message, seal }).collect();
    for (at, set) in sets.iter().enumerate() {
        // rfc8617 §5.2: cv is none in the first set, pass in the others
        match (at, set.seal.1.chain) {
            (_, Chain::Fail) => return Err(format!("the sealer of set {} found the chain broken", at + 1)),
            (0, Chain::None) | (1.., Chain::Pass) => {}
            _ => return Err(format!("cv= of set {} is not what it must be there", at + 1)),
        }
    }
    Ok(sets)
}

fn in_order<'a>(numbers: impl Iterator<Item = &'a u32>) -> bool {
    numbers.copied().zip(1..).all(|(number, expected)| number == expected)
}

/// rfc8617 §5.1.1: what the seal of set `at` signs: all sets up to its own, without its own `b=`.
pub(crate) fn sealed(fields: &[RawField<'_>], sets: &[Set], at: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, set) in sets.iter().enumerate().take(at + 1) {
        write(fields[set.results], Canonical::Relaxed, &mut out);
        out.extend_from_slice(b"\r\n");
        write(fields[set.message.0], Canonical::Relaxed, &mut out);
        out.extend_from_slice(b"\r\n");
        if number < at {
            write(fields[set.seal.0], Canonical::Relaxed, &mut out);
            out.extend_from_slice(b"\r\n");
        } else {
            write_unsigned(fields[set.seal.0], Canonical::Relaxed, &mut out);
        }
    }
    out
}

/// Whether an algorithm is any proof in a chain (RFC 8301 §3.1).
pub(crate) fn is_proof(algorithm: Algorithm) -> bool {
    algorithm != Algorithm::RsaSha1
}
