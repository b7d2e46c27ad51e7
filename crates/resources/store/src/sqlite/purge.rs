//! Removing what has expired, a few rows of each kind at a time.

use postern_types::TraceId;
use rusqlite::{Connection, params};

use super::{links, lists, policies, quarantine};
use crate::{Purged, QuarantineId, Retention, StoreError};

/// Rows of one kind in one step: a few milliseconds.
const STEP: i64 = 500;
/// What the ledger of probes keeps at least, in milliseconds: 31 days.
const LEDGER_MIN: i64 = 31 * 86_400_000;

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
    let before = retention.lists_before.as_millis();
    let hosts = delete(
        connection,
        "DELETE FROM hosts WHERE host IN
             (SELECT host FROM hosts WHERE at < ?1 AND banned_until < ?1 AND parole_until < ?1 LIMIT ?2)",
        before,
    )?;
    let strikes = delete(
        connection,
        "DELETE FROM strikes WHERE id IN (SELECT id FROM strikes WHERE at < ?1 LIMIT ?2)",
        before,
    )?;
    let listed = listed + hosts + strikes;
    let probes = delete(
        connection,
        "DELETE FROM probe_cache WHERE (probe, subject) IN
             (SELECT probe, subject FROM probe_cache WHERE expires_at <= ?1 LIMIT ?2)",
        now,
    )?;
    let links = links::purge(connection, retention.now, STEP)?;
    // The limits of probing look a month back.
    let ledger = delete(
        connection,
        "DELETE FROM probe_ledger WHERE id IN (SELECT id FROM probe_ledger WHERE at < ?1 LIMIT ?2)",
        retention.traces_before.as_millis().min(now - LEDGER_MIN),
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
    // Not before the last evidence that could refer to it.
    let kept_from = retention.traces_before.max(retention.evidence_before);
    let policies = if evidence == 0 { policies::purge(connection, kept_from)? } else { 0 };
    let evidence = evidence + policies;
    Ok((Purged { quarantined, listed, probes, ledger, links, traces, evidence }, files))
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
