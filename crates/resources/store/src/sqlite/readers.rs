//! A few connections that read, on blocking threads.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open;
use crate::StoreError;
use crate::body::blocking;

/// The connections that are free, and a place in the line for each.
pub(super) struct Readers {
    free: Arc<Mutex<Vec<Connection>>>,
    places: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(dir: &Path, count: usize) -> Result<Self, StoreError> {
        let count = count.max(1);
        let connections: Result<Vec<_>, _> = (0..count).map(|_| open::connect_for_reading(dir)).collect();
        Ok(Self { free: Arc::new(Mutex::new(connections?)), places: Arc::new(Semaphore::new(count)) })
    }

    /// Runs `work` on a free connection, in one read transaction.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let free = Arc::clone(&self.free);
        blocking(move || {
            let taken = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = taken.ok_or(StoreError::Closed)?;
            let result = in_transaction(&connection, work);
            free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(place);
            result
        })
        .await
    }

    /// Nothing is read any more; connections in use end with their work.
    pub(super) fn close(&self) {
        self.places.close();
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Several statements of one `work` see the same state of the database.
pub(super) fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let result = work(connection);
    // A failure may have ended the transaction already.
    if !connection.is_autocommit() {
        let ended = connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        if result.is_ok() {
            ended?;
        }
    }
    result
}
