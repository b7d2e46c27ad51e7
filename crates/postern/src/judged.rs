//! What was judged, as commands read it: evidence, verdicts, and the policies of then.

use std::collections::HashMap;
use std::sync::Arc;

use postern_config::Config;
use postern_policy::{Case, Explanation, Policy, RecipientVerdict, Record, explain_case};
use postern_store::Store;
use postern_types::TraceId;

use crate::compose;
use crate::failure::Failure;

/// Policies that are remembered at once; each is a few kilobytes.
const REMEMBERED: usize = 256;

/// The policies that verdicts were reached under, by version.
pub(crate) struct Policies {
    store: Option<Store>,
    today: Arc<Policy>,
    known: HashMap<String, Option<Arc<Policy>>>,
}

impl Policies {
    /// Those of a store.
    pub(crate) fn of(store: Store, config: &Config) -> Self {
        let today = Arc::new(compose::policy::settings(config));
        Self { store: Some(store), today, known: HashMap::new() }
    }

    /// Those that came with a record, where there is no store.
    pub(crate) fn from_record(policies: HashMap<String, Policy>) -> Self {
        let known = policies.into_iter().map(|(version, policy)| (version, Some(Arc::new(policy))));
        Self { store: None, today: Arc::default(), known: known.collect() }
    }

    /// The policy of that version; `None` when it is not kept.
    pub(crate) async fn get(&mut self, version: &str) -> Result<Option<Arc<Policy>>, Failure> {
        if let Some(known) = self.known.get(version) {
            return Ok(known.clone());
        }
        let found = self.look_up(version).await?;
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(version.to_owned(), found.clone());
        Ok(found)
    }

    async fn look_up(&self, version: &str) -> Result<Option<Arc<Policy>>, Failure> {
        if version == self.today.version {
            return Ok(Some(Arc::clone(&self.today)));
        }
        let Some(store) = &self.store else { return Ok(None) };
        let Some(stored) = store.policy(version).await? else { return Ok(None) };
        let policy = serde_json::from_str(&stored.json).map_err(|error| {
            Failure::Finding(format!("the stored policy {version} cannot be read: {error}"))
        })?;
        Ok(Some(Arc::new(policy)))
    }

    /// The policy of today.
    pub(crate) fn today(&self) -> &Arc<Policy> {
        &self.today
    }
}

/// One recipient's verdict, explained.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Judgement {
    /// Empty where the session ended before RCPT.
    pub(crate) recipient: String,
    /// The version of the policy.
    pub(crate) policy: String,
    pub(crate) explanation: Explanation,
}

/// Explains every verdict of a transaction, and says when it had to do with the policy of today.
pub(crate) async fn explained(
    stored: &Record,
    policies: &mut Policies,
    id: TraceId,
) -> Result<(Vec<Judgement>, Option<String>), Failure> {
    let (mut judgements, mut note) = (Vec::new(), None);
    for judged in &stored.verdicts {
        let policy = match policies.get(&judged.verdict.policy).await? {
            Some(policy) => policy,
            None => {
                note = Some(
                    "The policy of then is not kept: weights and settings are those of today.".to_owned(),
                );
                Arc::clone(policies.today())
            }
        };
        judgements.push(judgement(stored, judged, &policy, id));
    }
    Ok((judgements, note))
}

fn judgement(stored: &Record, judged: &RecipientVerdict, policy: &Policy, id: TraceId) -> Judgement {
    let (evidence, recipient) = (stored.seen(judged), judged.recipient.as_str());
    let mut explanation = explain_case(Case { evidence, policy, verdict: &judged.verdict, recipient });
    explanation.reply = explanation.reply.replace("{trace}", &id.to_string());
    Judgement { recipient: recipient.to_owned(), policy: judged.verdict.policy.clone(), explanation }
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whom = if self.recipient.is_empty() { "the connection" } else { &self.recipient };
        write!(f, "Why, for {}:\n{}", shown(whom), printable(&self.explanation.to_string()))
    }
}

/// One line that cannot steer the terminal, whoever wrote it.
pub(crate) fn shown(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.replace(char::is_control, " ") }
}

/// Lines that cannot steer the terminal.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', " ")
}
