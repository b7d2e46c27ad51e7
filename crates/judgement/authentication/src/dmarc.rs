//! DMARC (RFC 7489, RFC 9091): does what is authentic belong to the author in `From`, and what does the author's
//! domain want done where it does not?

use std::collections::HashSet;

use mail_parser::MessageParser;
use postern_dns::{Absent, Answer, Unknown};
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use crate::header::RawField;
use crate::lookup::{Lookup, within};
use crate::tags::{Tags, dense};

/// What a domain's owner wants done with mail that is not authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum DmarcPolicy {
    /// Nothing.
    #[default]
    None,
    /// It is suspicious.
    Quarantine,
    /// It is to be refused.
    Reject,
}

/// What came of DMARC.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dmarc {
    /// `none`, `pass`, `fail`, `temperror` or `permerror`.
    pub result: Authenticity,
    /// The author's domain; `None` where there is not exactly one.
    pub domain: Option<Domain>,
    /// What its owner asks for.
    pub policy: DmarcPolicy,
    /// What showed it, or what is wrong.
    pub because: String,
}

/// Whom the message names as its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// The domains of its authors: never empty, nearly always one.
    Of(Vec<Domain>),
    /// No author that can be read.
    Unclear(&'static str),
}

impl Author {
    pub(crate) fn domains(&self) -> &[Domain] {
        match self {
            Self::Of(domains) => domains,
            Self::Unclear(_) => &[],
        }
    }
}

/// Authors' domains beyond these are not looked at: the first and the last are those that readers are shown.
const MOST_DOMAINS: usize = 8;

/// What the DNS holds for the author's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// No record: DMARC says nothing.
    Nothing,
    Record(Record),
    Unknown(String),
}

/// A record, with the policy that counts for the author's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) policy: DmarcPolicy,
    strict_spf: bool,
    strict_dkim: bool,
}

/// A domain that was shown to stand behind the message, or might have been.
pub(crate) struct Shown<'a> {
    pub(crate) result: Authenticity,
    pub(crate) domain: &'a str,
}

/// `DmarcPolicy` as records write it.
impl std::fmt::Display for DmarcPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        })
    }
}

/// The domains of the addresses in `From`, be there one field or, against all rules, several. What cannot be read
/// among them hides nobody.
pub(crate) fn author(fields: &[RawField<'_>]) -> Author {
    let mut from = fields.iter().filter(|field| field.is("From")).peekable();
    if from.peek().is_none() {
        return Author::Unclear("there is no From");
    }
    let (mut domains, mut known) = (Vec::new(), HashSet::new());
    for field in from {
        let alone = [b"From:", field.value(), b"\r\n\r\n"].concat();
        let parsed = MessageParser::new().parse_headers(&alone[..]);
        let addresses = parsed.as_ref().and_then(|message| message.from());
        for address in addresses.into_iter().flat_map(|list| list.iter()) {
            let host = address.address().and_then(|address| address.rsplit_once('@')).map(|(_, host)| host);
            let found = host.and_then(|host| Domain::parse(host.trim()).ok()).filter(Domain::is_qualified);
            domains.extend(found.filter(|found| known.insert(found.clone())));
        }
    }
    if domains.is_empty() {
        return Author::Unclear("From holds no address");
    }
    if domains.len() > MOST_DOMAINS {
        domains.drain(MOST_DOMAINS / 2..domains.len() - MOST_DOMAINS / 2);
    }
    Author::Of(domains)
}

/// rfc7489 §3.2: the registered domain, by the public suffix list.
pub(crate) fn organisation(domain: &str) -> &str {
    psl::domain_str(domain).unwrap_or(domain)
}

/// rfc7489 §6.6.3: the record of the author's domain, else of its organisation.
pub(crate) async fn find<L: Lookup>(lookup: &L, author: &Domain, deadline: Instant) -> Published {
    let own = match record_of(lookup, author.as_str(), deadline).await {
        Ok(found) => found,
        Err(why) => return Published::Unknown(why),
    };
    if let Some(raw) = own {
        return raw.with_policy(raw.own);
    }
    let organisation = organisation(author.as_str());
    if organisation == author.as_str() {
        return Published::Nothing;
    }
    let raw = match record_of(lookup, organisation, deadline).await {
        Ok(Some(raw)) => raw,
        Ok(None) => return Published::Nothing,
        Err(why) => return Published::Unknown(why),
    };
    let below = raw.below.or(raw.own);
    // rfc9091 §3.2: np is for names below that do not exist
    let policy = match raw.missing {
        Some(_) if raw.missing != below => match within(deadline, lookup.a(&author.into())).await {
            Answer::NotFound(Absent::NxDomain) => raw.missing,
            Answer::Unknown(why) => return Published::Unknown(no_answer(author.as_str(), why)),
            _ => below,
        },
        _ => below,
    };
    raw.with_policy(policy)
}

/// A record before it is known what it means for the author's domain.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Raw {
    own: Option<DmarcPolicy>,
    below: Option<DmarcPolicy>,
    missing: Option<DmarcPolicy>,
    reports: bool,
    /// `pct=0` or `t=y`: one step milder.
    milder: bool,
    strict_spf: bool,
    strict_dkim: bool,
}

