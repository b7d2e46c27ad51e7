//! `[probe]`.

use std::net::IpAddr;

use postern_config::Config;
use postern_probe::{Keep, Limits, Settings, Timeouts};

/// `own` are the addresses of this machine.
pub(crate) fn settings(config: &Config, own: &[IpAddr]) -> Settings {
    let (probe, keep) = (&config.probe, &config.probe_keep);
    let defaults = Settings::new(config.server.hostname.clone());
    Settings {
        own: own.to_vec(),
        port: probe.port,
        private: probe.private_networks.clone(),
        opt_out_domains: probe.opt_out_domains.clone(),
        opt_out_networks: probe.opt_out_networks.clone(),
        neighbours: probe.neighbours,
        limits: Limits {
            place_per_minute: probe.place_per_minute,
            place_per_day: probe.place_per_day,
            target_per_minute: probe.target_per_minute,
            target_per_day: probe.target_per_day,
            per_minute: probe.per_minute,
            per_day: probe.per_day,
            concurrent: probe.concurrent,
            ..defaults.limits
        },
        timeouts: Timeouts {
            connect: probe.connect_timeout,
            command: probe.command_timeout,
            whole: probe.deadline,
        },
        keep: Keep {
            good: keep.sender_exists,
            good_refresh: keep.sender_exists_refresh,
            bad: keep.sender_missing,
            bad_refresh: keep.sender_missing_refresh,
            domain: keep.domain,
            domain_refresh: keep.domain_refresh,
            relay_open: keep.relay_open,
            relay_again: keep.relay_closed,
            relay_unreachable: keep.relay_unreachable,
            connect: keep.connect_back,
            neighbours: keep.neighbours,
            ..defaults.keep
        },
        ..defaults
    }
}
