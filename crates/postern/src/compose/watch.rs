//! `[watch]` and `listen.watch`.

use postern_config::{Config, Reach};
use postern_watch::Settings;

pub(crate) fn settings(config: &Config) -> Settings {
    let names = config.watch.names.iter().chain([&config.server.hostname]);
    Settings {
        listen: config.listen.watch.clone(),
        reach: match config.watch.reach {
            Reach::Loopback => postern_watch::Reach::Loopback,
            Reach::Network => postern_watch::Reach::Network,
        },
        names: names.cloned().collect(),
        ..Settings::default()
    }
}
