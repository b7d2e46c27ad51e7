//! The question of each RCPT, answered from the tables, or from the knowledge that there is nothing in them.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postern_types::{Address, Domain, ReversePath, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::address_key;
use super::lists;
use crate::body::blocking;
use crate::profile::{FailedMail, Learn, OwnedProfile, ProfileAnswer, StoredProfile};
use crate::sqlite::readers::in_transaction;
use crate::{AccountId, ListEntry, ListKind, ListOwner, StoreError, Subject};

/// How long changes of other processes may go unseen.
const CHECK: Duration = Duration::from_millis(250);
/// Domains of a sender that one statement asks for.
const CHUNK: usize = 7;
pub(super) struct Profiles {
    connection: Mutex<Option<Connection>>,
    memory: Mutex<Memory>,
}

/// What there is to look for at all.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kinds {
    profiles: bool,
    senders: bool,
    networks: bool,
}

impl Kinds {
    const NOTHING: Self = Self { profiles: false, senders: false, networks: false };
}

/// What is known without looking.
struct Memory {
    kinds: Kinds,
    /// The lists' version of which this is true; `None`: look before anything else.
    version: Option<i64>,
    checked: Instant,
    /// Moved by every own change, so that what was read before it is not kept after it.
    epoch: u64,
}

/// What is asked.
struct Question {
    recipient: Address,
    accounts: Vec<AccountId>,
    sender: Option<Address>,
    client: IpAddr,
}

impl Profiles {
    pub(super) fn new(connection: Connection) -> Self {
        let memory = Memory { kinds: Kinds::NOTHING, version: None, checked: Instant::now(), epoch: 0 };
        Self { connection: Mutex::new(Some(connection)), memory: Mutex::new(memory) }
    }

    /// After an own change.
    pub(super) fn forget(&self) {
        let mut memory = self.memory();
        memory.version = None;
        memory.epoch += 1;
    }

    pub(super) fn close(&self) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.forget();
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is known that there is nothing; else the epoch in which to look.
    fn known(&self) -> Result<(), u64> {
        let mut memory = self.memory();
        let fresh = memory.version.is_some() && memory.checked.elapsed() < CHECK;
        if !fresh {
            // Whoever comes next uses what is there while this one looks.
            memory.checked = Instant::now();
        }
        if fresh && memory.kinds == Kinds::NOTHING { Ok(()) } else { Err(memory.epoch) }
    }

    fn look_up(
        &self,
        connection: &Option<Connection>,
        question: &Question,
        epoch: u64,
    ) -> Result<ProfileAnswer, StoreError> {
        let connection = connection.as_ref().ok_or(StoreError::Closed)?;
        let known = {
            let memory = self.memory();
            memory.version.map(|version| (version, memory.kinds))
        };
        let (version, kinds, answer) = in_transaction(connection, |c| {
            let version = lists::version(c)?;
            let kinds = match known {
                Some((of, kinds)) if of == version => kinds,
                _ => kinds_of(c)?,
            };
            Ok((version, kinds, answer(c, question, kinds)?))
        })?;
        let mut memory = self.memory();
        if memory.epoch == epoch {
            (memory.version, memory.kinds, memory.checked) = (Some(version), kinds, Instant::now());
        }
        Ok(answer)
    }
}

pub(super) async fn ask(
    profiles: &Arc<Profiles>,
    recipient: &Address,
    accounts: &[AccountId],
    sender: &ReversePath,
    client: IpAddr,
) -> Result<ProfileAnswer, StoreError> {
    let Err(epoch) = profiles.known() else { return Ok(ProfileAnswer::default()) };
    let question = Question {
        recipient: recipient.clone(),
        // More than one is a group: it has its own profile, not those of its members.
        accounts: accounts.iter().copied().take(2).collect(),
        sender: sender.address().cloned(),
        client,
    };
    // A few pages that nearly always lie in memory: the change of threads would cost more than the question.
    if let Ok(connection) = profiles.connection.try_lock() {
        return profiles.look_up(&connection, &question, epoch);
    }
    let profiles = Arc::clone(profiles);
    blocking(move || {
        let connection = profiles.connection.lock().unwrap_or_else(PoisonError::into_inner);
        profiles.look_up(&connection, &question, epoch)
    })
    .await
}