impl Raw {
    fn parse(text: &str) -> Option<Self> {
        let tags = Tags::parse(text).ok()?;
        // rfc7489 §6.3: the version stands first
        (tags.first() == Some(("v", "DMARC1"))).then_some(())?;
        let policy = |name: &str| match dense(tags.value(name)?).to_ascii_lowercase().as_str() {
            "none" => Some(DmarcPolicy::None),
            "quarantine" => Some(DmarcPolicy::Quarantine),
            "reject" => Some(DmarcPolicy::Reject),
            _ => None,
        };
        let strict = |name: &str| tags.value(name).is_some_and(|mode| dense(mode).eq_ignore_ascii_case("s"));
        let zero = tags.value("pct").is_some_and(|percent| dense(percent).parse() == Ok(0_u8));
        let testing = tags.value("t").is_some_and(|flag| dense(flag).eq_ignore_ascii_case("y"));
        Some(Self {
            own: policy("p"),
            below: policy("sp"),
            missing: policy("np"),
            reports: tags.value("rua").is_some_and(|uri| !uri.is_empty()),
            // A verdict must not depend on chance: what pct leaves out is only ever all (t= has taken its place).
            milder: zero || testing,
            strict_spf: strict("aspf"),
            strict_dkim: strict("adkim"),
        })
    }

    fn with_policy(&self, policy: Option<DmarcPolicy>) -> Published {
        // rfc7489 §6.6.3: without a valid policy it is `none` where reports are wanted, else there is no record
        let policy = match (policy.filter(|_| self.own.is_some()), self.reports) {
            (Some(policy), _) => policy,
            (None, true) => DmarcPolicy::None,
            (None, false) => return Published::Nothing,
        };
        let policy = match policy {
            DmarcPolicy::Reject if self.milder => DmarcPolicy::Quarantine,
            DmarcPolicy::Quarantine if self.milder => DmarcPolicy::None,
            policy => policy,
        };
        Published::Record(Record { policy, strict_spf: self.strict_spf, strict_dkim: self.strict_dkim })
    }
}

async fn record_of<L: Lookup>(lookup: &L, domain: &str, deadline: Instant) -> Result<Option<Raw>, String> {
    let Ok(name) = Domain::parse(&format!("_dmarc.{domain}")) else { return Ok(None) };
    match within(deadline, lookup.txt(&(&name).into())).await {
        Answer::Found { value, .. } => {
            let mut records = value.iter().filter_map(|text| Raw::parse(text));
            let first = records.next();
            // rfc7489 §6.6.3: several records are none
            Ok(if records.next().is_some() { None } else { first })
        }
        Answer::NotFound(_) => Ok(None),
        Answer::Unknown(why) => Err(no_answer(name.as_str(), why)),
    }
}

