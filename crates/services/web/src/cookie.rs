//! Our two cookies (RFC 6265): the session's, and that of a browser that stands before a link's button.

use axum::http::{HeaderMap, header};

use crate::token::Token;

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// Who is in.
    Session,
    /// Who stands at the door: binds the button of a link's page to the browser that was shown it.
    Door,
}

/// Whether browsers come by TLS; then the cookies are for TLS only, and for this host only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Tls,
    Plain,
}

impl Cookie {
    fn name(self, transport: Transport) -> &'static str {
        // The prefix makes browsers refuse it from other hosts, other paths, and without TLS.
        match (self, transport) {
            (Self::Session, Transport::Tls) => "__Host-quarantine",
            (Self::Door, Transport::Tls) => "__Host-quarantine-door",
            (Self::Session, Transport::Plain) => "quarantine",
            (Self::Door, Transport::Plain) => "quarantine-door",
        }
    }

    /// The value that a browser sent, if it is a token.
    pub(crate) fn read(self, transport: Transport, headers: &HeaderMap) -> Option<Token> {
        let name = self.name(transport);
        let fields = headers.get_all(header::COOKIE).iter().filter_map(|field| field.to_str().ok());
        let mut pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(found, _)| found.trim() == name)?;
        Token::parse(value.trim())
    }

    /// The field that sets it, for so many seconds.
    pub(crate) fn set(self, transport: Transport, token: &Token, seconds: u64) -> String {
        self.field(transport, &token.to_string(), seconds)
    }

    /// The field that takes it away.
    pub(crate) fn clear(self, transport: Transport) -> String {
        self.field(transport, "", 0)
    }

    fn field(self, transport: Transport, value: &str, seconds: u64) -> String {
        let name = self.name(transport);
        let secure = if transport == Transport::Tls { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(cookies: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookies).unwrap())])
    }

    #[test]
    fn what_is_set_is_read_back() {
        let token = Token::random().unwrap();
        for transport in [Transport::Tls, Transport::Plain] {
            let set = Cookie::Session.set(transport, &token, 1800);
            let (pair, attributes) = set.split_once(';').unwrap();
            assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Strict"), "{set}");
            assert_eq!(attributes.contains("Secure"), transport == Transport::Tls);
            let sent = headers(&format!("other=1; {pair}"));
            assert_eq!(Cookie::Session.read(transport, &sent), Some(token.clone()));
            assert_eq!(Cookie::Door.read(transport, &sent), None);
        }
    }

    #[test]
    fn a_cookie_that_is_no_token_is_none() {
        for cookies in ["", "quarantine", "quarantine=", "quarantine=x", "xquarantine=1", ";;=;"] {
            assert_eq!(Cookie::Session.read(Transport::Plain, &headers(cookies)), None, "{cookies}");
        }
    }
}
