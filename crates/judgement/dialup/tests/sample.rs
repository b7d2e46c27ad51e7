//! The labelled sample, and how well the score does on the part that it has not seen.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that says what it measured")]

#[path = "../examples/make_names/generate.rs"]
mod generate;
#[path = "../examples/make_names/patterns.rs"]
mod patterns;

use postern_dialup::{Calibration, Part, Sample, Weights, calibrate, read_samples};

const NAMES: &str = include_str!("../data/names.csv");

fn part(part: Part) -> Vec<Sample> {
    let mut samples = read_samples(NAMES).unwrap();
    samples.retain(|sample| sample.part == part);
    samples
}

#[test]
fn the_file_is_what_its_generator_makes() {
    assert!(generate::sample() == NAMES, "run the example make_names again");
}

#[test]
fn the_sample_is_large_and_no_pattern_is_in_both_parts() {
    let (seen, unseen) = (part(Part::Calibrate), part(Part::HeldOut));
    assert!(seen.len() + unseen.len() >= 2000);
    let hosts: std::collections::HashSet<_> = seen.iter().map(|sample| &sample.observation.names).collect();
    assert!(unseen.iter().all(|sample| !hosts.contains(&sample.observation.names)));
}

fn say(what: &str, samples: &[Sample]) -> Calibration {
    let counts = calibrate(samples, &Weights::default());
    let row = counts.chosen;
    println!(
        "{what}: {} of {} dial-up names found ({:.2} %), {} of {} servers accused ({:.2} %)",
        row.found,
        counts.dialups,
        100.0 * row.recall,
        row.accused,
        counts.servers,
        100.0 * row.accused_share
    );
    counts
}

#[test]
fn names_of_patterns_never_seen_are_told_apart() {
    let counts = say("held out, with neighbours", &part(Part::HeldOut));
    assert!(counts.dialups >= 600 && counts.servers >= 600);
    assert!(counts.chosen.recall >= 0.98);
    assert!(counts.chosen.accused_share <= 0.003);
}

#[test]
fn without_neighbours_fewer_are_found_and_no_more_are_accused() {
    let with = say("held out, with neighbours", &part(Part::HeldOut));
    let mut alone = part(Part::HeldOut);
    for sample in &mut alone {
        sample.observation.neighbours.clear();
    }
    let without = say("held out, without neighbours", &alone);
    assert!(without.chosen.found <= with.chosen.found);
    assert!(without.chosen.accused_share <= 0.003);
    say("calibration, with neighbours", &part(Part::Calibrate));
}
