//! `quarantine.time_zone`, and the system's description of it.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use postern_config::{Config, TimeZone};
use postern_types::Zone;

/// Where the machine's own zone is.
const LOCAL: &str = "/etc/localtime";
/// Where all are.
const DATABASE: &str = "/usr/share/zoneinfo";
/// The largest has 4 KiB.
const LARGEST: u64 = 64 << 10;

/// The zone in which times are shown. One that cannot be read is UTC: mail does not wait for the looks of a time.
pub(crate) fn zone(config: &Config) -> Arc<Zone> {
    let zone = named(config).unwrap_or_else(|why| {
        tracing::warn!("quarantine.time_zone: {why}; times are shown in UTC");
        Zone::utc()
    });
    Arc::new(zone)
}

/// The same, or what is wrong with its name.
pub(crate) fn named(config: &Config) -> Result<Zone, String> {
    match &config.quarantine.time_zone {
        TimeZone::Utc => Ok(Zone::utc()),
        // Without that file it is UTC, says localtime(5).
        TimeZone::Local => Ok(read(Path::new(LOCAL))?.unwrap_or_else(Zone::utc)),
        TimeZone::Named(name) => {
            let file = PathBuf::from(DATABASE).join(name);
            read(&file)?.ok_or_else(|| {
                format!("there is no time zone `{name}` in {DATABASE} (on Debian: apt install tzdata)")
            })
        }
    }
}

/// `None` where there is no such file.
fn read(file: &Path) -> Result<Option<Zone>, String> {
    let mut octets = Vec::new();
    match File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut octets)) {
        Ok(_) => Zone::parse(&octets).map(Some).map_err(|error| format!("{}: {error}", file.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", file.display())),
    }
}
