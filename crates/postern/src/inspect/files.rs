//! Mistakes that show only when the configuration is used: files that it names, users, patterns.
//! Each is reported at the line of its setting.

use std::net::SocketAddr;

use nix::unistd::User;
use postern_config::{Config, Mistake};
use postern_dns::{Dns, Servers};
use postern_events::Events;
use postern_gate::{Gate, Settings};
use postern_net::TlsAcceptor;

use crate::compose;

/// All of them. Call it inside a runtime.
pub(crate) fn inspect(config: &Config) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    certificates(config, &mut mistakes);
    gate(config, &mut mistakes);
    user(config, &mut mistakes);
    if let Err(why) = compose::zone::named(config) {
        mistakes.push(config.mistake("quarantine.time_zone", why));
    }
    mistakes.sort();
    mistakes
}

fn certificates(config: &Config, mistakes: &mut Vec<Mistake>) {
    let Some(settings) = compose::net::tls(config) else { return };
    let key = settings.certificates.iter().map(|files| files.key.display().to_string()).next();
    if let Err(error) = TlsAcceptor::new(settings) {
        let message = error.to_string();
        let of_key = key.is_some_and(|key| message.starts_with(&key));
        mistakes.push(config.mistake(if of_key { "tls.key" } else { "tls.certificate" }, message));
    }
}

/// Lists and patterns are read by the gate itself, each in a gate of its own, so that the mistakes
/// of one do not hide those of another. Nothing is asked of the DNS: there is no list to ask.
fn gate(config: &Config, mistakes: &mut Vec<Mistake>) {
    let all = compose::gate::settings(config, &[]);
    let bare = || Settings::default();
    let mut parts: Vec<(String, Settings)> = Vec::new();
    let of =
        |file: bool, list: &str| if file { format!("gate.{list}_files") } else { format!("gate.{list}") };
    for list in all.allow {
        parts.push((of(list.file.is_some(), "allow"), Settings { allow: vec![list], ..bare() }));
    }
    for list in all.block {
        parts.push((of(list.file.is_some(), "block"), Settings { block: vec![list], ..bare() }));
    }
    for list in all.blocked_senders {
        let key = if list.file.is_some() { "gate.block_sender_files" } else { "gate.block_senders" };
        parts.push((key.into(), Settings { blocked_senders: vec![list], ..bare() }));
    }
    for rule in all.header_rules {
        parts.push((
            format!("gate.header.{}.pattern", rule.name),
            Settings { header_rules: vec![rule], ..bare() },
        ));
    }
    let nobody = Servers::List(vec![SocketAddr::from(([127, 0, 0, 1], 53))]);
    let Ok(dns) = Dns::new(postern_dns::Settings { servers: nobody, ..postern_dns::Settings::default() })
    else {
        return;
    };
    for (key, settings) in parts {
        if let Err(error) = Gate::new(settings, dns.clone(), Events::new()) {
            mistakes.push(config.mistake(&key, error.to_string()));
        }
    }
}

fn user(config: &Config, mistakes: &mut Vec<Mistake>) {
    let Some(name) = &config.server.user else { return };
    match User::from_name(name) {
        Ok(Some(user)) if user.uid.is_root() => {
            mistakes.push(config.mistake("server.user", "root is the one user that the server must not be"));
        }
        Ok(None) => {
            let advice =
                format!("there is no user `{name}`: useradd --system --shell /usr/sbin/nologin {name}");
            mistakes.push(config.mistake("server.user", advice));
        }
        Ok(Some(_)) | Err(_) => {}
    }
}
