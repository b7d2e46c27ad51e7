//! A draft: a whole configuration, or a few settings that are laid over the one in use.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::check;
use crate::config::{Config, SECTIONS, read};
use crate::mistake::{Mistake, Mistakes};
use crate::read::Reader;
use crate::schema::Places;

impl Config {
    /// This configuration with a draft's settings in place of its own; a draft that has a `[server]` with a
    /// `hostname` is a whole configuration by itself. Relative paths start where they do in this file.
    ///
    /// # Errors
    /// All mistakes of the draft, with its own lines; what only shows in both together has line 1.
    pub fn with_draft(&self, draft: &Path, text: &str) -> Result<Self, Mistakes> {
        let (root, broken) = DeTable::parse_recoverable(text);
        let whole = root.get_ref().get("server").and_then(|server| server.get_ref().as_table());
        if whole.is_some_and(|server| server.contains_key("hostname")) || !broken.is_empty() {
            return Self::parse(draft, text, self.rows);
        }
        self.check_alone(draft, text)?;
        let mut both = DeTable::parse_recoverable(&self.source).0.into_inner();
        lay_over(&mut both, root.into_inner());
        let reader = Reader::new(&self.source, SECTIONS.to_vec());
        let config = read(&reader, &both, &self.file, &self.source, self.rows);
        if let Some(config) = &config {
            check::all(config, &reader);
        }
        let (all, _) = reader.finish();
        match config {
            // Where a setting stands is true of one file only.
            Some(config) if all.is_empty() => Ok(Self { places: Places::new(), ..config }),
            _ => {
                let anywhere = |mistake| Mistake { line: 1, column: 1, ..mistake };
                Err(Mistakes { file: draft.into(), all: all.into_iter().map(anywhere).collect() })
            }
        }
    }

    /// The mistakes that a few settings have by themselves, at their own lines.
    fn check_alone(&self, draft: &Path, text: &str) -> Result<(), Mistakes> {
        let name = &self.server.hostname;
        let completed = if text.lines().any(|line| line.trim() == "[server]") {
            text.replacen("[server]", &format!("[server]\nhostname = \"{name}\""), 1)
        } else {
            format!("{text}\n[server]\nhostname = \"{name}\"\n")
        };
        Self::parse(draft, &completed, self.rows).map(|_| ())
    }
}

/// Settings of the draft take the place of those below; sections are joined.
fn lay_over<'s>(below: &mut DeTable<'s>, draft: DeTable<'s>) {
    for (key, mut value) in draft {
        let old = below.get_mut(key.get_ref().as_ref()).map(toml::Spanned::get_mut);
        match (old, value.get_mut()) {
            (Some(DeValue::Table(old)), DeValue::Table(new)) => lay_over(old, std::mem::take(new)),
            (Some(old), new) => *old = std::mem::replace(new, DeValue::Boolean(false)),
            (None, _) => {
                below.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Points, Threshold};
    use crate::{TestAction, TestRow};

    const ROWS: &[TestRow] =
        &[TestRow { name: "rdns", about: "No name.", action: TestAction::Score, weight: Points(200) }];

    fn house() -> Config {
        let source = "[server]\nhostname = \"mail.example.org\"\n[gate]\nquarantine = 4\nreject = 9\n\
                      [gate.tests.rdns]\nweight = 3\n[gate.dnsbl.\"a.example\"]\nweight = 1\n";
        Config::parse(Path::new("/etc/postern/postern.toml"), source, ROWS).unwrap()
    }

    fn draft(text: &str) -> Result<Config, Mistakes> {
        house().with_draft(Path::new("draft.toml"), text)
    }

    #[test]
    fn a_few_settings_are_laid_over_the_others() {
        let config = draft(
            "[gate]\nquarantine = 6\n[gate.tests.rdns]\naction = \"reject\"\n[gate.dnsbl.\"b.example\"]\nweight = 2",
        )
        .unwrap();
        assert_eq!(config.gate.quarantine, Threshold(Some(Points(600))));
        assert_eq!(config.gate.reject, Threshold(Some(Points(900))));
        assert_eq!(
            (config.tests["rdns"].weight, config.tests["rdns"].action),
            (Points(300), TestAction::Reject)
        );
        assert_eq!(config.dnsbl.len(), 2);
        assert_eq!(config.file(), Path::new("/etc/postern/postern.toml"));
    }

    #[test]
    fn an_empty_draft_is_the_configuration_itself() {
        assert_eq!(draft("").unwrap().hash(), house().hash());
    }

    #[test]
    fn a_whole_file_stands_alone() {
        let config = draft("[server]\nhostname = \"mail.example.net\"").unwrap();
        assert_eq!(config.gate.quarantine, Threshold(Some(Points(500))));
        assert_eq!(config.server.hostname.as_str(), "mail.example.net");
    }

    #[test]
    fn mistakes_have_the_lines_of_the_draft() {
        let mistakes = draft("[gate]\n\nquarantin = 6\n").unwrap_err();
        assert_eq!((mistakes.all.len(), mistakes.all[0].line), (1, 3), "{mistakes}");
        let mistakes = draft("[server]\nusr = \"x\"\n").unwrap_err();
        assert!(mistakes.to_string().contains("draft.toml"), "{mistakes}");
        assert_eq!(draft("[gate\n").unwrap_err().all[0].line, 1);
    }
}
