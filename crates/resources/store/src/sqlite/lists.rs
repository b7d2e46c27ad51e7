//! Statements of the allow-, block- and feedback lists.

use std::net::IpAddr;

use postern_types::{Address, AddressSet, Domain, Network, Timestamp};
use rusqlite::{Connection, Row, params};

use super::columns::{address, address_key, domain, parsed, timestamp};
use crate::{ListEntry, ListKind, ListOwner, StoreError, Subject};

pub(super) const COLUMNS: &str =
    "list, owner_kind, owner, kind, subject, reason, trace, strikes, created_at, expires_at";

/// Entries that one recipient or domain may have on one list.
const OWNED: i64 = 10_000;

fn list_number(list: ListKind) -> i64 {
    match list {
        ListKind::Allow => 0,
        ListKind::Block => 1,
        ListKind::Feedback => 2,
    }
}

pub(super) fn owner_key(owner: &ListOwner) -> (i64, String) {
    match owner {
        ListOwner::Everybody => (0, String::new()),
        ListOwner::Domain(domain) => (1, domain.to_string()),
        ListOwner::Recipient(address) => (2, address_key(address)),
    }
}

/// The owner from its key: everybody is empty, a recipient has an @.
pub(super) fn owner_of(key: &str) -> Result<ListOwner, StoreError> {
    let strange = |error: &dyn std::fmt::Display| StoreError::corrupt(format!("the owner `{key}`: {error}"));
    match key {
        "" => Ok(ListOwner::Everybody),
        key if key.contains('@') => {
            Address::parse(key).map(ListOwner::Recipient).map_err(|error| strange(&error))
        }
        key => Domain::parse(key).map(ListOwner::Domain).map_err(|error| strange(&error)),
    }
}

fn subject_key(subject: &Subject) -> (i64, String) {
    match subject {
        Subject::Network(network) => (0, network.to_string()),
        Subject::Address(address) => (1, address_key(address)),
        Subject::Domain(domain) => (2, domain.to_string()),
    }
}

pub(super) fn entry(row: &Row<'_>) -> Result<ListEntry, StoreError> {
    let strange = |what: &str, number: i64| StoreError::corrupt(format!("a list entry with {what} {number}"));
    Ok(ListEntry {
        list: match row.get(0)? {
            0 => ListKind::Allow,
            1 => ListKind::Block,
            2 => ListKind::Feedback,
            other => return Err(strange("list", other)),
        },
        owner: match row.get(1)? {
            0 => ListOwner::Everybody,
            1 => ListOwner::Domain(domain(row, 2)?),
            2 => ListOwner::Recipient(address(row, 2)?),
            other => return Err(strange("owner", other)),
        },
        subject: match row.get(3)? {
            0 => Subject::Network(parsed(row, 4, Network::parse)?),
            1 => Subject::Address(address(row, 4)?),
            2 => Subject::Domain(parsed(row, 4, Domain::parse)?),
            other => return Err(strange("subject", other)),
        },
        reason: row.get(5)?,
        trace: row.get::<_, Option<i64>>(6)?.and_then(postern_types::TraceId::from_i64),
        strikes: row.get(7)?,
        created_at: timestamp(row, 8)?,
        expires_at: row.get::<_, Option<i64>>(9)?.map(Timestamp::from_millis),
    })
}

/// Every change says so, for whoever holds a list in memory.
pub(super) fn announce(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached("UPDATE counters SET value = value + 1 WHERE name = 'lists'")?.execute([])?;
    Ok(())
}

pub(crate) fn version(connection: &Connection) -> Result<i64, StoreError> {
    let mut select = connection.prepare_cached("SELECT value FROM counters WHERE name = 'lists'")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

pub(crate) fn put(connection: &Connection, entry: &ListEntry) -> Result<(), StoreError> {
    if !has_room(connection, &entry.owner)? {
        let what =
            format!("{} has {OWNED} entries on its lists already, which is all there may be", entry.owner);
        return Err(StoreError::Invalid { what });
    }
    insert(connection, entry)?;
    announce(connection)
}

/// Whether there is room for another entry of this owner: recipients write their lists themselves.
pub(super) fn has_room(connection: &Connection, owner: &ListOwner) -> Result<bool, StoreError> {
    let ListOwner::Recipient(address) = owner else { return Ok(true) };
    let mut select = connection.prepare_cached(
        "SELECT count(*) < ?2 FROM (SELECT 1 FROM lists WHERE list IN (0, 1) AND owner_kind = 2 AND owner = ?1
             LIMIT ?2)",
    )?;
    Ok(select.query_row(params![address_key(address), OWNED], |row| row.get(0))?)
}

