//! What is left of the machine: free disk, and the memory that the process takes.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

/// Free space where the store lives, asked of the system at most once a second.
#[derive(Debug)]
pub struct FreeDisk {
    path: PathBuf,
    last: Mutex<Option<(Instant, Space)>>,
}

/// Space of a file system, as an ordinary user sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Bytes that can still be written.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
    /// Files that can still be made; [`u64::MAX`] where the file system does not count them.
    pub free_files: u64,
}

const FRESH: Duration = Duration::from_secs(1);

impl FreeDisk {
    /// Watches the file system that holds `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), last: Mutex::new(None) }
    }

    /// The space at `now`, not older than a second.
    ///
    /// # Errors
    /// When the path is gone or the file system does not answer.
    pub fn space(&self, now: Instant) -> io::Result<Space> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, space)) = *last
            && now.saturating_duration_since(at) < FRESH
        {
            return Ok(space);
        }
        let found = statvfs(&self.path)?;
        let unit = found.fragment_size();
        let space = Space {
            free: found.blocks_available().saturating_mul(unit),
            total: found.blocks().saturating_mul(unit),
            free_files: if found.files() == 0 { u64::MAX } else { found.files_available() },
        };
        *last = Some((now, space));
        Ok(space)
    }
}

/// The memory that the process takes (its resident set) in bytes; `None` without `/proc`.
#[must_use]
pub fn resident_memory() -> Option<u64> {
    resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// proc(5): `VmRSS:     1234 kB`
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_disk_is_asked_once_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, now) = (FreeDisk::new(folder.path()), Instant::now());
        let space = disk.space(now).unwrap();
        assert!(space.free <= space.total && space.total > 0, "{space:?}");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
        assert_eq!(disk.space(now + Duration::from_millis(999)).unwrap(), space, "still fresh");
        assert!(disk.space(now + FRESH).is_err(), "asked again");
    }

    #[test]
    fn resident_memory_is_read_from_proc() {
        assert_eq!(resident("VmHWM:\t 9 kB\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident("VmRSS: many\n"), None);
        assert!(resident_memory().unwrap() > 1 << 20);
    }
}
