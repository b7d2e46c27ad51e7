//! Statements of traces and their evidence.

use std::fmt::Write;

use postern_types::{ReversePath, TraceId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{limit, parsed, pattern, reverse_path, signed, timestamp, trace as trace_id, unsigned};
use crate::{JudgedPage, Outcome, StoreError, TraceQuery, TraceRecord, TracedRecipient};

const COLUMNS: &str =
    "id, at, client, helo, sender, recipients, outcome, reply, size, duration_us FROM traces";

/// Bytes of evidence after which a page ends.
const PAGE_BYTES: usize = 4 << 20;

/// A second record under one id replaces the first: it never keeps a message from being stored.
pub(super) fn insert(connection: &Connection, record: &TraceRecord) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO traces
             (id, at, client, helo, sender, recipients, outcome, reply, size, duration_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    insert.execute(params![
        record.id.to_i64(),
        record.at.as_millis(),
        record.client.to_canonical().to_string(),
        record.helo,
        record.sender.as_ref().map(ReversePath::to_string),
        join(&record.recipients),
        record.outcome.as_str(),
        record.reply,
        signed(record.size),
        signed(record.duration_us),
    ])?;
    if !record.evidence.is_empty() {
        let mut insert =
            connection.prepare_cached("INSERT OR REPLACE INTO evidence (trace, json) VALUES (?1, ?2)")?;
        insert.execute(params![record.id.to_i64(), record.evidence])?;
    }
    Ok(())
}

/// A line each: address, tab, verdict.
fn join(recipients: &[TracedRecipient]) -> String {
    let mut text = String::new();
    for recipient in recipients {
        let clean = |text: &str| text.replace(char::is_control, " ");
        let (address, verdict) = (clean(&recipient.address), clean(&recipient.verdict));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{address}\t{verdict}");
    }
    text
}

fn split(text: &str) -> Vec<TracedRecipient> {
    let pair = |line: &str| {
        let (address, verdict) = line.split_once('\t').unwrap_or((line, ""));
        TracedRecipient { address: address.into(), verdict: verdict.into() }
    };
    text.lines().map(pair).collect()
}

fn record(row: &Row<'_>) -> Result<TraceRecord, StoreError> {
    let sender = match row.get_ref(4)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(reverse_path(row, 4)?),
    };
    let outcome: String = row.get(6)?;
    let outcome = Outcome::parse(&outcome)
        .ok_or_else(|| StoreError::corrupt(format!("a trace with the outcome `{outcome}`")))?;
    Ok(TraceRecord {
        id: trace_id(row, 0)?,
        at: timestamp(row, 1)?,
        client: parsed(row, 2, str::parse)?,
        helo: row.get(3)?,
        sender,
        recipients: split(&row.get::<_, String>(5)?),
        outcome,
        reply: row.get(7)?,
        size: unsigned(row, 8)?,
        duration_us: unsigned(row, 9)?,
        evidence: String::new(),
    })
}

pub(crate) fn trace(connection: &Connection, id: TraceId) -> Result<TraceRecord, StoreError> {
    let mut select = connection.prepare_cached(&format!("SELECT {COLUMNS} WHERE id = ?1"))?;
    let mut rows = select.query([id.to_i64()])?;
    let row = rows.next()?.ok_or_else(|| StoreError::not_found(format!("trace {id}")))?;
    let mut record = record(row)?;
    let mut select = connection.prepare_cached("SELECT json FROM evidence WHERE trace = ?1")?;
    record.evidence = select.query_row([id.to_i64()], |row| row.get(0)).optional()?.unwrap_or_default();
    Ok(record)
}

/// Walks forward; both tables are read along their keys.
pub(crate) fn judged(
    connection: &Connection,
    from: TraceId,
    until: TraceId,
    limit: usize,
) -> Result<JudgedPage, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT id, at, client, helo, sender, recipients, outcome, reply, size, duration_us, json
         FROM traces LEFT JOIN evidence ON trace = id WHERE id >= ?1 AND id < ?2 ORDER BY id",
    )?;
    let mut rows = select.query(params![from.to_i64(), until.to_i64()])?;
    let mut page = JudgedPage { traces: Vec::new(), next: None };
    let mut octets = 0;
    while let Some(row) = rows.next()? {
        if page.traces.len() >= limit || octets > PAGE_BYTES {
            page.next = Some(trace_id(row, 0)?);
            break;
        }
        let mut record = record(row)?;
        record.evidence = row.get::<_, Option<String>>(10)?.unwrap_or_default();
        octets += record.evidence.len();
        page.traces.push(record);
    }
    Ok(page)
}

/// Walks back from the latest within the time asked for; nothing but the id is indexed.
pub(crate) fn search(connection: &Connection, query: &TraceQuery) -> Result<Vec<TraceRecord>, StoreError> {
    let first = query.since.map_or(0, |since| TraceId::floor(since).to_i64());
    let until = query.until.map_or(i64::MAX, |until| TraceId::floor(until).to_i64());
    let end = query.before.map_or(until, |before| until.min(before.to_i64()));
    // SQLite's LIKE folds ASCII letters only, which is what addresses need.
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} WHERE id >= ?1 AND id < ?2
             AND (?3 IS NULL OR sender LIKE ?3 ESCAPE '\\')
             AND (?4 IS NULL OR recipients LIKE ?4 ESCAPE '\\')
             AND (?5 IS NULL OR outcome = ?5)
         ORDER BY id DESC"
    ))?;
    let mut rows = select.query(params![
        first,
        end,
        query.sender.as_deref().map(pattern),
        query.recipient.as_deref().map(pattern),
        query.outcome.map(Outcome::as_str),
    ])?;
    let limit = usize::try_from(limit(query.limit)).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    while found.len() < limit {
        let Some(row) = rows.next()? else { break };
        let record = record(row)?;
        if query.client.is_none_or(|network| network.contains(record.client)) {
            found.push(record);
        }
    }
    Ok(found)
}
