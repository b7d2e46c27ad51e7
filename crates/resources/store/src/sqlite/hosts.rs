//! Statements of what is remembered of hosts.

use std::net::IpAddr;

use postern_types::{Network, Timestamp};
use rusqlite::{Connection, params};

use super::columns::{timestamp, trace};
use super::lists;
use crate::hosts::{EntryChange, HostChange, HostRecord, Strike, host_of};
use crate::{ListEntry, ListKind, ListOwner, StoreError, Subject};

/// Strikes that are kept of one host.
const KEPT: i64 = 100;

pub(crate) fn change(
    connection: &Connection,
    wanted: &[Network],
    mut decide: impl FnMut(Network, Option<HostRecord>) -> Option<HostChange>,
) -> Result<(), StoreError> {
    let mut announced = false;
    for &host in wanted {
        let Some(change) = decide(host, get(connection, host)?) else { continue };
        put(connection, &change.record)?;
        for strike in &change.strikes {
            add_strike(connection, host, strike)?;
        }
        if !change.strikes.is_empty() {
            forget_old_strikes(connection, host)?;
        }
        if let EntryChange::Put { reason, trace, until } = change.entry {
            let subject = Subject::Network(host);
            let entry = ListEntry {
                list: ListKind::Feedback,
                owner: ListOwner::Everybody,
                subject,
                reason,
                trace: Some(trace),
                strikes: 1,
                created_at: change.record.at,
                expires_at: Some(until),
            };
            lists::insert(connection, &entry)?;
            announced = true;
        }
    }
    if announced { lists::announce(connection) } else { Ok(()) }
}

pub(crate) fn get(connection: &Connection, host: Network) -> Result<Option<HostRecord>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT at, strikes, clean, level, domains, banned_until, parole_until, lifted_at
         FROM hosts WHERE host = ?1",
    )?;
    let mut rows = select.query([host.to_string()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let domains: i64 = row.get(4)?;
    Ok(Some(HostRecord {
        host,
        at: timestamp(row, 0)?,
        strikes: row.get(1)?,
        clean: row.get(2)?,
        level: row.get(3)?,
        domains: domains.cast_unsigned(),
        banned_until: timestamp(row, 5)?,
        parole_until: timestamp(row, 6)?,
        lifted_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
    }))
}

fn put(connection: &Connection, record: &HostRecord) -> Result<(), StoreError> {
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO hosts
             (host, at, strikes, clean, level, domains, banned_until, parole_until, lifted_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    put.execute(params![
        record.host.to_string(),
        record.at.as_millis(),
        record.strikes,
        record.clean,
        record.level,
        record.domains.cast_signed(),
        record.banned_until.as_millis(),
        record.parole_until.as_millis(),
        record.lifted_at.map(Timestamp::as_millis),
    ])?;
    Ok(())
}

fn add_strike(connection: &Connection, host: Network, strike: &Strike) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO strikes (host, at, offence, weight, trace, words) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![
        host.to_string(),
        strike.at.as_millis(),
        strike.offence,
        strike.weight,
        strike.trace.to_i64(),
        strike.words,
    ])?;
    Ok(())
}

fn forget_old_strikes(connection: &Connection, host: Network) -> Result<(), StoreError> {
    let mut delete = connection.prepare_cached(
        "DELETE FROM strikes WHERE host = ?1 AND id <=
             (SELECT id FROM strikes WHERE host = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?;
    delete.execute(params![host.to_string(), KEPT])?;
    Ok(())
}

pub(crate) fn strikes(connection: &Connection, host: Network) -> Result<Vec<Strike>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT at, offence, weight, trace, words FROM strikes WHERE host = ?1 ORDER BY id DESC",
    )?;
    let rows = select.query_and_then([host.to_string()], |row| {
        Ok(Strike {
            at: timestamp(row, 0)?,
            offence: row.get(1)?,
            weight: row.get(2)?,
            trace: trace(row, 3)?,
            words: row.get(4)?,
        })
    })?;
    rows.collect()
}

pub(crate) fn lift(
    connection: &Connection,
    ip: IpAddr,
    now: Timestamp,
) -> Result<Vec<ListEntry>, StoreError> {
    let entries = lists::networks_of(connection, ListKind::Feedback, ip)?;
    for entry in &entries {
        lists::remove(connection, ListKind::Feedback, &ListOwner::Everybody, &entry.subject)?;
    }
    match get(connection, host_of(ip))? {
        Some(record) => {
            put(
                connection,
                &HostRecord {
                    at: now,
                    strikes: 0.0,
                    level: 0.0,
                    banned_until: now,
                    parole_until: now,
                    lifted_at: Some(now),
                    ..record
                },
            )?;
        }
        None if entries.is_empty() => {
            return Err(StoreError::not_found(format!("block of {ip}: it was never caught")));
        }
        None => {}
    }
    Ok(entries)
}