fn kinds_of(connection: &Connection) -> Result<Kinds, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM profiles),
             EXISTS (SELECT 1 FROM lists INDEXED BY lists_senders WHERE kind > 0 AND list < 2 AND owner > '')
             OR EXISTS (SELECT 1 FROM lists WHERE list = 0 AND owner_kind = 0 AND owner = '' AND kind > 0),
             EXISTS (SELECT 1 FROM lists INDEXED BY lists_owned_networks
                     WHERE kind = 0 AND list < 2 AND owner_kind > 0)",
    )?;
    let kinds =
        |row: &Row<'_>| Ok(Kinds { profiles: row.get(0)?, senders: row.get(1)?, networks: row.get(2)? });
    Ok(select.query_row([], kinds)?)
}

/// The owners whose profiles and lists hold for a recipient, the narrowest first.
pub(crate) fn owners(
    connection: &Connection,
    recipient: &Address,
    accounts: &[AccountId],
) -> Result<Vec<ListOwner>, StoreError> {
    let mut owners = vec![ListOwner::Recipient(recipient.clone())];
    if let [account] = accounts
        && let Some(address) = account_address(connection, *account)?
        && address_key(&address) != address_key(recipient)
    {
        owners.push(ListOwner::Recipient(address));
    }
    owners.extend(recipient.domain().cloned().map(ListOwner::Domain));
    owners.push(ListOwner::Everybody);
    Ok(owners)
}

fn account_address(connection: &Connection, account: AccountId) -> Result<Option<Address>, StoreError> {
    let mut select = connection.prepare_cached("SELECT address FROM accounts WHERE id = ?1")?;
    let text: Option<String> = select.query_row([account.0], |row| row.get(0)).optional()?;
    text.map(|text| Address::parse(&text).map_err(|e| StoreError::corrupt(format!("`{text}`: {e}"))))
        .transpose()
}

fn answer(connection: &Connection, question: &Question, kinds: Kinds) -> Result<ProfileAnswer, StoreError> {
    if kinds == Kinds::NOTHING {
        return Ok(ProfileAnswer::default());
    }
    let now = Timestamp::now();
    let owners = owners(connection, &question.recipient, &question.accounts)?;
    let keys: Vec<String> = owners.iter().map(key).collect();
    // Four places for two to four owners: one that stands there twice is looked for once.
    let key_at = |at: usize| keys[at.min(keys.len() - 1)].as_str();
    let keys = [key_at(0), key_at(1), key_at(2), key_at(3)];
    let mut found = Vec::new();
    if let Some(sender) = question.sender.as_ref().filter(|_| kinds.senders) {
        senders(connection, keys, sender, now, &mut found)?;
    }
    if kinds.networks {
        networks(connection, keys, question.client, now, &mut found)?;
    }
    // Everybody's blocked senders are the gate's, which tells more about them.
    found.retain(|entry| entry.owner != ListOwner::Everybody || entry.list == ListKind::Allow);
    let rank = |entry: &ListEntry| {
        let owner = owners.iter().position(|owner| key(owner) == key(&entry.owner));
        let (kind, length) = match &entry.subject {
            Subject::Address(_) => (0, 0),
            Subject::Domain(domain) => (1, usize::MAX - domain.as_str().len()),
            Subject::Network(network) => (2, usize::MAX - usize::from(network.prefix())),
        };
        (owner, kind, length, entry.list == ListKind::Allow)
    };
    found.sort_by_key(rank);
    let failed = if kinds.profiles { failed(connection, keys)? } else { None };
    Ok(ProfileAnswer { failed, entries: found })
}

/// Entries for the sender's address, its domain and those above it.
fn senders(
    connection: &Connection,
    owners: [&str; 4],
    sender: &Address,
    now: Timestamp,
    found: &mut Vec<ListEntry>,
) -> Result<(), StoreError> {
    let own = address_key(sender);
    let domains: Vec<Domain> = std::iter::successors(sender.domain().cloned(), Domain::parent).collect();
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM lists INDEXED BY lists_senders
         WHERE owner IN (?1, ?2, ?3, ?4) AND subject IN (?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             AND kind > 0 AND list < 2 AND (expires_at IS NULL OR expires_at > ?13)",
            lists::COLUMNS
        )
    });
    let mut select = connection.prepare_cached(&SQL)?;
    let first: &[Domain] = &[];
    for (at, chunk) in
        std::iter::once(first).filter(|_| domains.is_empty()).chain(domains.chunks(CHUNK)).enumerate()
    {
        let domain = |at: usize| chunk.get(at).map_or("", Domain::as_str);
        let own = if at == 0 { own.as_str() } else { "" };
        let rows = select.query_and_then(
            params![
                owners[0],
                owners[1],
                owners[2],
                owners[3],
                own,
                domain(0),
                domain(1),
                domain(2),
                domain(3),
                domain(4),
                domain(5),
                domain(6),
                now.as_millis()
            ],
            lists::entry,
        )?;
        for entry in rows {
            found.push(entry?);
        }
    }
    Ok(())
}

