//! The signature fields: `DKIM-Signature` (RFC 6376 §3.5), `ARC-Message-Signature` and `ARC-Seal`
//! (RFC 8617 §4.1).

use postern_types::Domain;

use crate::header::{Canonical, RawField};
use crate::tags::{Tags, base64, dense};

/// How a signature is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RsaSha256,
    Ed25519Sha256,
    /// Known, and no proof any more (RFC 8301 §3.1).
    RsaSha1,
}

/// A `DKIM-Signature` or an `ARC-Message-Signature`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) algorithm: Algorithm,
    pub(crate) signature: Vec<u8>,
    pub(crate) body_hash: Vec<u8>,
    pub(crate) header: Canonical,
    pub(crate) body: Canonical,
    pub(crate) domain: Domain,
    pub(crate) selector: Domain,
    /// `h=`
    pub(crate) fields: Vec<String>,
    /// `l=`
    pub(crate) length: Option<u64>,
    /// `i=`: the domain it is for, where it is not the one that signs.
    pub(crate) identity: Option<Domain>,
    /// `x=`, in seconds since 1970.
    pub(crate) expires: Option<u64>,
}

/// An `ARC-Seal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) algorithm: Algorithm,
    pub(crate) signature: Vec<u8>,
    pub(crate) domain: Domain,
    pub(crate) selector: Domain,
    pub(crate) chain: Chain,
}

/// `cv=`: what the sealer found of the chain before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chain {
    None,
    Pass,
    Fail,
}

/// More names than any `h=` has.
const MOST_FIELDS: usize = 1000;

/// What is wrong with a field, in words.
pub(crate) type Wrong = String;

impl Signature {
    /// A `DKIM-Signature`.
    pub(crate) fn dkim(field: RawField<'_>) -> Result<Self, Wrong> {
        let value = text(field)?;
        let tags = Tags::parse(value).map_err(|wrong| wrong.to_string())?;
        if tags.value("v") != Some("1") {
            return Err("its version is not 1".to_owned());
        }
        if tags.value("q").is_some_and(|list| !list.split(':').any(|one| dense(one) == "dns/txt")) {
            return Err("its key is not in the DNS".to_owned());
        }
        // rfc6376 §3.5: simple/simple where c= is missing
        let mut signature = Self::parse(&tags, Canonical::Simple)?;
        // rfc6376 §5.4: the author is always signed
        if !signature.fields.iter().any(|name| name.eq_ignore_ascii_case("from")) {
            return Err("it does not sign From".to_owned());
        }
        if let Some(identity) = tags.value("i") {
            let identity = dense(identity);
            let host = identity.rsplit_once('@').map_or(identity.as_str(), |(_, host)| host);
            let host = Domain::parse(host).map_err(|_| "i= is no address".to_owned())?;
            // rfc6376 §3.5: the same domain or one below it
            if !host.is_within(&signature.domain) {
                return Err("i= is not of the domain that signs".to_owned());
            }
            signature.identity = Some(host);
        }
        Ok(signature)
    }

    /// An `ARC-Message-Signature`, and which set it is of.
    pub(crate) fn arc(field: RawField<'_>) -> Result<(u32, Self), Wrong> {
        let value = text(field)?;
        let tags = Tags::parse(value).map_err(|wrong| wrong.to_string())?;
        // Sealers go by relaxed/relaxed where c= is missing; so does the ARC suite.
        let signature = Self::parse(&tags, Canonical::Relaxed)?;
        // rfc8617 §4.1.2: seals are not signed
        if signature.fields.iter().any(|name| name.eq_ignore_ascii_case("arc-seal")) {
            return Err("it signs a seal".to_owned());
        }
        Ok((instance(&tags)?, signature))
    }

    fn parse(tags: &Tags<'_>, unnamed: Canonical) -> Result<Self, Wrong> {
        let (header, body) = canonical(tags.value("c"), unnamed)?;
        let names = tags.value("h").ok_or("it has no h=")?;
        // The ARC suite counts on empty names being passed over.
        let names = names.split(':').map(dense).filter(|name| !name.is_empty());
        let fields: Vec<String> = names.take(MOST_FIELDS + 1).collect();
        if fields.len() > MOST_FIELDS {
            return Err("h= names too many fields".to_owned());
        }
        let time =
            |name: &str| tags.value(name).map(number).transpose().map_err(|()| format!("{name}= is no time"));
        let (signed, expires) = (time("t")?, time("x")?);
        // rfc6376 §3.5
        if expires.is_some_and(|expires| signed.is_some_and(|signed| expires <= signed)) {
            return Err("it expired before it was made".to_owned());
        }
        let length = tags.value("l").map(number).transpose().map_err(|()| "l= is no length".to_owned())?;
        Ok(Self {
            algorithm: algorithm(tags)?,
            signature: octets(tags, "b")?,
            body_hash: octets(tags, "bh")?,
            header,
            body,
            domain: domain(tags)?,
            selector: selector(tags)?,
            fields,
            length,
            identity: None,
            expires,
        })
    }
}

