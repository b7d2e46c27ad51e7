//! Is the data folder there, and the server's alone?

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::User;
use postern_config::Config;

use super::Finding;

/// Looks at the data folder, and at the configuration file where it holds secrets.
pub(crate) fn inspect(config: &Config) -> Vec<Finding> {
    let folder = config.data();
    let mut findings = vec![match std::fs::metadata(&folder) {
        Ok(found) => data(config, &folder, &found),
        Err(error) => Finding::problem("data folder", format!("{}: {error}", folder.display()))
            .so("Make it with `postern setup`, or correct `server.data`."),
    }];
    let secrets = config.dnsbl.values().any(|list| list.key.is_some());
    if secrets && let Ok(found) = std::fs::metadata(config.file()) {
        findings.push(secret(config.file(), &found));
    }
    findings
}

fn data(config: &Config, folder: &Path, found: &Metadata) -> Finding {
    let about = "data folder";
    let shown = folder.display();
    if !found.is_dir() {
        return Finding::problem(about, format!("{shown} is no folder")).so("Correct `server.data`.");
    }
    if found.permissions().mode() & 0o077 != 0 {
        return Finding::problem(about, format!("others may read {shown}")).so(format!("chmod 700 {shown}"));
    }
    let owner = User::from_uid(nix::unistd::Uid::from_raw(found.uid())).ok().flatten();
    let owner = owner.map_or_else(|| found.uid().to_string(), |user| user.name);
    match &config.server.user {
        Some(user) if *user != owner => {
            Finding::problem(about, format!("{shown} belongs to {owner}, not to {user}"))
                .so(format!("chown -R {user} {shown}"))
        }
        _ => Finding::ok(about, format!("{shown}, of {owner} alone")),
    }
}

fn secret(file: &Path, found: &Metadata) -> Finding {
    let about = "configuration file";
    let shown = file.display();
    if found.permissions().mode() & 0o007 != 0 {
        return Finding::warning(about, format!("{shown} holds a key and everybody may read it"))
            .so(format!("chmod 640 {shown}"));
    }
    Finding::ok(about, format!("{shown} keeps its keys to itself"))
}
