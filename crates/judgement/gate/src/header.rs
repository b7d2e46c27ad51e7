//! The header: the operator's rules, the fields that every message has (RFC 5322 §3.6), and loops.

use mail_parser::MessageParser;
use postern_message::{Field, Fields, was_delivered_to};
use postern_policy::{Fact, Finding, Message, Outcome, Test};
use postern_types::Address;
use regex::{Regex, RegexBuilder};

use crate::loaded::Loaded;
use crate::{GateError, HeaderRule, HeaderTest};

/// How much of a field's value is held against rules, in bytes.
const VALUE_MAX: usize = 8192;
/// How much of a value goes into the evidence, in characters.
const SHOWN_MAX: usize = 100;
/// How large a compiled rule may become, in bytes.
const COMPILED_MAX: usize = 1 << 20;

/// rfc5322 §3.6: the fields that may stand once at most. The first three every message has
/// (Message-ID only "should" be there, and in honest mail it is).
const ONCE: [&str; 11] = [
    "From",
    "Date",
    "Message-ID",
    "Subject",
    "To",
    "Cc",
    "Bcc",
    "Sender",
    "Reply-To",
    "In-Reply-To",
    "References",
];
const REQUIRED: usize = 3;

/// The operator's rules, compiled.
pub(crate) struct HeaderRules(Vec<Compiled>);

struct Compiled {
    name: String,
    field: String,
    /// `None`: the rule fits when the field is missing.
    pattern: Option<Regex>,
}

impl HeaderRules {
    pub(crate) fn compile(rules: &[HeaderRule]) -> Result<Self, GateError> {
        rules.iter().map(Compiled::new).collect::<Result<_, _>>().map(Self)
    }
}

impl Compiled {
    fn new(rule: &HeaderRule) -> Result<Self, GateError> {
        let expression = match &rule.test {
            HeaderTest::Contains(text) => Some(regex::escape(text)),
            HeaderTest::Equals(text) => Some(format!(r"\A(?:{})\z", regex::escape(text))),
            HeaderTest::Regex(expression) => Some(expression.clone()),
            HeaderTest::Missing => None,
        };
        let compile = |expression: String| {
            RegexBuilder::new(&expression).case_insensitive(true).size_limit(COMPILED_MAX).build()
        };
        let pattern = expression.map(compile).transpose();
        let wrong =
            |error: regex::Error| GateError::HeaderRule { rule: rule.name.clone(), why: error.to_string() };
        Ok(Self { name: rule.name.clone(), field: rule.field.clone(), pattern: pattern.map_err(wrong)? })
    }
}

/// What the header shows.
pub(crate) struct Look {
    pub(crate) message: Message,
    pub(crate) findings: Vec<Finding>,
}

/// Looks only for loops: what friends are asked too.
pub(crate) fn look_for_loops(header: &[u8], recipients: &[&Address], loaded: &Loaded) -> Look {
    let mut seen = Seen::default();
    for field in Fields::with_limit(header, usize::MAX) {
        seen.count(&field);
    }
    seen.finish(header, recipients, loaded, Vec::new())
}

/// Looks for everything.
pub(crate) fn look(header: &[u8], recipients: &[&Address], loaded: &Loaded) -> Look {
    let mut seen = Seen::default();
    let rules = if loaded.asks(Test::HeaderRule) { loaded.headers.0.as_slice() } else { &[] };
    // The fact of the first match for each rule.
    let mut matches: Vec<Option<Fact>> = vec![None; rules.len()];
    let mut present = vec![false; rules.len()];
    for field in Fields::with_limit(header, usize::MAX) {
        seen.count(&field);
        let mut value: Option<Value> = None;
        for (i, rule) in rules.iter().enumerate().filter(|(_, rule)| field.is(&rule.field)) {
            present[i] = true;
            let Some(pattern) = rule.pattern.as_ref().filter(|_| matches[i].is_none()) else { continue };
            let value = value.get_or_insert_with(|| Value::of(&field));
            if let Some(text) = value.texts().find(|text| pattern.is_match(text)) {
                matches[i] = Some(rule.fact(text));
            }
        }
    }
    for ((rule, found), present) in rules.iter().zip(&mut matches).zip(present) {
        if rule.pattern.is_none() && !present {
            *found = Some(rule.fact(""));
        }
    }
    let hits = matches.into_iter().flatten();
    let mut findings: Vec<_> = hits.map(|fact| Finding::new(Test::HeaderRule, Outcome::Hit, fact)).collect();
    if findings.is_empty() && !rules.is_empty() {
        findings.push(Finding::new(Test::HeaderRule, Outcome::Clear, Fact::Nothing));
    }
    seen.fields(loaded, &mut findings);
    seen.finish(header, recipients, loaded, findings)
}

