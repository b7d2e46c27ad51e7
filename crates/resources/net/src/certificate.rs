//! Certificates and keys in PEM files (RFC 7468), and what they say of themselves.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use postern_types::{Domain, Timestamp};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::NetError;

/// No certificate chain, key or file of roots is larger.
const LARGEST_FILE: u64 = 4 << 20;

/// A certificate and its key as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the server's certificate first, then those that vouch for it.
    pub chain: PathBuf,
    /// PEM: the private key (PKCS#8, PKCS#1 or SEC1), not encrypted.
    pub key: PathBuf,
}

/// What a certificate says: for `doctor`, which warns before it runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The file that it came from.
    pub file: PathBuf,
    /// The DNS names that it is for, as written, such as `*.example.test`.
    pub names: Vec<String>,
    /// Whom it is for and who vouches for that, as distinguished names (RFC 4514).
    pub subject: String,
    /// See `subject`; the same for a self-signed certificate.
    pub issuer: String,
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
}

impl CertificateFacts {
    /// Whether the certificate is for this name (RFC 6125 §6.4: a `*` stands for one label).
    #[must_use]
    pub fn covers(&self, name: &Domain) -> bool {
        self.names.iter().any(|pattern| matches_name(pattern, name.as_str()))
    }

    /// Whether it vouches for itself.
    #[must_use]
    pub fn is_self_signed(&self) -> bool {
        self.subject == self.issuer
    }
}

/// `pattern` in lower case.
pub(crate) fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => pattern == name,
    }
}

/// A certificate with its key, ready to be used.
pub(crate) struct Loaded {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) facts: CertificateFacts,
}

/// Reads both files; refuses a key that is not the certificate's.
pub(crate) fn load(files: &CertificateFiles) -> Result<Loaded, NetError> {
    let chain = certificates(&files.chain)?;
    let facts = facts(&files.chain, &chain[0])?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?)
        .map_err(|error| wrong(&files.key, format!("no private key could be read: {error:?}")))?;
    let key = CertifiedKey::from_der(chain, key, &provider())
        .map_err(|error| wrong(&files.key, format!("not the key of {}: {error}", files.chain.display())))?;
    Ok(Loaded { key: Arc::new(key), facts })
}

/// All certificates of a file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let pem = read(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.map_err(|error| wrong(path, format!("not PEM: {error:?}")))?;
    if certificates.is_empty() {
        return Err(wrong(path, "there is no certificate in the file".to_owned()));
    }
    Ok(certificates)
}

/// The one provider of cryptography.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())).clone()
}

/// What changes when a file is written or replaced; `None` when it is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(i64, i64, u64, u64)>);

impl Stamp {
    pub(crate) fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|m| (m.mtime(), m.mtime_nsec(), m.len(), m.ino())))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, NetError> {
    let file = fs::File::open(path).map_err(|error| wrong(path, error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| wrong(path, error.to_string()))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(wrong(path, format!("larger than {LARGEST_FILE} bytes")));
    }
    Ok(bytes)
}

pub(crate) fn wrong(path: &Path, problem: String) -> NetError {
    NetError::File { path: path.to_owned(), problem }
}

fn facts(path: &Path, der: &CertificateDer<'_>) -> Result<CertificateFacts, NetError> {
    let bad = |error| wrong(path, format!("the first certificate cannot be read: {error}"));
    let certificate = x509_cert::Certificate::from_der(der).map_err(bad)?;
    let tbs = certificate.tbs_certificate();
    let names = match tbs.get_extension::<SubjectAltName>().map_err(bad)? {
        Some((_, names)) => names.0.iter().filter_map(dns_name).collect(),
        None => Vec::new(),
    };
    let time = |time: &x509_cert::time::Time| {
        let millis = time.to_unix_duration().as_millis();
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    };
    Ok(CertificateFacts {
        file: path.to_owned(),
        names,
        subject: tbs.subject().to_string(),
        issuer: tbs.issuer().to_string(),
        not_before: time(&tbs.validity().not_before),
        not_after: time(&tbs.validity().not_after),
    })
}

fn dns_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
        _ => None,
    }
}
