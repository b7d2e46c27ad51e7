//! `postern probe test dialup|calibrate`: the tests that ask about a host, by hand, with what they saw.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use postern_dialup::{
    Assessment, Calibration, Likelihood, Observation, Row, Weights, calibrate, read_samples, score,
};
use postern_dns::{Answer, Dns};
use postern_gate::{DialupNames, dialup_names};
use serde::Serialize;

use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::block_on;
use crate::output::Output;

/// The tests that ask about a host, by hand
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProbeCommand {
    /// Run one test and print what it saw
    #[command(subcommand)]
    Test(ProbeTest),
    /// How well the dial-up test tells hosts apart that you have labelled
    Calibrate {
        /// Lines of `address,name[;name...],neighbour=name|neighbour=name...,label`; the label is `dialup` or
        /// `server`
        file: PathBuf,
    },
}

/// One test.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProbeTest {
    /// Whether an address has the name of a residential or dynamic one
    Dialup {
        /// The address
        address: IpAddr,
        /// Its names [default: what the DNS says, with those of its neighbours]
        names: Vec<String>,
    },
}

impl ProbeCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        match self {
            Self::Test(ProbeTest::Dialup { address, names }) => {
                let observation =
                    if names.is_empty() { ask(named, address)? } else { Observation::new(address, names) };
                let assessment = score(&observation, &Weights::default());
                let dialup = assessment.is_dialup();
                out.value(&Seen { observation, assessment, dialup })?;
                Ok(if dialup { Status::Finding } else { Status::Fine })
            }
            Self::Calibrate { file } => {
                let text = std::fs::read_to_string(&file)
                    .map_err(Failure::io(format!("cannot read {}", file.display())))?;
                let samples = read_samples(&text)
                    .map_err(|error| Failure::Finding(format!("{}: {error}", file.display())))?;
                out.value(&Table(calibrate(&samples, &Weights::default())))?;
                Ok(Status::Fine)
            }
        }
    }
}

/// Asks the DNS, by the servers in the configuration.
fn ask(named: Option<&Path>, address: IpAddr) -> Result<Observation, Failure> {
    let config = file::load(named)?;
    let near = config.gate.dialup_neighbours;
    block_on(async {
        let dns = Dns::new(compose::dns::settings(&config))?;
        match dialup_names(&dns, address, near, &Weights::default()).await {
            Answer::Found { value: DialupNames { observation, .. }, .. } => Ok(observation),
            Answer::NotFound(absent) => {
                Err(Failure::Finding(format!("{address} has no name in the DNS: {absent}")))
            }
            Answer::Unknown(why) => {
                Err(Failure::Finding(format!("nobody could tell the names of {address}: {why}")))
            }
        }
    })
}

#[derive(Serialize)]
struct Seen {
    #[serde(flatten)]
    observation: Observation,
    #[serde(flatten)]
    assessment: Assessment,
    dialup: bool,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { observation, assessment, dialup } = self;
        writeln!(f, "{}  {}", observation.address, assessment.name)?;
        for near in &observation.neighbours {
            writeln!(f, "  beside it: {}  {}", near.address, near.names.join(", "))?;
        }
        for reason in &assessment.reasons {
            writeln!(f, "  {reason}")?;
        }
        let (threshold, likelihood) = (Likelihood::THRESHOLD, assessment.likelihood);
        let is = if *dialup { "a dial-up host" } else { "no dial-up host" };
        writeln!(f, "{likelihood} of 100: {is} (from {threshold} on it is one).")
    }
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
