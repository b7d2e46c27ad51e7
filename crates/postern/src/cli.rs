//! The command line: what can be asked of `postern`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::command::{
    account, alias, backup, ban, check, config, doctor, domain, explain, generate, list, policy, ports,
    probe, profile, quarantine, receive, replay, setup, trace, wrap,
};
use crate::failure::{Failure, Status};
use crate::output::{Format, Output};
use crate::serve;
use crate::try_::Try;

/// A mail system: the gate in front of any mail server, the mail server itself.
///
/// Exit codes: 0 done; 1 something was found, or it could not be done; 2 the command is wrong;
/// 3 the server is not reachable.
#[derive(Debug, Parser)]
#[command(name = "postern", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The configuration file [default: ./postern.toml, then /etc/postern/postern.toml]
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print JSON for programs
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a configuration, a data folder and the first account
    Setup(setup::Setup),
    /// Run the server
    Serve,
    Wrap(wrap::Wrap),
    Try(Try),
    /// Find every mistake in the configuration and the files that it names
    Check,
    /// Explain or show settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The domains that mail is received for
    #[command(subcommand)]
    Domain(domain::DomainCommand),
    /// The accounts that mail is kept for
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Addresses that stand for others
    #[command(subcommand)]
    Alias(alias::AliasCommand),
    /// Lists of allowed and blocked hosts, senders and domains
    #[command(subcommand)]
    List(list::ListCommand),
    /// What recipients want done with mail that fails the tests
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    /// Hosts that are turned away for a while, because later tests caught them
    #[command(subcommand)]
    Ban(ban::BanCommand),
    /// Messages that are held for their recipients
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// The tests that ask about a host, by hand
    #[command(subcommand)]
    Probe(probe::ProbeCommand),
    /// What happened to a message, and why
    Trace(trace::Trace),
    Explain(explain::Explain),
    Replay(replay::Replay),
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    #[command(subcommand)]
    Test(receive::TestCommand),
    /// What listens, why and for whom
    Ports,
    /// Look for whatever may keep mail from coming in
    Doctor(doctor::Doctor),
    /// Copies of everything that is kept
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Print completions for a shell
    Completions(generate::Completions),
    /// Write the manual pages
    Man(generate::Man),
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn run(self) -> Result<Status, Failure> {
        let named = self.config.as_deref();
        let out = Output { format: if self.json { Format::Json } else { Format::Text } };
        match self.command {
            Command::Setup(setup) => setup.run(named, out),
            Command::Serve => serve::run(named),
            Command::Wrap(wrap) => wrap.run(named),
            Command::Try(trial) => trial.run(out),
            Command::Check => check::run(named, out),
            Command::Config(command) => command.run(named, out),
            Command::Domain(command) => command.run(named, out),
            Command::Account(command) => command.run(named, out),
            Command::Alias(command) => command.run(named, out),
            Command::List(command) => command.run(named, out),
            Command::Profile(command) => command.run(named, out),
            Command::Ban(command) => command.run(named, out),
            Command::Quarantine(command) => command.run(named, out),
            Command::Probe(command) => command.run(named, out),
            Command::Trace(trace) => trace.run(named, out),
            Command::Explain(explain) => explain.run(named, out),
            Command::Replay(replay) => replay.run(named, out),
            Command::Policy(command) => command.run(named, out),
            Command::Test(command) => command.run(named, out),
            Command::Ports => ports::run(named, out),
            Command::Doctor(doctor) => doctor.run(named, out),
            Command::Backup(command) => command.run(named, out),
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => man.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
