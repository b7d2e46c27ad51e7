//! `postern probe test dialup`: what the names of an address and of its neighbours tell, and who answers there.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use postern_dialup::{Assessment, Likelihood, Observation, Smtp, SmtpBeside, Weights, score};
use postern_dns::{Answer, Dns};
use postern_gate::{DialupNames, dialup_names};
use postern_probe::{Answer as Found, Connect, Question};
use serde::Serialize;

use super::ask::Asking;
use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::block_on;
use crate::output::Output;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// The DNS alone.
    Names,
    /// The hosts too.
    Connect,
}

pub(super) fn run(
    named: Option<&Path>,
    address: IpAddr,
    names: Vec<String>,
    how: How,
    out: Output,
) -> Result<Status, Failure> {
    let mut observation =
        if names.is_empty() { ask(named, address)? } else { Observation::new(address, names) };
    if how == How::Connect {
        connect(named, &mut observation)?;
    }
    let assessment = score(&observation, &Weights::default());
    let dialup = assessment.is_dialup();
    out.value(&Seen { observation, assessment, dialup })?;
    Ok(if dialup { Status::Finding } else { Status::Fine })
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

/// Connects to the host, and to its neighbours if the configuration lets that be done.
fn connect(named: Option<&Path>, observation: &mut Observation) -> Result<(), Failure> {
    let config = file::load(named)?;
    let address = observation.address;
    let (own, beside) = Asking::with(&config, async |asking| {
        let own = asking.ask(Question::ConnectBack(address)).await?;
        let beside = match config.probe.neighbours {
            0 => None,
            _ => Some(asking.ask(Question::Neighbours(address)).await?),
        };
        Ok((own, beside))
    })?;
    observation.smtp = match own {
        Found::Connect(Connect::Answers) => Smtp::Answers,
        Found::Connect(Connect::Silent) => Smtp::Silent,
        _ => Smtp::Unknown,
    };
    if let Some(Found::Neighbours(near)) = beside {
        observation.smtp_beside = SmtpBeside { answering: near.answering, silent: near.silent };
    }
    Ok(())
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
