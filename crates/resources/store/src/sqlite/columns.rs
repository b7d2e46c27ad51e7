//! Columns as values. What does not read back was not written by us, and is [`StoreError::Corrupt`].

use postern_types::{Address, Domain, ReversePath, Timestamp, TraceId};
use rusqlite::Row;

use crate::StoreError;

pub(super) fn timestamp(row: &Row<'_>, column: usize) -> Result<Timestamp, StoreError> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

/// A count or size: never negative.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| StoreError::corrupt(format!("a size of {number}")))
}

/// For binding: sizes never come near the end of an i64.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn trace(row: &Row<'_>, column: usize) -> Result<TraceId, StoreError> {
    let number: i64 = row.get(column)?;
    TraceId::from_i64(number).ok_or_else(|| StoreError::corrupt(format!("a trace id of {number}")))
}

pub(super) fn domain(row: &Row<'_>, column: usize) -> Result<Domain, StoreError> {
    parsed(row, column, Domain::parse)
}

pub(super) fn address(row: &Row<'_>, column: usize) -> Result<Address, StoreError> {
    parsed(row, column, Address::parse)
}

pub(super) fn reverse_path(row: &Row<'_>, column: usize) -> Result<ReversePath, StoreError> {
    parsed(row, column, ReversePath::parse)
}

/// A text column as the value that it was written from.
pub(super) fn parsed<T, E: std::fmt::Display>(
    row: &Row<'_>,
    column: usize,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, StoreError> {
    let text: String = row.get(column)?;
    parse(&text).map_err(|e| StoreError::corrupt(format!("`{text}` in a row: {e}")))
}

/// The key under which an address is found in any case.
pub(super) fn address_key(address: &Address) -> String {
    address.to_string().to_lowercase()
}

/// A limit for a listing: 0 means 100.
pub(super) fn limit(wanted: usize) -> i64 {
    if wanted == 0 { 100 } else { i64::try_from(wanted).unwrap_or(i64::MAX) }
}

/// `%text%`, with what LIKE would read as a wildcard taken literally.
pub(super) fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
