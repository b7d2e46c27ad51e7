//! `postern policy preview FILE`: what a draft would have done with the mail that came.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postern_config::{Config, parse_duration};
use postern_store::Store;
use postern_types::{Timestamp, TraceId};

use super::explain::read;
use super::trace::ago;
use crate::compose;
use crate::failure::{Failure, Status};
use crate::file;
use crate::judged::{Policies, shown};
use crate::open::with_store;
use crate::output::Output;
use crate::preview::{Changed, Preview};

/// Traces in one page.
const PAGE: usize = 256;
/// Recipients that are listed for people; programs get all that are counted.
const LISTED: usize = 30;

/// Policies before they are switched on
#[derive(Debug, clap::Subcommand)]
pub(crate) enum PolicyCommand {
    /// What a draft would have done with the mail of the last days
    Preview {
        /// The draft: a whole configuration, or a file with only the settings that are to change, such as
        /// those of `[gate]`
        file: PathBuf,
        /// The mail since, such as "30 d"
        #[arg(long, value_parser = parse_duration, default_value = "30 d")]
        since: Duration,
    },
}

impl PolicyCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let Self::Preview { file: draft, since } = self;
        let config = file::load(named)?;
        let drafted = with_draft(&config, &draft)?;
        let policy = Arc::new(compose::policy::settings(&drafted));
        let preview = with_store(&config, async |store| {
            let from = TraceId::floor(ago(Timestamp::now(), since));
            let mut preview = Preview::new(policy, collected_otherwise(&config, &drafted));
            run(&store, from, &mut Policies::of(store.clone(), &config), &mut preview).await?;
            Ok(preview)
        })?;
        out.value(&Report { draft: draft.display().to_string(), preview })?;
        Ok(Status::Fine)
    }
}

/// The configuration with the draft's settings.
pub(crate) fn with_draft(config: &Config, draft: &Path) -> Result<Config, Failure> {
    let text = String::from_utf8(read(&draft.to_string_lossy())?)
        .map_err(|_| Failure::Finding(format!("{} is not a text in UTF-8", draft.display())))?;
    config.with_draft(draft, &text).map_err(|mistakes| Failure::Config(mistakes.into()))
}

/// Page by page: memory does not grow with the number of traces.
async fn run(
    store: &Store,
    mut from: TraceId,
    policies: &mut Policies,
    preview: &mut Preview,
) -> Result<(), Failure> {
    let until = TraceId::floor(Timestamp::from_millis(i64::MAX / 2));
    loop {
        let page = store.judged(from, until, PAGE).await?;
        for record in &page.traces {
            preview.add(record, policies).await?;
        }
        match page.next {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// Settings of the draft that change what is asked, not how the answers are judged: stored evidence was
/// collected without them.
fn collected_otherwise(config: &Config, draft: &Config) -> Vec<String> {
    const JUDGED: [&str; 4] = ["action", "weight", "mode", "codes"];
    let before: std::collections::BTreeMap<String, String> =
        config.effective().into_iter().map(|setting| (setting.key, setting.value)).collect();
    let collects = |key: &str| {
        let name = key.rsplit('.').next().unwrap_or_default();
        let threshold = matches!(key, "gate.quarantine" | "gate.reject" | "gate.quarantine_for");
        (key.starts_with("gate.") || key == "smtp.hops") && !threshold && !JUDGED.contains(&name)
    };
    let changed = draft.effective().into_iter().filter(|setting| {
        // A list or header rule that is new as a whole is told of as evidence that was not collected.
        before.get(&setting.key).is_some_and(|value| *value != setting.value)
    });
    changed.map(|setting| setting.key).filter(|key| collects(key)).collect()
}

#[derive(serde::Serialize)]
struct Report {
    draft: String,
    #[serde(flatten)]
    preview: Preview,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preview = &self.preview;
        writeln!(
            f,
            "{} traces, {} verdicts: {} would have been others under {}.",
            preview.traces,
            preview.verdicts,
            preview.changed(),
            shown(&self.draft)
        )?;
        for change in &preview.changes {
            write_change(f, change)?;
        }
        self.recipients(f)?;
        self.caveats(f)
    }
}

fn write_change(f: &mut fmt::Formatter<'_>, change: &Changed) -> fmt::Result {
    writeln!(f, "\n{} → {}: {}", change.from, change.to, change.count)?;
    for cause in &change.because {
        writeln!(f, "  {:>6} by {}", cause.count, cause.setting)?;
    }
    for example in &change.examples {
        let whom = if example.recipient.is_empty() { "the connection" } else { &example.recipient };
        writeln!(f, "  such as {} to {}: {}", example.id, shown(whom), shown(&example.decided_by))?;
    }
    Ok(())
}

impl Report {
    fn recipients(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preview = &self.preview;
        if preview.recipients.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nBy recipient:")?;
        let mut sorted: Vec<_> = preview.recipients.iter().collect();
        sorted.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.values().sum::<u64>()));
        for (recipient, counts) in sorted.iter().take(LISTED) {
            let counts: Vec<String> =
                counts.iter().map(|(change, count)| format!("{change}: {count}")).collect();
            writeln!(f, "  {}  {}", shown(recipient), counts.join(", "))?;
        }
        let more = sorted.len().saturating_sub(LISTED);
        if more > 0 || preview.other_recipients > 0 {
            writeln!(f, "  and {more} more (with --json all that are counted)")?;
        }
        if preview.other_recipients > 0 {
            writeln!(f, "  {} changes are of still others", preview.other_recipients)?;
        }
        Ok(())
    }

    /// What the numbers do not know.
    fn caveats(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let preview = &self.preview;
        let counted = [
            (
                preview.without_evidence,
                "traces have no evidence: nothing was judged, or it is no longer kept",
            ),
            (preview.unreadable, "traces have evidence that this version cannot read"),
            (
                preview.unseen,
                "of the changed were refused before their message was read: what its header says is not known",
            ),
            (
                preview.without_policy,
                "verdicts were reached under a policy that is not kept: what was asked then is not known",
            ),
        ];
        if preview.missing.is_empty()
            && preview.collected_otherwise.is_empty()
            && counted.iter().all(|(count, _)| *count == 0)
        {
            return Ok(());
        }
        writeln!(f, "\nNot known:")?;
        for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
            writeln!(f, "  {count} {what}")?;
        }
        for (setting, count) in &preview.missing {
            writeln!(f, "  {count} verdicts lack the evidence for {setting}: it was not asked then")?;
        }
        for setting in &preview.collected_otherwise {
            writeln!(f, "  {setting} changes what is asked: the evidence is that of the setting in use")?;
        }
        Ok(())
    }
}