fn no_answer(name: &str, why: Unknown) -> String {
    format!("no answer about {name}: {why}")
}

/// rfc7489 §3.1: whether a domain that was shown is the author's.
fn is_aligned(shown: &str, author: &Domain, strict: bool) -> bool {
    let shown = shown.to_ascii_lowercase();
    shown == author.as_str() || !strict && organisation(&shown) == organisation(author.as_str())
}

/// Whether a signature of `domain` is an author's, under the record where there is one.
pub(crate) fn is_the_authors(domain: &Domain, author: &Author, published: &[Published]) -> bool {
    author.domains().iter().zip(published).any(|(author, published)| {
        let strict = matches!(published, Published::Record(record) if record.strict_dkim);
        is_aligned(domain.as_str(), author, strict)
    })
}

/// rfc7489 §6.6.2: the result. Where the authors are of several domains, each must have sent it, and the strictest
/// counts (§6.6.1): else a second author would be the way round every policy.
pub(crate) fn conclude(
    author: &Author,
    published: &[Published],
    spf: &Shown<'_>,
    dkim: &[Shown<'_>],
) -> Dmarc {
    if let Author::Unclear(why) = author {
        return Dmarc { because: (*why).to_owned(), ..Dmarc::default() };
    }
    let severity = |dmarc: &Dmarc| match dmarc.result {
        Authenticity::Fail => 3,
        Authenticity::TempError => 2,
        Authenticity::Pass => 0,
        _ => 1,
    };
    let each = author.domains().iter().zip(published).rev();
    let each = each.map(|(author, published)| conclude_for(author, published, spf, dkim));
    each.max_by_key(|dmarc| (severity(dmarc), dmarc.policy)).unwrap_or_default()
}

fn conclude_for(author: &Domain, published: &Published, spf: &Shown<'_>, dkim: &[Shown<'_>]) -> Dmarc {
    let of_author = |result, policy, because| Dmarc { result, domain: Some(author.clone()), policy, because };
    let record = match published {
        Published::Record(record) => record,
        Published::Nothing => {
            return of_author(Authenticity::None, DmarcPolicy::None, format!("{author} has no DMARC record"));
        }
        Published::Unknown(why) => return of_author(Authenticity::TempError, DmarcPolicy::None, why.clone()),
    };
    let aligned = |shown: &&Shown<'_>, strict| is_aligned(shown.domain, author, strict);
    let dkim_aligned = dkim.iter().filter(|shown| aligned(shown, record.strict_dkim));
    let spf_aligned = Some(spf).filter(|shown| aligned(shown, record.strict_spf));
    if let Some(shown) = dkim_aligned.clone().find(|shown| shown.result.is_pass()) {
        return of_author(Authenticity::Pass, record.policy, format!("the signature of {}", shown.domain));
    }
    if let Some(shown) = spf_aligned.filter(|shown| shown.result.is_pass()) {
        return of_author(Authenticity::Pass, record.policy, format!("SPF of {}", shown.domain));
    }
    // rfc7489 §6.6.2: what could not be checked might have passed
    if let Some(shown) = dkim_aligned.chain(spf_aligned).find(|shown| shown.result == Authenticity::TempError)
    {
        let why = format!("{} could not be checked now", shown.domain);
        return of_author(Authenticity::TempError, record.policy, why);
    }
    of_author(Authenticity::Fail, record.policy, format!("{}; {}", spf_words(spf), dkim_words(dkim)))
}

fn spf_words(spf: &Shown<'_>) -> String {
    if spf.domain.is_empty() { "no SPF".to_owned() } else { format!("SPF {} for {}", spf.result, spf.domain) }
}

fn dkim_words(dkim: &[Shown<'_>]) -> String {
    if dkim.is_empty() {
        return "not signed".to_owned();
    }
    let words: Vec<_> =
        dkim.iter().map(|shown| format!("DKIM {} by {}", shown.result, shown.domain)).collect();
    words.join(", ")
}
