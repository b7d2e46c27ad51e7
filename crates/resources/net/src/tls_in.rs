//! TLS for those who connect to us: certificates from files, read again when they change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::certificate::{self, Stamp, matches_name};
use crate::stream::{cipher_name, version_name};
use crate::{CertificateFacts, CertificateFiles, NetError, Peer, TlsInfo};

/// How TLS is offered.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// At least one. A client gets the first that is for the name it asks for, otherwise the
    /// first of all.
    pub certificates: Vec<CertificateFiles>,
    /// The oldest version that is spoken. Default TLS 1.2 (RFC 8996: nothing older).
    pub minimum: TlsMinimum,
    /// How long a handshake may take. Default 30 s.
    pub handshake_timeout: Duration,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TlsMinimum {
    /// TLS 1.2 and 1.3.
    #[default]
    V1_2,
    /// TLS 1.3 only.
    V1_3,
}

/// What a look at the files has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The files are those in use.
    Unchanged,
    /// New certificates are in use; connections that exist keep theirs.
    Changed,
}

/// Does the server's side of TLS handshakes. Clones share the certificates.
#[derive(Clone)]
pub struct TlsAcceptor {
    inner: Arc<Inner>,
}

struct Inner {
    settings: TlsSettings,
    current: ArcSwap<Current>,
    /// The files as last looked at, so that a broken one is reported once.
    seen: Mutex<Vec<Stamp>>,
}

struct Current {
    config: Arc<ServerConfig>,
    facts: Vec<CertificateFacts>,
}

impl TlsSettings {
    /// The defaults with these certificates.
    #[must_use]
    pub fn new(certificates: Vec<CertificateFiles>) -> Self {
        Self { certificates, minimum: TlsMinimum::default(), handshake_timeout: Duration::from_secs(30) }
    }
}

impl TlsAcceptor {
    /// Reads the certificates.
    ///
    /// # Errors
    /// A file that is missing or wrong, a key that does not fit its certificate.
    pub fn new(settings: TlsSettings) -> Result<Self, NetError> {
        let seen = Mutex::new(stamps(&settings));
        let current = ArcSwap::from_pointee(Current::load(&settings)?);
        Ok(Self { inner: Arc::new(Inner { settings, current, seen }) })
    }

    /// Reads the certificates again, changed or not.
    ///
    /// # Errors
    /// As [`TlsAcceptor::new`]; the ones in use stay in use.
    pub fn reload(&self) -> Result<(), NetError> {
        self.load_again(stamps(&self.inner.settings))
    }

    /// Reads the certificates again if a file has changed since the last look. A broken file
    /// is reported once, and looked at again when it changes again.
    ///
    /// # Errors
    /// As [`TlsAcceptor::new`]; the ones in use stay in use.
    pub fn reload_if_changed(&self) -> Result<Reload, NetError> {
        let stamps = stamps(&self.inner.settings);
        if *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner) == stamps {
            return Ok(Reload::Unchanged);
        }
        self.load_again(stamps).map(|()| Reload::Changed)
    }

    /// Looks at the files at every tick, for ever; `report` hears of changes and errors.
    pub async fn watch(&self, every: Duration, mut report: impl FnMut(Result<(), NetError>)) {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            match self.reload_if_changed() {
                Ok(Reload::Unchanged) => {}
                Ok(Reload::Changed) => report(Ok(())),
                Err(error) => report(Err(error)),
            }
        }
    }

    /// What the certificates in use say of themselves.
    #[must_use]
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        self.inner.current.load().facts.clone()
    }

    fn load_again(&self, stamps: Vec<Stamp>) -> Result<(), NetError> {
        *self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
        self.inner.current.store(Arc::new(Current::load(&self.inner.settings)?));
        Ok(())
    }

    pub(crate) async fn handshake(
        &self,
        tcp: TcpStream,
    ) -> Result<(TlsStream<TcpStream>, TlsInfo), NetError> {
        let config = self.inner.current.load().config.clone();
        let within = self.inner.settings.handshake_timeout;
        let stream = tokio::time::timeout(within, tokio_rustls::TlsAcceptor::from(config).accept(tcp))
            .await
            .map_err(|_| NetError::HandshakeTimeout(within))?
            .map_err(NetError::Handshake)?;
        let connection = stream.get_ref().1;
        let info = TlsInfo {
            version: version_name(connection.protocol_version()),
            cipher: cipher_name(connection.negotiated_cipher_suite()),
            server_name: connection.server_name().map(str::to_owned),
            peer: Peer::NotAsked,
        };
        Ok((stream, info))
    }
}

impl std::fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsAcceptor").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}

impl Current {
    fn load(settings: &TlsSettings) -> Result<Self, NetError> {
        if settings.certificates.is_empty() {
            return Err(NetError::TlsSettings("there is no certificate".to_owned()));
        }
        let mut by_name = ByName { certificates: Vec::new() };
        let mut facts = Vec::new();
        for files in &settings.certificates {
            let loaded = certificate::load(files)?;
            by_name.certificates.push((loaded.facts.names.clone(), loaded.key));
            facts.push(loaded.facts);
        }
        let versions: &[_] = match settings.minimum {
            TlsMinimum::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsMinimum::V1_3 => &[&rustls::version::TLS13],
        };
        let config = ServerConfig::builder_with_provider(certificate::provider())
            .with_protocol_versions(versions)
            .map_err(|error| NetError::TlsSettings(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(by_name));
        Ok(Self { config: Arc::new(config), facts })
    }
}

/// Certificates by the name that a client asks for (RFC 6066 §3).
#[derive(Debug)]
struct ByName {
    certificates: Vec<(Vec<String>, Arc<CertifiedKey>)>,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().map(str::to_ascii_lowercase);
        let for_name = asked.and_then(|name| {
            self.certificates.iter().find(|(patterns, _)| patterns.iter().any(|p| matches_name(p, &name)))
        });
        for_name.or(self.certificates.first()).map(|(_, key)| key.clone())
    }
}

fn stamps(settings: &TlsSettings) -> Vec<Stamp> {
    let files = settings.certificates.iter().flat_map(|files| [&files.chain, &files.key]);
    files.map(|path| Stamp::of(path)).collect()
}
