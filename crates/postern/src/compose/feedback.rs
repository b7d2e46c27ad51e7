//! `[feedback]`, and whom it never concerns.

use postern_config::Config;
use postern_feedback::Settings;
use postern_types::AddressSet;

pub(crate) fn settings(config: &Config) -> Settings {
    let feedback = &config.feedback;
    Settings {
        after: feedback.after,
        half_life: feedback.half_life,
        first: feedback.first,
        max: feedback.max,
        max_shared: feedback.max_shared,
    }
}

/// Networks that are never on the list. Hosts of allow lists are not tested and so never caught; those of the
/// configuration are named here too, so that they stay off it whatever is tested.
pub(crate) fn exempt(config: &Config) -> AddressSet {
    config.signin.never_ban.iter().chain(&config.gate.allow).copied().collect()
}
