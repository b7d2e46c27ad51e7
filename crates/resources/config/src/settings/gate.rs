//! `[gate]`, `[gate.dnsbl."ZONE"]`, `[gate.header.NAME]`, `[gate.tests.NAME]`: what is tested
//! and what follows.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use postern_types::{Network, Secret};

use crate::choice::choice;
use crate::read::Scope;
use crate::schema::{Need, Setting, Table, settings};
use crate::units::{Points, Threshold};

settings! {
    /// The gate: lists, tests of the client and its words, and the score that they add up to.
    pub struct Gate in Table("gate") {
        /// Networks whose mail is not tested at all.
        allow: Vec<Network> = [];
        /// Files with more of them: an address or network on each line, `#` begins a comment. Read
        /// again when they change and on SIGHUP.
        allow_files: Vec<PathBuf> = [];
        /// Networks that get `554` at the greeting.
        block: Vec<Network> = [];
        /// Files with more of them, in the same form.
        block_files: Vec<PathBuf> = [];
        /// Senders that are refused: an address, or a domain for every address there and below.
        block_senders: Vec<String> = [];
        /// Files with more of them, one on each line, `#` begins a comment.
        block_sender_files: Vec<PathBuf> = [];
        /// The score from which on a message goes to quarantine.
        quarantine: Threshold = 5;
        /// The score from which on a message is refused.
        reject: Threshold = 10;
        /// How long the tests of one stage may take together. A test that has no answer by then is
        /// "unknown", which never counts against a client.
        deadline: Duration = "5 s", "100 ms" ..= "1 min";
        /// How many neighbours on each side of a client's address are asked for their names (PTR), where these
        /// could tell whether it is a dial-up host. 0: none. IPv6 neighbours are never asked.
        dialup_neighbours: u8 = 4, 0 ..= 16;
        /// How often the health of the DNS block lists is checked.
        dnsbl_check: Duration = "15 min", "1 min" ..= "1 d";
        /// How soon again while one of them is switched off.
        dnsbl_retry: Duration = "1 min", "1 s" ..= "1 d";
        /// How long those whom our users write to stay on the users' own allow lists after the last mail, where
        /// outgoing mail is seen; `0 s` learns nobody. `postern profile set --learn no` is for single users.
        learn_for: Duration = "90 d", "0 s" ..= "520 w";
        /// How long a message stays in quarantine.
        quarantine_for: Duration = "30 d", "1 h" ..= "520 w";
    }
}

settings! {
    /// A DNS block list to ask; its zone is the section's name. `gate.tests.dnsbl` switches all lists at
    /// once. A list that fails its health check is switched off until it is well again.
    pub struct Dnsbl in Named("gate.dnsbl") {
        /// A private key that the list's owner gave you; it is put before the zone.
        key: Option<Secret<String>> = optional;
        /// What a listed client gets.
        action: TestAction = "score";
        /// Points for a listed client.
        weight: Points = 5;
        /// Points for single answers, such as `{ "127.0.0.2" = 5, "127.0.0.10" = 0.5 }`, where they
        /// differ from `weight`. The error codes 127.255.255.x are never a listing.
        codes: BTreeMap<Ipv4Addr, Points> = {};
        /// Whether the list counts.
        mode: TestMode = "enforce";
        /// Answers that count as listed, such as `["127.0.0.2", "127.0.0.4/30"]`; empty: every one in
        /// 127.0.0.0/8 that is no error code.
        answers: Vec<Network> = [];
        /// How its health is checked.
        check: DnsblCheck = "test-entries";
        /// Whether the list is asked about IPv6 clients too.
        ipv6: bool = true;
    }
}

choice! {
    /// How a DNS block list's health is checked.
    pub enum DnsblCheck {
        /// 127.0.0.2 is listed and 127.0.0.1 is not (RFC 5782 §5)
        TestEntries = "test-entries",
        /// it has no test entries and is believed as long as it answers
        Believed = "believed",
    }
}

settings! {
    /// A rule for a header field of the message. The section's name is the rule's, in traces and replies.
    pub struct HeaderRule in Named("gate.header") {
        /// The header field to look at, such as `"Subject"`.
        field: String = required;
        /// How its value is held against the pattern.
        test: HeaderTest = "contains";
        /// The text or regular expression; upper and lower case are the same. Not needed for `missing`.
        pattern: Option<String> = optional;
        /// What a message that matches gets.
        action: TestAction = "score";
        /// Points for a message that matches.
        weight: Points = 3;
        /// Whether the rule counts.
        mode: TestMode = "enforce";
    }
}

choice! {
    /// How a header field is held against the pattern.
    pub enum HeaderTest {
        /// the pattern stands somewhere in the value
        Contains = "contains",
        /// the value is the pattern
        Equals = "equals",
        /// the pattern is a regular expression
        Regex = "regex",
        /// there is no such field in the message; the pattern is not looked at
        Missing = "missing",
    }
}

choice! {
    /// What follows when a test hits.
    pub enum TestAction {
        /// nothing; a test that asks somebody is not made
        Off = "off",
        /// its weight is added to the score
        Score = "score",
        /// the message goes to quarantine
        Quarantine = "quarantine",
        /// the client is refused
        Reject = "reject",
    }
}

choice! {
    /// Whether a rule counts.
    pub enum TestMode {
        /// it does
        Enforce = "enforce",
        /// the trace says what it would have done
        Shadow = "shadow",
    }
}

/// A test as the judgement knows it: its name is a section `[gate.tests.NAME]`, with these defaults.
#[derive(Clone, Copy, Debug)]
pub struct TestRow {
    /// The test's name.
    pub name: &'static str,
    /// What it looks at and when it hits, in Markdown.
    pub about: &'static str,
    /// What follows from a hit unless the file says otherwise.
    pub action: TestAction,
    /// The points unless the file says otherwise.
    pub weight: Points,
}

settings! {
    /// One test of the gate.
    pub struct TestRule in Named("gate.tests") {
        /// What follows when the test hits.
        action: TestAction = "score";
        /// Points that a hit adds to the score.
        weight: Points = 0;
        /// Whether the test counts.
        mode: TestMode = "enforce";
    }
}

impl TestRow {
    /// The rule when the file says nothing.
    pub(crate) fn rule(&self) -> TestRule {
        TestRule { action: self.action, weight: self.weight, mode: TestMode::Enforce }
    }

    /// The settings of this test, with its own defaults.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let defaults = self.rule().values().into_iter().map(|written| Need::Default(written.shown.into()));
        let settings = TestRule::SECTION.settings.iter().zip(defaults);
        settings.map(|(setting, need)| Setting { need, ..setting.clone() }).collect()
    }

    /// The rule as the file says it.
    pub(crate) fn read(&self, scope: &Scope<'_, '_>) -> Option<TestRule> {
        let written = TestRule::read(scope)?;
        let own = self.rule();
        let has = |name| scope.has(name);
        Some(TestRule {
            action: if has("action") { written.action } else { own.action },
            weight: if has("weight") { written.weight } else { own.weight },
            mode: written.mode,
        })
    }
}
