//! `postern probe test dialup|relay|user`, `probe ledger`, `probe calibrate`: the tests that ask about a host or a
//! sender, by hand, with what they saw, and the list of everybody who was asked.

mod ask;
mod calibrate;
mod dialup;
mod ledger;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use postern_types::Address;

use crate::failure::{Failure, Status};
use crate::output::Output;

/// The tests that ask about a host or a sender, by hand
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProbeCommand {
    /// Run one test and print what it saw
    #[command(subcommand)]
    Test(ProbeTest),
    /// Every connection that a test has opened, the latest first
    Ledger(ledger::Ledger),
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
    /// Whether an address is a residential or dynamic one
    Dialup {
        /// The address
        address: IpAddr,
        /// Its names [default: what the DNS says, with those of its neighbours]
        names: Vec<String>,
        /// Connect to its SMTP port as well, and to as many neighbours' as `probe.neighbours` says
        #[arg(long)]
        connect: bool,
    },
    /// Whether a host would relay mail for strangers. Nothing is sent: sender and recipient are ours, and no DATA
    /// follows
    Relay {
        /// Its name or address
        host: String,
    },
    /// Whether a sender exists: what its own mail host says about it
    User {
        /// The sender
        address: Address,
    },
}

impl ProbeCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        match self {
            Self::Test(ProbeTest::Dialup { address, names, connect }) => {
                let how = if connect { dialup::How::Connect } else { dialup::How::Names };
                dialup::run(named, address, names, how, out)
            }
            Self::Test(ProbeTest::Relay { host }) => ask::relay(named, &host, out),
            Self::Test(ProbeTest::User { address }) => ask::user(named, address, out),
            Self::Ledger(ledger) => ledger.run(named, out),
            Self::Calibrate { file } => calibrate::run(&file, out),
        }
    }
}
