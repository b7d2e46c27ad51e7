//! What the settings have become: lists in memory, rules compiled, zones ready to be asked.

use std::fs;
use std::hash::DefaultHasher;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use postern_policy::Test;

use crate::dnsbl::Zone;
use crate::header::HeaderRules;
use crate::lists::{Networks, Senders, fingerprint};
use crate::{GateError, Settings};

/// Settings in force. A session keeps the one it began with.
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) allow: Vec<Networks>,
    pub(crate) block: Vec<Networks>,
    pub(crate) senders: Vec<Senders>,
    pub(crate) zones: Vec<Arc<Zone>>,
    pub(crate) headers: HeaderRules,
    /// Which lists these are.
    pub(crate) fingerprint: String,
    off: Vec<bool>,
    files: Vec<(PathBuf, Option<Stamp>)>,
}

/// By which it shows that a file has changed.
type Stamp = (SystemTime, u64);

impl Loaded {
    /// Reads the files and compiles the rules. Zones that `before` has are taken over with their health.
    pub(crate) fn new(settings: Settings, before: Option<&Self>) -> Result<Self, GateError> {
        // Stamps first: what changes while it is read counts as changed afterwards.
        let files = files(&settings).map(|file| (file.to_owned(), stamp(file))).collect();
        let mut print = DefaultHasher::new();
        let mut networks = |lists: &[crate::NetworkList]| {
            lists.iter().map(|list| Networks::load(list, &mut print)).collect::<Result<Vec<_>, _>>()
        };
        let (allow, block) = (networks(&settings.allow)?, networks(&settings.block)?);
        let senders = settings.blocked_senders.iter().map(|list| Senders::load(list, &mut print));
        let senders = senders.collect::<Result<Vec<_>, _>>()?;
        let zones = settings.dnsbl.iter().map(|list| {
            let known = before.and_then(|before| before.zones.iter().find(|zone| zone.settings == *list));
            known.map_or_else(|| Zone::new(list.clone()).map(Arc::new), |zone| Ok(Arc::clone(zone)))
        });
        Ok(Self {
            allow,
            block,
            senders,
            zones: zones.collect::<Result<Vec<_>, _>>()?,
            headers: HeaderRules::compile(&settings.header_rules)?,
            fingerprint: fingerprint(&print),
            off: Test::ALL.iter().map(|test| settings.off.contains(test)).collect(),
            files,
            settings,
        })
    }

    /// Whether a test is made.
    pub(crate) fn asks(&self, test: Test) -> bool {
        !self.off[test as usize]
    }

    /// Whether a file was changed, has come or gone since it was read.
    pub(crate) fn is_stale(&self) -> bool {
        self.files.iter().any(|(file, then)| stamp(file) != *then)
    }

    /// The allow list that has an address.
    pub(crate) fn find_allowed(&self, ip: IpAddr) -> Option<Arc<str>> {
        self.find(Test::AllowList, &self.allow, ip)
    }

    /// The block list that has an address.
    pub(crate) fn find_blocked(&self, ip: IpAddr) -> Option<Arc<str>> {
        self.find(Test::BlockList, &self.block, ip)
    }

    fn find(&self, test: Test, lists: &[Networks], ip: IpAddr) -> Option<Arc<str>> {
        if !self.asks(test) {
            return None;
        }
        lists.iter().find(|list| list.contains(ip)).map(|list| Arc::clone(&list.name))
    }
}

fn files(settings: &Settings) -> impl Iterator<Item = &Path> {
    let networks = settings.allow.iter().chain(&settings.block).map(|list| list.file.as_deref());
    networks.chain(settings.blocked_senders.iter().map(|list| list.file.as_deref())).flatten()
}

fn stamp(file: &Path) -> Option<Stamp> {
    let data = fs::metadata(file).ok()?;
    Some((data.modified().ok()?, data.len()))
}
