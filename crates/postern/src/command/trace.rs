//! `postern trace ID`, `postern trace search`: what happened, and why.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use postern_config::parse_duration;
use postern_policy::{Policy, Record};
use postern_store::{Outcome, TraceQuery, TraceRecord};
use postern_types::{Network, Timestamp, TraceId};

use crate::failure::{Failure, Status};
use crate::file;
use crate::judged::{Judgement, Policies, explained, shown};
use crate::open::with_store;
use crate::output::{Output, Row};

/// What happened to a message, and why
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Trace {
    /// The trace id: it stands in the reply to the sender, in `Received` and in the log
    id: Option<TraceId>,
    #[command(subcommand)]
    command: Option<TraceCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum TraceCommand {
    /// Find traces; what is given must all fit, the latest come first
    Search(Search),
}

#[derive(Debug, clap::Args)]
struct Search {
    /// Part of the sender
    #[arg(long)]
    sender: Option<String>,
    /// Part of a recipient
    #[arg(long)]
    recipient: Option<String>,
    /// The client's address, or a network
    #[arg(long)]
    client: Option<Network>,
    /// How it ended
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Not longer ago, such as "2 d"
    #[arg(long, value_parser = parse_duration)]
    since: Option<Duration>,
    /// At most so many
    #[arg(long, default_value_t = 50)]
    limit: usize,
}

impl Trace {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match (self.id, self.command) {
            (Some(id), _) => {
                let record = store.trace(id).await?;
                out.value(&Story::new(&record, &mut Policies::of(store, &config)).await?)
            }
            (None, Some(TraceCommand::Search(search))) => {
                let traces = store.traces(search.query(Timestamp::now())).await?;
                let found: Vec<Summary> = traces.iter().map(Summary::from).collect();
                out.list(&found, "Nothing fits.")
            }
            (None, None) => Err(Failure::Usage("name a trace id, or say `postern trace search`".into())),
        })?;
        Ok(Status::Fine)
    }
}

impl Search {
    fn query(self, now: Timestamp) -> TraceQuery {
        TraceQuery {
            since: self.since.map(|since| ago(now, since)),
            client: self.client,
            sender: self.sender,
            recipient: self.recipient,
            outcome: self.outcome,
            limit: self.limit,
            ..TraceQuery::default()
        }
    }
}

/// So long before.
pub(crate) fn ago(now: Timestamp, since: Duration) -> Timestamp {
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(millis))
}

fn outcome(word: &str) -> Result<Outcome, String> {
    Outcome::parse(word).ok_or_else(|| {
        format!("`{word}` is not one of accepted, relayed, quarantined, refused, deferred, aborted")
    })
}

/// The line of a search.
#[derive(serde::Serialize)]
struct Summary {
    id: TraceId,
    at: String,
    client: std::net::IpAddr,
    sender: Option<String>,
    recipients: Vec<Recipient>,
    outcome: &'static str,
    reply: String,
    size: u64,
}

#[derive(serde::Serialize)]
struct Recipient {
    address: String,
    verdict: String,
}

impl From<&TraceRecord> for Summary {
    fn from(record: &TraceRecord) -> Self {
        let recipients = record.recipients.iter().map(|recipient| Recipient {
            address: recipient.address.clone(),
            verdict: recipient.verdict.clone(),
        });
        Self {
            id: record.id,
            at: record.at.to_string(),
            client: record.client,
            sender: record.sender.as_ref().map(|sender| format!("<{sender}>")),
            recipients: recipients.collect(),
            outcome: record.outcome.as_str(),
            reply: record.reply.clone(),
            size: record.size,
        }
    }
}

impl Row for Summary {
    const HEAD: &'static [&'static str] =
        &["ID", "WHEN", "CLIENT", "SENDER", "RECIPIENTS", "OUTCOME", "REPLY"];

    fn cells(&self) -> Vec<String> {
        let recipients: Vec<&str> =
            self.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        vec![
            self.id.to_string(),
            self.at.clone(),
            self.client.to_string(),
            self.sender.clone().unwrap_or_else(|| "-".into()),
            recipients.join(", "),
            self.outcome.into(),
            self.reply.clone(),
        ]
    }
}

/// Everything about one transaction.
#[derive(serde::Serialize)]
struct Story {
    #[serde(flatten)]
    summary: Summary,
    helo: String,
    duration_us: u64,
    /// One for each recipient that was judged.
    judgements: Vec<Judgement>,
    /// The evidence as it is stored.
    evidence: serde_json::Value,
    /// The policies of the verdicts, by version, as far as they are kept.
    policies: BTreeMap<String, Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl Story {
    async fn new(record: &TraceRecord, policies: &mut Policies) -> Result<Self, Failure> {
        let mut story = Self {
            summary: Summary::from(record),
            helo: record.helo.clone(),
            duration_us: record.duration_us,
            judgements: Vec::new(),
            evidence: serde_json::from_str(&record.evidence).unwrap_or_default(),
            policies: BTreeMap::new(),
            note: None,
        };
        match serde_json::from_str::<Record>(&record.evidence) {
            Ok(stored) => {
                (story.judgements, story.note) = explained(&stored, policies, record.id).await?;
                for Judgement { policy: version, .. } in &story.judgements {
                    if let Some(policy) = policies.get(version).await? {
                        story.policies.insert(version.clone(), Policy::clone(&policy));
                    }
                }
            }
            Err(_) if record.evidence.is_empty() => {}
            Err(error) => story.note = Some(format!("The stored evidence cannot be read: {error}")),
        }
        Ok(story)
    }
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Summary { id, at, client, sender, recipients, outcome, reply, size } = &self.summary;
        writeln!(f, "{id}: {outcome} at {at}, {} ms", self.duration_us / 1000)?;
        writeln!(f, "Client:    {client}, HELO {}", shown(&self.helo))?;
        writeln!(f, "Sender:    {}", sender.as_deref().map_or_else(|| "none yet".into(), shown))?;
        for recipient in recipients {
            writeln!(f, "Recipient: {}: {}", shown(&recipient.address), shown(&recipient.verdict))?;
        }
        writeln!(f, "Message:   {size} bytes\nReply:     {}", shown(reply))?;
        for judgement in &self.judgements {
            writeln!(f, "\n{judgement}")?;
        }
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "\n{note}"))
    }
}