impl Compiled {
    fn fact(&self, value: &str) -> Fact {
        let value = value.chars().take(SHOWN_MAX).collect();
        Fact::HeaderMatch { rule: self.name.clone(), field: self.field.clone(), value }
    }
}

/// What is counted on the way through the fields.
#[derive(Default)]
struct Seen {
    once: [u32; ONCE.len()],
    received: u32,
    delivered_to: bool,
}

impl Seen {
    fn count(&mut self, field: &Field<'_>) {
        if field.is("Received") {
            self.received += 1;
        } else if field.is("Delivered-To") {
            self.delivered_to = true;
        } else if let Some(at) = ONCE.iter().position(|name| field.is(name)) {
            self.once[at] += 1;
        }
    }

    fn fields(&self, loaded: &Loaded, findings: &mut Vec<Finding>) {
        let counted = || ONCE.iter().zip(self.once);
        let fact = |(field, count): (&&str, u32)| Fact::FieldCount { field: (*field).to_owned(), count };
        let missing = counted().take(REQUIRED).filter(|(_, count)| *count == 0).map(fact);
        add_all(loaded, findings, Test::HeaderMissing, missing);
        let repeated = counted().filter(|(_, count)| *count > 1).map(fact);
        add_all(loaded, findings, Test::HeaderDuplicate, repeated);
    }

    fn finish(
        &self,
        header: &[u8],
        recipients: &[&Address],
        loaded: &Loaded,
        mut findings: Vec<Finding>,
    ) -> Look {
        let limit = loaded.settings.hops;
        let too_many = (self.received > limit).then_some(Fact::Hops { count: self.received, limit });
        let before = || {
            let again = recipients.iter().find(|recipient| was_delivered_to(header, recipient))?;
            Some(Fact::DeliveredBefore { recipient: again.to_string() })
        };
        let looping = too_many.or_else(|| if self.delivered_to { before() } else { None });
        add_all(loaded, &mut findings, Test::Hops, looping.into_iter());
        Look { message: Message { header_size: header.len() as u64, hops: self.received }, findings }
    }
}

/// A hit for each fact; the test is clear when there is none.
fn add_all(loaded: &Loaded, findings: &mut Vec<Finding>, test: Test, facts: impl Iterator<Item = Fact>) {
    if !loaded.asks(test) {
        return;
    }
    let before = findings.len();
    findings.extend(facts.map(|fact| Finding::new(test, Outcome::Hit, fact)));
    if findings.len() == before {
        findings.push(Finding::new(test, Outcome::Clear, Fact::Nothing));
    }
}

/// A field's value: as it stands, and with its encoded words (RFC 2047) read.
struct Value {
    plain: String,
    decoded: Option<String>,
}

impl Value {
    fn of(field: &Field<'_>) -> Self {
        let bytes = field.value();
        let plain = String::from_utf8_lossy(&bytes[..bytes.len().min(VALUE_MAX)]).into_owned();
        let decoded = plain.contains("=?").then(|| decode(&plain)).flatten();
        Self { plain, decoded }
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.decoded.as_deref().into_iter().chain([self.plain.as_str()])
    }
}

/// Reads the encoded words as those of a subject, whatever the field is.
fn decode(value: &str) -> Option<String> {
    let line = format!("Subject: {value}\r\n\r\n");
    let message = MessageParser::new().parse_headers(line.as_bytes())?;
    message.subject().map(str::to_owned)
}
