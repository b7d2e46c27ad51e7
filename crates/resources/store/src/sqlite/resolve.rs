//! Recipients resolved from memory, and where that fails, from the tables.
//!
//! The memory holds answers of one version of the directory (a counter in the database that every
//! change of domains, accounts and aliases moves). It is read again every [`CHECK`], by one of those who
//! ask, and after every change by this process. An answer from memory takes about a microsecond.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use postern_types::{Address, ForwardPath};
use rusqlite::Connection;

use super::directory::{self, CATCH_ALL, local_key};
use super::readers::in_transaction;
use crate::body::blocking;
use crate::{AccountId, Resolution, Route, StoreError};

/// How long changes of other processes may go unseen.
const CHECK: Duration = Duration::from_millis(250);
/// Answers in memory, unknown users among them: some 4 MB.
const ANSWERS: usize = 16_384;
/// How deep aliases may point to aliases.
const DEPTH: usize = 8;
/// How many accounts an alias may reach.
const ACCOUNTS: usize = 1_000;

const POSTMASTER: &str = "postmaster";

pub(super) struct Resolver {
    connection: Mutex<Option<Connection>>,
    memory: Mutex<Memory>,
}

struct Memory {
    answers: HashMap<String, Resolution>,
    /// The directory's version that the answers are of; `None`: read it before anything else.
    version: Option<i64>,
    checked: Instant,
    /// Moved by every own change, so that an answer read before it is not kept after it.
    epoch: u64,
}

impl Resolver {
    pub(super) fn new(connection: Connection) -> Self {
        let memory = Memory { answers: HashMap::new(), version: None, checked: Instant::now(), epoch: 0 };
        Self { connection: Mutex::new(Some(connection)), memory: Mutex::new(memory) }
    }

    /// After an own change: nothing old is answered any more.
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

    /// The answer from memory, or the epoch in which to look it up.
    fn remembered(&self, key: &str) -> Result<Resolution, u64> {
        let mut memory = self.memory();
        if memory.version.is_none() {
            return Err(memory.epoch);
        }
        if memory.checked.elapsed() >= CHECK {
            // Whoever comes next uses what is there while this one looks.
            memory.checked = Instant::now();
            return Err(memory.epoch);
        }
        memory.answers.get(key).cloned().ok_or(memory.epoch)
    }

    /// Looks in the tables and keeps the answer.
    fn look_up(&self, key: String, recipient: &ForwardPath, epoch: u64) -> Result<Resolution, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = connection.as_ref().ok_or(StoreError::Closed)?;
        let (version, answer) =
            in_transaction(connection, |c| Ok((directory::version(c)?, look_up(c, recipient)?)))?;
        let mut memory = self.memory();
        if memory.epoch == epoch {
            if memory.version != Some(version) || memory.answers.len() >= ANSWERS {
                memory.answers.clear();
            }
            memory.version = Some(version);
            memory.checked = Instant::now();
            memory.answers.insert(key, answer.clone());
        }
        Ok(answer)
    }
}

pub(super) async fn resolve(
    resolver: &Arc<Resolver>,
    recipient: &ForwardPath,
) -> Result<Resolution, StoreError> {
    let key = recipient.to_string().to_lowercase();
    let epoch = match resolver.remembered(&key) {
        Ok(answer) => return Ok(answer),
        Err(epoch) => epoch,
    };
    let (resolver, recipient) = (Arc::clone(resolver), recipient.clone());
    blocking(move || resolver.look_up(key, &recipient, epoch)).await
}

fn look_up(connection: &Connection, recipient: &ForwardPath) -> Result<Resolution, StoreError> {
    let ForwardPath::Address(address) = recipient else {
        return Ok(answer(postmaster(connection)?));
    };
    let Some(domain) = address.domain() else { return Ok(Resolution::NotOurs) };
    let Some(found) = directory::find(connection, domain)? else { return Ok(Resolution::NotOurs) };
    if let Route::Proxy(hop) = found.route {
        return Ok(Resolution::Proxy(hop));
    }
    let key = local_key(address.local());
    let mut accounts = by_key(connection, found.id, &key)?;
    if accounts.is_empty() {
        accounts = Reach::from(connection, directory::targets(connection, found.id, CATCH_ALL)?)?;
    }
    // rfc5321 §4.5.1: mail for postmaster is accepted for every domain of ours.
    if accounts.is_empty() && key == POSTMASTER {
        accounts = postmaster(connection)?;
    }
    Ok(answer(accounts))
}

fn answer(accounts: Vec<AccountId>) -> Resolution {
    if accounts.is_empty() { Resolution::UnknownUser } else { Resolution::Mailboxes(accounts) }
}

/// The account or the alias of this key, or of the key without its detail.
fn by_key(connection: &Connection, domain: i64, key: &str) -> Result<Vec<AccountId>, StoreError> {
    // rfc5233 §4: `user+detail` is the user, unless the whole is a name of its own.
    let user = key.split_once('+').map(|(user, _)| user).filter(|user| !user.is_empty());
    for key in std::iter::once(key).chain(user) {
        if let Some(id) = directory::account_id(connection, domain, key)? {
            return Ok(vec![AccountId(id)]);
        }
        let accounts = Reach::from(connection, directory::targets(connection, domain, key)?)?;
        if !accounts.is_empty() {
            return Ok(accounts);
        }
    }
    Ok(Vec::new())
}

/// The first domain's postmaster, in the order in which domains were added.
fn postmaster(connection: &Connection) -> Result<Vec<AccountId>, StoreError> {
    let mut select = connection.prepare_cached("SELECT id FROM domains WHERE route IS NULL ORDER BY id")?;
    let domains: Vec<i64> = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for domain in domains {
        let accounts = by_key(connection, domain, POSTMASTER)?;
        if !accounts.is_empty() {
            return Ok(accounts);
        }
    }
    Ok(Vec::new())
}

/// The accounts that an alias reaches, each once; loops end where they began.
#[derive(Default)]
struct Reach {
    accounts: Vec<AccountId>,
    seen: HashSet<(i64, String)>,
}

impl Reach {
    fn from(connection: &Connection, targets: Vec<Address>) -> Result<Vec<AccountId>, StoreError> {
        let mut reach = Self::default();
        let mut level = targets;
        for _ in 0..DEPTH {
            let mut deeper = Vec::new();
            for target in level {
                reach.follow(connection, &target, &mut deeper)?;
            }
            level = deeper;
        }
        Ok(reach.accounts)
    }

    fn follow(
        &mut self,
        connection: &Connection,
        target: &Address,
        deeper: &mut Vec<Address>,
    ) -> Result<(), StoreError> {
        let Some(domain) = target.domain() else { return Ok(()) };
        let Some(found) = directory::find(connection, domain)? else { return Ok(()) };
        let key = local_key(target.local());
        let is_new = self.seen.insert((found.id, key.clone()));
        if !is_new || self.accounts.len() >= ACCOUNTS {
            return Ok(());
        }
        match directory::account_id(connection, found.id, &key)? {
            Some(id) => self.accounts.push(AccountId(id)),
            None => deeper.extend(directory::targets(connection, found.id, &key)?),
        }
        Ok(())
    }
}
