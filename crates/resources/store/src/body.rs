//! A message's body on its way into the store, streamed.
//!
//! Up to [`Options::body_in_memory`](crate::Options) stays in memory and becomes a row; what is larger
//! goes to a file in the data folder while it arrives. Memory is bounded over all bodies together too:
//! when the budget is spent, bodies go to files earlier, and each piece at once.

use std::fmt;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::StoreError;
use crate::files::{BodyFolder, MemoryShare, NewFile};

/// How much is collected before a file is written to.
const WRITE_CHUNK: usize = 64 * 1024;
/// The most memory that gathering takes: a little less than a chunk, and one more piece.
const GATHERED: usize = 2 * WRITE_CHUNK;

/// Takes a body piece by piece. Dropped before [`finish`](Self::finish), it leaves nothing behind.
pub struct BodyWriter {
    folder: Arc<BodyFolder>,
    in_memory: usize,
    buffer: Vec<u8>,
    share: MemoryShare,
    file: Option<NewFile>,
    size: u64,
    checksum: crc32fast::Hasher,
}

/// A whole body, ready to be accepted. Dropped instead, it leaves nothing behind.
pub struct Body {
    pub(crate) content: Content,
    pub(crate) size: u64,
    pub(crate) checksum: u32,
}

pub(crate) enum Content {
    /// With what it takes of the budget, given back when the body goes.
    Memory(Vec<u8>, #[allow(dead_code, reason = "held for its Drop")] MemoryShare),
    /// Written, synced, and its name in the folder synced too.
    File(NewFile),
}

impl BodyWriter {
    pub(crate) fn new(folder: Arc<BodyFolder>, in_memory: usize) -> Self {
        let share = folder.share();
        let checksum = crc32fast::Hasher::new();
        Self { folder, in_memory, buffer: Vec::new(), share, file: None, size: 0, checksum }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a piece.
    ///
    /// # Errors
    /// [`StoreError::Full`] and other failures of the disk; the body is of no use afterwards.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), StoreError> {
        self.size += piece.len() as u64;
        self.checksum.update(piece);
        for part in piece.chunks(WRITE_CHUNK) {
            self.append(part).await?;
        }
        Ok(())
    }

    async fn append(&mut self, part: &[u8]) -> Result<(), StoreError> {
        let wanted = self.buffer.len() + part.len();
        if self.file.is_none() && (wanted > self.in_memory || !self.share.grow_to(wanted)) {
            let folder = Arc::clone(&self.folder);
            self.file = Some(blocking(move || folder.create()).await?);
            self.flush().await?;
            self.share.release();
        }
        self.buffer.extend_from_slice(part);
        if self.file.is_none() {
            return Ok(());
        }
        // What is gathered saves writes, and counts as memory too.
        let gathers = self.share.grow_to(GATHERED);
        if !gathers || self.buffer.len() >= WRITE_CHUNK {
            self.flush().await?;
        }
        if !gathers {
            self.buffer = Vec::new();
        }
        Ok(())
    }

    /// Writes the buffer to the file and keeps its memory for the next piece.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        let mut buffer = std::mem::take(&mut self.buffer);
        let (file, buffer) = blocking(move || {
            file.handle().write_all(&buffer).map_err(|e| StoreError::io("writing a message body", e))?;
            buffer.clear();
            buffer.shrink_to(GATHERED);
            Ok((file, buffer))
        })
        .await?;
        self.file = Some(file);
        self.buffer = buffer;
        Ok(())
    }

    /// Ends the body; a body in a file is synced here, with the folder that names it.
    ///
    /// # Errors
    /// [`StoreError::Full`] and other failures of the disk.
    pub async fn finish(mut self) -> Result<Body, StoreError> {
        self.flush().await?;
        let checksum = self.checksum.finalize();
        let content = match self.file {
            None => Content::Memory(self.buffer, self.share),
            Some(mut file) => {
                let folder = Arc::clone(&self.folder);
                let sync = move || {
                    let what = "syncing a message body";
                    file.handle().sync_all().map_err(|e| StoreError::io(what, e))?;
                    folder.sync()?;
                    Ok(file)
                };
                Content::File(blocking(sync).await?)
            }
        };
        Ok(Body { content, size: self.size, checksum })
    }
}

impl BodyWriter {
    /// Ends the body as a synced file, whatever its size: see [`Store::body_on_disk`](crate::Store::body_on_disk).
    ///
    /// # Errors
    /// [`StoreError::Full`] and other failures of the disk.
    pub async fn finish_on_disk(mut self) -> Result<Body, StoreError> {
        if self.file.is_none() {
            let folder = Arc::clone(&self.folder);
            self.file = Some(blocking(move || folder.create()).await?);
            self.share.release();
        }
        self.finish().await
    }

