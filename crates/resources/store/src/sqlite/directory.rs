//! Statements of domains, accounts and aliases.

use postern_types::{Address, Domain, LocalPart, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{address, domain as domain_column, parsed, timestamp};
use super::error::is_duplicate;
use super::mailbox;
use crate::{Account, AccountId, Alias, AliasName, LocalDomain, Route, StoreError};

/// The catch-all's key: no local part is empty.
pub(super) const CATCH_ALL: &str = "";

/// A row of `domains` as the hot path needs it.
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) route: Route,
}

pub(super) fn local_key(local: &LocalPart) -> String {
    local.as_str().to_lowercase()
}

fn route(text: Option<String>) -> Route {
    text.map_or(Route::Mailbox, Route::Proxy)
}

fn route_text(route: &Route) -> Option<&str> {
    match route {
        Route::Mailbox => None,
        Route::Proxy(hop) => Some(hop),
    }
}

/// Every change says so, for the processes that resolve from memory.
fn announce(connection: &Connection) -> Result<(), StoreError> {
    connection.execute("UPDATE counters SET value = value + 1 WHERE name = 'directory'", [])?;
    Ok(())
}

pub(super) fn version(connection: &Connection) -> Result<i64, StoreError> {
    let mut select = connection.prepare_cached("SELECT value FROM counters WHERE name = 'directory'")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

pub(super) fn find(connection: &Connection, name: &Domain) -> Result<Option<Found>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id, route FROM domains WHERE name = ?1")?;
    let found =
        select.query_row([name.as_str()], |row| Ok(Found { id: row.get(0)?, route: route(row.get(1)?) }));
    Ok(found.optional()?)
}

/// The domain of an address or alias that is to be added: ours, with mailboxes here.
fn mailbox_domain(connection: &Connection, name: &Domain) -> Result<i64, StoreError> {
    let found = find(connection, name)?.ok_or_else(|| StoreError::not_found(format!("domain {name}")))?;
    match found.route {
        Route::Mailbox => Ok(found.id),
        Route::Proxy(hop) => Err(StoreError::Invalid {
            what: format!("mail for {name} goes to {hop}, which knows its own users"),
        }),
    }
}

fn domain_of(address: &Address) -> Result<&Domain, StoreError> {
    let what = || format!("{address} has no domain: an address literal cannot have an account");
    address.domain().ok_or_else(|| StoreError::Invalid { what: what() })
}

pub(crate) fn add_domain(connection: &Connection, name: &Domain, route: &Route) -> Result<(), StoreError> {
    let insert = "INSERT INTO domains (name, route, added_at) VALUES (?1, ?2, ?3)";
    let values = params![name.as_str(), route_text(route), Timestamp::now().as_millis()];
    connection.execute(insert, values).map_err(|e| exists(e, || format!("domain {name}")))?;
    announce(connection)
}

fn exists(error: rusqlite::Error, what: impl FnOnce() -> String) -> StoreError {
    if is_duplicate(&error) { StoreError::Exists { what: what() } } else { error.into() }
}

pub(crate) fn set_route(connection: &Connection, name: &Domain, route: &Route) -> Result<(), StoreError> {
    let update = "UPDATE domains SET route = ?2 WHERE name = ?1";
    match connection.execute(update, params![name.as_str(), route_text(route)])? {
        0 => Err(StoreError::not_found(format!("domain {name}"))),
        _ => announce(connection),
    }
}

pub(crate) fn remove_domain(connection: &Connection, name: &Domain) -> Result<(), StoreError> {
    let found = find(connection, name)?.ok_or_else(|| StoreError::not_found(format!("domain {name}")))?;
    let count = "SELECT count(*) FROM accounts WHERE domain = ?1";
    let accounts: i64 = connection.query_row(count, [found.id], |row| row.get(0))?;
    if accounts > 0 {
        return Err(StoreError::Invalid { what: format!("domain {name} still has {accounts} accounts") });
    }
    connection.execute("DELETE FROM aliases WHERE domain = ?1", [found.id])?;
    connection.execute("DELETE FROM domains WHERE id = ?1", [found.id])?;
    announce(connection)
}

