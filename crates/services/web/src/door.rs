//! The way in: a link's page, its button, and a new link where the old one has been used.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use postern_signin::Admission;
use postern_store::{Link, LinkOpening, LinkUse};
use serde::Deserialize;

use crate::cookie::Cookie;
use crate::error::WebError;
use crate::page::{self, Door, DoorPage, Notice};
use crate::site::Site;
use crate::text;
use crate::token::Token;
use crate::visitor::{Client, Visitor};

/// How long a link's page stays good.
const DOOR: u64 = 3600;
/// New links are counted over this time.
const HOUR: Duration = Duration::from_secs(3600);

/// A form that carries nothing but its token.
#[derive(Debug, Deserialize)]
pub(crate) struct Confirm {
    #[serde(default)]
    pub(crate) form: String,
}

/// `GET /q/TOKEN`: changes nothing. Programs that check the links of mail look at every one of them.
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    client: Client,
    visitor: Result<Visitor, WebError>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, WebError> {
    let (token, link) = site.find(client, &token).await?;
    let browser = match Cookie::Door.read(site.transport, &headers) {
        Some(browser) => browser,
        None => Token::random()?,
    };
    let door = door(&link, &site);
    let page = DoorPage {
        frame: None,
        door,
        recipient: link.recipient.to_string(),
        path: format!("/q/{token}"),
        form_token: browser.form_token(),
        lasts: site.lasts(),
        inside: visitor.is_ok_and(|visitor| visitor.recipient == link.recipient),
    };
    let status = if door == Door::Open { StatusCode::OK } else { StatusCode::GONE };
    let cookie = Cookie::Door.set(site.transport, &browser, DOOR);
    Ok(([(header::SET_COOKIE, cookie)], page::answer(status, &page)).into_response())
}

fn door(link: &Link, site: &Site) -> Door {
    match link.used_at {
        Some(_) => Door::Used,
        None if link.expires_at <= site.clock.now() => Door::Ended,
        None => Door::Open,
    }
}

/// `POST /q/TOKEN`: uses the link up, and opens the session.
pub(crate) async fn open(
    State(site): State<Arc<Site>>,
    client: Client,
    Path(token): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Confirm>, FormRejection>,
) -> Result<Response, WebError> {
    let browser = site.at_the_door(&headers, form)?;
    let (token, link) = site.find(client, &token).await?;
    let cookie = Token::random()?;
    let by = LinkUse {
        browser: browser.hash(),
        session: cookie.hash(),
        now: site.clock.now(),
        lasts: site.settings.session,
    };
    match site.store.open_link(token.hash(), by).await? {
        LinkOpening::Opened(session) => {
            tracing::info!(recipient = %session.recipient, client = %client.0, "a quarantine was opened by its link");
            let cookie = Cookie::Session.set(site.transport, &cookie, site.settings.session.as_secs());
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/quarantine")).into_response())
        }
        LinkOpening::Used | LinkOpening::Expired => {
            let used = link.used_at.is_some() || link.expires_at > site.clock.now();
            let page = DoorPage {
                frame: None,
                door: if used { Door::Used } else { Door::Ended },
                recipient: link.recipient.to_string(),
                path: format!("/q/{token}"),
                form_token: browser.form_token(),
                lasts: site.lasts(),
                inside: false,
            };
            Ok(page::answer(StatusCode::GONE, &page))
        }
        LinkOpening::Unknown => Err(WebError::NotFound),
    }
}

/// `POST /q/TOKEN/new`: sends a new link to the recipient of an old one.
pub(crate) async fn send_new(
    State(site): State<Arc<Site>>,
    client: Client,
    Path(token): Path<String>,
    headers: HeaderMap,
    form: Result<Form<Confirm>, FormRejection>,
) -> Result<Response, WebError> {
    site.at_the_door(&headers, form)?;
    let (_, link) = site.find(client, &token).await?;
    let now = site.clock.now();
    let an_hour_ago = postern_types::Timestamp::from_millis(now.as_millis().saturating_sub(3_600_000));
    if site.store.links_since(link.recipient.clone(), an_hour_ago).await? >= site.settings.limits.new_links {
        let minutes = HOUR.as_secs() / 60;
        let text = format!(
            "New links were sent to you within the last {minutes} minutes. Please look into your mail."
        );
        return Ok(page::answer(
            StatusCode::TOO_MANY_REQUESTS,
            &Notice::new("A link is there already", &text),
        ));
    }
    site.digests.send_link(&link.recipient, now).await?;
    tracing::info!(recipient = %link.recipient, client = %client.0, "a new link to the quarantine was sent");
    let text = "We have sent you a new link by mail. It opens your quarantine once. You can close this page.";
    Ok(page::ok(&Notice::new("Look into your mail", text)))
}

/// `POST /leave`: ends the session.
pub(crate) async fn leave(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    form: Result<Form<Confirm>, FormRejection>,
) -> Result<Response, WebError> {
    visitor.check(&form.map_err(|_| WebError::BadForm)?.form)?;
    site.store.end_web_session(visitor.cookie.hash()).await?;
    let cookie = Cookie::Session.clear(site.transport);
    let text = "Your quarantine is closed in this browser. The next digest brings a new link, and the old one can send you one.";
    Ok(([(header::SET_COOKIE, cookie)], page::ok(&Notice::new("You are signed out", text))).into_response())
}

impl Site {
    /// How long a session lasts, in words.
    fn lasts(&self) -> String {
        let minutes = self.settings.session.as_secs() / 60;
        if minutes >= 120 { text::count(minutes / 60, "hour") } else { text::count(minutes, "minute") }
    }

    /// The link of a token. Who asks for links that do not exist is counted, and shut out or slowed down in
    /// the end.
    async fn find(&self, client: Client, token: &str) -> Result<(Token, Link), WebError> {
        let (ip, now) = (client.0, self.clock.now());
        if self.guard.banned(ip, now).is_some() {
            return Err(WebError::TooMany);
        }
        let found = match Token::parse(token) {
            Some(token) => self.store.link(token.hash()).await?.map(|link| (token, link)),
            None => None,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        // Counted by the address alone: there is no account to guess at.
        let name = ip.to_string();
        let admission = self.guard.admit(ip, &name, now);
        self.guard.failed(ip, &name, now);
        if let Admission::After(wait) = admission {
            tokio::time::sleep(wait).await;
        }
        Err(WebError::NotFound)
    }

    /// The browser that was shown the page with this button.
    fn at_the_door(
        &self,
        headers: &HeaderMap,
        form: Result<Form<Confirm>, FormRejection>,
    ) -> Result<Token, WebError> {
        let form = form.map_err(|_| WebError::BadForm)?;
        let browser = Cookie::Door.read(self.transport, headers).ok_or(WebError::NotOurs)?;
        if browser.signed(&form.form) { Ok(browser) } else { Err(WebError::NotOurs) }
    }
}