    /// Ends a body that is only to be read again: nothing is synced, and nothing is promised.
    ///
    /// # Errors
    /// [`StoreError::Full`] and other failures of the disk.
    pub async fn finish_passing(mut self) -> Result<Passing, StoreError> {
        self.flush().await?;
        let content = match self.file {
            None => Content::Memory(self.buffer, self.share),
            Some(file) => Content::File(file),
        };
        Ok(Passing(Body { content, size: self.size, checksum: self.checksum.finalize() }))
    }
}

/// A whole body that passes through: it can be read and never accepted. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct Passing(Body);

impl Passing {
    /// As [`Body::piece`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn piece(&mut self, at: u64) -> Result<Vec<u8>, StoreError> {
        self.0.piece(at).await
    }
}

impl Body {
    /// Up to 64 KiB of the body from an offset; nothing at its end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn piece(&mut self, at: u64) -> Result<Vec<u8>, StoreError> {
        let left = self.size.saturating_sub(at).min(WRITE_CHUNK as u64);
        // At most WRITE_CHUNK.
        let length = usize::try_from(left).unwrap_or(WRITE_CHUNK);
        match &mut self.content {
            Content::Memory(bytes, _) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                Ok(bytes[from..from + length].to_vec())
            }
            Content::File(file) => {
                let wrong = |error| StoreError::io("reading a message body back", error);
                let handle = file.handle().try_clone().map_err(wrong)?;
                let read = move || {
                    let mut piece = vec![0; length];
                    handle.read_exact_at(&mut piece, at).map_err(wrong)?;
                    Ok(piece)
                };
                blocking(read).await
            }
        }
    }

    /// Bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What it weighs in the writer's queue.
    pub(crate) fn weight(&self) -> usize {
        match &self.content {
            Content::Memory(bytes, _) => bytes.len(),
            Content::File(_) => 0,
        }
    }
}

impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyWriter").field("size", &self.size).finish_non_exhaustive()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Runs what waits for the disk where it holds up nobody else.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StoreError> + Send + 'static,
{
    // The task can only be lost when the runtime is shutting down, or by a panic in `work`.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Closed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Options, Store};

    async fn all(mut next: impl AsyncFnMut(u64) -> Result<Vec<u8>, StoreError>) -> Vec<u8> {
        let mut whole = Vec::new();
        loop {
            let piece = next(whole.len() as u64).await.unwrap();
            if piece.is_empty() {
                return whole;
            }
            whole.extend(piece);
        }
    }

    #[tokio::test]
    async fn a_body_is_read_back_from_memory_and_from_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store"), Options::default()).unwrap();
        let files = || std::fs::read_dir(folder.path().join("store/bodies")).unwrap().count();
        let before = files();
        for size in [0, 1, 65_536, 65_537, 700_000] {
            let text: Vec<u8> = (0..size).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect();
            let mut writer = store.body();
            writer.write(&text).await.unwrap();
            let mut passing = writer.finish_passing().await.unwrap();
            assert_eq!(all(async |at| passing.piece(at).await).await, text, "{size}");
            let mut writer = store.body();
            writer.write(&text).await.unwrap();
            let mut body = writer.finish_on_disk().await.unwrap();
            assert!(matches!(body.content, Content::File(_)));
            assert_eq!(all(async |at| body.piece(at).await).await, text, "{size}");
        }
        assert_eq!(files(), before, "what was not accepted leaves nothing behind");
        store.close().await.unwrap();
    }

    #[tokio::test]
    async fn bodies_on_their_way_to_files_keep_to_the_budget_together() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { bodies_in_memory: 300_000, ..Options::default() };
        let store = Store::open(&folder.path().join("store"), options).unwrap();
        let mut writers: Vec<_> = (0..50).map(|_| store.body()).collect();
        for piece in 0..30_u8 {
            for writer in &mut writers {
                writer.write(&vec![piece; 9_000]).await.unwrap();
            }
            let held: usize = writers.iter().map(|writer| writer.buffer.capacity()).sum();
            assert!(held <= 600_000, "{held} bytes in {} bodies", writers.len());
        }
        for writer in writers {
            let mut passing = writer.finish_passing().await.unwrap();
            let text = all(async |at| passing.piece(at).await).await;
            assert!(text.iter().copied().eq((0..30).flat_map(|piece| vec![piece; 9_000])));
        }
        assert_eq!(store.stats().bodies_in_memory, 0);
        store.close().await.unwrap();
    }
}
