//! The table of pages, and what stands around all of them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use postern_policy::Policy;
use postern_signin::{Clock, Guard};
use postern_store::Store;
use postern_types::AddressSet;

use crate::cookie::Transport;
use crate::digest::Digests;
use crate::error::WebError;
use crate::settings::Settings;
use crate::visitor::comes_from_elsewhere;
use crate::{door, held, senders};

/// What the pages stand on.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) digests: Digests,
    /// Counts links that do not exist, by address.
    pub(crate) guard: Arc<Guard>,
    /// Whose word on who asks is believed.
    pub(crate) proxies: AddressSet,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) transport: Transport,
}

/// Nothing is loaded from elsewhere, nothing runs, nobody frames it, forms go nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// On every answer.
const FIXED: [(HeaderName, &str); 7] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
];

const CSS: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");

/// Every page.
pub(crate) fn router(site: Arc<Site>) -> Router {
    let form_size = site.settings.limits.form_size;
    Router::new()
        .route("/", get(|| async { Redirect::to("/quarantine") }))
        .route("/q/{token}", get(door::show).post(door::open))
        .route("/q/{token}/new", post(door::send_new))
        .route("/quarantine", get(held::list))
        .route("/quarantine/{id}", get(held::message))
        .route("/quarantine/{id}/{action}", get(held::ask).post(held::act))
        .route("/senders", get(senders::show).post(senders::add))
        .route("/senders/remove", post(senders::remove))
        .route("/leave", post(door::leave))
        .route("/style.css", get(|| async { fixed_file("text/css; charset=utf-8", CSS) }))
        .route("/icon.svg", get(|| async { fixed_file("image/svg+xml", ICON) }))
        .fallback(|| async { WebError::NotFound })
        .method_not_allowed_fallback(|| async { WebError::Method })
        .layer(DefaultBodyLimit::max(form_size))
        .layer(middleware::from_fn(around))
        .with_state(site)
}

/// What every request goes through and every answer carries.
async fn around(request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if changes && comes_from_elsewhere(request.headers()) {
        WebError::NotOurs.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

fn fixed_file(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=3600")], content).into_response()
}
