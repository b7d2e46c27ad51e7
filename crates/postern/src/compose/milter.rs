//! `[milter]`, `[policy_service]`.

use postern_config::Config;
use postern_milter_service::Settings;

use super::size;

pub(crate) fn settings(config: &Config) -> Settings {
    let milter = &config.milter;
    let defaults = Settings::new(config.server.hostname.clone());
    Settings {
        trusted: milter.trusted.iter().copied().collect(),
        connections: usize::try_from(milter.connections).unwrap_or(usize::MAX),
        timeout: milter.timeout,
        header_size: size(config.smtp.header_size),
        minimum_free_disk: config.smtp.minimum_free_disk.0,
        quarantine_for: config.gate.quarantine_for,
        learned_for: config.gate.learn_for,
        ..defaults
    }
}
