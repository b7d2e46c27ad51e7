//! SQLite's failures in the store's words.

use std::io;
use std::sync::Arc;

use rusqlite::{Error, ErrorCode};

use crate::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match &error {
            Error::SqliteFailure(failure, _) => from_code(failure.code, &error),
            // A column of the wrong type or out of its range was not written by us.
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => Self::corrupt(format!("a row does not read back ({error})")),
            Error::QueryReturnedNoRows => Self::corrupt("a row is missing"),
            _ => Self::Engine(error.to_string()),
        }
    }
}

fn from_code(code: ErrorCode, error: &Error) -> StoreError {
    match code {
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => StoreError::ReadOnly,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::corrupt(error.to_string()),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy,
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::FileLockingProtocolFailed => {
            let source = Arc::new(io::Error::other(error.to_string()));
            StoreError::Io { what: "the database file".into(), source }
        }
        _ => StoreError::Engine(error.to_string()),
    }
}

/// Whether a row was refused because its key is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    matches!(error, Error::SqliteFailure(failure, _) if failure.code == ErrorCode::ConstraintViolation)
}