impl Seal {
    /// An `ARC-Seal`, and which set it is of.
    pub(crate) fn parse(field: RawField<'_>) -> Result<(u32, Self), Wrong> {
        let value = text(field)?;
        let tags = Tags::parse(value).map_err(|wrong| wrong.to_string())?;
        // rfc8617 §4.1.3: what is signed is fixed
        if tags.value("h").is_some() || tags.value("bh").is_some() {
            return Err("it has h= or bh=".to_owned());
        }
        let chain = match tags.value("cv") {
            Some("none") => Chain::None,
            Some("pass") => Chain::Pass,
            Some("fail") => Chain::Fail,
            _ => return Err("cv= is neither none, pass nor fail".to_owned()),
        };
        if tags.value("t").is_some_and(|time| number(time).is_err()) {
            return Err("t= is no time".to_owned());
        }
        let seal = Self {
            algorithm: algorithm(&tags)?,
            signature: octets(&tags, "b")?,
            domain: domain(&tags)?,
            selector: selector(&tags)?,
            chain,
        };
        Ok((instance(&tags)?, seal))
    }
}

/// Which set an `ARC-Authentication-Results` is of: `i=` stands first, before its semicolon (RFC 8617 §4.1.1).
pub(crate) fn results_instance(field: RawField<'_>) -> Result<u32, Wrong> {
    let value = text(field)?;
    let (first, _) = value.split_once(';').ok_or("it has no results")?;
    let (name, number) = first.split_once('=').ok_or("it does not begin with i=")?;
    if dense(name) != "i" {
        return Err("it does not begin with i=".to_owned());
    }
    set_number(number)
}

fn text(field: RawField<'_>) -> Result<&str, Wrong> {
    std::str::from_utf8(field.value()).map_err(|_| "it is no text".to_owned())
}

fn instance(tags: &Tags<'_>) -> Result<u32, Wrong> {
    set_number(tags.value("i").ok_or("it has no i=")?)
}

/// rfc8617 §4.2.1: from 1 to 50
fn set_number(text: &str) -> Result<u32, Wrong> {
    let number = number(text).ok().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| (1..=50).contains(number)).ok_or_else(|| "i= is not from 1 to 50".to_owned())
}

fn algorithm(tags: &Tags<'_>) -> Result<Algorithm, Wrong> {
    match tags.value("a").map(dense).ok_or("it has no a=")?.to_ascii_lowercase().as_str() {
        "rsa-sha256" => Ok(Algorithm::RsaSha256),
        "ed25519-sha256" => Ok(Algorithm::Ed25519Sha256),
        "rsa-sha1" => Ok(Algorithm::RsaSha1),
        _ => Err("its algorithm is not known".to_owned()),
    }
}

fn octets(tags: &Tags<'_>, name: &str) -> Result<Vec<u8>, Wrong> {
    let value = tags.value(name).ok_or_else(|| format!("it has no {name}="))?;
    base64(value).ok_or_else(|| format!("{name}= is not written in base64"))
}

fn domain(tags: &Tags<'_>) -> Result<Domain, Wrong> {
    let domain = tags.value("d").ok_or("it has no d=")?;
    let domain = Domain::parse(&dense(domain)).ok().filter(Domain::is_qualified);
    domain.ok_or_else(|| "d= is no domain".to_owned())
}

fn selector(tags: &Tags<'_>) -> Result<Domain, Wrong> {
    let selector = tags.value("s").ok_or("it has no s=")?;
    Domain::parse(&dense(selector)).map_err(|_| "s= is no name".to_owned())
}

/// rfc6376 §3.5: header/body; the body's is simple where it is not named
fn canonical(value: Option<&str>, unnamed: Canonical) -> Result<(Canonical, Canonical), Wrong> {
    let one = |name: &str| match name.to_ascii_lowercase().as_str() {
        "simple" => Ok(Canonical::Simple),
        "relaxed" => Ok(Canonical::Relaxed),
        _ => Err("c= is not known".to_owned()),
    };
    let Some(value) = value.map(dense) else { return Ok((unnamed, unnamed)) };
    match value.split_once('/') {
        None => Ok((one(&value)?, Canonical::Simple)),
        Some((header, body)) => Ok((one(header)?, one(body)?)),
    }
}

fn number(text: &str) -> Result<u64, ()> {
    let text = dense(text);
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // rfc6376 §3.5: up to 76 digits; more than fits is as good as for ever.
    if plain && text.len() <= 76 { Ok(text.parse().unwrap_or(u64::MAX)) } else { Err(()) }
}
