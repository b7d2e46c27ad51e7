//! `postern list add|show|remove`: the lists in the store (those of the configuration stand in its file).

use std::path::Path;
use std::time::Duration;

use postern_config::parse_duration;
use postern_store::{ListEntry, ListKind, ListOwner, Store, Subject};
use postern_types::{Address, Domain, Network, Timestamp};

use super::owner::Owner;
use super::profile::Holding;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// Lists of allowed and blocked hosts, senders and domains
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ListCommand {
    /// Put a host, sender or domain on a list; the running server knows within a second
    Add(Add),
    /// The entries of a list, or of all lists; or what holds for one recipient, and where it comes from
    Show {
        /// Which list, or the address of a recipient
        #[arg(value_parser = what, value_name = "LIST|ADDRESS")]
        what: Option<What>,
        #[command(flatten)]
        owner: Owner,
    },
    /// Take an entry off a list
    Remove {
        /// Which list
        list: Which,
        /// What the entry is about
        #[arg(value_parser = subject)]
        subject: Subject,
        #[command(flatten)]
        owner: Owner,
    },
}

/// Put a host, sender or domain on a list; the running server knows within a second
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Which list
    list: Written,
    /// An address or network, a sender's address, or a sender's domain; to allow senders needs --recipient or
    /// --domain
    #[arg(value_parser = subject)]
    subject: Subject,
    #[command(flatten)]
    owner: Owner,
    /// Why, for whoever reads it later
    #[arg(long, default_value = "")]
    reason: String,
    /// For how long, such as "30 d" [default: for good]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "until")]
    expire: Option<Duration>,
    /// The last day (UTC), such as 2026-12-31
    #[arg(long, value_name = "DATE", value_parser = last_day)]
    until: Option<Timestamp>,
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

/// A list, or a recipient.
#[derive(Clone, Debug)]
pub(crate) enum What {
    /// This list.
    List(Which),
    /// What holds for this recipient.
    Recipient(Address),
}

impl ListCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match self {
            Self::Add(add) => {
                let entry = add.entry(&store).await?;
                let said = format!("{} is on {}.", entry.subject, name(entry.list, &entry.owner));
                store.put_listed(entry).await?;
                out.done(said)
            }
            Self::Show { what: Some(What::Recipient(_)), owner } if owner.is_named() => Err(Failure::Usage(
                "what holds for a recipient comes from all its lists: leave out --recipient and --domain"
                    .into(),
            )),
            Self::Show { what: Some(What::Recipient(recipient)), .. } => {
                out.value(&ForRecipient::of(&store, &recipient).await?)
            }
            Self::Show { what, owner } => {
                let owner = owner.whose();
                let mut entries = Vec::new();
                for which in [Which::Allow, Which::Block, Which::Feedback] {
                    if !matches!(what, Some(What::List(list)) if list != which) {
                        let found = store.listed(which.into(), Some(owner.clone()), Timestamp::now()).await?;
                        entries.extend(found.iter().map(Listed::from));
                    }
                }
                out.list(&entries, "Nothing is listed.")
            }
            Self::Remove { list, subject, owner } => {
                let owner = owner.whose();
                let said = format!("{subject} is no longer on {}.", name(list.into(), &owner));
                store.remove_listed(list.into(), owner, subject).await?;
                out.done(said)
            }
        })?;
        Ok(Status::Fine)
    }
}

impl Add {
    async fn entry(self, store: &Store) -> Result<ListEntry, Failure> {
        let Self { list, subject, owner, reason, expire, until } = self;
        if list == Written::Allow && !owner.is_named() && !matches!(subject, Subject::Network(_)) {
            return Err(Failure::Usage(format!(
                "`{subject}` cannot be allowed for everybody: senders are easily forged; allow the address of the \
                 host that sends, or allow the sender for one --recipient or --domain"
            )));
        }
        let now = Timestamp::now();
        Ok(ListEntry {
            list: match list {
                Written::Allow => ListKind::Allow,
                Written::Block => ListKind::Block,
            },
            owner: owner.ours(store).await?,
            subject,
            reason,
            trace: None,
            strikes: 1,
            created_at: now,
            expires_at: until.or_else(|| expire.map(|duration| now.plus(duration))),
        })
    }
}

/// What holds for one recipient: its profile, and every entry that counts for it.
#[derive(serde::Serialize)]
struct ForRecipient {
    #[serde(flatten)]
    holding: Holding,
    /// Those of the narrowest owner first: they decide.
    entries: Vec<Listed>,
}

impl ForRecipient {
    async fn of(store: &Store, recipient: &Address) -> Result<Self, Failure> {
        let mut entries = Vec::new();
        for owner in store.owners_for(recipient).await? {
            for list in [ListKind::Allow, ListKind::Block] {
                let found = store.listed(list, Some(owner.clone()), Timestamp::now()).await?;
                entries.extend(found.iter().map(Listed::from));
            }
        }
        Ok(Self { holding: Holding::of(store, recipient).await?, entries })
    }
}

impl std::fmt::Display for ForRecipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.holding)?;
        for entry in &self.entries {
            let until = entry.expires_at.as_ref().map(|at| format!(" until {at}")).unwrap_or_default();
            let why = if entry.reason.is_empty() { String::new() } else { format!(": {}", entry.reason) };
            let line = format!("{} {}, from {}{until}{why}", entry.list, entry.subject, entry.owner);
            writeln!(f, "{}", line.replace(char::is_control, " "))?;
        }
        if self.entries.is_empty() { writeln!(f, "Nothing is listed.") } else { Ok(()) }
    }
}

/// The list, in words.
fn name(list: ListKind, owner: &ListOwner) -> String {
    match owner {
        ListOwner::Everybody => format!("the {} list", word(list)),
        owner => format!("the {} list of {owner}", word(list)),
    }
}

fn what(text: &str) -> Result<What, String> {
    if let Ok(list) = <Which as clap::ValueEnum>::from_str(text, true) {
        return Ok(What::List(list));
    }
    let wrong = || format!("`{text}` is neither a list (allow, block, feedback) nor a recipient's address");
    Address::parse(text).map(What::Recipient).map_err(|_| wrong())
}

/// The end of a day.
fn last_day(text: &str) -> Result<Timestamp, String> {
    let day =
        Timestamp::parse_date(text).ok_or_else(|| format!("`{text}` is no date: write it as 2026-12-31"))?;
    let end = day.plus(Duration::from_secs(86_400));
    if end > Timestamp::now() { Ok(end) } else { Err(format!("{text} is over")) }
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
    owner: String,
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
            owner: entry.owner.to_string(),
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
    const HEAD: &'static [&'static str] = &["LIST", "FOR", "WHAT", "SINCE", "UNTIL", "WHY"];

    fn cells(&self) -> Vec<String> {
        let until = self.expires_at.clone().unwrap_or_else(|| "for good".into());
        let cells = [&self.owner, &self.subject, &self.created_at, &until, &self.reason];
        std::iter::once(self.list.to_owned()).chain(cells.into_iter().cloned()).collect()
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
