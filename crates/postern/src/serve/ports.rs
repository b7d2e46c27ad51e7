//! The ports that the server opens, or gets from systemd.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use postern_config::Config;
use postern_net::{Activation, LocalSocket, Socket};
use postern_watch::Watch;

use crate::compose;
use crate::failure::Failure;

/// Every port, open, with nobody behind it yet.
#[derive(Debug)]
pub(crate) struct Ports {
    /// By the name in `[listen]`; `watch` opens its own.
    sockets: BTreeMap<&'static str, Vec<Socket>>,
    /// By the name of the list that they stand beside.
    local: BTreeMap<&'static str, LocalSocket>,
    pub(crate) watch: Watch,
}

impl Ports {
    /// Opens what `[listen]` names; where systemd hands over sockets of a name, those instead.
    pub(crate) fn open(config: &Config, mut activation: Activation) -> Result<Self, Failure> {
        let mut sockets = BTreeMap::new();
        for (name, addresses) in config.listen.all() {
            if name == "watch" {
                continue;
            }
            let handed = activation.take(name);
            let opened = if handed.is_empty() { Socket::bind_all(addresses)? } else { handed };
            let needs_tls = matches!(name, "smtps" | "pop3s")
                || (name == "web" && config.web.protocol == postern_config::WebProtocol::Https);
            if needs_tls && !opened.is_empty() && config.tls.certificate.is_none() {
                return Err(Failure::Finding(format!(
                    "systemd hands over sockets for `{name}`, which needs a certificate: set it in [tls]"
                )));
            }
            sockets.insert(name, opened);
        }
        if let Some(name) = activation.left().first() {
            return Err(Failure::Finding(format!(
                "systemd hands over a socket named `{name}`: FileDescriptorName= must be smtp, smtps, lmtp, pop3, pop3s, milter, policy or web"
            )));
        }
        let mut local = BTreeMap::new();
        for (name, path) in local_sockets(config) {
            local.insert(name, LocalSocket::bind(&path)?);
        }
        let watch = Watch::bind(compose::watch::settings(config));
        let watch = watch.map_err(|error| Failure::Finding(error.to_string()))?;
        Ok(Self { sockets, local, watch })
    }

    /// Where it listens, by the name in `[listen]`, with the ports that the system chose.
    pub(crate) fn addresses(&self) -> BTreeMap<&'static str, Vec<SocketAddr>> {
        let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, sockets) in &self.sockets {
            all.insert(*name, sockets.iter().map(Socket::address).collect());
        }
        all.insert("watch", self.watch.addresses());
        all
    }

    /// Takes the local socket of a service.
    pub(crate) fn take_local(&mut self, name: &str) -> Option<LocalSocket> {
        self.local.remove(name)
    }

    /// Takes the sockets of a service.
    pub(crate) fn take(&mut self, name: &str) -> Vec<Socket> {
        self.sockets.remove(name).unwrap_or_default()
    }
}

/// The local sockets, by the name of the list in `[listen]` that they stand beside.
pub(crate) fn local_sockets(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let written = [("milter", &config.milter.socket), ("policy", &config.policy_service.socket)];
    let named = written.into_iter().filter_map(|(name, path)| Some((name, config.path(path.as_deref()?))));
    named.collect()
}
