//! `postern list add|show|remove`: the lists in the store (those of the configuration stand in its file).

use std::path::Path;
use std::time::Duration;

use postern_config::parse_duration;
use postern_store::{ListEntry, ListKind, ListOwner, Subject};
use postern_types::{Address, Domain, Network, Timestamp};

use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// Lists of allowed and blocked hosts, senders and domains
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ListCommand {
    /// Put a host, sender or domain on a list; the running server knows within a second
    Add {
        /// Which list
        list: Written,
        /// An address or network; for `block` also a sender's address, or a sender's domain
        #[arg(value_parser = subject)]
        subject: Subject,
        /// Why, for whoever reads it later
        #[arg(long, default_value = "")]
        reason: String,
        /// For how long, such as "30 d" [default: for good]
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        expire: Option<Duration>,
    },
    /// The entries of a list, or of all lists
    Show {
        /// Which list
        list: Option<Which>,
    },
    /// Take an entry off a list
    Remove {
        /// Which list
        list: Which,
        /// What the entry is about
        #[arg(value_parser = subject)]
        subject: Subject,
    },
}

/// A list that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Written {
    /// Always let in
    Allow,
    /// Never let in
    Block,
}

/// Any list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Which {
    /// Always let in
    Allow,
    /// Never let in
    Block,
    /// Not let in for a while: written by the server
    Feedback,
}

impl ListCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match self {
            Self::Add { list, subject, reason, expire } => {
                let entry = entry(list, subject, reason, expire)?;
                let said = format!("{} is on the {} list.", entry.subject, word(entry.list));
                store.put_listed(entry).await?;
                out.done(said)
            }
            Self::Show { list } => {
                let mut entries = Vec::new();
                for which in [Which::Allow, Which::Block, Which::Feedback] {
                    if list.is_none_or(|list| list == which) {
                        let everybody = Some(ListOwner::Everybody);
                        let found = store.listed(which.into(), everybody, Timestamp::now()).await?;
                        entries.extend(found.iter().map(Listed::from));
                    }
                }
                out.list(&entries, "Nothing is listed.")
            }
            Self::Remove { list, subject } => {
                let said = format!("{subject} is no longer on the {} list.", word(list.into()));
                store.remove_listed(list.into(), ListOwner::Everybody, subject).await?;
                out.done(said)
            }
        })?;
        Ok(Status::Fine)
    }
}

fn entry(
    list: Written,
    subject: Subject,
    reason: String,
    expire: Option<Duration>,
) -> Result<ListEntry, Failure> {
    if list == Written::Allow && !matches!(subject, Subject::Network(_)) {
        return Err(Failure::Usage(format!(
            "`{subject}` cannot be allowed: senders are easily forged; allow the address of the host that sends"
        )));
    }
    let now = Timestamp::now();
    let list = match list {
        Written::Allow => ListKind::Allow,
        Written::Block => ListKind::Block,
    };
    Ok(ListEntry {
        list,
        owner: ListOwner::Everybody,
        subject,
        reason,
        trace: None,
        strikes: 1,
        created_at: now,
        expires_at: expire.map(|duration| now.plus(duration)),
    })
}

impl From<Which> for ListKind {
    fn from(which: Which) -> Self {
        match which {
            Which::Allow => Self::Allow,
            Which::Block => Self::Block,
            Which::Feedback => Self::Feedback,
        }
    }
}

fn word(list: ListKind) -> &'static str {
    match list {
        ListKind::Allow => "allow",
        ListKind::Block => "block",
        ListKind::Feedback => "feedback",
    }
}

/// A network, an address or a domain, by its form.
fn subject(text: &str) -> Result<Subject, String> {
    if text.contains('@') {
        return Address::parse(text).map(Subject::Address).map_err(|error| error.to_string());
    }
    if let Ok(network) = Network::parse(text) {
        return Ok(Subject::Network(network));
    }
    let looks_numeric = text.contains(['/', ':']) || text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    match Domain::parse(text) {
        Ok(domain) if !looks_numeric => Ok(Subject::Domain(domain)),
        _ => Err(format!("`{text}` is no address or network, no sender's address and no domain")),
    }
}

#[derive(serde::Serialize)]
struct Listed {
    list: &'static str,
    subject: String,
    reason: String,
    trace: Option<postern_types::TraceId>,
    strikes: u32,
    created_at: String,
    expires_at: Option<String>,
}

impl From<&ListEntry> for Listed {
    fn from(entry: &ListEntry) -> Self {
        Self {
            list: word(entry.list),
            subject: entry.subject.to_string(),
            reason: entry.reason.clone(),
            trace: entry.trace,
            strikes: entry.strikes,
            created_at: entry.created_at.to_string(),
            expires_at: entry.expires_at.map(|at| at.to_string()),
        }
    }
}

impl Row for Listed {
    const HEAD: &'static [&'static str] = &["LIST", "WHAT", "SINCE", "UNTIL", "WHY"];

    fn cells(&self) -> Vec<String> {
        let until = self.expires_at.clone().unwrap_or_else(|| "for good".into());
        vec![self.list.into(), self.subject.clone(), self.created_at.clone(), until, self.reason.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_told_apart_by_their_form() {
        assert!(matches!(subject("192.0.2.0/24"), Ok(Subject::Network(_))));
        assert!(matches!(subject("2001:db8::1"), Ok(Subject::Network(_))));
        assert!(matches!(subject("ann@example.org"), Ok(Subject::Address(_))));
        assert!(matches!(subject("example.org"), Ok(Subject::Domain(_))));
        for wrong in ["192.0.2.0/33", "300.0.0.1", "2001:db8::/129", "a b", "@", ""] {
            assert!(subject(wrong).is_err(), "{wrong}");
        }
    }
}
