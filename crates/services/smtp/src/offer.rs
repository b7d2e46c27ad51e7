//! What EHLO offers: what we can do, cut to what every MTA behind us can do.
//!
//! A promise such as 8BITMIME or SMTPUTF8 must hold for the message's whole way, and at EHLO nobody
//! knows yet for whom the mail will be. So the offer is the intersection over all MTAs behind.
//! What each of them offers is known from the last session with it; where that is older than a minute, a session
//! just for that is made in the background, so that only the first client after a start ever
//! waits for it. An installation without MTAs behind pays nothing for this.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postern_smtp::{Extension, Extensions};
use postern_store::{Route, Store};

use crate::settings::Offered;
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
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Debug)]
struct Known {
    /// `None`: it has never answered.
    extensions: Option<Extensions>,
    at: Instant,
}

impl Offers {
    /// `ours`, cut to what all MTAs behind offer.
    pub(crate) async fn cut(
        self: &Arc<Self>,
        ours: Extensions,
        store: &Store,
        settings: &Settings,
        tls: &postern_net::TlsConnector,
    ) -> Extensions {
        let mut offer = ours;
        for route in self.routes(store).await {
            let known = match self.known(&route) {
                Some(known) => known,
                None => self.ask(&route, settings, tls).await,
            };
            if known.at.elapsed() > FRESH {
                self.ask_in_background(route, settings.clone(), tls.clone());
            }
            // One that has never answered promises nothing and forbids nothing: its recipients hear 451.
            if let Some(behind) = known.extensions {
                offer = offer.intersect(&behind);
            }
        }
        offer
    }

    fn ask_in_background(
        self: &Arc<Self>,
        route: String,
        settings: Settings,
        tls: postern_net::TlsConnector,
    ) {
        let offers = Arc::clone(self);
        // One question at a time: with many clients, the first one's is enough.
        if let Ok(turn) = Arc::clone(&self.asking).try_lock_owned() {
            tokio::spawn(async move {
                offers.ask_now(&route, &settings, &tls).await;
                drop(turn);
            });
        }
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

    fn known(&self, route: &str) -> Option<Known> {
        self.known.lock().ok()?.get(route).cloned()
    }

    async fn ask(&self, route: &str, settings: &Settings, tls: &postern_net::TlsConnector) -> Known {
        let _one_at_a_time = self.asking.lock().await;
        // Whoever waited finds the answer of the one who asked.
        if let Some(known) = self.known(route) {
            return known;
        }
        self.ask_now(route, settings, tls).await
    }

    async fn ask_now(&self, route: &str, settings: &Settings, tls: &postern_net::TlsConnector) -> Known {
        let extensions = match Upstream::connect(route, settings, tls, None).await {
            Ok(upstream) => {
                let extensions = upstream.extensions().clone();
                upstream.quit().await;
                Some(extensions)
            }
            Err(error) => {
                report(route, &error);
                // What it offered when it last answered is the best guess for when it is back.
                self.known(route).and_then(|known| known.extensions)
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
pub(crate) fn ours(settings: &crate::Settings) -> Extensions {
    let ours = Extensions::none()
        .with_size(settings.protocol.limits.message_size)
        .with(Extension::Pipelining)
        .with(Extension::EightBitMime)
        .with(Extension::EnhancedStatusCodes)
        .with(Extension::Chunking);
    match settings.smtp_utf8 {
        Offered::Yes => ours.with(Extension::SmtpUtf8),
        Offered::No => ours,
    }
}
