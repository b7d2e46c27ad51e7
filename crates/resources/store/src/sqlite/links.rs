//! Statements of the links and the sessions that they open.

use postern_types::{Address, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{address, address_key, timestamp, unsigned};
use crate::links::SAME_BROWSER;
use crate::{Link, LinkOpening, LinkUse, StoreError, TokenHash, WebSession};

/// For so many milliseconds a link that has ended is still told from one that never was: 30 days.
const ENDED_LINKS: i64 = 30 * 86_400_000;

pub(crate) fn put(connection: &Connection, link: &Link) -> Result<(), StoreError> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO links (token_hash, recipient, at, expires_at, used_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![
        link.token.0,
        address_key(&link.recipient),
        link.at.as_millis(),
        link.expires_at.as_millis(),
        link.used_at.map(Timestamp::as_millis),
    ])?;
    Ok(())
}

pub(crate) fn one(connection: &Connection, token: TokenHash) -> Result<Option<Link>, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT recipient, at, expires_at, used_at FROM links WHERE token_hash = ?1")?;
    let mut rows = select.query([token.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Link {
        token,
        recipient: address(row, 0)?,
        at: timestamp(row, 1)?,
        expires_at: timestamp(row, 2)?,
        used_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis),
    }))
}

pub(crate) fn count_since(
    connection: &Connection,
    recipient: &Address,
    since: Timestamp,
) -> Result<u64, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT count(*) FROM links WHERE recipient = ?1 AND at >= ?2")?;
    let mut rows = select.query(params![address_key(recipient), since.as_millis()])?;
    rows.next()?.map_or(Ok(0), |row| unsigned(row, 0))
}

/// In the writer's transaction, so nobody comes between the look and the mark.
pub(crate) fn open(
    connection: &Connection,
    token: TokenHash,
    by: LinkUse,
) -> Result<LinkOpening, StoreError> {
    let Some(link) = one(connection, token)? else { return Ok(LinkOpening::Unknown) };
    if let Some(used_at) = link.used_at {
        if by.now.since(used_at) >= SAME_BROWSER || used_by(connection, token)? != Some(by.browser) {
            return Ok(LinkOpening::Used);
        }
    } else if link.expires_at <= by.now {
        return Ok(LinkOpening::Expired);
    } else {
        connection
            .prepare_cached("UPDATE links SET used_at = ?2, used_by = ?3 WHERE token_hash = ?1")?
            .execute(params![token.0, by.now.as_millis(), by.browser.0])?;
    }
    let session = WebSession {
        token: by.session,
        recipient: link.recipient,
        at: by.now,
        expires_at: by.now.plus(by.lasts),
    };
    connection
        .prepare_cached(
            "INSERT INTO web_sessions (token_hash, recipient, at, expires_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            session.token.0,
            address_key(&session.recipient),
            session.at.as_millis(),
            session.expires_at.as_millis(),
        ])?;
    Ok(LinkOpening::Opened(session))
}

fn used_by(connection: &Connection, token: TokenHash) -> Result<Option<TokenHash>, StoreError> {
    let mut select = connection.prepare_cached("SELECT used_by FROM links WHERE token_hash = ?1")?;
    let found = select.query_row([token.0], |row| row.get::<_, Option<[u8; 32]>>(0)).optional()?;
    Ok(found.flatten().map(TokenHash))
}

pub(crate) fn session(
    connection: &Connection,
    token: TokenHash,
    now: Timestamp,
) -> Result<Option<WebSession>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT recipient, at, expires_at FROM web_sessions WHERE token_hash = ?1 AND expires_at > ?2",
    )?;
    let read = |row: &Row<'_>| -> Result<WebSession, StoreError> {
        Ok(WebSession {
            token,
            recipient: address(row, 0)?,
            at: timestamp(row, 1)?,
            expires_at: timestamp(row, 2)?,
        })
    };
    let mut rows = select.query(params![token.0, now.as_millis()])?;
    rows.next()?.map(read).transpose()
}

pub(crate) fn end_session(connection: &Connection, token: TokenHash) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM web_sessions WHERE token_hash = ?1")?.execute([token.0])?;
    Ok(())
}

/// Removes sessions that have ended, and links that ended long enough ago that nobody asks why.
pub(crate) fn purge(connection: &Connection, now: Timestamp, most: i64) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (table, before) in
        [("web_sessions", now.as_millis()), ("links", now.as_millis().saturating_sub(ENDED_LINKS))]
    {
        let mut delete = connection.prepare_cached(&format!(
            "DELETE FROM {table} WHERE token_hash IN
                 (SELECT token_hash FROM {table} WHERE expires_at <= ?1 LIMIT ?2)"
        ))?;
        gone += delete.execute(params![before, most])? as u64;
    }
    Ok(gone)
}
