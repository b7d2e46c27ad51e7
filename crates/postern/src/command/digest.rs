//! `postern quarantine digest`: telling recipients, now, what is held for them.

use std::fmt;
use std::sync::Arc;

use postern_config::Config;
use postern_store::Store;
use postern_types::{Address, Timestamp, TraceIds};
use postern_web::{DigestError, Digests, SentTo};

use crate::compose;
use crate::failure::Failure;
use crate::output::{Format, Output, Row};

/// Tell recipients by mail, now, what has been held since they were told last
#[derive(Debug, clap::Args)]
pub(crate) struct Digest {
    /// This recipient only
    #[arg(long, value_name = "ADDRESS")]
    recipient: Option<Address>,
    /// Print what would be sent, and send nothing
    #[arg(long)]
    dry_run: bool,
}

const NOTHING: &str = "Nobody has anything new: no digest is due.";

impl Digest {
    pub(crate) async fn run(self, config: &Config, store: &Store, out: Output) -> Result<(), Failure> {
        let digests = digests(config, store)?;
        let now = Timestamp::now();
        let mut told = Vec::new();
        for due in digests.due(now, self.recipient).await? {
            let (recipient, messages) = (due.recipient.to_string(), due.count);
            let (outcome, text) = if self.dry_run {
                ("not sent".to_owned(), Some(digests.preview(&due, now).await?))
            } else {
                (outcome(digests.send(&due, now).await?.outcome), None)
            };
            told.push(Told { recipient, messages, outcome, text });
        }
        if self.dry_run && out.format == Format::Text && !told.is_empty() {
            return told.iter().try_for_each(|told| out.value(told));
        }
        out.list(&told, NOTHING)
    }
}

/// The digests of this installation, with trace ids that the server does not make too.
fn digests(config: &Config, store: &Store) -> Result<Digests, Failure> {
    let mut node = [0; 2];
    getrandom::fill(&mut node).map_err(|_| Failure::Finding("the system gives no random bytes".into()))?;
    compose::web::digests(config, store, Arc::new(TraceIds::new(u16::from_ne_bytes(node))))
}

fn outcome(sent: SentTo) -> String {
    match sent {
        SentTo::Mailboxes(1) => "in the mailbox".to_owned(),
        SentTo::Mailboxes(several) => format!("in {several} mailboxes"),
        SentTo::Queue => "the running server hands it to the mail server behind".to_owned(),
        SentTo::Nobody => "not sent: no mail is received for this address any more".to_owned(),
        SentTo::ToldAlready => "not sent: told a moment ago".to_owned(),
    }
}

impl From<DigestError> for Failure {
    fn from(error: DigestError) -> Self {
        match error {
            DigestError::Store(error) => Self::Store(error),
            other => Self::Finding(other.to_string()),
        }
    }
}

/// Who was told of how many.
#[derive(serde::Serialize)]
struct Told {
    recipient: String,
    messages: u64,
    outcome: String,
    /// What would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "To: {}\n", self.recipient)?;
        // What strangers wrote in it has no control characters any more.
        f.write_str(self.text.as_deref().unwrap_or_default())
    }
}

impl Row for Told {
    const HEAD: &'static [&'static str] = &["RECIPIENT", "MESSAGES", "DIGEST"];

    fn cells(&self) -> Vec<String> {
        vec![self.recipient.clone(), self.messages.to_string(), self.outcome.clone()]
    }
}
