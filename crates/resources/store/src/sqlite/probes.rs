//! Statements of the probe cache.

use postern_types::Timestamp;
use rusqlite::{Connection, params};

use super::columns::timestamp;
use crate::{Certainty, ProbeRecord, StoreError};

pub(crate) fn get(
    connection: &Connection,
    probe: &str,
    subject: &str,
    now: Timestamp,
) -> Result<Option<ProbeRecord>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT conclusive, facts, at, refresh_at, expires_at FROM probe_cache
         WHERE probe = ?1 AND subject = ?2 AND expires_at > ?3",
    )?;
    let mut rows = select.query(params![probe, subject, now.as_millis()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(ProbeRecord {
        probe: probe.to_owned(),
        subject: subject.to_owned(),
        certainty: if row.get(0)? { Certainty::Conclusive } else { Certainty::Inconclusive },
        facts: row.get(1)?,
        at: timestamp(row, 2)?,
        refresh_at: timestamp(row, 3)?,
        expires_at: timestamp(row, 4)?,
    }))
}

/// A failed probe never erases a good record that still serves.
pub(crate) fn put(connection: &Connection, record: &ProbeRecord) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO probe_cache (probe, subject, conclusive, facts, at, refresh_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET conclusive = excluded.conclusive, facts = excluded.facts,
             at = excluded.at, refresh_at = excluded.refresh_at, expires_at = excluded.expires_at
         WHERE excluded.conclusive OR NOT conclusive OR expires_at <= excluded.at",
    )?;
    insert.execute(params![
        record.probe,
        record.subject,
        record.certainty == Certainty::Conclusive,
        record.facts,
        record.at.as_millis(),
        record.refresh_at.as_millis(),
        record.expires_at.as_millis(),
    ])?;
    Ok(())
}

pub(crate) fn forget(connection: &Connection, probe: &str, subject: &str) -> Result<(), StoreError> {
    let mut delete =
        connection.prepare_cached("DELETE FROM probe_cache WHERE probe = ?1 AND subject = ?2")?;
    delete.execute([probe, subject])?;
    Ok(())
}
