//! Who asks: the session behind a cookie, and the checks that every change goes through.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use postern_types::Address;

use crate::cookie::Cookie;
use crate::error::WebError;
use crate::forwarded::visitor;
use crate::page::Frame;
use crate::site::Site;
use crate::token::Token;

/// Somebody with a session. Whatever a page shows or changes is asked of the store for this recipient.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) recipient: Address,
    pub(crate) cookie: Token,
    pub(crate) client: IpAddr,
}

impl Visitor {
    /// Refuses a change whose form was not made for this session.
    pub(crate) fn check(&self, form_token: &str) -> Result<(), WebError> {
        if self.cookie.signed(form_token) { Ok(()) } else { Err(WebError::NotOurs) }
    }

    /// What stands around every page of theirs.
    pub(crate) fn frame(&self) -> Frame {
        Frame { recipient: self.recipient.to_string(), form_token: self.cookie.form_token() }
    }
}

impl FromRequestParts<Arc<Site>> for Visitor {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, WebError> {
        let client = client(parts, site);
        let cookie = Cookie::Session.read(site.transport, &parts.headers).ok_or(WebError::NotIn)?;
        let session = site.store.web_session(cookie.hash(), site.clock.now()).await?;
        let recipient = session.ok_or(WebError::NotIn)?.recipient;
        Ok(Self { recipient, cookie, client })
    }
}

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// The address of whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);

impl FromRequestParts<Arc<Site>> for Client {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, site: &Arc<Site>) -> Result<Self, WebError> {
        Ok(Self(client(parts, site)))
    }
}

fn client(parts: &Parts, site: &Site) -> IpAddr {
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    visitor(peer.unwrap_or(IpAddr::from([0, 0, 0, 0])), &parts.headers, &site.proxies)
}

/// A browser says where a form came from (Fetch Metadata); from another site it is refused at once. The
/// token in the form is what protects; this is the second lock.
pub(crate) fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let pair = |value: &&'static str| (HeaderName::from_static(name), HeaderValue::from_static(value));
        values.iter().map(pair).collect()
    }

    #[test]
    fn browsers_say_where_a_form_came_from() {
        for (site, elsewhere) in
            [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)]
        {
            assert_eq!(comes_from_elsewhere(&headers("sec-fetch-site", &[site])), elsewhere, "{site}");
        }
        assert!(!comes_from_elsewhere(&HeaderMap::new()));
    }
}
