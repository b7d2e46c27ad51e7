//! The configuration: one TOML file in which each setting is defined once, with its
//! documentation, kind, default and bounds.
//!
//! From those definitions (`settings/`) follow the typed [`Config`], the check that finds every
//! mistake of a file in one run with its line and column ([`Mistakes`]), the text of
//! `postern config explain` ([`explain`]), `config show` ([`Config::effective`]) and the
//! reference page ([`reference()`]). Unknown keys are mistakes.
//!
//! The tests of the gate are known to the judgement, which stands above this crate: it hands
//! its table over as [`TestRow`]s.

mod check;
mod choice;
mod config;
mod draft;
mod effective;
mod explain;
mod mistake;
mod names;
mod read;
mod reference;
mod schema;
mod settings;
mod units;
mod value;

pub use config::Config;
pub use effective::Effective;
pub use explain::{Explained, explain};
pub use mistake::{ConfigError, Mistake, Mistakes};
pub use names::{DnsServer, TimeZone, WebUrl};
pub use reference::reference;
pub use schema::{Need, Section, Setting, Shape};
pub use settings::{
    Announce, Authentication, BareNewline, Digest, Dns, Dnsbl, DnsblCheck, Feedback, Gate, HeaderRule,
    HeaderTest, Keep, Limits, Listen, Log, LogFormat, LogLevel, Milter, MinimumTls, Paths, Plaintext,
    PolicyService, Pop3, Probe, ProbeKeep, Proxy, ProxyTls, Quarantine, Reach, Server, Signin, Smtp,
    TestAction, TestMode, TestRow, TestRule, Tls, Trust, UserTest, Watch, Web, WebProtocol,
};
pub use units::{Percent, Points, Rate, Size, Threshold, parse_duration, show_duration};
pub use value::quoted;
