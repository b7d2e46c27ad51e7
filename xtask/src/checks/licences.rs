//! What may be linked: permissive licences and MPL-2.0; no OpenSSL, no second TLS, nothing from
//! elsewhere than the registry.

use std::collections::BTreeMap;

use crate::Failure;
use crate::checks::spdx;
use crate::metadata::{Graph, Package};

const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Never linked, with the reason.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "rustls is our TLS"),
    ("openssl-sys", "rustls is our TLS"),
    ("native-tls", "rustls is our TLS"),
    ("ring", "aws-lc-rs is our one provider of cryptography"),
    ("sqlx", "rusqlite is our SQLite"),
    ("async-std", "tokio is our runtime"),
];

pub(crate) fn check() -> Result<String, Failure> {
    let graph = Graph::load()?;
    let built = graph.built()?;
    let mut faults = Vec::new();
    for package in &built {
        faults.extend(licence_fault(package));
        faults.extend(origin_fault(package));
        if let Some((_, why)) = BANNED.iter().find(|(name, _)| *name == package.name) {
            faults.push(format!("{} is banned: {why}", package.name));
        }
    }
    for duplicate in duplicates(&built) {
        println!("note: {duplicate}");
    }
    super::verdict(&faults, format!("{} packages may be linked", built.len()))
}

fn licence_fault(package: &Package) -> Option<String> {
    let Package { name, version, .. } = package;
    let Some(licence) = &package.licence else { return Some(format!("{name} {version} names no licence")) };
    match spdx::met(licence, &|one| ALLOWED.contains(&one)) {
        Some(true) => None,
        Some(false) => Some(format!("{name} {version}: {licence}")),
        None => Some(format!("{name} {version}: cannot read the licence {licence:?}")),
    }
}

fn origin_fault(package: &Package) -> Option<String> {
    match &package.source {
        Some(source) if !source.starts_with("registry+") => {
            Some(format!("{} comes from {source}, not from the registry", package.name))
        }
        None if package.folder.is_absolute() => {
            Some(format!("{} lies outside of the repository", package.name))
        }
        _ => None,
    }
}

/// Packages that are there in several versions that do not go together: more to build.
fn duplicates(built: &[&Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in built {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    versions.iter().map(|(name, versions)| format!("{name} is there as {}", versions.join(" and "))).collect()
}
