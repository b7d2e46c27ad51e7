//! What EHLO offers: what we can do, cut to what every MTA behind us can do.
//!
//! A promise such as 8BITMIME or SMTPUTF8 must hold for the message's whole way, and at EHLO nobody
//! knows yet for whom the mail will be. So the offer is the intersection over all MTAs behind.
//! What each of them offers is known from the last session with it; where that is older than a
//! minute, a session just for that is made. An installation without MTAs behind pays nothing for this.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use postern_smtp::{Extension, Extensions};
use postern_store::{Route, Store};

use crate::upstream::{Settings, Upstream, UpstreamError};

/// How long what an MTA offered is believed, and how long one that does not answer is left alone.
const FRESH: Duration = Duration::from_secs(60);
/// How long the list of MTAs is believed.
const ROUTES_FRESH: Duration = Duration::from_secs(1);

/// What is known of the MTAs behind.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    routes: Mutex<Option<(Instant, Vec<String>)>>,
    known: Mutex<HashMap<String, Known>>,
    /// One question to one MTA at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Known {
    /// `None`: it did not answer; nothing is promised for it.
    extensions: Option<Extensions>,
    at: Instant,
}

impl Offers {
    /// `ours`, cut to what all MTAs behind offer.
    pub(crate) async fn cut(
        &self,
        ours: Extensions,
        store: &Store,
        settings: &Settings,
        tls: &postern_net::TlsConnector,
    ) -> Extensions {
        let mut offer = ours;
        for route in self.routes(store).await {
            let known = match self.fresh(&route) {
                Some(known) => known,
                None => self.ask(&route, settings, tls).await,
            };
            offer = offer.intersect(&known.extensions.unwrap_or_else(Extensions::none));
        }
        offer
    }

    /// Remembers what an MTA offers, from a session that was made anyway.
    pub(crate) fn learn(&self, route: &str, extensions: &Extensions) {
        self.remember(route, Known { extensions: Some(extensions.clone()), at: Instant::now() });
    }

    fn remember(&self, route: &str, known: Known) {
        if let Ok(mut map) = self.known.lock() {
            map.insert(route.to_owned(), known);
        }
    }

    fn fresh(&self, route: &str) -> Option<Known> {
        let known = self.known.lock().ok()?.get(route).cloned()?;
        (known.at.elapsed() < FRESH).then_some(known)
    }

    async fn ask(&self, route: &str, settings: &Settings, tls: &postern_net::TlsConnector) -> Known {
        let _one_at_a_time = self.asking.lock().await;
        // Whoever waited finds the answer of the one who asked.
        if let Some(known) = self.fresh(route) {
            return known;
        }
        let extensions = match Upstream::connect(route, settings, tls, None).await {
            Ok(upstream) => {
                let extensions = upstream.extensions().clone();
                upstream.quit().await;
                Some(extensions)
            }
            Err(error) => {
                report(route, &error);
                None
            }
        };
        let known = Known { extensions, at: Instant::now() };
        self.remember(route, known.clone());
        known
    }

    /// The MTAs behind, as the domains name them; the store is asked once a second at most.
    async fn routes(&self, store: &Store) -> Vec<String> {
        if let Some((at, routes)) = self.routes.lock().ok().and_then(|routes| routes.clone())
            && at.elapsed() < ROUTES_FRESH
        {
            return routes;
        }
        // A store that cannot answer now refuses the recipients too; the offer may stay as it is.
        let domains = store.domains().await.unwrap_or_default();
        let mut routes: Vec<String> = domains
            .into_iter()
            .filter_map(|domain| match domain.route {
                Route::Proxy(route) => Some(route),
                Route::Mailbox => None,
            })
            .collect();
        routes.sort_unstable();
        routes.dedup();
        if let Ok(mut kept) = self.routes.lock() {
            *kept = Some((Instant::now(), routes.clone()));
        }
        if let Ok(mut known) = self.known.lock() {
            known.retain(|route, _| routes.contains(route));
        }
        routes
    }
}

fn report(route: &str, error: &UpstreamError) {
    tracing::warn!(route, %error, "the MTA behind cannot be asked what it offers");
}

/// What the SMTP service itself can do, before it is cut.
pub(crate) fn ours(message_size: u64) -> Extensions {
    Extensions::none()
        .with_size(message_size)
        .with(Extension::Pipelining)
        .with(Extension::EightBitMime)
        .with(Extension::SmtpUtf8)
        .with(Extension::EnhancedStatusCodes)
        .with(Extension::Chunking)
}
