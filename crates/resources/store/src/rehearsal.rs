//! A copy of all that decides about mail, without any mail: to play a session through that must leave no trace.

use std::path::Path;

use crate::body::blocking;
use crate::sqlite::rehearsal;
use crate::{Store, StoreError};

impl Store {
    /// Makes a store in `dest` (which must not exist or be empty) with this one's domains, accounts, aliases,
    /// profiles, lists, remembered answers of tests and policies. It has no message, no trace and no password.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when `dest` holds something; whatever reading and writing may meet.
    pub async fn rehearsal(&self, dest: &Path) -> Result<(), StoreError> {
        let (source, dest) = (self.engine.dir().to_owned(), dest.to_owned());
        blocking(move || rehearsal::make(&source, &dest)).await
    }
}
