//! `postern quarantine list|show|release|delete`: what is held, why, and letting it go. `digest` is in `digest.rs`.

use std::path::Path;

use postern_message::{Bounds, Mailbox, Summary};
use postern_store::{
    ListEntry, ListKind, ListOwner, QuarantineId, QuarantineQuery, QuarantineState, Quarantined, Release,
    ReleaseTo, Store, Subject,
};
use postern_types::{Address, Timestamp, TraceId};

use crate::command::digest::Digest;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// Messages that are held for their recipients
#[derive(Debug, clap::Subcommand)]
pub(crate) enum QuarantineCommand {
    /// What is held, the latest first
    List {
        /// For this recipient only
        #[arg(long, value_name = "ADDRESS")]
        recipient: Option<Address>,
        /// Also what has been released
        #[arg(long)]
        all: bool,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
    },
    /// One message: why it is held, and its text (never its links and images)
    Show {
        /// The number that `postern quarantine list` shows
        id: i64,
    },
    /// Deliver a message to its recipient; however often it is said, it is delivered once
    Release {
        /// The number that `postern quarantine list` shows
        id: i64,
        /// Also put the sender on the recipient's own allow list
        #[arg(long)]
        allow: bool,
    },
    /// Throw a message away for good
    Delete {
        /// The number that `postern quarantine list` shows
        id: i64,
    },
    Digest(Digest),
}

/// What is read of a held message to show it.
const SHOWN: usize = 1 << 20;

impl QuarantineCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match self {
            Self::List { recipient, all, limit } => {
                let state = (!all).then_some(QuarantineState::Held);
                let query = QuarantineQuery { recipient, state, limit, ..QuarantineQuery::default() };
                let held = store.quarantine(query).await?;
                out.list(&held.iter().map(Held::from).collect::<Vec<_>>(), "Nothing is held.")
            }
            Self::Show { id } => out.value(&Shown::read(&store, QuarantineId::from_i64(id)).await?),
            Self::Release { id, allow } => {
                let held = store.quarantined(QuarantineId::from_i64(id)).await?;
                let done = release(&store, &held).await?;
                if allow {
                    out.done(allow_sender(&store, &held).await?)?;
                }
                out.done(done)
            }
            Self::Delete { id } => {
                store.delete_quarantined(QuarantineId::from_i64(id)).await?;
                out.done("Deleted for good.")
            }
            Self::Digest(digest) => digest.run(&config, &store, out).await,
        })?;
        Ok(Status::Fine)
    }
}

/// Delivers a held message to its recipient, once; says what was done.
pub(crate) async fn release(store: &Store, held: &Quarantined) -> Result<String, Failure> {
    let to = store.release_destination(&held.recipient).await?;
    let to = to.ok_or_else(|| gone(&held.recipient))?;
    let through_the_queue = matches!(to, ReleaseTo::Queue { .. });
    Ok(match store.release(held.id, to).await? {
        Release::AlreadyReleased => "It had been released before; nothing was done.".into(),
        Release::Delivered(_) if through_the_queue => {
            format!("Released: the running server hands it to the mail server of {} now.", held.recipient)
        }
        Release::Delivered(_) => format!("Released: it is in the mailbox of {}.", held.recipient),
    })
}

/// Puts the sender of a held message on its recipient's allow list; says what was done.
async fn allow_sender(store: &Store, held: &Quarantined) -> Result<String, Failure> {
    let Some(sender) = held.sender.address() else {
        return Ok("The message has no sender that could be allowed (`<>`).".into());
    };
    let now = Timestamp::now();
    let entry = ListEntry {
        list: ListKind::Allow,
        owner: ListOwner::Recipient(held.recipient.clone()),
        subject: Subject::Address(sender.clone()),
        reason: "released from quarantine".into(),
        trace: Some(held.trace),
        strikes: 1,
        created_at: now,
        expires_at: None,
    };
    store.put_listed(entry).await?;
    Ok(format!("{sender} is on the allow list of {}.", held.recipient))
}

fn gone(recipient: &Address) -> Failure {
    Failure::Finding(format!(
        "{recipient} receives no mail here any more: make the account or an alias again, then release"
    ))
}

/// One row of the list.
#[derive(serde::Serialize)]
struct Held {
    id: i64,
    trace: TraceId,
    at: String,
    sender: String,
    recipient: String,
    size: u64,
    state: &'static str,
    reason: String,
    expires_at: String,
}

impl From<&Quarantined> for Held {
    fn from(held: &Quarantined) -> Self {
        Self {
            id: held.id.as_i64(),
            trace: held.trace,
            at: held.at.to_string(),
            sender: format!("<{}>", held.sender),
            recipient: held.recipient.to_string(),
            size: held.size,
            state: match held.state {
                QuarantineState::Held => "held",
                QuarantineState::Released => "released",
            },
            reason: held.reason.clone(),
            expires_at: held.expires_at.to_string(),
        }
    }
}

impl Row for Held {
    const HEAD: &'static [&'static str] = &["ID", "WHEN", "SENDER", "RECIPIENT", "STATE", "WHY"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.at.clone(),
            self.sender.clone(),
            self.recipient.clone(),
            self.state.into(),
            self.reason.clone(),
        ]
    }
}

/// A held message as it is shown.
#[derive(serde::Serialize)]
struct Shown {
    #[serde(flatten)]
    held: Held,
    from: Option<String>,
    subject: Option<String>,
    text: String,
}

impl Shown {
    async fn read(store: &Store, id: QuarantineId) -> Result<Self, Failure> {
        let held = Held::from(&store.quarantined(id).await?);
        let mut message = Vec::new();
        let mut reader = store.read_quarantined(id).await?;
        while message.len() < SHOWN
            && let Some(piece) = reader.next().await?
        {
            message.extend_from_slice(&piece);
        }
        let summary = Summary::read(&message, &Bounds::default());
        Ok(Self {
            held,
            from: summary.from.first().map(name_and_address),
            subject: summary.subject,
            text: summary.text.unwrap_or_default(),
        })
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Held { id, trace, at, sender, recipient, state, reason, expires_at, .. } = &self.held;
        writeln!(f, "{id}: {state} since {at}, kept until {expires_at} (trace {trace})")?;
        writeln!(f, "Sender:    {}\nRecipient: {}", harmless(sender), harmless(recipient))?;
        writeln!(f, "Why:       {}", harmless(reason))?;
        writeln!(f, "From:      {}", harmless(self.from.as_deref().unwrap_or("-")))?;
        writeln!(f, "Subject:   {}\n", harmless(self.subject.as_deref().unwrap_or("-")))?;
        self.text.lines().try_for_each(|line| writeln!(f, "{}", harmless(line)))
    }
}

fn name_and_address(mailbox: &Mailbox) -> String {
    let Mailbox { name, address } = mailbox;
    name.as_ref().map_or_else(|| address.clone(), |name| format!("{name} <{address}>"))
}

/// What a sender wrote must not steer the terminal.
fn harmless(text: &str) -> String {
    text.replace(char::is_control, " ")
}
