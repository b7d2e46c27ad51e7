//! `postern probe calibrate`: how well the dial-up test tells labelled hosts apart.

use std::fmt;
use std::path::Path;

use postern_dialup::{Calibration, Row, Weights, calibrate, read_samples};
use serde::Serialize;

use crate::failure::{Failure, Status};
use crate::output::Output;

pub(super) fn run(file: &Path, out: Output) -> Result<Status, Failure> {
    let text =
        std::fs::read_to_string(file).map_err(Failure::io(format!("cannot read {}", file.display())))?;
    let samples =
        read_samples(&text).map_err(|error| Failure::Finding(format!("{}: {error}", file.display())))?;
    out.value(&Table(calibrate(&samples, &Weights::default())))?;
    Ok(Status::Fine)
}

#[derive(Serialize)]
#[serde(transparent)]
struct Table(Calibration);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Calibration { dialups, servers, chosen, table } = &self.0;
        writeln!(f, "{dialups} dial-up hosts and {servers} servers.")?;
        writeln!(
            f,
            "At the threshold {}: precision {:.2} %, recall {:.2} %; {} servers accused ({:.2} %).\n",
            chosen.threshold,
            100.0 * chosen.precision,
            100.0 * chosen.recall,
            chosen.accused,
            100.0 * chosen.accused_share
        )?;
        writeln!(f, "THRESHOLD  PRECISION   RECALL  ACCUSED")?;
        for Row { threshold, precision, recall, accused_share, .. } in table {
            let [precision, recall, accused] = [precision, recall, accused_share].map(|share| 100.0 * share);
            writeln!(
                f,
                "{threshold:>9}  {precision:>7.2} %  {recall:>5.2} %  {accused:>5.2} %",
                threshold = threshold.percent()
            )?;
        }
        Ok(())
    }
}
