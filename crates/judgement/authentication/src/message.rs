//! A message on its way in: what its header wants checked, asked while the body streams by, concluded at the end.
//!
//! ```text
//! let plan = Plan::of(header);
//! let known = plan.ask(&dns, deadline);         // keys and policy: may run while the body comes
//! let mut body = plan.body();  body.push(…);    // one hash for each way that signatures want it
//! let found = plan.conclude(&known.await, body, &spf, &settings, now);   // pure
//! ```

use futures_util::future::{join, join_all};
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use crate::arc::{self, Arc, Sets};
use crate::body::{BodyHash, Hashed};
use crate::dmarc::{self, Author, Dmarc, Published, Shown};
use crate::header::{RawField, fields, signed, write, write_unsigned};
use crate::key::{self, Found, NoKey};
use crate::lookup::Lookup;
use crate::signature::{Algorithm, Signature};
use crate::spf::Spf;

/// Signatures of one message that are checked; what stands below is passed over.
pub const MOST_SIGNATURES: usize = 8;
/// Hashes of one body: one for each canonicalisation and `l=` that signatures want. Two cover nearly all mail; each costs as
/// much as the message is long.
pub const MOST_HASHES: usize = 5;
/// Keys that are asked for, those of signatures first. A chain whose keys would be more is not looked at: RFC 8617
/// §4.2.1 allows 50 sets, but real ones have a handful, and each key is a question to whomever the message names.
pub const MOST_KEYS: usize = 20;

/// What a message's header wants checked.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The header as it came, where a signature or seal needs it.
    header: Vec<u8>,
    author: Author,
    signatures: Vec<Planned>,
    sets: Sets,
}

/// A `DKIM-Signature`: where it stands, and what it says or what is wrong with it.
#[derive(Clone, Debug)]
struct Planned {
    at: usize,
    signature: Result<Signature, String>,
}

/// What the DNS says about a plan.
#[derive(Clone, Debug)]
pub struct Known {
    /// The keys of the signatures that can be used, in order.
    keys: Vec<Option<Found>>,
    /// The keys of the chain: the last message signature's, then each seal's.
    chain: Vec<Found>,
    /// What each of the authors' domains asks for.
    published: Vec<Published>,
}

/// The hashes of a body that streams by.
#[derive(Default)]
pub struct Body(Vec<BodyHash>);

/// What came of one `DKIM-Signature`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dkim {
    /// The result.
    pub result: Authenticity,
    /// `d=`; `None` where it could not be read.
    pub domain: Option<Domain>,
    /// `s=`
    pub selector: Option<Domain>,
    /// Whether the domain is the author's, as DMARC asks.
    pub aligned: bool,
    /// The algorithm, as `a=` writes it.
    pub algorithm: &'static str,
    /// The first characters of `b=`, by which a field can be told from others (RFC 6008).
    pub tag: String,
    /// What is wrong.
    pub problem: Option<String>,
}

/// Everything that authentication found out about a message.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Authentication {
    /// One result for each signature, in the order of the header.
    pub dkim: Vec<Dkim>,
    /// The chain of those who passed it on.
    pub arc: Arc,
    /// What that means for the author.
    pub dmarc: Dmarc,
    /// The forwarder whose chain is believed although DMARC fails.
    pub forwarder: Option<Domain>,
}

impl Plan {
    /// Reads the header, up to the empty line or its end. Bounded by its size: at most
    /// [`MOST_SIGNATURES`] signatures and 50 sets of a chain are looked at, with [`MOST_HASHES`] and [`MOST_KEYS`].
    #[must_use]
    pub fn of(header: &[u8]) -> Self {
        let fields = fields(header);
        let planned = |(at, field): (usize, &RawField<'_>)| {
            field.is("DKIM-Signature").then(|| Planned { at, signature: Signature::dkim(*field) })
        };
        let signatures: Vec<_> =
            fields.iter().enumerate().filter_map(planned).take(MOST_SIGNATURES).collect();
        let sets = arc::sets(&fields);
        let needed = !signatures.is_empty() || matches!(sets, Sets::Whole(_));
        let author = dmarc::author(&fields);
        Self { header: if needed { header.to_vec() } else { Vec::new() }, author, signatures, sets }
    }

