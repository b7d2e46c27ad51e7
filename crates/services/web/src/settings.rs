//! What the service is told: its address in links, and what visitors may cost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use postern_types::{Domain, Network, Zone};

/// The settings of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where browsers reach it: what stands before `/q/TOKEN` in a link.
    pub url: PublicUrl,
    /// How long a session lasts; 30 minutes.
    pub session: Duration,
    /// How times are shown; UTC.
    pub zone: Arc<Zone>,
    /// Our own reverse proxies: what they say in `X-Forwarded-For` is believed. Loopback.
    pub proxies: Vec<Network>,
    /// What visitors may cost.
    pub limits: Limits,
}

/// What visitors may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time; 128.
    pub connections: u32,
    /// Of them from one host; 16. No limit for a proxy of ours, which brings everybody from one address.
    pub per_host: u32,
    /// For the head of a request, also of the next one on the same connection; 10 s.
    pub head: Duration,
    /// Octets of a request's head; 16 KiB.
    pub head_size: usize,
    /// Octets of a form; 16 KiB.
    pub form_size: usize,
    /// From a connection's begin until no new request is taken on it; 60 s.
    pub connection: Duration,
    /// After that, until it is cut; 30 s.
    pub drain: Duration,
    /// Links that do not exist, from one address within ten minutes, until it is shut out for as long; 20.
    pub wrong_links: u32,
    /// How long the answer to one more waits where the address is never shut out; doubled by each further one, up to
    /// eight times as long; 250 ms.
    pub wrong_link_delay: Duration,
    /// New links that a recipient can have sent within an hour; 3.
    pub new_links: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            per_host: 16,
            head: Duration::from_secs(10),
            head_size: 16 << 10,
            form_size: 16 << 10,
            connection: Duration::from_secs(60),
            drain: Duration::from_secs(30),
            wrong_links: 20,
            wrong_link_delay: Duration::from_millis(250),
            new_links: 3,
        }
    }
}

impl Settings {
    /// The product's defaults for a server of this name.
    #[must_use]
    pub fn new(hostname: &Domain) -> Self {
        Self {
            url: PublicUrl(format!("https://{hostname}")),
            session: Duration::from_secs(30 * 60),
            zone: Arc::new(Zone::utc()),
            proxies: ["127.0.0.0/8", "::1"].iter().filter_map(|text| Network::parse(text).ok()).collect(),
            limits: Limits::default(),
        }
    }
}

/// Where browsers reach the pages: scheme, host and perhaps port, such as `https://mail.example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

/// Why a text is no such URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write it as https://mail.example.org, with a port where it is not 443 and without a path")]
pub struct UrlError;

impl PublicUrl {
    /// Reads `https://host`, `https://host:port`, or the same with `http://`; one slash at the end is left out.
    ///
    /// # Errors
    /// [`UrlError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let authority =
            text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(UrlError)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        let port = authority.rsplit_once(':').filter(|(_, port)| !port.ends_with(']'));
        let good_port = port.is_none_or(|(_, port)| port.parse::<u16>().is_ok());
        if authority.is_empty() || authority.starts_with(':') || !authority.chars().all(fits) || !good_port {
            return Err(UrlError);
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether browsers come by TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_scheme_and_host() {
        for good in [
            "https://mail.example.org",
            "https://mail.example.org:8443",
            "http://127.0.0.1:80",
            "https://[::1]",
        ] {
            assert_eq!(PublicUrl::parse(good).unwrap().to_string(), good);
        }
        assert_eq!(PublicUrl::parse("https://a.example/").unwrap().to_string(), "https://a.example");
        for bad in [
            "mail.example.org",
            "ftp://a.example",
            "https://",
            "https://a.example/path",
            "https://a.example:x",
            "https://a b",
            "https://a.example?x",
            "https://user@a.example",
        ] {
            assert_eq!(PublicUrl::parse(bad), Err(UrlError), "{bad}");
        }
    }
}
