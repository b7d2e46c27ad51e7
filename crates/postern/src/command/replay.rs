//! `postern replay ID`: stored evidence and the policy of then give the stored verdict again, byte for byte.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use postern_config::parse_duration;
use postern_policy::{RecipientVerdict, Record};
use postern_store::{Store, TraceRecord};
use postern_types::{Timestamp, TraceId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::trace::ago;
use crate::failure::{Failure, Status};
use crate::file;
use crate::judged::{Policies, shown};
use crate::open::with_store;
use crate::output::Output;

/// Traces in one page.
const PAGE: usize = 256;
/// Differing transactions that are shown of many.
const SHOWN: usize = 20;

/// Reach a verdict again from what is stored: it must be the same, whatever the world says today
///
/// Exit code 1: a verdict is not the same, or cannot be reached again.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Replay {
    /// The trace id
    #[arg(required_unless_present = "since")]
    id: Option<TraceId>,
    /// All of this time, such as "30 d"
    #[arg(long, value_parser = parse_duration, conflicts_with = "id")]
    since: Option<Duration>,
}

impl Replay {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        let replayed = with_store(&config, async |store| {
            let mut policies = Policies::of(store.clone(), &config);
            let mut replayed = Replayed::default();
            match (self.id, self.since) {
                (Some(id), _) => {
                    let record = store.trace(id).await?;
                    if record.evidence.is_empty() {
                        let why = format!(
                            "there is no evidence of {id}: nothing was judged, or it is no longer kept"
                        );
                        return Err(Failure::Finding(why));
                    }
                    replayed.add(&record, &mut policies).await?;
                }
                (None, since) => {
                    let from = TraceId::floor(ago(Timestamp::now(), since.unwrap_or_default()));
                    replayed.add_all(&store, from, &mut policies).await?;
                }
            }
            Ok(replayed)
        })?;
        out.value(&replayed)?;
        Ok(if replayed.is_fine() { Status::Fine } else { Status::Finding })
    }
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Replayed {
    traces: u64,
    /// Nothing was judged, or the evidence is no longer kept.
    without_evidence: u64,
    verdicts: u64,
    same: u64,
    different: u64,
    /// Verdicts whose policy is not kept.
    without_policy: u64,
    /// Evidence that this version cannot read.
    unreadable: u64,
    /// The first of them.
    differences: Vec<Difference>,
}

/// A verdict that is another one now.
#[derive(Debug, Serialize)]
struct Difference {
    id: TraceId,
    recipient: String,
    /// Lines of both verdicts, as `diff` writes them; or why there is no verdict.
    diff: Vec<String>,
}

/// A stored judgement whose verdicts are left as they were written.
#[derive(Deserialize)]
struct Stored<'a> {
    #[serde(default, borrow)]
    verdicts: Vec<StoredVerdict<'a>>,
}

#[derive(Deserialize)]
struct StoredVerdict<'a> {
    #[serde(borrow)]
    verdict: &'a RawValue,
}

impl Replayed {
    fn is_fine(&self) -> bool {
        self.different == 0 && self.unreadable == 0 && self.without_policy == 0
    }

