//! The configuration that holds: every setting with its value, what is changed from the default,
//! and the hash by which two starts are compared.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::read::join;
use crate::schema::{Need, Section, Setting, Table, Written};
use crate::settings::TestRule;

/// One setting and its value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Effective {
    /// `smtp.message_size`, `gate.tests.rdns.weight`.
    pub key: String,
    /// The value in TOML; empty when the setting is absent. Secrets are `"***"`.
    pub value: String,
    /// The default in TOML; `None` when there is none.
    pub default: Option<String>,
    /// Whether the value is not the default.
    pub changed: bool,
    /// The line of the file where it is set.
    pub line: Option<usize>,
    /// As `value` with secrets in clear.
    #[serde(skip)]
    canonical: String,
}

impl Config {
    /// Every setting with its value, in the order of the reference page.
    #[must_use]
    pub fn effective(&self) -> Vec<Effective> {
        let mut all = Vec::new();
        self.add(&mut all, &self.server);
        self.add(&mut all, &self.listen);
        self.add(&mut all, &self.tls);
        self.add(&mut all, &self.smtp);
        self.add(&mut all, &self.limits);
        self.add(&mut all, &self.trust);
        self.add(&mut all, &self.proxy);
        self.add(&mut all, &self.milter);
        self.add(&mut all, &self.policy_service);
        self.add(&mut all, &self.gate);
        for (zone, list) in &self.dnsbl {
            self.add_named(&mut all, zone.as_str(), list);
        }
        for (name, rule) in &self.header_rules {
            self.add_named(&mut all, name, rule);
        }
        for row in self.rows {
            let Some(rule) = self.tests.get(row.name) else { continue };
            let path = join(TestRule::SECTION.path, row.name);
            self.add_all(&mut all, &path, &row.settings(), rule.values());
        }
        self.add(&mut all, &self.authentication);
        self.add(&mut all, &self.probe);
        self.add(&mut all, &self.probe_keep);
        self.add(&mut all, &self.quarantine);
        self.add(&mut all, &self.web);
        self.add(&mut all, &self.dns);
        self.add(&mut all, &self.pop3);
        self.add(&mut all, &self.signin);
        self.add(&mut all, &self.feedback);
        self.add(&mut all, &self.keep);
        self.add(&mut all, &self.watch);
        self.add(&mut all, &self.log);
        all
    }

    /// SHA-256 of every setting in canonical form, in hexadecimal: two configurations that mean the
    /// same have the same hash, however they are written. Secrets count.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        for setting in self.effective() {
            hasher.update(format!("{} = {}\n", setting.key, setting.canonical));
        }
        let mut hex = String::with_capacity(64);
        for byte in hasher.finalize() {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    fn add<T: Table>(&self, all: &mut Vec<Effective>, section: &T) {
        let Section { path, settings, .. } = T::SECTION;
        self.add_all(all, path, settings, section.values());
    }

    fn add_named<T: Table>(&self, all: &mut Vec<Effective>, name: &str, section: &T) {
        self.add_all(all, &join(T::SECTION.path, name), T::SECTION.settings, section.values());
    }

    fn add_all(&self, all: &mut Vec<Effective>, path: &str, settings: &[Setting], values: Vec<Written>) {
        for (setting, value) in settings.iter().zip(values) {
            let key = join(path, setting.name);
            let default = setting.default();
            let changed = match &setting.need {
                Need::Required => true,
                Need::Optional => !value.shown.is_empty(),
                Need::Default(_) => default.as_ref() != Some(&value.shown),
            };
            let line = self.line(&key);
            let Written { shown, canonical } = value;
            all.push(Effective { key, value: shown, default, changed, line, canonical });
        }
    }
}

impl Setting {
    /// The default in its canonical form.
    #[must_use]
    pub fn default(&self) -> Option<String> {
        match &self.need {
            Need::Default(text) => (self.canonical)(text),
            Need::Required | Need::Optional => None,
        }
    }
}

impl Effective {
    /// The settings as a file.
    #[must_use]
    pub fn to_toml(settings: &[Self]) -> String {
        let mut out = String::new();
        let mut path = "";
        for setting in settings {
            let (own, name) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
            if own != path {
                let gap = if path.is_empty() { "" } else { "\n" };
                path = own;
                let _ = writeln!(out, "{gap}[{own}]");
            }
            let _ = match setting.value.as_str() {
                "" => writeln!(out, "# {name} is not set"),
                value => writeln!(out, "{name} = {value}"),
            };
        }
        out
    }
}
