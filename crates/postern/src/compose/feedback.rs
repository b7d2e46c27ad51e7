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
/// configuration are named here too, so that they stay off it whatever is tested. Hosts that speak for others bring
/// what others have done: blocked, they would bring nobody's mail.
pub(crate) fn exempt(config: &Config) -> AddressSet {
    let trust = &config.trust;
    let speak_for_others = trust.xclient.iter().chain(&trust.xforward).chain(&trust.proxy_protocol);
    config.signin.never_ban.iter().chain(&config.gate.allow).chain(speak_for_others).copied().collect()
}
