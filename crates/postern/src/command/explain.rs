//! `postern explain ID|FILE`: what was seen, what it weighed, which setting says so, and what would have changed it.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use postern_config::Config;
use postern_message::Fields;
use postern_policy::{Policy, Record};
use postern_store::{Store, StoreError};
use postern_types::TraceId;

use crate::failure::{Failure, Status};
use crate::file;
use crate::judged::{Judgement, Policies, explained, shown};
use crate::open::{block_on, with_store};
use crate::output::Output;

/// A record of a transaction with a thousand recipients has some megabytes.
const FILE_MAX: u64 = 64 << 20;
/// Ids of a header that are looked up.
const IDS_MAX: usize = 64;

/// Why a message was stopped or let through: rule, evidence, weight, threshold, setting, and the smallest changes
/// that would have changed it
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// A trace id; or a file: a stored message (our trace id is in its header), or what
    /// `postern trace ID --json` printed. `-` is standard input
    what: String,
}

impl Explain {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        if let Ok(id) = TraceId::parse(&self.what)
            && !Path::new(&self.what).exists()
        {
            return stored(named, &[id], out);
        }
        let content = read(&self.what)?;
        if content.trim_ascii_start().first() == Some(&b'{') {
            return printed(&content, out);
        }
        let ids = trace_ids(&content);
        if ids.is_empty() {
            return Err(Failure::Finding(format!(
                "{} is neither a trace id nor a message that came through a Postern: no Received or X-Postern-Trace field has a \
                 trace id",
                self.what
            )));
        }
        stored(named, &ids, out)
    }
}

/// Explains the first of these traces that the store has.
fn stored(named: Option<&Path>, ids: &[TraceId], out: Output) -> Result<Status, Failure> {
    let config = file::load(named)?;
    let story = with_store(&config, async |store| from_store(&store, &config, ids).await)?;
    out.value(&story)?;
    Ok(Status::Fine)
}

async fn from_store(store: &Store, config: &Config, ids: &[TraceId]) -> Result<Story, Failure> {
    let mut missing = None;
    for &id in ids {
        let record = match store.trace(id).await {
            Ok(record) => record,
            Err(error @ StoreError::NotFound { .. }) => {
                missing.get_or_insert(error);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if record.evidence.is_empty() {
            return Err(Failure::Finding(format!(
                "nothing was judged for {id}, or its evidence is no longer kept (`keep.evidence`); it ended so: {} {}",
                record.outcome.as_str(),
                shown(&record.reply)
            )));
        }
        let stored = parse(&record.evidence)?;
        let mut policies = Policies::of(store.clone(), config);
        let (judgements, note) = explained(&stored, &mut policies, id).await?;
        let (outcome, reply) = (record.outcome.as_str().to_owned(), record.reply);
        return Ok(Story { id, outcome, reply, judgements, note });
    }
    Err(missing.map_or_else(|| Failure::Usage("there is no trace id".into()), Failure::from))
}

/// Explains what `postern trace ID --json` printed, with the policies that came with it.
fn printed(content: &[u8], out: Output) -> Result<Status, Failure> {
    #[derive(serde::Deserialize)]
    struct Printed {
        id: String,
        outcome: String,
        #[serde(default)]
        reply: String,
        evidence: Record,
        #[serde(default)]
        policies: HashMap<String, Policy>,
    }
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::Finding(format!("this is not what `postern trace ID --json` prints: {why}"))
    };
    let printed: Printed = serde_json::from_slice(content).map_err(|error| wrong(&error))?;
    let id = TraceId::parse(&printed.id).map_err(|error| wrong(&error))?;
    let mut policies = Policies::from_record(printed.policies);
    let (judgements, note) = block_on(explained(&printed.evidence, &mut policies, id))?;
    out.value(&Story { id, outcome: printed.outcome, reply: printed.reply, judgements, note })?;
    Ok(Status::Fine)
}

pub(super) fn parse(evidence: &str) -> Result<Record, Failure> {
    serde_json::from_str(evidence)
        .map_err(|error| Failure::Finding(format!("the stored evidence cannot be read: {error}")))
}

/// A file, or standard input.
pub(super) fn read(name: &str) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    let read = if name == "-" {
        std::io::stdin().take(FILE_MAX + 1).read_to_end(&mut content)
    } else {
        std::fs::File::open(name).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut content))
    };
    read.map_err(Failure::io(format!("cannot read {name}")))?;
    if content.len() as u64 > FILE_MAX {
        return Err(Failure::Finding(format!("{name} is larger than 64 MiB")));
    }
    Ok(content)
}

/// What may be our trace ids: those in `Received` fields, the latest first (rfc5321 §4.4: `id String`), and those in the field
/// that the milter adds, for which the MTA's own `Received` has another id.
fn trace_ids(message: &[u8]) -> Vec<TraceId> {
    let fields = Fields::with_limit(message, usize::MAX);
    let mut ids = Vec::new();
    for field in fields.filter(|field| field.is("Received") || field.is("X-Postern-Trace")).take(IDS_MAX) {
        let value = String::from_utf8_lossy(&field.value()).into_owned();
        if field.is("X-Postern-Trace") {
            ids.extend(TraceId::parse(value.trim()).ok());
            continue;
        }
        let words: Vec<&str> = value.split(|c: char| c.is_whitespace() || c == ';').collect();
        let named = words.windows(2).filter(|pair| pair[0] == "id");
        ids.extend(named.filter_map(|pair| TraceId::parse(pair[1]).ok()));
    }
    ids.truncate(IDS_MAX);
    ids
}

/// Every recipient's verdict of one transaction.
#[derive(serde::Serialize)]
struct Story {
    id: TraceId,
    outcome: String,
    reply: String,
    judgements: Vec<Judgement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl std::fmt::Display for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {}: {}", self.id, shown(&self.outcome), shown(&self.reply))?;
        if self.judgements.is_empty() {
            writeln!(f, "\nNobody's mail was judged: it ended before the first recipient that exists.")?;
        }
        for judgement in &self.judgements {
            writeln!(f, "\n{judgement}")?;
        }
        self.note.as_ref().map_or(Ok(()), |note| write!(f, "\n{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_the_milter_let_pass_has_its_trace_id_in_a_field_of_its_own() {
        let message = b"Received: from x by mx.example.org (Postfix) with ESMTP id 4F2A; x\r\nSubject: x\r\n\
            X-Postern-Trace: 06y5ygaw1em01\r\nx-postern-trace: nonsense\r\n\r\nX-Postern-Trace: 06y5ygaw1em02\r\n";
        let ids: Vec<String> = trace_ids(message).iter().map(ToString::to_string).collect();
        assert_eq!(ids, ["06y5ygaw1em01"]);
    }

    #[test]
    fn trace_ids_are_found_in_received_fields() {
        let message =
            b"Return-Path: <a@b.test>\r\nReceived: from x (y [192.0.2.1])\r\n\tby mail.example.org with \
            ESMTP id 06y5ygaw1em01\r\n\tfor <a@example.org>; Sun, 22 Nov 2026 05:59:00 +0000\r\n\
            Received: by other id 4F2A; x\r\nReceived: by third with SMTP id 06y5ygaw1em02; x\r\n\
            Subject: id 06y5ygaw1em03\r\n\r\nReceived: id 06y5ygaw1em04\r\n";
        let ids: Vec<String> = trace_ids(message).iter().map(ToString::to_string).collect();
        assert_eq!(ids, ["06y5ygaw1em01", "06y5ygaw1em02"]);
    }
}
