//! `[signin]`.

use postern_config::Config;
use postern_signin::{Guard, Settings};

pub(crate) fn settings(config: &Config) -> Settings {
    let signin = &config.signin;
    Settings {
        free_failures: signin.free_failures,
        first_delay: signin.delay,
        longest_delay: signin.delay_max,
        window: signin.window,
        address_failures: signin.ban_after,
        network_failures: signin.ban_network_after,
        ban: signin.ban_for,
        ..Settings::default()
    }
}

pub(crate) fn guard(config: &Config) -> Guard {
    Guard::new(settings(config), config.signin.never_ban.iter().copied().collect())
}