/// Puts an entry in, or changes the one that is there; the caller announces it.
pub(super) fn insert(connection: &Connection, entry: &ListEntry) -> Result<(), StoreError> {
    let (owner_kind, owner) = owner_key(&entry.owner);
    let (kind, subject) = subject_key(&entry.subject);
    let mut insert = connection.prepare_cached(&format!(
        "INSERT INTO lists ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT DO UPDATE SET reason = excluded.reason, trace = excluded.trace,
             strikes = min(strikes + excluded.strikes, {}), expires_at = excluded.expires_at",
        u32::MAX
    ))?;
    insert.execute(params![
        list_number(entry.list),
        owner_kind,
        owner,
        kind,
        subject,
        entry.reason,
        entry.trace.map(postern_types::TraceId::to_i64),
        entry.strikes,
        entry.created_at.as_millis(),
        entry.expires_at.map(Timestamp::as_millis),
    ])?;
    Ok(())
}

/// An allow entry that stays longer; the caller announces it.
pub(super) fn prolong(
    connection: &Connection,
    owner: &ListOwner,
    subject: &Subject,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let (owner_kind, owner) = owner_key(owner);
    let (kind, subject) = subject_key(subject);
    let mut update = connection.prepare_cached(
        "UPDATE lists SET expires_at = ?5
         WHERE list = 0 AND owner_kind = ?1 AND owner = ?2 AND kind = ?3 AND subject = ?4",
    )?;
    update.execute(params![owner_kind, owner, kind, subject, expires_at.as_millis()])?;
    Ok(())
}

fn missing(subject: &Subject) -> StoreError {
    StoreError::not_found(format!("entry for {subject} on this list"))
}

pub(crate) fn remove(
    connection: &Connection,
    list: ListKind,
    owner: &ListOwner,
    subject: &Subject,
) -> Result<(), StoreError> {
    let (owner_kind, owner) = owner_key(owner);
    let (kind, key) = subject_key(subject);
    let mut delete = connection.prepare_cached(
        "DELETE FROM lists WHERE list = ?1 AND owner_kind = ?2 AND owner = ?3 AND kind = ?4 AND subject = ?5",
    )?;
    match delete.execute(params![list_number(list), owner_kind, owner, kind, key])? {
        0 => Err(missing(subject)),
        _ => announce(connection),
    }
}

pub(crate) fn one(
    connection: &Connection,
    list: ListKind,
    owner: &ListOwner,
    subject: &Subject,
) -> Result<ListEntry, StoreError> {
    find(connection, list, owner, subject)?.ok_or_else(|| missing(subject))
}

pub(super) fn find(
    connection: &Connection,
    list: ListKind,
    owner: &ListOwner,
    subject: &Subject,
) -> Result<Option<ListEntry>, StoreError> {
    let (owner_kind, owner) = owner_key(owner);
    let (kind, key) = subject_key(subject);
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM lists
         WHERE list = ?1 AND owner_kind = ?2 AND owner = ?3 AND kind = ?4 AND subject = ?5"
    ))?;
    let mut rows = select.query(params![list_number(list), owner_kind, owner, kind, key])?;
    rows.next()?.map(entry).transpose()
}

pub(crate) fn entries(
    connection: &Connection,
    list: ListKind,
    owner: Option<&ListOwner>,
    now: Timestamp,
) -> Result<Vec<ListEntry>, StoreError> {
    let order = "ORDER BY owner_kind, owner, kind, subject";
    let current = "(expires_at IS NULL OR expires_at > ?2)";
    let (list, now) = (list_number(list), now.as_millis());
    let Some(owner) = owner else {
        let mut select = connection
            .prepare_cached(&format!("SELECT {COLUMNS} FROM lists WHERE list = ?1 AND {current} {order}"))?;
        return select.query_and_then(params![list, now], entry)?.collect();
    };
    let (owner_kind, owner) = owner_key(owner);
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM lists WHERE list = ?1 AND owner_kind = ?3 AND owner = ?4 AND {current} {order}"
    ))?;
    select.query_and_then(params![list, now, owner_kind, owner], entry)?.collect()
}

/// Asks for each network that can hold the host: at most 129 look-ups.
pub(crate) fn networks_of(
    connection: &Connection,
    list: ListKind,
    host: IpAddr,
) -> Result<Vec<ListEntry>, StoreError> {
    let bits: u8 = if host.to_canonical().is_ipv4() { 32 } else { 128 };
    let mut found = Vec::new();
    for prefix in (0..=bits).rev() {
        let network = Subject::Network(Network::around(host, prefix, prefix));
        found.extend(find(connection, list, &ListOwner::Everybody, &network)?);
    }
    Ok(found)
}

pub(crate) fn networks(
    connection: &Connection,
    list: ListKind,
    now: Timestamp,
) -> Result<AddressSet, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT subject FROM lists WHERE list = ?1 AND owner_kind = 0 AND kind = 0
             AND (expires_at IS NULL OR expires_at > ?2)",
    )?;
    let networks = select
        .query_and_then(params![list_number(list), now.as_millis()], |row| parsed(row, 0, Network::parse))?;
    networks.collect()
}