fn domain_row(row: &Row<'_>) -> Result<LocalDomain, StoreError> {
    Ok(LocalDomain { name: domain_column(row, 0)?, route: route(row.get(1)?), added_at: timestamp(row, 2)? })
}

pub(crate) fn domain(connection: &Connection, name: &Domain) -> Result<LocalDomain, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT name, route, added_at FROM domains WHERE name = ?1")?;
    let mut rows = select.query([name.as_str()])?;
    domain_row(rows.next()?.ok_or_else(|| StoreError::not_found(format!("domain {name}")))?)
}

pub(crate) fn domains(connection: &Connection) -> Result<Vec<LocalDomain>, StoreError> {
    let mut select = connection.prepare_cached("SELECT name, route, added_at FROM domains ORDER BY name")?;
    select.query_and_then([], domain_row)?.collect()
}

pub(crate) fn add_account(
    connection: &Connection,
    address: &Address,
    password_hash: &str,
) -> Result<AccountId, StoreError> {
    let domain = mailbox_domain(connection, domain_of(address)?)?;
    let key = local_key(address.local());
    if !targets(connection, domain, &key)?.is_empty() {
        return Err(StoreError::Exists { what: format!("alias {address}") });
    }
    let insert = "INSERT INTO accounts (domain, local_key, address, password_hash, added_at)
                  VALUES (?1, ?2, ?3, ?4, ?5)";
    let values = params![domain, key, address.to_string(), password_hash, Timestamp::now().as_millis()];
    connection.execute(insert, values).map_err(|e| exists(e, || format!("account {address}")))?;
    let account = connection.last_insert_rowid();
    mailbox::create(connection, account, mailbox::INBOX)?;
    announce(connection)?;
    Ok(AccountId(account))
}

/// The account with this key.
pub(super) fn account_id(connection: &Connection, domain: i64, key: &str) -> Result<Option<i64>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT id FROM accounts WHERE domain = ?1 AND local_key = ?2")?;
    Ok(select.query_row(params![domain, key], |row| row.get(0)).optional()?)
}

/// The account's row id, or that there is none.
fn known(connection: &Connection, address: &Address) -> Result<i64, StoreError> {
    let missing = || StoreError::not_found(format!("account {address}"));
    let domain = find(connection, domain_of(address)?)?.ok_or_else(missing)?;
    account_id(connection, domain.id, &local_key(address.local()))?.ok_or_else(missing)
}

/// The account goes at once; its mailboxes are left without an owner and removed step by step.
pub(crate) fn remove_account(connection: &Connection, address: &Address) -> Result<(), StoreError> {
    let account = known(connection, address)?;
    connection.execute("UPDATE mailboxes SET account = NULL WHERE account = ?1", [account])?;
    connection.execute("DELETE FROM accounts WHERE id = ?1", [account])?;
    announce(connection)
}

pub(crate) fn set_password_hash(
    connection: &Connection,
    address: &Address,
    hash: &str,
) -> Result<(), StoreError> {
    let account = known(connection, address)?;
    connection.execute("UPDATE accounts SET password_hash = ?2 WHERE id = ?1", params![account, hash])?;
    Ok(())
}

fn account_row(row: &Row<'_>) -> Result<Account, StoreError> {
    Ok(Account {
        id: AccountId(row.get(0)?),
        address: address(row, 1)?,
        password_hash: row.get(2)?,
        added_at: timestamp(row, 3)?,
    })
}

pub(crate) fn account(connection: &Connection, address: &Address) -> Result<Option<Account>, StoreError> {
    let Some(name) = address.domain() else { return Ok(None) };
    let mut select = connection.prepare_cached(
        "SELECT a.id, a.address, a.password_hash, a.added_at
         FROM domains d JOIN accounts a ON a.domain = d.id WHERE d.name = ?1 AND a.local_key = ?2",
    )?;
    let mut rows = select.query(params![name.as_str(), local_key(address.local())])?;
    rows.next()?.map(account_row).transpose()
}

