//! A small disk of its own for a data folder, to be filled and to be made read-only.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::Uid;
use postern_testnet::skip;

/// A file system in memory, taken away with the value.
pub struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// One of so many MiB, or `None` and a line that says why.
    pub fn new(mebibytes: u32) -> Option<Self> {
        if !Uid::effective().is_root() {
            skip("only root can mount a small disk");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("postern-disk-").tempdir().unwrap();
        let options = format!("size={mebibytes}m,mode=755");
        match mount(&["-t", "tmpfs", "-o", &options, "tmpfs", folder.path().to_str().unwrap()]) {
            Ok(()) => Some(Self { folder }),
            Err(why) => {
                skip(&format!("a small disk cannot be mounted here: {why}"));
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Takes all room but so many KiB.
    pub fn fill_but(&self, kibibytes: usize) {
        let mut file = File::create(self.ballast()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        let size = file.metadata().unwrap().len();
        file.set_len(size - (kibibytes as u64) * 1024).unwrap();
    }

    /// Gives the room back.
    pub fn clear(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// Makes it read-only (`ro`) or not (`rw`); nobody may have a file open for writing.
    pub fn remount(&self, how: &str) {
        mount(&["-o", &format!("remount,{how}"), self.path().to_str().unwrap()]).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: whoever still has a file there may keep it.
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}

fn mount(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("mount").args(arguments).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().into()) }
}
