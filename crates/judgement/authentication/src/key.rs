//! Public keys in the DNS (RFC 6376 §3.6.1, RFC 8463), and the check of a signature with one.

use aws_lc_rs::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use postern_dns::Answer;
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use crate::lookup::{Lookup, within};
use crate::signature::Algorithm;
use crate::tags::{Tags, base64, dense};

/// A usable key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    kind: Kind,
    bytes: Vec<u8>,
    /// `t=s`: `i=` must be of the very domain that signs.
    pub(crate) strict: bool,
    /// `t=y`: a failure means nothing.
    pub(crate) testing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    Ed25519,
}

/// Why there is no key, and what the signature is for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoKey {
    pub(crate) result: Authenticity,
    pub(crate) why: String,
}

/// A key, or why there is none.
pub(crate) type Found = Result<Key, NoKey>;

/// rfc6376 §3.6.2.1: the key is at `<selector>._domainkey.<domain>`.
pub(crate) async fn find<L: Lookup>(
    lookup: &L,
    domain: &Domain,
    selector: &Domain,
    deadline: Instant,
) -> Found {
    let no = |result, why| Err(NoKey { result, why });
    let Ok(name) = Domain::parse(&format!("{selector}._domainkey.{domain}")) else {
        return no(Authenticity::PermError, "the name of the key is too long".to_owned());
    };
    match within(deadline, lookup.txt(&(&name).into())).await {
        Answer::Unknown(why) => {
            no(Authenticity::TempError, format!("no answer about the key at {name}: {why}"))
        }
        Answer::NotFound(_) => no(Authenticity::PermError, format!("there is no key at {name}")),
        Answer::Found { value, .. } => {
            // rfc6376 §3.6.2.2: several records are undefined; the first that is a key counts.
            let mut why = "there is no record".to_owned();
            for text in value.iter().take(8) {
                match Key::parse(text) {
                    Ok(key) => return Ok(key),
                    Err(wrong) => wrong.clone_into(&mut why),
                }
            }
            no(Authenticity::PermError, format!("the key at {name} cannot be used: {why}"))
        }
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let tags = Tags::parse(text).map_err(|_| "it is no list of tags")?;
        // rfc6376 §3.6.1: where it stands, the version stands first
        match (tags.value("v"), tags.first()) {
            (None, _) => {}
            (Some("DKIM1"), Some(("v", _))) => {}
            _ => return Err("its version is not DKIM1"),
        }
        let lists = |name: &str, wanted: &[&str]| {
            tags.value(name).is_none_or(|list| {
                list.split(':').any(|one| wanted.contains(&dense(one).to_ascii_lowercase().as_str()))
            })
        };
        if !lists("h", &["sha256"]) {
            return Err("it is not for sha256");
        }
        if !lists("s", &["*", "email"]) {
            return Err("it is not for mail");
        }
        let kind = match tags.value("k").map(dense).as_deref() {
            None | Some("rsa") => Kind::Rsa,
            Some("ed25519") => Kind::Ed25519,
            Some(_) => return Err("its kind is not known"),
        };
        let bytes = match tags.value("p") {
            None => return Err("it holds no key"),
            Some("") => return Err("it was revoked"),
            Some(text) => base64(text).ok_or("it is not written in base64")?,
        };
        let flag =
            |flag: &str| tags.value("t").is_some_and(|flags| flags.split(':').any(|one| dense(one) == flag));
        Ok(Self { kind, bytes, strict: flag("s"), testing: flag("y") })
    }

    /// Whether the signature is that of the text.
    pub(crate) fn verify(&self, algorithm: Algorithm, text: &[u8], signature: &[u8]) -> Result<(), NoKey> {
        let fail = |why: &str| NoKey { result: Authenticity::Fail, why: why.to_owned() };
        match (self.kind, algorithm) {
            (Kind::Rsa, Algorithm::RsaSha256) => {
                // rfc8301 §3.2: shorter keys than 1024 bits are no proof
                match rsa_bits(&self.bytes) {
                    None => {
                        let why = "the key is no RSA key".to_owned();
                        return Err(NoKey { result: Authenticity::PermError, why });
                    }
                    Some(..1024) => {
                        let why = "the key has fewer than 1024 bits".to_owned();
                        return Err(NoKey { result: Authenticity::Policy, why });
                    }
                    Some(_) => {}
                }
                // Keys of 1024 bits are still common; the name warns of them.
                UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &self.bytes)
                    .verify(text, signature)
                    .map_err(|_| fail("the signature is not that of the header"))
            }
            (Kind::Ed25519, Algorithm::Ed25519Sha256) => {
                // rfc8463 §3: what is signed is the SHA-256 of the header
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text);
                UnparsedPublicKey::new(&ED25519, &self.bytes)
                    .verify(digest.as_ref(), signature)
                    .map_err(|_| fail("the signature is not that of the header"))
            }
            _ => Err(NoKey {
                result: Authenticity::PermError,
                why: "the key is of another kind than the signature".to_owned(),
            }),
        }
    }
}

/// The size of an RSA key's modulus; both ways of writing it end in SEQUENCE { modulus, exponent }.
fn rsa_bits(der: &[u8]) -> Option<usize> {
    let (tag, mut inside, _) = element(der)?;
    (tag == 0x30).then_some(())?;
    let (first, _, rest) = element(inside)?;
    if first == 0x30 {
        // rfc5280 §4.1: SubjectPublicKeyInfo: algorithm, BIT STRING with the key behind an octet of zero
        let (tag, bits, _) = element(rest)?;
        (tag == 0x03).then_some(())?;
        let (tag, key, _) = element(bits.strip_prefix(&[0])?)?;
        (tag == 0x30).then_some(())?;
        inside = key;
    }
    let (tag, modulus, _) = element(inside)?;
    (tag == 0x02).then_some(())?;
    let significant = modulus.iter().skip_while(|byte| **byte == 0).count();
    let leading = modulus.iter().find(|byte| **byte != 0).map_or(8, |byte| byte.leading_zeros() as usize);
    Some(significant * 8 - leading.min(significant * 8))
}

/// Tag, content and rest of the first DER element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (octets, rest) =
            rest.split_at_checked(usize::from(length & 0x7f)).filter(|(o, _)| o.len() <= 4)?;
        (octets.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_that_are_no_keys() {
        for (text, why) in [
            ("v=DKIM1; p=", "it was revoked"),
            ("p=AAAA; v=DKIM1", "its version is not DKIM1"),
            ("v=DKIM2; p=AAAA", "its version is not DKIM1"),
            ("k=dsa; p=AAAA", "its kind is not known"),
            ("h=sha1; p=AAAA", "it is not for sha256"),
            ("s=tlsrpt; p=AAAA", "it is not for mail"),
            ("k=rsa", "it holds no key"),
            ("p=!!", "it is not written in base64"),
            ("nonsense", "it is no list of tags"),
        ] {
            assert_eq!(Key::parse(text), Err(why), "{text}");
        }
        let key = Key::parse("p=AA AA ; t=y: s; h=sha1:SHA256").unwrap();
        assert!(key.strict && key.testing);
    }

    proptest! {
        #[test]
        fn no_octets_are_too_much(der in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = rsa_bits(&der);
        }
    }
}