    /// Whether the body has a part in it; where it has none, everything is known before it comes.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.usable().next().is_some() || matches!(self.sets, Sets::Whole(_))
    }

    fn usable(&self) -> impl Iterator<Item = &Signature> {
        self.signatures.iter().filter_map(|planned| planned.signature.as_ref().ok())
    }

    /// The hashes that the signatures want, to be fed with the body.
    #[must_use]
    pub fn body(&self) -> Body {
        let chain = match &self.sets {
            Sets::Whole(sets) => sets.last().map(|set| &set.message.1),
            _ => None,
        };
        let mut hashes: Vec<BodyHash> = Vec::new();
        for signature in self.usable().chain(chain) {
            let known = hashes.iter().any(|hash| hash.is_for(signature.body, signature.length));
            if !known && hashes.len() < MOST_HASHES {
                hashes.push(BodyHash::new(signature.body, signature.length));
            }
        }
        Body(hashes)
    }

    /// Asks for the keys and the author's policy, all at the same time.
    pub async fn ask<L: Lookup>(&self, lookup: &L, deadline: Instant) -> Known {
        let mut names: Vec<(&Domain, &Domain)> = Vec::new();
        let mut place = |name| {
            names.iter().position(|known| *known == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            })
        };
        let mut keys = Vec::with_capacity(self.signatures.len());
        for planned in &self.signatures {
            let usable = planned.signature.as_ref().ok();
            keys.push(usable.map(|signature| place((&signature.domain, &signature.selector))));
        }
        let sets = if let Sets::Whole(sets) = &self.sets { sets.as_slice() } else { &[] };
        let message = sets.last().map(|set| (&set.message.1.domain, &set.message.1.selector));
        let seals = sets.iter().map(|set| (&set.seal.1.domain, &set.seal.1.selector));
        let mut chain: Vec<_> = message.into_iter().chain(seals).map(place).collect();
        if names.len() > MOST_KEYS {
            // All of a chain or nothing: a part of it proves nothing.
            let theirs = keys.iter().flatten().max().map_or(0, |last| last + 1);
            names.truncate(theirs);
            chain.clear();
        }
        let found = names.iter().map(|(domain, selector)| key::find(lookup, domain, selector, deadline));
        let published = self.author.domains().iter().map(|author| dmarc::find(lookup, author, deadline));
        let (found, published) = join(join_all(found), join_all(published)).await;
        let of = |at: usize| found[at].clone();
        Known {
            keys: keys.into_iter().map(|at| at.map(of)).collect(),
            chain: chain.into_iter().map(of).collect(),
            published,
        }
    }

    /// What follows from everything. `now` is in seconds since 1970; `trusted` are the domains whose ARC chains are
    /// believed.
    #[must_use]
    pub fn conclude(
        &self,
        known: &Known,
        body: Body,
        spf: Option<&Spf>,
        trusted: &[Domain],
        now: u64,
    ) -> Authentication {
        let fields = fields(&self.header);
        let hashes: Vec<_> =
            body.0.into_iter().map(|hash| (hash.how(), hash.limit(), hash.finish())).collect();
        let hash = |signature: &Signature| -> Option<&Hashed> {
            let limit = signature.length.unwrap_or(u64::MAX);
            hashes.iter().find(|(how, at, _)| *how == signature.body && *at == limit).map(|(_, _, hash)| hash)
        };
        let check = Check { fields: &fields, hash: &hash, now };
        let dkim: Vec<Dkim> = self
            .signatures
            .iter()
            .zip(&known.keys)
            .map(|(planned, key)| {
                let aligned = |signature: &Signature| {
                    dmarc::is_the_authors(&signature.domain, &self.author, &known.published)
                };
                check.dkim(planned, key.as_ref(), &aligned)
            })
            .collect();
        let arc = check.arc(&self.sets, &known.chain);
        let shown = |dkim: &'_ Dkim| dkim.domain.as_ref().map(|domain| (dkim.result, domain.to_string()));
        let signers: Vec<_> = dkim.iter().filter_map(shown).collect();
        let signers: Vec<_> =
            signers.iter().map(|(result, domain)| Shown { result: *result, domain }).collect();
        let spf = spf.map_or(Shown { result: Authenticity::None, domain: "" }, |spf| Shown {
            result: spf.result,
            domain: &spf.domain,
        });
        let dmarc = dmarc::conclude(&self.author, &known.published, &spf, &signers);
        // rfc8617 §7.2.1: whom we trust may have seen it authentic before it was changed on the way
        let forwarder = arc
            .sealers
            .last()
            .filter(|sealer| arc.result.is_pass() && trusted.iter().any(|trusted| sealer.is_within(trusted)));
        let forwarder = forwarder.filter(|_| dmarc.result == Authenticity::Fail).cloned();
        Authentication { dkim, arc, dmarc, forwarder }
    }
}

