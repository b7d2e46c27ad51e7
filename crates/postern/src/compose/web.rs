//! `[web]`, `[quarantine]`: the quarantine's pages, and the digests that lead there.

use std::sync::Arc;

use postern_config::{Config, WebProtocol};
use postern_signin::Guard;
use postern_store::Store;
use postern_types::{AddressSet, TraceIds};
use postern_web::{Digests, Limits, LinkSettings, PublicUrl, Settings};

use super::zone::zone;
use crate::failure::Failure;

pub(crate) fn settings(config: &Config) -> Result<Settings, Failure> {
    Ok(Settings {
        url: url(config)?,
        session: config.web.session,
        zone: zone(config),
        proxies: config.trust.x_forwarded_for.clone(),
        limits: limits(config),
    })
}

fn limits(config: &Config) -> Limits {
    let defaults = Settings::new(&config.server.hostname).limits;
    Limits { connections: config.web.connections, per_host: config.web.per_host, ..defaults }
}

/// Counts wrong links.
pub(crate) fn guard(config: &Config) -> Guard {
    postern_web::guard(limits(config), never_shut_out(config))
}

/// Who may open as many wrong links as he likes, slowly: nobody's office, and nobody's proxy, is shut out.
pub(crate) fn never_shut_out(config: &Config) -> AddressSet {
    config.signin.never_ban.iter().chain(&config.trust.x_forwarded_for).copied().collect()
}

/// Where browsers reach the pages. Behind a proxy, that is the proxy's usual port.
fn url(config: &Config) -> Result<PublicUrl, Failure> {
    let text = match (&config.web.url, config.listen.web.first()) {
        (Some(url), _) => url.as_str().to_owned(),
        (None, Some(first))
            if config.web.protocol == WebProtocol::Https && !matches!(first.port(), 0 | 443) =>
        {
            format!("https://{}:{}", config.server.hostname, first.port())
        }
        (None, _) => format!("https://{}", config.server.hostname),
    };
    PublicUrl::parse(&text).map_err(|error| Failure::Finding(format!("web.url: {error}")))
}

/// Digests; with links where there are pages for them to lead to.
pub(crate) fn digests(config: &Config, store: &Store, ids: Arc<TraceIds>) -> Result<Digests, Failure> {
    let has_pages = !config.listen.web.is_empty() || config.web.url.is_some();
    let links = match has_pages {
        true => Some(LinkSettings { url: url(config)?, lasts: config.quarantine.link_for }),
        false => None,
    };
    Ok(Digests::new(store.clone(), ids, config.server.hostname.clone(), links, zone(config)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::rows::rows;

    fn config(text: &str) -> Config {
        let text = format!("{text}\n[server]\nhostname = \"mail.example.org\"");
        Config::parse(Path::new("postern.toml"), &text, rows()).unwrap()
    }

    #[test]
    fn the_defaults_are_those_of_the_part() {
        // But for the zone, which is the machine's.
        let config = config("quarantine.time_zone = \"utc\"");
        assert_eq!(settings(&config).unwrap(), Settings::new(&config.server.hostname));
    }

    #[test]
    fn the_pages_address_follows_from_the_port_unless_it_is_written() {
        for (text, expected) in [
            (
                "listen.web = [\"[::]:8443\"]\ntls = { certificate = \"c\", key = \"k\" }",
                "https://mail.example.org:8443",
            ),
            (
                "listen.web = [\"[::]:443\"]\ntls = { certificate = \"c\", key = \"k\" }",
                "https://mail.example.org",
            ),
            ("listen.web = [\"127.0.0.1:8080\"]\nweb.protocol = \"http\"", "https://mail.example.org"),
            ("web.url = \"https://post.example.org/\"", "https://post.example.org"),
        ] {
            assert_eq!(settings(&config(text)).unwrap().url.to_string(), expected, "{text}");
        }
    }
}
