//! The folder of bodies that are too large for a row, and the memory that smaller ones may take.
//!
//! A file's life: written and synced under a fresh name → named by a row in a commit → its row deleted
//! and its name noted in the same commit → unlinked → the note deleted. So no row ever names a file
//! that may be missing, and a file without a row is a leftover of a crash.
//!
//! `.hold` beside the files is locked (shared) by whoever needs that no file goes away: a backup, and a
//! tool that writes a body. Whoever unlinks takes it exclusively, or leaves the files for later.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Role, StoreError};

/// The folder's name in the data folder.
pub(crate) const FOLDER: &str = "bodies";
const HOLD: &str = ".hold";

/// The folder, and the budget of memory for bodies.
pub(crate) struct BodyFolder {
    dir: PathBuf,
    role: Role,
    /// Makes names that no other process and no earlier run has used.
    seed: u64,
    made: AtomicU64,
    budget: usize,
    used: AtomicUsize,
    /// Files of bodies whose commit failed: see [`BodyFolder::set_aside`].
    doubtful: Mutex<Vec<NewFile>>,
}

/// A file that no row names yet; removed when dropped, unless [`NewFile::keep`] is called.
pub(crate) struct NewFile {
    file: File,
    path: PathBuf,
    name: String,
    keep: bool,
    /// Keeps a server that starts meanwhile from taking the file for a leftover.
    _hold: Option<File>,
}

/// What one body takes of the budget; given back when dropped.
pub(crate) struct MemoryShare {
    folder: Arc<BodyFolder>,
    taken: usize,
}

/// The exclusive right to unlink files.
pub(crate) struct MayRemove {
    _lock: File,
}

impl BodyFolder {
    pub(crate) fn open(data: &Path, role: Role, budget: usize) -> Result<Self, StoreError> {
        let dir = data.join(FOLDER);
        make_dir(&dir)?;
        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();
        let (made, used) = (AtomicU64::new(0), AtomicUsize::new(0));
        Ok(Self { dir, role, seed, made, budget, used, doubtful: Mutex::default() })
    }

    /// Takes the file of a body whose commit failed. It cannot go yet: a failed sync may have reached the disk all
    /// the same, and no row may name a file that is missing. The next commit that is synced takes the failed
    /// one's place in the log, and then it can. Without one it is a leftover that goes at the next start.
    pub(crate) fn set_aside(&self, mut file: NewFile) {
        file.keep();
        self.doubtful.lock().unwrap_or_else(PoisonError::into_inner).push(file);
    }

    /// A commit was synced: nothing of those that failed before can come back.
    pub(crate) fn committed(&self) {
        let mut doubtful = self.doubtful.lock().unwrap_or_else(PoisonError::into_inner);
        doubtful.drain(..).for_each(NewFile::remove);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn share(self: &Arc<Self>) -> MemoryShare {
        MemoryShare { folder: Arc::clone(self), taken: 0 }
    }

    pub(crate) fn memory_used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// A new file with a name of its own.
    pub(crate) fn create(&self) -> Result<NewFile, StoreError> {
        let hold = match self.role {
            Role::Server => None,
            Role::Tool => Some(hold_shared(&self.dir)?),
        };
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:016x}-{number:08x}", self.seed);
        let path = self.path(&name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|e| StoreError::io("creating the file of a message body", e))?;
        Ok(NewFile { file, path, name, keep: false, _hold: hold })
    }

    /// Makes the names of new files durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        sync_dir(&self.dir)
    }

    /// The right to unlink; `None` while somebody holds the files.
    pub(crate) fn may_remove(&self) -> Result<Option<MayRemove>, StoreError> {
        let file = open_hold(&self.dir)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(MayRemove { _lock: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(StoreError::io("locking the folder of bodies", e)),
        }
    }

    /// Unlinks a file; one that is gone already is no error.
    pub(crate) fn remove(&self, name: &str, _: &MayRemove) -> Result<(), StoreError> {
        match fs::remove_file(self.path(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("removing the file of a message body", e))
            }
            _ => Ok(()),
        }
    }

    /// The names of all files.
    pub(crate) fn names(&self) -> Result<Vec<String>, StoreError> {
        names(&self.dir)
    }
}

impl NewFile {
    pub(crate) fn handle(&mut self) -> &mut File {
        &mut self.file
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A committed row names the file now.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }

    /// No row names it, and none will.
    fn remove(mut self) {
        self.keep = false;
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.keep {
            // What cannot be removed now is a leftover, which the next start removes.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl MemoryShare {
    /// Takes what is missing up to `wanted` bytes; false when the budget is spent.
    pub(crate) fn grow_to(&mut self, wanted: usize) -> bool {
        let more = wanted.saturating_sub(self.taken);
        let folder = &self.folder;
        let fits = |used: usize| used.checked_add(more).filter(|&sum| sum <= folder.budget);
        let grown = folder.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        if grown {
            self.taken += more;
        }
        grown
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.folder.used.fetch_sub(self.taken, Ordering::Relaxed);
        self.taken = 0;
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.release();
    }
}

/// Keeps every file in the folder until the returned lock is dropped.
pub(crate) fn hold_shared(dir: &Path) -> Result<File, StoreError> {
    let file = open_hold(dir)?;
    file.lock_shared().map_err(|e| StoreError::io("locking the folder of bodies", e))?;
    Ok(file)
}

fn open_hold(dir: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(dir.join(HOLD)).map_err(|e| StoreError::io("opening the folder of bodies", e))
}

/// The names of the files in a folder of bodies.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, StoreError> {
    let listing = |e| StoreError::io("listing the folder of bodies", e);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(listing)? {
        let name = entry.map_err(listing)?.file_name();
        if let Some(name) = name.to_str().filter(|name| *name != HOLD) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Makes a folder that only we may enter; its parents must be there. One that is there is left as it is.
pub(crate) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    let what = || format!("making the folder {}", dir.display());
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => sync_dir(dir.parent().unwrap_or(dir)),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(e) => Err(StoreError::io(what(), e)),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|e| StoreError::io(format!("syncing the folder {}", dir.display()), e))
}
