//! What is answered to whom.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use postern_events::Events;

use crate::health::{Health, Phase};
use crate::host::Known;

/// What the pages show.
pub(crate) struct Site {
    pub(crate) events: Events,
    pub(crate) health: Health,
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const JSON: &str = "application/json";
const FIXED: [(HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];

/// The three pages, for requests that name this host.
pub(crate) fn router(site: Arc<Site>, known: Known) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .with_state(site)
        .layer(middleware::from_fn_with_state(Arc::new(known), check_host))
}

/// Refuses requests for another host before anything else looks at them.
async fn check_host(State(known): State<Arc<Known>>, request: Request, next: Next) -> Response {
    if names_this_host(request.headers(), &known) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, FIXED, "This server answers for its own name only.\n")
            .into_response()
    }
}

fn names_this_host(headers: &HeaderMap, known: &Known) -> bool {
    // rfc9112 §3.2: a request with no Host field or more than one is bad.
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.to_str().is_ok_and(|host| known.is(host))
}

async fn metrics(State(site): State<Arc<Site>>) -> Response {
    (FIXED, [(header::CONTENT_TYPE, OPEN_METRICS)], site.events.open_metrics()).into_response()
}

async fn health(State(site): State<Arc<Site>>) -> Response {
    let report = site.health.report().await;
    let status = if report.status == "down" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    match serde_json::to_vec(&report) {
        Ok(json) => (status, FIXED, [(header::CONTENT_TYPE, JSON)], json).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, FIXED, error.to_string()).into_response(),
    }
}

async fn ready(State(site): State<Arc<Site>>) -> Response {
    let (status, text) = match site.health.phase() {
        Phase::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Phase::Ready => (StatusCode::OK, "ready\n"),
        Phase::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    };
    (status, FIXED, text).into_response()
}
