//! Lists of addresses and senders, and the files they are kept in.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use postern_types::{Address, AddressSet, Domain, Host, LocalPart, Network};

use crate::{GateError, NetworkList, SenderList};

/// The longest line that a list's file may have.
const LINE_MAX: u64 = 1024;

/// A named set of addresses.
pub(crate) struct Networks {
    pub(crate) name: Arc<str>,
    set: AddressSet,
}

/// A named set of senders.
pub(crate) struct Senders {
    pub(crate) name: String,
    addresses: HashSet<Address>,
    domains: HashSet<Domain>,
}

impl Networks {
    /// Puts a list together; everything read goes into `print`.
    pub(crate) fn load(list: &NetworkList, print: &mut DefaultHasher) -> Result<Self, GateError> {
        let mut networks = list.entries.clone();
        networks.iter().for_each(|network| add(print, &network.to_string()));
        if let Some(file) = &list.file {
            each_line(file, |text| {
                let network = Network::parse(text).map_err(|error| error.to_string())?;
                add(print, text);
                networks.push(network);
                Ok(())
            })?;
        }
        Ok(Self { name: list.name.as_str().into(), set: networks.into_iter().collect() })
    }

    pub(crate) fn contains(&self, ip: IpAddr) -> bool {
        self.set.contains(ip)
    }
}

impl Senders {
    /// Puts a list together; everything read goes into `print`.
    pub(crate) fn load(list: &SenderList, print: &mut DefaultHasher) -> Result<Self, GateError> {
        let mut senders =
            Self { name: list.name.clone(), addresses: HashSet::new(), domains: HashSet::new() };
        for entry in &list.entries {
            add(print, entry);
            senders.add(entry).map_err(|why| GateError::Entry { list: list.name.clone(), why })?;
        }
        if let Some(file) = &list.file {
            each_line(file, |text| {
                add(print, text);
                senders.add(text)
            })?;
        }
        Ok(senders)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| format!("`{text}`: {error}");
        if text.contains('@') {
            self.addresses.insert(folded(&Address::parse(text).map_err(|error| wrong(&error))?));
        } else {
            self.domains.insert(Domain::parse(text).map_err(|error| wrong(&error))?);
        }
        Ok(())
    }

    /// The entry that fits a sender.
    pub(crate) fn entry_for(&self, sender: &Address) -> Option<String> {
        if !self.addresses.is_empty() && self.addresses.contains(&folded(sender)) {
            return Some(sender.to_string());
        }
        if self.domains.is_empty() {
            return None;
        }
        let own = sender.domain().cloned();
        std::iter::successors(own, Domain::parent)
            .find(|domain| self.domains.contains(domain))
            .map(|d| d.to_string())
    }
}

/// The address with its local part in lower case: for blocking, `Ann@` and `ann@` are one.
fn folded(address: &Address) -> Address {
    let host = match address.host() {
        Host::Domain(domain) => Host::Domain(domain.clone()),
        Host::Literal(ip) => Host::Literal(*ip),
    };
    // Lower case can make the text longer than a local part may be; then the case stays.
    LocalPart::from_unquoted(&address.local().as_str().to_lowercase())
        .map_or_else(|_| address.clone(), |local| Address::new(local, host))
}

/// Calls `take` with each line of a file that is neither empty nor a comment.
fn each_line(file: &Path, mut take: impl FnMut(&str) -> Result<(), String>) -> Result<(), GateError> {
    let unreadable = |source| GateError::Read { file: file.to_owned(), source };
    let wrong = |line, why| GateError::Line { file: file.to_owned(), line, why };
    let mut reader = BufReader::with_capacity(1 << 16, File::open(file).map_err(unreadable)?);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if reader.by_ref().take(LINE_MAX).read_until(b'\n', &mut bytes).map_err(unreadable)? == 0 {
            break;
        }
        if bytes.len() as u64 == LINE_MAX && bytes.last() != Some(&b'\n') {
            return Err(wrong(number, format!("the line is longer than {LINE_MAX} bytes")));
        }
        let line = std::str::from_utf8(&bytes).map_err(|_| wrong(number, "the line is not UTF-8".into()))?;
        let text = line.split('#').next().unwrap_or_default().trim();
        if !text.is_empty() {
            take(text).map_err(|why| wrong(number, why))?;
        }
    }
    Ok(())
}

fn add(print: &mut DefaultHasher, entry: &str) {
    print.write(entry.as_bytes());
    print.write_u8(b'\n');
}

/// What was read, in 16 characters: the same lists give the same text.
pub(crate) fn fingerprint(print: &DefaultHasher) -> String {
    format!("{:016x}", print.finish())
}
