//! What strangers name their hosts, and the lines of a sample. The first four octets are the address, the fifth says how
//! many names are the host's own; the lines after them are names, the rest of them the neighbours'.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use postern_dialup::{Likelihood, Looked, Neighbour, Observation, Smtp, Weights, read_samples, score};

fuzz_target!(|data: &[u8]| {
    let [a, b, c, d, own, text @ ..] = data else { return };
    let text = String::from_utf8_lossy(text);
    if let Ok(samples) = read_samples(&text) {
        for sample in samples.iter().take(8) {
            look(&sample.observation);
        }
    }
    let mut names = text.lines().map(str::to_owned);
    let address = Ipv4Addr::new(*a, *b, *c, *d);
    let mut observation =
        Observation::new(address.into(), names.by_ref().take(usize::from(*own % 10)).collect());
    let beside = |at: usize| IpAddr::from(Ipv4Addr::from(u32::from(address).wrapping_add(at as u32 + 1)));
    observation.neighbours = names
        .enumerate()
        .map(|(at, name)| Neighbour { address: beside(at), names: vec![name] })
        .take(40)
        .collect();
    look(&observation);
});

fn look(observation: &Observation) {
    let weights = Weights::default();
    let assessment = score(observation, &weights);
    let looked = Looked::at(observation);
    assert_eq!(looked.score(&weights), assessment);
    let _ = (looked.neighbours_matter(&weights), looked.smtp_matters(&weights));
    assert!(assessment.likelihood.percent() <= 100);
    assert_eq!(assessment.is_dialup(), assessment.likelihood >= Likelihood::THRESHOLD);
    assert!(observation.names.iter().any(|name| !name.is_empty()) || assessment.likelihood.percent() == 0);
    // A host that answers as a mail server is never more suspect than one that is silent.
    let with = |smtp| score(&Observation { smtp, ..observation.clone() }, &weights).likelihood;
    assert!(with(Smtp::Answers) <= with(Smtp::Silent));
    let stored = serde_json::to_string(&(observation, &assessment)).unwrap();
    assert_eq!(serde_json::from_str::<(Observation, _)>(&stored).unwrap(), (observation.clone(), assessment));
}
