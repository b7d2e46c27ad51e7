//! SIGHUP: what can change while the server runs is read again. What cannot be read keeps its old
//! state, and the log says so.

use std::sync::Arc;

use postern_config::Config;
use postern_events::Event;

use super::lists::Lists;
use super::server::Shared;
use crate::compose;
use crate::rows::rows;

/// Sections that hold from the next start only.
const AT_START: [&str; 8] = ["server", "listen", "smtp", "limits", "trust", "proxy", "dns", "pop3"];

/// Reads certificates, lists, and the settings of the gate.
pub(crate) async fn reload(shared: &Shared) {
    certificates(shared);
    let before = shared.config.load_full();
    match Config::load(before.file(), rows()) {
        Ok(config) => {
            for section in changed(&before, &config) {
                tracing::warn!(section, "settings have changed that hold from the next start only");
            }
            shared.guard.set_exempt(config.signin.never_ban.iter().copied().collect());
            shared.policy.store(Arc::new(compose::policy::settings(&config)));
            shared.config.store(Arc::new(config));
        }
        Err(error) => {
            tracing::error!(%error, "the configuration has mistakes: the old one stays in use");
        }
    }
    lists(shared).await;
}

/// Reads the lists of the store and of files again.
pub(crate) async fn lists(shared: &Shared) {
    let lists = match Lists::load(&shared.store).await {
        Ok(lists) => lists,
        Err(error) => return tracing::error!(%error, "the lists cannot be read: the old ones stay in use"),
    };
    let settings = compose::gate::settings(&shared.config.load(), &shared.own);
    match shared.gate.reload(lists.with(settings)).await {
        Ok(()) => shared.gate.set_feedback(lists.feedback),
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

/// The sections of [`AT_START`] in which a value is another.
fn changed(before: &Config, after: &Config) -> Vec<&'static str> {
    let (before, after) = (before.effective(), after.effective());
    let differs = |section: &&&'static str| {
        let of = |config: &[postern_config::Effective]| -> Vec<(String, String)> {
            let own = config.iter().filter(|setting| setting.key.split('.').next() == Some(**section));
            own.map(|setting| (setting.key.clone(), setting.value.clone())).collect()
        };
        of(&before) != of(&after)
    };
    AT_START.iter().filter(differs).copied().collect()
}
