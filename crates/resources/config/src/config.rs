//! The whole configuration, and how a file becomes one.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use postern_types::Domain;
use toml::de::DeTable;

use crate::check;
use crate::mistake::{ConfigError, Mistake, Mistakes, did_you_mean, position};
use crate::read::{Reader, Scope};
use crate::schema::{Places, Section, Table};
use crate::settings::{
    Authentication, Dns, Dnsbl, Feedback, Gate, HeaderRule, Keep, Limits, Listen, Log, Milter, PolicyService,
    Pop3, Probe, ProbeKeep, Proxy, Quarantine, Server, Signin, Smtp, TestRow, TestRule, Tls, Trust, Watch,
    Web,
};

const FILE_MAX: u64 = 1 << 20;

/// Every section, in the order of the reference page.
pub(crate) const SECTIONS: [Section; 25] = [
    Server::SECTION,
    Listen::SECTION,
    Tls::SECTION,
    Smtp::SECTION,
    Limits::SECTION,
    Trust::SECTION,
    Proxy::SECTION,
    Milter::SECTION,
    PolicyService::SECTION,
    Gate::SECTION,
    Dnsbl::SECTION,
    HeaderRule::SECTION,
    TestRule::SECTION,
    Authentication::SECTION,
    Probe::SECTION,
    ProbeKeep::SECTION,
    Quarantine::SECTION,
    Web::SECTION,
    Dns::SECTION,
    Pop3::SECTION,
    Signin::SECTION,
    Feedback::SECTION,
    Keep::SECTION,
    Watch::SECTION,
    Log::SECTION,
];

/// A valid configuration with every setting filled in. The fields are the sections.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "each field is documented at its type, where the reference page takes it from"
)]
pub struct Config {
    pub server: Server,
    pub listen: Listen,
    pub tls: Tls,
    pub smtp: Smtp,
    pub limits: Limits,
    pub trust: Trust,
    pub proxy: Proxy,
    pub milter: Milter,
    pub policy_service: PolicyService,
    pub gate: Gate,
    /// The DNS block lists, by zone.
    pub dnsbl: BTreeMap<Domain, Dnsbl>,
    /// The header rules, by name.
    pub header_rules: BTreeMap<String, HeaderRule>,
    /// Every test of the table that was handed in, by name.
    pub tests: BTreeMap<&'static str, TestRule>,
    pub quarantine: Quarantine,
    pub web: Web,
    pub authentication: Authentication,
    pub probe: Probe,
    pub probe_keep: ProbeKeep,
    pub dns: Dns,
    pub pop3: Pop3,
    pub signin: Signin,
    pub feedback: Feedback,
    pub keep: Keep,
    pub watch: Watch,
    pub log: Log,
    pub(crate) rows: &'static [TestRow],
    pub(crate) file: PathBuf,
    pub(crate) source: String,
    pub(crate) places: Places,
}

impl Config {
    /// Reads and checks a file. `rows` are the tests that the judgement knows.
    ///
    /// # Errors
    /// The file cannot be read, or has mistakes: then all of them.
    pub fn load(file: &Path, rows: &'static [TestRow]) -> Result<Self, ConfigError> {
        let mut source = String::new();
        std::fs::File::open(file)
            .and_then(|open| open.take(FILE_MAX + 1).read_to_string(&mut source))
            .map_err(|cause| ConfigError::Read { file: file.into(), cause })?;
        if source.len() as u64 > FILE_MAX {
            return Err(ConfigError::TooLarge(file.into()));
        }
        Ok(Self::parse(file, &source, rows)?)
    }

    /// Reads and checks the text of a file; `file` is its name in messages and where relative paths start.
    ///
    /// # Errors
    /// All mistakes of the text.
    pub fn parse(file: &Path, source: &str, rows: &'static [TestRow]) -> Result<Self, Mistakes> {
        let (root, broken) = DeTable::parse_recoverable(source);
        let reader = Reader::new(source, SECTIONS.to_vec());
        for error in &broken {
            let span = error.span().unwrap_or(0..0);
            reader.note(&span, "", error.message());
        }
        let root = root.get_ref();
        reader.refuse_unknown_sections(root);
        let config = read(&reader, root, file, source, rows);
        if let Some(config) = &config {
            check::all(config, &reader);
        }
        let (all, places) = reader.finish();
        match config {
            Some(config) if all.is_empty() => Ok(Self { places, ..config }),
            _ => Err(Mistakes { file: file.into(), all }),
        }
    }

    /// The file's name, as it was given.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A path of the file made whole: a relative one starts at the file's folder.
    #[must_use]
    pub fn path(&self, written: &Path) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(written)
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path(&self.server.data)
    }

    /// A mistake that only shows when the setting is used: a file that is missing, a pattern that
    /// does not compile. It points at the setting's line.
    #[must_use]
    pub fn mistake(&self, key: &str, message: impl Into<String>) -> Mistake {
        let (line, column) = self.places.get(key).map_or((1, 1), |place| position(&self.source, place.start));
        Mistake { line, column, key: key.into(), message: message.into() }
    }

    /// The line of a setting in the file, from 1; `None` when it is not there.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<usize> {
        self.places.get(key).map(|place| position(&self.source, place.start).0)
    }
}