pub(crate) fn accounts(connection: &Connection, domain: Option<&Domain>) -> Result<Vec<Account>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT a.id, a.address, a.password_hash, a.added_at
         FROM accounts a JOIN domains d ON d.id = a.domain
         WHERE ?1 IS NULL OR d.name = ?1 ORDER BY d.name, a.local_key",
    )?;
    select.query_and_then([domain.map(Domain::as_str)], account_row)?.collect()
}

fn alias_key(connection: &Connection, name: &AliasName) -> Result<(i64, String), StoreError> {
    match name {
        AliasName::Address(address) => {
            Ok((mailbox_domain(connection, domain_of(address)?)?, local_key(address.local())))
        }
        AliasName::CatchAll(domain) => Ok((mailbox_domain(connection, domain)?, CATCH_ALL.into())),
    }
}

/// The targets of the alias with this key; none where there is no alias.
pub(super) fn targets(connection: &Connection, domain: i64, key: &str) -> Result<Vec<Address>, StoreError> {
    let mut select =
        connection.prepare_cached("SELECT target FROM aliases WHERE domain = ?1 AND local_key = ?2")?;
    select.query_and_then(params![domain, key], |row| address(row, 0))?.collect()
}

pub(crate) fn add_alias(
    connection: &Connection,
    name: &AliasName,
    new: &[Address],
) -> Result<(), StoreError> {
    let (domain, key) = alias_key(connection, name)?;
    if account_id(connection, domain, &key)?.is_some() {
        return Err(StoreError::Exists { what: format!("account {name}") });
    }
    if new.is_empty() {
        return Err(StoreError::Invalid { what: format!("the alias {name} needs a target") });
    }
    for target in new {
        must_be_ours(connection, target)?;
        connection.execute(
            "INSERT INTO aliases (domain, local_key, target, name) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO NOTHING",
            params![domain, key, target.to_string(), name.to_string()],
        )?;
    }
    announce(connection)
}

/// Mail is not sent on to strangers: that takes a queue, and the consent of those who host them.
fn must_be_ours(connection: &Connection, target: &Address) -> Result<(), StoreError> {
    let unknown = || StoreError::Invalid { what: format!("{target} is no account or alias here") };
    let domain = target.domain().ok_or_else(unknown)?;
    let found = find(connection, domain)?.ok_or_else(unknown)?;
    let key = local_key(target.local());
    let known =
        account_id(connection, found.id, &key)?.is_some() || !targets(connection, found.id, &key)?.is_empty();
    if known { Ok(()) } else { Err(unknown()) }
}

pub(crate) fn remove_alias(connection: &Connection, name: &AliasName) -> Result<(), StoreError> {
    let (domain, key) = alias_key(connection, name)?;
    let delete = "DELETE FROM aliases WHERE domain = ?1 AND local_key = ?2";
    match connection.execute(delete, params![domain, key])? {
        0 => Err(StoreError::not_found(format!("alias {name}"))),
        _ => announce(connection),
    }
}

pub(crate) fn aliases(connection: &Connection, domain: Option<&Domain>) -> Result<Vec<Alias>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT a.domain, a.local_key, a.name, a.target FROM aliases a JOIN domains d ON d.id = a.domain
         WHERE ?1 IS NULL OR d.name = ?1 ORDER BY d.name, a.local_key, a.target",
    )?;
    let mut rows = select.query([domain.map(Domain::as_str)])?;
    let mut aliases: Vec<Alias> = Vec::new();
    let mut last: Option<(i64, String)> = None;
    while let Some(row) = rows.next()? {
        let key = Some((row.get(0)?, row.get(1)?));
        let target = address(row, 3)?;
        match aliases.last_mut() {
            Some(alias) if key == last => alias.targets.push(target),
            _ => aliases.push(Alias { name: parsed(row, 2, AliasName::parse)?, targets: vec![target] }),
        }
        last = key;
    }
    Ok(aliases)
}
