//! TLS towards others: verified, or encrypted whoever it is, and the difference on record.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use postern_types::Host;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::certificate::{certificates, provider, wrong};
use crate::stream::{cipher_name, version_name};
use crate::{NetError, Peer, TlsInfo};

/// What a certificate that is not valid for the host leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// The connection is used all the same, and [`Peer::Unverified`] says why it should not
    /// be trusted (RFC 7435: better than no encryption).
    Opportunistic,
    /// The connection fails.
    Required,
}

/// Who is trusted to vouch for certificates.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Roots {
    /// `/etc/ssl/certs/ca-certificates.crt`, which the system's administrator keeps.
    #[default]
    System,
    /// Only the certificates in this PEM file.
    File(PathBuf),
}

const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Does the client's side of TLS handshakes. Clones share everything.
#[derive(Clone)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    verification: Verification,
    /// Absent when nobody is trusted, which only [`Verification::Opportunistic`] allows.
    verifier: Option<Arc<WebPkiServerVerifier>>,
    within: Duration,
}

impl TlsConnector {
    /// A connector; each handshake may take `within`.
    ///
    /// # Errors
    /// When the roots cannot be read; [`Verification::Opportunistic`] goes on without them.
    pub fn new(verification: Verification, roots: &Roots, within: Duration) -> Result<Self, NetError> {
        let path = match roots {
            Roots::System => Path::new(SYSTEM_ROOTS),
            Roots::File(path) => path,
        };
        let verifier = match (verifier(path), verification) {
            (Ok(verifier), _) => Some(verifier),
            (Err(_), Verification::Opportunistic) => None,
            (Err(error), Verification::Required) => return Err(error),
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| NetError::TlsSettings(error.to_string()))?;
        let config = match (&verifier, verification) {
            (Some(verifier), Verification::Required) => builder.with_webpki_verifier(verifier.clone()),
            _ => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody { provider: provider() })),
        };
        Ok(Self { config: Arc::new(config.with_no_client_auth()), verification, verifier, within })
    }

    pub(crate) async fn handshake(
        &self,
        tcp: TcpStream,
        host: &Host,
    ) -> Result<(TlsStream<TcpStream>, TlsInfo), NetError> {
        let name = server_name(host)?;
        let connecting = tokio_rustls::TlsConnector::from(self.config.clone()).connect(name.clone(), tcp);
        let stream = tokio::time::timeout(self.within, connecting)
            .await
            .map_err(|_| NetError::HandshakeTimeout(self.within))?
            .map_err(NetError::Handshake)?;
        let connection = stream.get_ref().1;
        let info = TlsInfo {
            version: version_name(connection.protocol_version()),
            cipher: cipher_name(connection.negotiated_cipher_suite()),
            server_name: host.domain().map(|domain| domain.as_str().to_owned()),
            peer: self.judge(connection, &name),
        };
        Ok((stream, info))
    }

    /// Whether the certificate would have passed.
    fn judge(&self, connection: &ClientConnection, name: &ServerName<'_>) -> Peer {
        if self.verification == Verification::Required {
            return Peer::Verified;
        }
        let Some(verifier) = &self.verifier else {
            return Peer::Unverified("no trusted roots are installed".to_owned());
        };
        let Some((first, rest)) = connection.peer_certificates().and_then(<[_]>::split_first) else {
            return Peer::Unverified("the server showed no certificate".to_owned());
        };
        match verifier.verify_server_cert(first, rest, name, &[], UnixTime::now()) {
            Ok(_) => Peer::Verified,
            Err(error) => Peer::Unverified(error.to_string()),
        }
    }
}

impl std::fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsConnector").field("verification", &self.verification).finish_non_exhaustive()
    }
}

fn server_name(host: &Host) -> Result<ServerName<'static>, NetError> {
    match host {
        Host::Literal(ip) => Ok(ServerName::from(*ip)),
        Host::Domain(domain) => ServerName::try_from(domain.as_str().to_owned())
            .map_err(|_| NetError::TlsSettings(format!("`{domain}` cannot be the name in a certificate"))),
    }
}

fn verifier(path: &Path) -> Result<Arc<WebPkiServerVerifier>, NetError> {
    let mut roots = RootCertStore::empty();
    // Some roots of the system may be too odd to use; the others count.
    let (usable, _) = roots.add_parsable_certificates(certificates(path)?);
    if usable == 0 {
        return Err(wrong(path, "no certificate in the file can be a root".to_owned()));
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| wrong(path, error.to_string()))
}

/// Takes any certificate. The signatures in the handshake are checked, so the other side
/// does hold the key of the certificate that is judged afterwards.
#[derive(Debug)]
struct Anybody {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
