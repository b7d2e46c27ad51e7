//! Statements of the ledger of probes.

use std::time::Duration;

use postern_types::Timestamp;
use rusqlite::{Connection, params};

use super::columns::{limit, pattern, signed, timestamp, unsigned};
use crate::{
    LedgerEntry, LedgerId, LedgerQuery, ProbeBegun, ProbeEnded, ProbeRates, ProbeStart, Probed, StoreError,
};

const PROVIDERS: &str =
    "SELECT count(*) FILTER (WHERE at > ?2), count(*), count(*) FILTER (WHERE outcome = '' AND at > ?3)
     FROM probe_ledger WHERE provider = ?1 AND at > ?4";
const NETWORKS: &str =
    "SELECT count(*) FILTER (WHERE at > ?2), count(*), count(*) FILTER (WHERE outcome = '' AND at > ?3)
     FROM probe_ledger WHERE network = ?1 AND at > ?4";

pub(crate) fn begin(
    connection: &Connection,
    begun: &ProbeBegun,
    rates: Option<ProbeRates>,
) -> Result<ProbeStart, StoreError> {
    if let Some(rates) = rates {
        let provider = begun.provider.iter().map(|provider| (PROVIDERS, provider));
        for (query, whose) in provider.chain([(NETWORKS, &begun.network)]) {
            if let Some(full) = full(connection, query, whose, begun.at, rates)? {
                return Ok(full);
            }
        }
    }
    Ok(ProbeStart::Begun(insert(connection, begun)?))
}

/// Why somebody is not connected to now, if so.
fn full(
    connection: &Connection,
    query: &str,
    whose: &str,
    now: Timestamp,
    rates: ProbeRates,
) -> Result<Option<ProbeStart>, StoreError> {
    let ago = |span: Duration| {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        now.as_millis().saturating_sub(millis)
    };
    let (minute, day) = (ago(Duration::from_secs(60)), ago(Duration::from_secs(86_400)));
    let mut select = connection.prepare_cached(query)?;
    let values = params![whose, minute, ago(rates.longest), day];
    let (in_minute, in_day, under_way): (u32, u32, u32) =
        select.query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let whose = whose.to_owned();
    Ok(if in_day >= rates.per_day {
        Some(ProbeStart::Day(whose))
    } else if in_minute >= rates.per_minute {
        Some(ProbeStart::Minute(whose))
    } else {
        (under_way > 0).then_some(ProbeStart::UnderWay(whose))
    })
}

fn insert(connection: &Connection, begun: &ProbeBegun) -> Result<LedgerId, StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO probe_ledger (at, probe, subject, target, provider, network, place, reason, outcome, commands,
             duration_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '', '', 0)",
    )?;
    let ProbeBegun { at, probe, subject, target, provider, network, place, reason } = begun;
    let values = params![at.as_millis(), probe, subject, target, provider, network, place, reason];
    Ok(LedgerId(insert.insert(values)?))
}

pub(crate) fn end(connection: &Connection, id: LedgerId, ended: &ProbeEnded) -> Result<(), StoreError> {
    let mut update = connection.prepare_cached(
        "UPDATE probe_ledger SET outcome = ?2, commands = ?3, duration_us = ?4 WHERE id = ?1",
    )?;
    let micros = u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX);
    update.execute(params![id.0, ended.outcome, ended.conversation, signed(micros)])?;
    Ok(())
}

pub(crate) fn search(connection: &Connection, query: &LedgerQuery) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT at, probe, subject, target, place, reason, outcome, commands, duration_us, provider, network
         FROM probe_ledger
         WHERE at >= ?1 AND (?2 IS NULL OR target LIKE ?2 ESCAPE '\\' OR subject LIKE ?2 ESCAPE '\\'
             OR place LIKE ?2 ESCAPE '\\')
         ORDER BY at DESC, id DESC LIMIT ?3",
    )?;
    let since = query.since.map_or(i64::MIN, Timestamp::as_millis);
    let about = query.about.as_deref().map(pattern);
    let mut rows = select.query(params![since, about, limit(query.limit)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let begun = ProbeBegun {
            at: timestamp(row, 0)?,
            probe: row.get(1)?,
            subject: row.get(2)?,
            target: row.get(3)?,
            provider: row.get(9)?,
            network: row.get(10)?,
            place: row.get(4)?,
            reason: row.get(5)?,
        };
        let duration = Duration::from_micros(unsigned(row, 8)?);
        let ended = ProbeEnded { outcome: row.get(6)?, conversation: row.get(7)?, duration };
        found.push(LedgerEntry { begun, ended });
    }
    Ok(found)
}

pub(crate) fn since(connection: &Connection, since: Timestamp) -> Result<Vec<Probed>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT at, place, provider, network FROM probe_ledger WHERE at > ?1 ORDER BY at, id",
    )?;
    let mut rows = select.query([since.as_millis()])?;
    let mut ledger = Vec::new();
    while let Some(row) = rows.next()? {
        let at = timestamp(row, 0)?;
        ledger.push(Probed { at, place: row.get(1)?, provider: row.get(2)?, network: row.get(3)? });
    }
    Ok(ledger)
}
