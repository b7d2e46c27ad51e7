//! How well the score tells labelled hosts apart, at each threshold.

use serde::Serialize;

use crate::{Label, Likelihood, Sample, Weights, score};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// Dial-up hosts among the samples.
    pub dialups: usize,
    /// Servers among the samples.
    pub servers: usize,
    /// At the threshold in use.
    pub chosen: Row,
    /// At others, from low to high.
    pub table: Vec<Row>,
}

/// The counts at one threshold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The likelihood from which on a host counts as a dial-up one.
    pub threshold: Likelihood,
    /// Dial-up hosts found.
    pub found: usize,
    /// Servers accused.
    pub accused: usize,
    /// The share of those found among all that were called dial-up hosts; 1 when none was.
    pub precision: f64,
    /// The share of the dial-up hosts that was found; 1 when there are none.
    pub recall: f64,
    /// The share of the servers that was accused; 0 when there are none.
    pub accused_share: f64,
}

/// Scores every sample and counts.
#[must_use]
pub fn calibrate<'a>(samples: impl IntoIterator<Item = &'a Sample>, weights: &Weights) -> Calibration {
    let mut scores = Vec::new();
    for sample in samples {
        scores.push((score(&sample.observation, weights).likelihood, sample.label));
    }
    let thresholds = [5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95].map(Likelihood::new);
    Calibration {
        dialups: count(&scores, Label::Dialup, Likelihood::new(0)),
        servers: count(&scores, Label::Server, Likelihood::new(0)),
        chosen: row(&scores, Likelihood::THRESHOLD),
        table: thresholds.iter().map(|&threshold| row(&scores, threshold)).collect(),
    }
}

fn count(scores: &[(Likelihood, Label)], label: Label, threshold: Likelihood) -> usize {
    scores.iter().filter(|(likelihood, is)| *is == label && *likelihood >= threshold).count()
}

fn row(scores: &[(Likelihood, Label)], threshold: Likelihood) -> Row {
    let at = |label| count(scores, label, threshold);
    let all = |label| count(scores, label, Likelihood::new(0));
    let (found, accused) = (at(Label::Dialup), at(Label::Server));
    Row {
        threshold,
        found,
        accused,
        precision: share(found, found + accused, 1.0),
        recall: share(found, all(Label::Dialup), 1.0),
        accused_share: share(accused, all(Label::Server), 0.0),
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of lines in a file")]
fn share(part: usize, of: usize, none: f64) -> f64 {
    if of == 0 { none } else { part as f64 / of as f64 }
}
