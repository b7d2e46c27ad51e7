//! `[smtp]`, `[trust]`, `[proxy]`.

use postern_config::{Announce, BareNewline, Config, Paths, ProxyTls};
use postern_smtp::command::PathSyntax;
use postern_smtp::server;
use postern_smtp_service::{Offered, Settings, Trust, upstream};

use super::size;

pub(crate) fn settings(config: &Config) -> Settings {
    let smtp = &config.smtp;
    let defaults = Settings::new(config.server.hostname.clone());
    Settings {
        protocol: protocol(config),
        smtp_utf8: if smtp.smtputf8 { Offered::Yes } else { Offered::No },
        header_size: size(smtp.header_size),
        timeout: smtp.timeout,
        timeout_stressed: smtp.timeout_stressed,
        error_delay: smtp.error_delay,
        greeting_delay: smtp.pregreet_delay,
        minimum_free_disk: smtp.minimum_free_disk.0,
        quarantine_for: config.gate.quarantine_for,
        trust: Trust {
            xclient: config.trust.xclient.iter().copied().collect(),
            xforward: config.trust.xforward.iter().copied().collect(),
            proxy_protocol: config.trust.proxy_protocol.iter().copied().collect(),
        },
        upstream: upstream(config),
        ..defaults
    }
}

fn protocol(config: &Config) -> server::Settings {
    let smtp = &config.smtp;
    let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    server::Settings {
        banner: smtp.banner.clone(),
        limits: server::Limits {
            command_line: size(smtp.command_line),
            data_line: size(smtp.data_line),
            recipients: count(smtp.recipients),
            recipient_overshoot: count(smtp.recipient_overshoot),
            message_size: smtp.message_size.0,
            soft_errors: smtp.errors_soft,
            hard_errors: smtp.errors_hard,
            junk_commands: smtp.junk_commands,
        },
        bare_newline: match smtp.bare_newline {
            BareNewline::Refuse => postern_smtp::BareNewline::Refuse,
            BareNewline::Normalise => postern_smtp::BareNewline::Normalise,
        },
        paths: match smtp.paths {
            Paths::Strict => PathSyntax::Strict,
            Paths::Lenient => PathSyntax::BracketsOptional,
        },
        ..server::Settings::new(config.server.hostname.clone())
    }
}

fn upstream(config: &Config) -> upstream::Settings {
    let proxy = &config.proxy;
    upstream::Settings {
        hostname: config.server.hostname.clone(),
        connect_timeout: proxy.connect_timeout,
        timeout: proxy.timeout,
        end_timeout: proxy.end_timeout,
        encryption: match proxy.tls {
            ProxyTls::Off => upstream::Encryption::Off,
            ProxyTls::Opportunistic => upstream::Encryption::Opportunistic,
            ProxyTls::Require => upstream::Encryption::Required,
        },
        announce: match proxy.announce {
            Announce::Nothing => upstream::Announce::Nothing,
            Announce::Xforward => upstream::Announce::Xforward,
            Announce::Xclient => upstream::Announce::Xclient,
        },
        program: None,
    }
}
