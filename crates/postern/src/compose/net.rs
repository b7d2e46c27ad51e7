//! `[tls]`, `[limits]`, and the way out to the MTAs behind.

use std::time::Duration;

use postern_config::{Config, MinimumTls, Percent, ProxyTls, Rate};
use postern_net::pressure::{Band, Marks};
use postern_net::{
    CertificateFiles, NetError, Roots, TlsConnector, TlsMinimum, TlsSettings, Verification, limit, pressure,
};

/// The certificate; `None` where there is none.
pub(crate) fn tls(config: &Config) -> Option<TlsSettings> {
    let (chain, key) = (config.tls.certificate.as_ref()?, config.tls.key.as_ref()?);
    let files = CertificateFiles { chain: config.path(chain), key: config.path(key) };
    let minimum = match config.tls.minimum {
        MinimumTls::V1_2 => TlsMinimum::V1_2,
        MinimumTls::V1_3 => TlsMinimum::V1_3,
    };
    Some(TlsSettings { minimum, ..TlsSettings::new(vec![files]) })
}

/// TLS towards the MTAs behind.
pub(crate) fn tls_out(config: &Config) -> Result<TlsConnector, NetError> {
    let verification = match config.proxy.tls {
        ProxyTls::Require => Verification::Required,
        ProxyTls::Opportunistic | ProxyTls::Off => Verification::Opportunistic,
    };
    TlsConnector::new(verification, &Roots::System, config.proxy.connect_timeout)
}

/// How many connections are let in.
pub(crate) fn admission(config: &Config) -> limit::Settings {
    let limits = &config.limits;
    limit::Settings {
        total: limits.connections,
        per_host: limits.per_host,
        per_network: limits.per_network,
        per_minute: limits.rate_per_host.map_or(0, Rate::per_minute),
        network_per_minute: limits.rate_per_network.map_or(0, Rate::per_minute),
        soft_percent: limits.rate_soft.0,
        exempt: limits.exempt.iter().copied().collect(),
    }
}

/// When there is too much to do. Disk space has no part in it: it is asked for before each
/// message, and whoever fetches and deletes mail must not be kept out for it.
pub(crate) fn pressure(config: &Config) -> pressure::Settings {
    let limits = &config.limits;
    let band = |high: Percent, low: Percent| {
        let share = |percent: Percent| u64::from(limits.connections) * u64::from(percent.0) / 100;
        Band { enter: share(high), leave: share(low) }
    };
    let sessions = (limits.connections != 0).then(|| Marks {
        stressed: band(limits.stress_high, limits.stress_low),
        shedding: band(limits.shed_high, limits.shed_low),
    });
    pressure::Settings {
        sessions,
        free_disk: None,
        stressed_timeout: config.smtp.timeout_stressed,
        ..pressure::Settings::default()
    }
}

/// How often the files of certificates and lists are looked at.
pub(crate) const LOOK_AT_FILES: Duration = Duration::from_secs(30);
