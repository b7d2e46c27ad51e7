//! `[pop3]`.

use postern_config::{Config, Plaintext};
use postern_pop3::Cleartext;
use postern_pop3_service::{QuarantineNames, Settings};

pub(crate) fn settings(config: &Config) -> Settings {
    let pop3 = &config.pop3;
    let defaults = Settings::new(config.server.hostname.clone());
    Settings {
        protocol: postern_pop3::Settings {
            cleartext: match pop3.plaintext {
                Plaintext::AfterTls => Cleartext::Refuse,
                Plaintext::Always => Cleartext::Allow,
            },
            login_delay: pop3.login_delay,
            ..defaults.protocol
        },
        default_domain: pop3.default_domain.clone(),
        quarantine: if pop3.quarantine { QuarantineNames::Known } else { QuarantineNames::Unknown },
        idle_timeout: pop3.idle_timeout,
        signin_timeout: pop3.signin_timeout,
        write_timeout: pop3.write_timeout,
        ..defaults
    }
}