/// Reads every section before giving up on any, so that all mistakes are noted.
pub(crate) fn read<'s>(
    reader: &Reader<'s>,
    root: &DeTable<'s>,
    file: &Path,
    source: &str,
    rows: &'static [TestRow],
) -> Option<Config> {
    let server = one::<Server>(reader, root);
    let listen = one::<Listen>(reader, root);
    let tls = one::<Tls>(reader, root);
    let smtp = one::<Smtp>(reader, root);
    let limits = one::<Limits>(reader, root);
    let trust = one::<Trust>(reader, root);
    let proxy = one::<Proxy>(reader, root);
    let milter = one::<Milter>(reader, root);
    let policy_service = one::<PolicyService>(reader, root);
    let gate = one::<Gate>(reader, root);
    let dnsbl =
        named::<Dnsbl, _>(reader, root, |zone| Domain::parse(zone).map_err(|error| error.to_string()));
    let header_rules = named::<HeaderRule, _>(reader, root, rule_name);
    let tests = read_tests(&reader.scope(root, TestRule::SECTION.path), rows);
    let authentication = one::<Authentication>(reader, root);
    let probe = one::<Probe>(reader, root);
    let probe_keep = one::<ProbeKeep>(reader, root);
    let quarantine = one::<Quarantine>(reader, root);
    let web = one::<Web>(reader, root);
    let dns = one::<Dns>(reader, root);
    let pop3 = one::<Pop3>(reader, root);
    let signin = one::<Signin>(reader, root);
    let feedback = one::<Feedback>(reader, root);
    let keep = one::<Keep>(reader, root);
    let watch = one::<Watch>(reader, root);
    let log = one::<Log>(reader, root);
    Some(Config {
        server: server?,
        listen: listen?,
        tls: tls?,
        smtp: smtp?,
        limits: limits?,
        trust: trust?,
        proxy: proxy?,
        milter: milter?,
        policy_service: policy_service?,
        gate: gate?,
        dnsbl: dnsbl?,
        header_rules: header_rules?,
        tests: tests?,
        authentication: authentication?,
        probe: probe?,
        probe_keep: probe_keep?,
        quarantine: quarantine?,
        web: web?,
        dns: dns?,
        pop3: pop3?,
        signin: signin?,
        feedback: feedback?,
        keep: keep?,
        watch: watch?,
        log: log?,
        rows,
        file: file.into(),
        source: source.into(),
        places: Places::new(),
    })
}

fn one<'s, T: Table>(reader: &Reader<'s>, root: &DeTable<'s>) -> Option<T> {
    T::read(&reader.scope(root, T::SECTION.path))
}

/// Sections with names of the user's own.
fn named<'s, T: Table, N: Ord>(
    reader: &Reader<'s>,
    root: &DeTable<'s>,
    name_of: impl Fn(&str) -> Result<N, String>,
) -> Option<BTreeMap<N, T>> {
    let mut complete = true;
    let mut sections = BTreeMap::new();
    for (name, scope) in reader.scope(root, T::SECTION.path).named() {
        let section = T::read(&scope);
        match (name_of(&name), section) {
            (Ok(name), Some(section)) => {
                if sections.insert(name, section).is_some() {
                    scope.note("this section is already there under another spelling of its name");
                }
            }
            (Err(why), _) => scope.note(why),
            (Ok(_), None) => complete = false,
        }
    }
    complete.then_some(sections)
}

fn rule_name(name: &str) -> Result<String, String> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain {
        Ok(name.to_owned())
    } else {
        Err("the name of a rule is made of letters, digits, _ and -".into())
    }
}

/// The rules of all tests in the table: as the file says, or as the row says.
fn read_tests(scope: &Scope<'_, '_>, rows: &'static [TestRow]) -> Option<BTreeMap<&'static str, TestRule>> {
    let mut written: BTreeMap<String, Scope<'_, '_>> = scope.named().into_iter().collect();
    let mut tests = BTreeMap::new();
    for row in rows {
        let rule = match written.remove(row.name) {
            Some(scope) => row.read(&scope)?,
            None => row.rule(),
        };
        tests.insert(row.name, rule);
    }
    for (name, scope) in written {
        let near = did_you_mean(&name, rows.iter().map(|row| row.name));
        let hint = near.map_or_else(
            || "`postern config explain gate.tests` lists them".into(),
            |near| format!("did you mean `{near}`?"),
        );
        scope.note(format!("there is no such test; {hint}"));
    }
    Some(tests)
}
