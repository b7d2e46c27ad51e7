//! Are certificate and key there, for this host, and not about to run out?

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use postern_config::Config;
use postern_net::{CertificateFacts, TlsAcceptor};
use postern_types::Timestamp;

use super::Finding;
use crate::compose;

/// Looks at the certificate and key of `[tls]`.
pub(crate) fn inspect(config: &Config, now: Timestamp) -> Vec<Finding> {
    let Some(settings) = compose::net::tls(config) else {
        return vec![
            Finding::warning("certificate", "there is none: mail comes in unencrypted")
                .so("Set `certificate` and `key` in [tls]."),
        ];
    };
    let key = settings.certificates.first().map(|files| files.key.clone());
    let mut findings = match TlsAcceptor::new(settings) {
        Ok(acceptor) => acceptor.certificates().iter().map(|facts| certificate(config, facts, now)).collect(),
        Err(error) => vec![Finding::problem("certificate", error.to_string()).so("Correct [tls].")],
    };
    findings.extend(key.and_then(|key| private(&key)));
    findings
}

fn certificate(config: &Config, facts: &CertificateFacts, now: Timestamp) -> Finding {
    let about = "certificate";
    let until = facts.not_after;
    let renew = "Renew it and put it in place of the file; it is read again by itself.";
    if until < now {
        return Finding::problem(about, format!("ran out on {until}")).so(renew);
    }
    if facts.not_before > now {
        return Finding::problem(about, format!("is valid from {} on only", facts.not_before))
            .so("Is the clock right?");
    }
    if now.plus(config.watch.certificate_alarm) > until {
        return Finding::warning(about, format!("runs out on {until}")).so(renew);
    }
    if !facts.covers(&config.server.hostname) {
        let names = facts.names.join(", ");
        return Finding::warning(about, format!("is for {names}, not for {}", config.server.hostname))
            .so("Get one for this name, or correct `server.hostname`.");
    }
    if facts.is_self_signed() {
        return Finding::warning(about, format!("vouches for itself, until {until}")).so(
            "Mail servers accept that; for POP3 get one that mail programs trust, such as Let's Encrypt's.",
        );
    }
    Finding::ok(about, format!("for {}, from {}, until {until}", config.server.hostname, facts.issuer))
}

/// A key that others may read.
fn private(key: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(key).ok()?.permissions().mode();
    (mode & 0o007 != 0).then(|| {
        Finding::problem("private key", format!("everybody may read {}", key.display()))
            .so(format!("chmod 640 {}", key.display()))
    })
}
