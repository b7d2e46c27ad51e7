//! `[dns]`.

use postern_config::Config;
use postern_dns::{Servers, Settings};

use super::size;

pub(crate) fn settings(config: &Config) -> Settings {
    let dns = &config.dns;
    let servers = match &dns.servers[..] {
        [] => Servers::System,
        servers => Servers::List(servers.iter().map(|server| server.0).collect()),
    };
    Settings {
        servers,
        timeout: dns.timeout,
        attempts: usize::try_from(dns.attempts).unwrap_or(usize::MAX),
        deadline: dns.deadline,
        cache_bytes: size(dns.cache_size),
        ..Settings::default()
    }
}
