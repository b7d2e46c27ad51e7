//! `postern ban list|why|lift`: the hosts that are turned away for a while, and what they were caught at.

use std::net::IpAddr;
use std::path::Path;

use postern_config::{Config, show_duration};
use postern_feedback::{History, Offence};
use postern_store::{HostRecord, ListEntry, ListKind, ListOwner, Store, Strike, host_of};
use postern_types::{Timestamp, TraceId};

use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// Hosts that are turned away for a while, because later tests caught them
#[derive(Debug, clap::Subcommand)]
pub(crate) enum BanCommand {
    /// The hosts that are turned away now
    List,
    /// What is known of a host, and everything that it was caught at
    Why {
        /// Its address
        address: IpAddr,
    },
    /// Let a host in again at once, with everything forgiven
    Lift {
        /// Its address
        address: IpAddr,
    },
}

impl BanCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        let status = with_store(&config, async |store| match self {
            Self::List => {
                let everybody = Some(ListOwner::Everybody);
                let entries = store.listed(ListKind::Feedback, everybody, Timestamp::now()).await?;
                let rows: Vec<Banned> = entries.iter().map(Banned::from).collect();
                out.list(&rows, "No host is turned away.")?;
                Ok(Status::Fine)
            }
            Self::Why { address } => {
                let why = Why::of(&store, &config, address).await?;
                out.value(&why)?;
                Ok(if why.is_known() { Status::Fine } else { Status::Finding })
            }
            Self::Lift { address } => {
                let lifted = store.lift(address, Timestamp::now()).await?;
                out.done(match lifted.as_slice() {
                    [] => format!("{address} was not blocked; what it was caught at is forgiven."),
                    entries => {
                        let what: Vec<_> = entries.iter().map(|entry| entry.subject.to_string()).collect();
                        format!(
                            "{} may come in again; the running server knows within a second.",
                            what.join(", ")
                        )
                    }
                })?;
                Ok(Status::Fine)
            }
        })?;
        Ok(status)
    }
}

/// One entry of the feedback list.
#[derive(serde::Serialize)]
struct Banned {
    host: String,
    since: String,
    until: Option<String>,
    times: u32,
    reason: String,
    trace: Option<TraceId>,
}

impl From<&ListEntry> for Banned {
    fn from(entry: &ListEntry) -> Self {
        Self {
            host: entry.subject.to_string(),
            since: entry.created_at.to_string(),
            until: entry.expires_at.map(|at| at.to_string()),
            times: entry.strikes,
            reason: entry.reason.clone(),
            trace: entry.trace,
        }
    }
}

impl Row for Banned {
    const HEAD: &'static [&'static str] = &["HOST", "FIRST", "UNTIL", "TIMES", "WHY"];

    fn cells(&self) -> Vec<String> {
        let until = self.until.clone().unwrap_or_else(|| "for good".into());
        vec![self.host.clone(), self.since.clone(), until, self.times.to_string(), self.reason.clone()]
    }
}

/// Everything that is known of a host.
#[derive(serde::Serialize)]
struct Why {
    host: String,
    /// Entries of the feedback list that hold it, ended or not.
    entries: Vec<Banned>,
    blocked_until: Option<String>,
    parole_until: Option<String>,
    lifted_at: Option<String>,
    /// What its strikes come to now, in ordinary ones.
    strikes_now: f64,
    /// From how many on it is turned away.
    strikes_allowed: u32,
    half_life: String,
    clean_now: f64,
    strikes: Vec<Caught>,
}

/// One strike.
#[derive(serde::Serialize)]
struct Caught {
    at: String,
    offence: String,
    weight: f64,
    trace: TraceId,
    words: String,
}

impl Why {
    async fn of(store: &Store, config: &Config, address: IpAddr) -> Result<Self, Failure> {
        let (host, now) = (host_of(address), Timestamp::now());
        let settings = compose::feedback::settings(config);
        let entries = store.listed_networks_of(ListKind::Feedback, address).await?;
        let record = store.host(host).await?;
        let history = record.as_ref().map(|record| history(record).at(now, &settings));
        let ahead = |at: Option<Timestamp>| at.filter(|at| *at > now).map(|at| at.to_string());
        Ok(Self {
            host: host.to_string(),
            blocked_until: ahead(entries.iter().filter_map(|entry| entry.expires_at).max()),
            entries: entries.iter().map(Banned::from).collect(),
            parole_until: ahead(history.map(|history| history.parole_until)),
            lifted_at: record.and_then(|record| record.lifted_at).map(|at| at.to_string()),
            strikes_now: rounded(history.map_or(0.0, |history| history.strikes)),
            strikes_allowed: settings.after,
            half_life: show_duration(settings.half_life),
            clean_now: rounded(history.map_or(0.0, |history| history.clean)),
            strikes: store.strikes(host).await?.iter().map(Caught::from).collect(),
        })
    }

    fn is_known(&self) -> bool {
        !self.strikes.is_empty() || !self.entries.is_empty()
    }
}

fn history(record: &HostRecord) -> History {
    History {
        at: record.at,
        strikes: record.strikes,
        clean: record.clean,
        level: record.level,
        banned_until: record.banned_until,
        parole_until: record.parole_until,
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl From<&Strike> for Caught {
    fn from(strike: &Strike) -> Self {
        Self {
            at: strike.at.to_string(),
            offence: strike.offence.clone(),
            weight: f64::from(strike.weight) / 100.0,
            trace: strike.trace,
            words: strike.words.clone(),
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.blocked_until {
            Some(until) => writeln!(f, "{} is turned away until {until}", self.host)?,
            None => writeln!(f, "{} is let in", self.host)?,
        }
        for entry in &self.entries {
            writeln!(f, "  {}", harmless(&entry.reason))?;
        }
        if let Some(until) = &self.parole_until {
            writeln!(f, "On parole until {until}: to be caught once more is enough")?;
        }
        if let Some(at) = &self.lifted_at {
            writeln!(f, "Forgiven at {at}")?;
        }
        writeln!(
            f,
            "Strikes count {} of {} now (each half as much after {}); clean messages lately: {}",
            self.strikes_now, self.strikes_allowed, self.half_life, self.clean_now
        )?;
        for strike in &self.strikes {
            let row = Offence::by_name(&strike.offence).map(Offence::row);
            let words = row.map_or(strike.offence.as_str(), |row| row.words);
            writeln!(f, "{}  {}  {words}: {}", strike.at, strike.trace, harmless(&strike.words))?;
        }
        if self.is_known() { Ok(()) } else { writeln!(f, "It was never caught.") }
    }
}

/// What a client said must not steer the terminal.
fn harmless(text: &str) -> String {
    text.replace(char::is_control, " ")
}
