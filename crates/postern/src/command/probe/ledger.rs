//! `postern probe ledger`: every connection that a test has opened.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use postern_config::parse_duration;
use postern_store::{LedgerEntry, LedgerQuery};
use postern_types::Timestamp;
use serde::Serialize;

use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// Which connections.
#[derive(Debug, clap::Args)]
pub(crate) struct Ledger {
    /// Not longer ago, such as "2 d"
    #[arg(long, value_parser = parse_duration)]
    since: Option<Duration>,
    /// Part of the host's name or address, of the sender, of the domain or network
    #[arg(long)]
    target: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Show all that was said
    #[arg(long)]
    full: bool,
}

impl Ledger {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        let now = Timestamp::now();
        let ago = |since: Duration| {
            let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            Timestamp::from_millis(now.as_millis().saturating_sub(millis))
        };
        let query = LedgerQuery { since: self.since.map(ago), about: self.target, limit: self.limit };
        let entries = with_store(&config, async |store| Ok(store.probe_ledger(query).await?))?;
        let lines: Vec<Line> = entries.into_iter().map(Line::from).collect();
        if self.full {
            out.value(&Full(lines))?;
        } else {
            out.list(&lines, "Nobody was asked.")?;
        }
        Ok(Status::Fine)
    }
}

/// A connection.
#[derive(Serialize)]
pub(super) struct Line {
    at: String,
    test: String,
    subject: String,
    target: String,
    place: String,
    reason: String,
    outcome: String,
    conversation: Vec<String>,
    milliseconds: u128,
}

impl From<LedgerEntry> for Line {
    fn from(entry: LedgerEntry) -> Self {
        let LedgerEntry { begun, ended } = entry;
        let outcome = if ended.outcome.is_empty() { "under way, or cut off".into() } else { ended.outcome };
        Self {
            at: begun.at.to_string(),
            test: begun.probe,
            subject: begun.subject,
            target: begun.target,
            place: begun.place,
            reason: begun.reason,
            outcome,
            conversation: ended.conversation.lines().map(str::to_owned).collect(),
            milliseconds: ended.duration.as_millis(),
        }
    }
}

impl Row for Line {
    const HEAD: &'static [&'static str] = &["WHEN", "TEST", "ABOUT", "HOST", "WHY", "WHAT IT SAID"];
    fn cells(&self) -> Vec<String> {
        let cell = |text: &String| text.clone();
        [&self.at, &self.test, &self.subject, &self.target, &self.reason, &self.outcome].map(cell).to_vec()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}  {} {}  {}  ({} ms)",
            self.at, self.test, self.subject, self.target, self.milliseconds
        )?;
        writeln!(f, "  {}; counts for {}; {}", self.reason, self.place, self.outcome)?;
        for line in &self.conversation {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// All of them, with all that was said.
#[derive(Serialize)]
#[serde(transparent)]
struct Full(Vec<Line>);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            writeln!(f, "Nobody was asked.")?;
        }
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
