//! Removing what has expired, a few rows of each kind at a time.

use postern_types::TraceId;
use rusqlite::{Connection, params};

use super::{lists, quarantine};
use crate::{Purged, QuarantineId, Retention, StoreError};

/// Rows of one kind in one step: a few milliseconds.
const STEP: i64 = 500;

/// One step, and how many files can be unlinked now. Nothing purged: it is done.
pub(crate) fn step(connection: &Connection, retention: &Retention) -> Result<(Purged, usize), StoreError> {
    let now = retention.now.as_millis();
    let (quarantined, files) = expired_quarantine(connection, now)?;
    let listed = delete(
        connection,
        "DELETE FROM lists WHERE (list, owner_kind, owner, kind, subject) IN
             (SELECT list, owner_kind, owner, kind, subject FROM lists WHERE expires_at < ?1 LIMIT ?2)",
        retention.lists_before.as_millis(),
    )?;
    if listed > 0 {
        lists::announce(connection)?;
    }
    let probes = delete(
        connection,
        "DELETE FROM probe_cache WHERE (probe, subject) IN
             (SELECT probe, subject FROM probe_cache WHERE expires_at <= ?1 LIMIT ?2)",
        now,
    )?;
    let traces_before = TraceId::floor(retention.traces_before).to_i64();
    let traces = delete(
        connection,
        "DELETE FROM traces WHERE id IN (SELECT id FROM traces WHERE id < ?1 LIMIT ?2)",
        traces_before,
    )?;
    let evidence = delete(
        connection,
        "DELETE FROM evidence WHERE trace IN (SELECT trace FROM evidence WHERE trace < ?1 LIMIT ?2)",
        traces_before.max(TraceId::floor(retention.evidence_before).to_i64()),
    )?;
    Ok((Purged { quarantined, listed, probes, traces, evidence }, files))
}

fn delete(connection: &Connection, sql: &str, before: i64) -> Result<u64, StoreError> {
    Ok(connection.prepare_cached(sql)?.execute(params![before, STEP])? as u64)
}

fn expired_quarantine(connection: &Connection, now: i64) -> Result<(u64, usize), StoreError> {
    let mut select =
        connection.prepare_cached("SELECT id FROM quarantine WHERE expires_at <= ?1 LIMIT ?2")?;
    let ids = select.query_map(params![now, STEP], |row| Ok(QuarantineId(row.get(0)?)))?;
    let ids: Vec<QuarantineId> = ids.collect::<Result<_, _>>()?;
    let mut files = 0;
    for &id in &ids {
        files += quarantine::delete(connection, id)?;
    }
    Ok((ids.len() as u64, files))
}