/// Entries for the host, of lists that somebody owns: there are few in each.
fn networks(
    connection: &Connection,
    owners: [&str; 4],
    client: IpAddr,
    now: Timestamp,
    found: &mut Vec<ListEntry>,
) -> Result<(), StoreError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {} FROM lists INDEXED BY lists_owned_networks
         WHERE owner IN (?1, ?2, ?3, ?4) AND kind = 0 AND list < 2 AND owner_kind > 0
             AND (expires_at IS NULL OR expires_at > ?5)",
            lists::COLUMNS
        )
    });
    let mut select = connection.prepare_cached(&SQL)?;
    let rows = select
        .query_and_then(params![owners[0], owners[1], owners[2], owners[3], now.as_millis()], lists::entry)?;
    for entry in rows {
        let entry = entry?;
        if matches!(entry.subject, Subject::Network(network) if network.contains(client)) {
            found.push(entry);
        }
    }
    Ok(())
}

/// What the narrowest profile that says anything says of mail that fails.
fn failed(connection: &Connection, owners: [&str; 4]) -> Result<Option<FailedMail>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT owner, failed FROM profiles WHERE owner IN (?1, ?2, ?3, ?4) AND failed IS NOT NULL",
    )?;
    let mut rows = select.query(owners)?;
    let mut nearest: Option<(usize, FailedMail)> = None;
    while let Some(row) = rows.next()? {
        let owner: String = row.get(0)?;
        let at = owners.iter().position(|key| *key == owner).unwrap_or(owners.len());
        if nearest.is_none_or(|(before, _)| at < before) {
            nearest = stored_failed(row, 1)?.map(|failed| (at, failed)).or(nearest);
        }
    }
    Ok(nearest.map(|(_, failed)| failed))
}

fn stored_failed(row: &Row<'_>, column: usize) -> Result<Option<FailedMail>, StoreError> {
    let name: Option<String> = row.get(column)?;
    let strange = |name: String| StoreError::corrupt(format!("a profile that says {name}"));
    name.map(|name| FailedMail::by_name(&name).ok_or_else(|| strange(name))).transpose()
}

pub(super) fn key(owner: &ListOwner) -> String {
    lists::owner_key(owner).1
}

fn stored(row: &Row<'_>, failed: usize) -> Result<StoredProfile, StoreError> {
    let learn: Option<bool> = row.get(failed + 1)?;
    Ok(StoredProfile {
        failed: stored_failed(row, failed)?,
        learn: learn.map(|learn| if learn { Learn::Yes } else { Learn::No }),
    })
}

pub(super) fn by_key(connection: &Connection, owner: &str) -> Result<StoredProfile, StoreError> {
    let mut select = connection.prepare_cached("SELECT failed, learn FROM profiles WHERE owner = ?1")?;
    let mut rows = select.query([owner])?;
    rows.next()?.map_or_else(|| Ok(StoredProfile::default()), |row| stored(row, 0))
}

pub(crate) fn get(connection: &Connection, owner: &ListOwner) -> Result<StoredProfile, StoreError> {
    by_key(connection, &key(owner))
}

pub(crate) fn set(
    connection: &Connection,
    owner: &ListOwner,
    profile: StoredProfile,
) -> Result<(), StoreError> {
    let owner = key(owner);
    if profile == StoredProfile::default() {
        connection.prepare_cached("DELETE FROM profiles WHERE owner = ?1")?.execute([owner])?;
    } else {
        let mut put = connection
            .prepare_cached("INSERT OR REPLACE INTO profiles (owner, failed, learn) VALUES (?1, ?2, ?3)")?;
        put.execute(params![
            owner,
            profile.failed.map(FailedMail::name),
            profile.learn.map(|learn| learn == Learn::Yes)
        ])?;
    }
    lists::announce(connection)
}

pub(crate) fn all(connection: &Connection) -> Result<Vec<OwnedProfile>, StoreError> {
    let mut select = connection.prepare_cached("SELECT owner, failed, learn FROM profiles ORDER BY owner")?;
    let rows = select.query_and_then([], |row| {
        let owner: String = row.get(0)?;
        Ok(OwnedProfile { owner: lists::owner_of(&owner)?, profile: stored(row, 1)? })
    })?;
    rows.collect()
}