    async fn add_all(
        &mut self,
        store: &Store,
        mut from: TraceId,
        policies: &mut Policies,
    ) -> Result<(), Failure> {
        let until = TraceId::floor(Timestamp::from_millis(i64::MAX / 2));
        loop {
            let page = store.judged(from, until, PAGE).await?;
            for record in &page.traces {
                self.add(record, policies).await?;
            }
            match page.next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    async fn add(&mut self, record: &TraceRecord, policies: &mut Policies) -> Result<(), Failure> {
        self.traces += 1;
        if record.evidence.is_empty() {
            self.without_evidence += 1;
            return Ok(());
        }
        let read = serde_json::from_str::<Record>(&record.evidence)
            .and_then(|stored| Ok((stored, serde_json::from_str::<Stored<'_>>(&record.evidence)?)));
        let (stored, raw) = match read {
            // A verdict that cannot be read is left out of the one and stands in the other.
            Ok((stored, raw)) if stored.verdicts.len() == raw.verdicts.len() => (stored, raw),
            Ok(_) => return self.cannot_read(record.id, "a verdict is of a later version"),
            Err(error) => return self.cannot_read(record.id, &error.to_string()),
        };
        for (judged, raw) in stored.verdicts.iter().zip(&raw.verdicts) {
            self.verdicts += 1;
            let Some(policy) = policies.get(&judged.verdict.policy).await? else {
                self.without_policy += 1;
                self.show(
                    record.id,
                    judged,
                    vec![format!("the policy {} is not kept", judged.verdict.policy)],
                );
                continue;
            };
            let again = stored.replay(judged, &policy);
            // Plain data with string keys: serialising it cannot fail.
            if serde_json::to_string(&again).unwrap_or_default() == raw.verdict.get() {
                self.same += 1;
            } else {
                self.different += 1;
                self.show(record.id, judged, diff(raw.verdict.get(), &again));
            }
        }
        Ok(())
    }

    fn cannot_read(&mut self, id: TraceId, why: &str) -> Result<(), Failure> {
        self.unreadable += 1;
        self.show(id, &RecipientVerdict::default(), vec![format!("the evidence cannot be read: {why}")]);
        Ok(())
    }

    fn show(&mut self, id: TraceId, judged: &RecipientVerdict, diff: Vec<String>) {
        if self.differences.len() < SHOWN {
            self.differences.push(Difference { id, recipient: judged.recipient.clone(), diff });
        }
    }
}

/// The lines in which two verdicts differ, between what they have in common at both ends.
fn diff(stored: &str, again: &impl Serialize) -> Vec<String> {
    let stored: serde_json::Value = serde_json::from_str(stored).unwrap_or_default();
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let (old, new) = (pretty(&stored), pretty(&serde_json::to_value(again).unwrap_or_default()));
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..], &new[head..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    let lines = old.iter().map(|line| format!("-{line}")).chain(new.iter().map(|line| format!("+{line}")));
    let mut lines: Vec<String> = lines.take(200).collect();
    if lines.is_empty() {
        lines.push("the same values, written otherwise".into());
    }
    lines
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Difference { id, recipient, diff } in &self.differences {
            writeln!(f, "{id}, {}:", shown(recipient))?;
            for line in diff {
                writeln!(f, "  {}", shown(line))?;
            }
        }
        let Self { traces, without_evidence, verdicts, same, different, without_policy, unreadable, .. } =
            self;
        writeln!(f, "{traces} traces with {verdicts} verdicts: {same} the same, {different} different.")?;
        for (count, what) in [
            (without_policy, "verdicts whose policy is not kept"),
            (unreadable, "traces whose evidence cannot be read"),
            (without_evidence, "traces without evidence"),
        ] {
            if *count > 0 {
                writeln!(f, "{count} {what}.")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use postern_policy::Outcome::Hit;
    use postern_policy::{Evidence, Fact, Finding, Policy, Profile, Stage, Test, judge};

    use super::*;

    #[test]
    fn a_diff_shows_what_differs() {
        let stored = r#"{"a":1,"b":2,"c":3}"#;
        let again = serde_json::json!({ "a": 1, "b": 4, "c": 3 });
        assert_eq!(diff(stored, &again), ["-  \"b\": 2,", "+  \"b\": 4,"]);
        assert_eq!(
            diff("{\"a\": 1}", &serde_json::json!({ "a": 1 })),
            ["the same values, written otherwise"]
        );
    }

    /// A trace of one verdict about a HELO name of ours, under the default policy, which is kept as `kept`.
    async fn replayed(kept: &str, change: impl FnOnce(String) -> String) -> Replayed {
        let policy = Policy { version: "v".into(), ..Policy::default() };
        let findings = vec![Finding::new(Test::HeloOurs, Hit, Fact::Nothing)];
        let evidence = Evidence { findings, ..Evidence::default() };
        let verdict = judge(&evidence, &policy, &Profile::default(), Stage::Rcpt);
        let judged = RecipientVerdict::new("ann@example.org".into(), verdict, &evidence, &evidence);
        let written = serde_json::to_string(&Record { evidence, verdicts: vec![judged] }).unwrap();
        let record = TraceRecord {
            id: TraceId::parse("06y5ygaw1em01").unwrap(),
            at: Timestamp::now(),
            client: [192, 0, 2, 7].into(),
            helo: String::new(),
            sender: None,
            recipients: Vec::new(),
            outcome: postern_store::Outcome::Refused,
            reply: String::new(),
            size: 0,
            duration_us: 0,
            evidence: change(written),
        };
        let mut replayed = Replayed::default();
        replayed.add(&record, &mut Policies::from_record([(kept.to_owned(), policy)].into())).await.unwrap();
        replayed
    }

    #[tokio::test]
    async fn what_was_written_is_reached_again() {
        let replayed = replayed("v", |written| written).await;
        assert!(replayed.is_fine() && (replayed.verdicts, replayed.same) == (1, 1), "{replayed}");
    }

    #[tokio::test]
    async fn a_verdict_that_was_changed_is_shown() {
        let replayed = replayed("v", |written| written.replace("\"code\":550", "\"code\":451")).await;
        assert!(!replayed.is_fine() && (replayed.same, replayed.different) == (0, 1));
        let text = replayed.to_string();
        assert!(
            text.contains("06y5ygaw1em01, ann@example.org:\n  -    \"code\": 451,\n  +    \"code\": 550,\n"),
            "{text}"
        );
        let spaced = self::replayed("v", |written| written.replace("\"code\":550", "\"code\": 550")).await;
        assert!(!spaced.is_fine(), "not the same bytes");
    }

    #[tokio::test]
    async fn what_cannot_be_reached_again_is_counted() {
        let replayed = self::replayed("w", |written| written).await;
        assert!(!replayed.is_fine() && replayed.without_policy == 1, "{replayed}");
        let replayed =
            self::replayed("v", |written| written.replace("\"stage\":\"rcpt\"", "\"stage\":\"later\"")).await;
        assert!(!replayed.is_fine() && replayed.unreadable == 1, "{replayed}");
        let replayed = self::replayed("v", |_| String::new()).await;
        assert!(replayed.is_fine() && replayed.without_evidence == 1);
    }
}