impl Body {
    /// The next piece of the body, as it came: with the line ends CRLF.
    pub fn push(&mut self, piece: &[u8]) {
        for hash in &mut self.0 {
            hash.push(piece);
        }
    }
}

/// The checks of one message.
struct Check<'a> {
    fields: &'a [RawField<'a>],
    hash: &'a dyn Fn(&Signature) -> Option<&'a Hashed>,
    now: u64,
}

impl Check<'_> {
    fn dkim(&self, planned: &Planned, key: Option<&Found>, aligned: &dyn Fn(&Signature) -> bool) -> Dkim {
        let signature = match &planned.signature {
            Ok(signature) => signature,
            Err(why) => {
                return Dkim {
                    // rfc8601 §2.7.1: neutral is what holds errors of syntax
                    result: Authenticity::Neutral,
                    domain: None,
                    selector: None,
                    aligned: false,
                    algorithm: "",
                    tag: String::new(),
                    problem: Some(why.clone()),
                };
            }
        };
        let checked = match key {
            Some(Ok(key)) => self.signature(planned.at, signature, key).map_err(|wrong| {
                // rfc6376 §3.6.1, t=y: as if it were not signed
                let mild = key.testing && wrong.result == Authenticity::Fail;
                NoKey { result: if mild { Authenticity::Neutral } else { wrong.result }, ..wrong }
            }),
            Some(Err(none)) => Err(none.clone()),
            None => {
                Err(NoKey { result: Authenticity::TempError, why: "its key was not asked for".to_owned() })
            }
        };
        let (result, problem) = match checked {
            Ok(()) => (Authenticity::Pass, None),
            Err(wrong) => (wrong.result, Some(wrong.why)),
        };
        Dkim {
            result,
            domain: Some(signature.domain.clone()),
            selector: Some(signature.selector.clone()),
            aligned: aligned(signature),
            algorithm: match signature.algorithm {
                Algorithm::RsaSha256 => "rsa-sha256",
                Algorithm::Ed25519Sha256 => "ed25519-sha256",
                Algorithm::RsaSha1 => "rsa-sha1",
            },
            tag: short(&signature.signature),
            problem,
        }
    }

    /// rfc6376 §6.1: a `DKIM-Signature` or `ARC-Message-Signature` against its key.
    fn signature(&self, at: usize, signature: &Signature, key: &key::Key) -> Result<(), NoKey> {
        let wrong = |result, why: &str| Err(NoKey { result, why: why.to_owned() });
        // rfc8301 §3.1
        if signature.algorithm == Algorithm::RsaSha1 {
            return wrong(Authenticity::Policy, "it is made with SHA-1, which proves nothing any more");
        }
        if signature.expires.is_some_and(|expires| expires < self.now) {
            return wrong(Authenticity::Neutral, "it has expired");
        }
        if key.strict && signature.identity.as_ref().is_some_and(|identity| *identity != signature.domain) {
            return wrong(Authenticity::PermError, "its key is not for names below the domain");
        }
        let Some(hashed) = (self.hash)(signature) else {
            // rfc8601 §2.7.1: policy, and never temperror, which would keep a forger from being judged
            return wrong(Authenticity::Policy, "it wants one more hash of the body than are made");
        };
        if signature.length.is_some_and(|length| length > hashed.length) {
            return wrong(Authenticity::PermError, "it is for a longer body");
        }
        if hashed.hash != signature.body_hash {
            return wrong(Authenticity::Fail, "the body was changed");
        }
        let mut text = Vec::with_capacity(1024);
        for field in signed(self.fields, &signature.fields) {
            write(field, signature.header, &mut text);
            text.extend_from_slice(b"\r\n");
        }
        let Some(own) = self.fields.get(at) else { return wrong(Authenticity::PermError, "it is not there") };
        write_unsigned(*own, signature.header, &mut text);
        key.verify(signature.algorithm, &text, &signature.signature)?;
        // rfc6376 §8.2: what stands behind the length may be anybody's
        if signature.length.is_some_and(|length| length < hashed.length) {
            return wrong(Authenticity::Policy, "only the beginning of the body is signed");
        }
        Ok(())
    }

    /// rfc8617 §5.2
    fn arc(&self, sets: &Sets, keys: &[Found]) -> Arc {
        let sets = match sets {
            Sets::None => return Arc::default(),
            Sets::Broken(why) => {
                return Arc { result: Authenticity::Fail, sealers: Vec::new(), problem: Some(why.clone()) };
            }
            Sets::Whole(sets) => sets,
        };
        let sealers = sets.iter().map(|set| set.seal.1.domain.clone()).collect();
        match self.chain(sets, keys) {
            Ok(()) => Arc { result: Authenticity::Pass, sealers, problem: None },
            Err(wrong) => {
                // rfc8617 §5.2: a chain holds or fails; only trouble with the DNS leaves it open
                let result = match wrong.result {
                    Authenticity::TempError => Authenticity::TempError,
                    _ => Authenticity::Fail,
                };
                Arc { result, sealers, problem: Some(wrong.why) }
            }
        }
    }

    fn chain(&self, sets: &[arc::Set], keys: &[Found]) -> Result<(), NoKey> {
        let (Some(last), Some((key, seals))) = (sets.last(), keys.split_first()) else {
            return Err(NoKey {
                result: Authenticity::Fail,
                why: format!("it and the signatures have more than {MOST_KEYS} different keys"),
            });
        };
        let number = sets.len();
        let of = |what: String| move |wrong: NoKey| NoKey { why: format!("{what}: {}", wrong.why), ..wrong };
        let in_message = of(format!("the ARC-Message-Signature of set {number}"));
        key.clone()
            .and_then(|key| self.signature(last.message.0, &last.message.1, &key))
            .map_err(in_message)?;
        for (at, (set, key)) in sets.iter().zip(seals).enumerate().rev() {
            let in_seal = of(format!("the ARC-Seal of set {}", at + 1));
            let seal = &set.seal.1;
            if !arc::is_proof(seal.algorithm) {
                let why = "it is made with SHA-1, which proves nothing any more".to_owned();
                return Err(in_seal(NoKey { result: Authenticity::Policy, why }));
            }
            let text = arc::sealed(self.fields, sets, at);
            let checked = key.clone().and_then(|key| key.verify(seal.algorithm, &text, &seal.signature));
            checked.map_err(in_seal)?;
        }
        Ok(())
    }
}

/// rfc6008 §3: enough of `b=` to tell it from others
fn short(signature: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    let mut text = Base64::encode_string(&signature[..signature.len().min(9)]);
    text.truncate(8);
    text
}
