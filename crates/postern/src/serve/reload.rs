//! SIGHUP: what can change while the server runs is read again. What cannot be read keeps its old
//! state, and the log says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use postern_config::Config;
use postern_events::Event;

use super::lists::Lists;
use super::server::{Shared, use_policy};
use crate::compose;
use crate::rows::rows;

/// What holds at once: these settings, and those of these sections. All others hold from the next start.
const AT_ONCE: [&str; 5] = ["gate", "keep", "signin.never_ban", "smtp.hops", "probe"];

/// Reads certificates, lists, and the settings of the gate.
pub(crate) async fn reload(shared: &Shared) {
    certificates(shared);
    let before = shared.config.load_full();
    match Config::load(before.file(), rows()) {
        Ok(config) => {
            for key in waiting(&before, &config) {
                tracing::warn!(key, "this setting has changed and holds from the next start on");
            }
            shared.guard.set_exempt(config.signin.never_ban.iter().copied().collect());
            shared.link_guard.set_exempt(compose::web::never_shut_out(&config));
            shared.exempt.set(compose::feedback::exempt(&config));
            let policy = compose::policy::settings(&config);
            if let Err(error) = use_policy(&shared.store, &policy).await {
                return tracing::error!(%error, "the policy cannot be kept: the old configuration stays in use");
            }
            shared.policy.store(Arc::new(policy));
            shared.prober.reload(compose::probe::settings(&config, &shared.own));
            shared.config.store(Arc::new(config));
        }
        Err(error) => {
            tracing::error!(%error, "the configuration has mistakes: the old one stays in use");
        }
    }
    lists(shared).await;
    tracing::info!(config = shared.config.load().hash(), "reloaded");
}

/// Reads the lists of the store and of files again.
pub(crate) async fn lists(shared: &Shared) {
    let lists = match Lists::load(&shared.store).await {
        Ok(lists) => lists,
        Err(error) => return tracing::error!(%error, "the lists cannot be read: the old ones stay in use"),
    };
    let settings = compose::gate::settings(&shared.config.load(), &shared.own);
    match shared.gate.reload(lists.with(settings)).await {
        Ok(()) => shared.gate.set_feedback(shared.exempt.spare(&lists.feedback)),
        Err(error) => tracing::error!(%error, "the lists cannot be read: the old ones stay in use"),
    }
}

fn certificates(shared: &Shared) {
    let Some(tls) = &shared.tls else { return };
    let file = shared.config.load().tls.certificate.as_ref().map(|path| path.display().to_string());
    let file = file.unwrap_or_default();
    shared.events.emit(&match &tls.reload() {
        Ok(()) => Event::TlsReloaded { file: &file },
        Err(error) => Event::TlsReloadFailed { file: &file, why: error },
    });
}

/// The settings that are others than before and do not hold at once.
fn waiting(before: &Config, after: &Config) -> Vec<String> {
    let before: BTreeMap<String, String> =
        before.effective().into_iter().map(|setting| (setting.key, setting.value)).collect();
    let changed = after.effective().into_iter().filter(|setting| {
        let section = setting.key.split('.').next().unwrap_or_default();
        let at_once = AT_ONCE.contains(&section) || AT_ONCE.contains(&setting.key.as_str());
        !at_once && before.get(&setting.key) != Some(&setting.value)
    });
    changed.map(|setting| setting.key).collect()
}
