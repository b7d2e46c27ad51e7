//! How long the score takes for one name with its neighbours, and which of the sample it gets wrong:
//! `cargo run --release -p postern-dialup --example measure [calibrate|held-out]`.
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::hint::black_box;
use std::time::Instant;

use postern_dialup::{Label, Part, Weights, read_samples, score};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples = read_samples(include_str!("../data/names.csv"))?;
    let weights = Weights::default();
    let part = match std::env::args().nth(1).as_deref() {
        Some("calibrate") => Some(Part::Calibrate),
        Some("held-out") => Some(Part::HeldOut),
        _ => None,
    };
    for sample in samples.iter().filter(|sample| Some(sample.part) == part) {
        let assessment = score(&sample.observation, &weights);
        if assessment.is_dialup() != (sample.label == Label::Dialup) {
            let near = sample.observation.neighbours.first().map(|near| &near.names);
            println!("{:?} {} {:?} {near:?}", sample.label, assessment.likelihood, sample.observation.names);
        }
    }
    let rounds = 20;
    let began = Instant::now();
    for sample in std::iter::repeat_n(&samples, rounds).flatten() {
        black_box(score(black_box(&sample.observation), &weights));
    }
    let each = began.elapsed().as_nanos() / (rounds * samples.len()) as u128;
    println!("{} names, {}.{:03} µs each", samples.len(), each / 1000, each % 1000);
    Ok(())
}
