//! What `postern config explain KEY` says: a setting, or a section with its settings.

use std::fmt::Write;

use crate::config::{Config, SECTIONS};
use crate::effective::Effective;
use crate::mistake::did_you_mean;
use crate::read::join;
use crate::schema::{Need, Section, Setting, Shape, Table};
use crate::settings::{TestRow, TestRule};

/// A setting or section in words.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Explained {
    /// The setting or section.
    pub key: String,
    /// What it is for, in Markdown.
    pub about: String,
    /// What to write; `None` for a section.
    pub kind: Option<String>,
    /// The default in TOML.
    pub default: Option<String>,
    /// Whether it must be written.
    pub required: bool,
    /// Smallest and largest value in TOML.
    pub bounds: Option<(String, String)>,
    /// Where it has a value: once for a setting, for each section of a kind that may stand several times.
    pub values: Vec<Effective>,
    /// The settings of a section.
    pub settings: Vec<String>,
}

/// Explains a setting (`smtp.message_size`, or `message_size` where only one section has it) or a
/// section (`smtp`, `gate.tests.NAME`), with its value where a configuration is at hand.
///
/// # Errors
/// There is nothing of that name; the name that may be meant.
pub fn explain(
    key: &str,
    rows: &'static [TestRow],
    config: Option<&Config>,
) -> Result<Explained, Option<String>> {
    let key = key.trim_matches(['[', ']']);
    if let Some(section) = SECTIONS.iter().find(|section| section.path == key) {
        return Ok(explain_section(section, rows));
    }
    let test = |name: &str| rows.iter().find(|row| row.name == name);
    if let Some(row) = key.strip_prefix(TestRule::SECTION.path).and_then(|rest| test(rest.strip_prefix('.')?))
    {
        return Ok(explain_test(row));
    }
    let all = every_setting(rows);
    // `gate.dnsbl."zen.example".weight` is about `gate.dnsbl.weight`.
    let general = SECTIONS.iter().find_map(|section| {
        let own = section.shape == Shape::Named && key.starts_with(&format!("{}.", section.path));
        own.then(|| join(section.path, key.rsplit('.').next().unwrap_or_default()))
    });
    let called = |name: &str| all.iter().find(|(full, _)| full == name);
    if let Some((full, setting)) = called(key).or_else(|| called(general.as_deref()?)) {
        return Ok(explain_setting(full, setting, config));
    }
    let by_name: Vec<_> = all.iter().filter(|(_, setting)| setting.name == key).collect();
    match (&by_name[..], test(key)) {
        ([(full, setting)], None) => return Ok(explain_setting(full, setting, config)),
        ([], Some(row)) => return Ok(explain_test(row)),
        _ => {}
    }
    let names = all.iter().map(|(full, _)| full.as_str()).chain(SECTIONS.iter().map(|section| section.path));
    Err(did_you_mean(key, names).map(str::to_owned))
}

fn explain_section(section: &Section, rows: &'static [TestRow]) -> Explained {
    let settings = if section.path == TestRule::SECTION.path {
        rows.iter().map(|row| join(section.path, row.name)).collect()
    } else {
        section.settings.iter().map(|setting| join(section.path, setting.name)).collect()
    };
    Explained { settings, ..Explained::bare(section.path.into(), section.about) }
}

fn explain_test(row: &TestRow) -> Explained {
    let path = join(TestRule::SECTION.path, row.name);
    let settings = row.settings().iter().map(|setting| join(&path, setting.name)).collect();
    Explained { settings, ..Explained::bare(path, row.about) }
}

fn explain_setting(full: &str, setting: &Setting, config: Option<&Config>) -> Explained {
    let effective = config.map(Config::effective).unwrap_or_default();
    let (section, name) = full.rsplit_once('.').unwrap_or(("", full));
    // Of a section with names, every one that has the setting.
    let (start, end) = (format!("{section}."), format!(".{name}"));
    let values = effective.into_iter().filter(|value| {
        let inner = value.key.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end));
        value.key == full || inner.is_some()
    });
    Explained {
        kind: Some((setting.kind)()),
        default: setting.default(),
        required: setting.need == Need::Required,
        bounds: setting.bounds.map(|(min, max)| (min.into(), max.into())),
        values: values.collect(),
        ..Explained::bare(full.into(), &setting.about)
    }
}

/// Every setting with its full name; those of a test once for each test.
fn every_setting(rows: &'static [TestRow]) -> Vec<(String, Setting)> {
    let mut all = Vec::new();
    for section in SECTIONS.iter().filter(|section| section.path != TestRule::SECTION.path) {
        all.extend(section.settings.iter().map(|s| (join(section.path, s.name), s.clone())));
    }
    for row in rows {
        let path = join(TestRule::SECTION.path, row.name);
        all.extend(row.settings().into_iter().map(|s| (join(&path, s.name), s)));
    }
    all
}

/// Markdown of a doc comment as one paragraph a line.
pub(crate) fn unwrapped(about: &str) -> String {
    about.lines().map(str::trim).collect::<Vec<_>>().join(" ").trim().to_owned()
}

impl Explained {
    fn bare(key: String, about: &str) -> Self {
        Self {
            key,
            about: unwrapped(about),
            kind: None,
            default: None,
            required: false,
            bounds: None,
            values: Vec::new(),
            settings: Vec::new(),
        }
    }
}

impl std::fmt::Display for Explained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut lines = String::new();
        writeln!(lines, "{}\n\n{}", self.key, self.about)?;
        if let Some(kind) = &self.kind {
            writeln!(lines, "\nWrite:   {kind}")?;
        }
        if let Some((min, max)) = &self.bounds {
            writeln!(lines, "Bounds:  {min} to {max}")?;
        }
        match &self.default {
            Some(default) => writeln!(lines, "Default: {default}")?,
            None if self.required => writeln!(lines, "Default: none, it must be written")?,
            None if self.kind.is_some() => writeln!(lines, "Default: not set")?,
            None => {}
        }
        for Effective { key, value, line, .. } in &self.values {
            let value = if value.is_empty() { "not set" } else { value };
            let place = line.map_or_else(|| " (default)".into(), |line| format!(" (line {line})"));
            writeln!(lines, "Now:     {key} = {value}{place}")?;
        }
        if !self.settings.is_empty() {
            writeln!(lines, "\nSettings:")?;
            for setting in &self.settings {
                writeln!(lines, "  {setting}")?;
            }
        }
        f.write_str(&lines)
    }
}
