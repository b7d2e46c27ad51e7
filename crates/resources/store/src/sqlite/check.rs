//! The checks of a database and of the files beside it: SQLite's own, then ours.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Instant;

use rusqlite::{Connection, Error, ErrorCode};

use super::backup::{Sum, sum};
use super::columns::unsigned;
use super::open::connect_for_reading;
use crate::check::MAX_DAMAGE;
use crate::files::{FOLDER, hold_shared};
use crate::{Checkup, Damage, Depth, Extent, StoreError};

/// Parts of messages that are looked at in one read transaction: the log can be written back between.
const STEP: i64 = 256;

/// Every copy of a message, with the parts that it needs.
const COPIES: &str = "SELECT body, prefix FROM messages UNION ALL
     SELECT body, prefix FROM quarantine UNION ALL SELECT body, prefix FROM queue";

/// Checks the store in `dir`, on a connection of its own.
pub(crate) fn store(dir: &Path, depth: Depth) -> Result<Checkup, StoreError> {
    // From here on no file of a body goes away: one that is missing is lost.
    let _hold = hold_shared(&dir.join(FOLDER))?;
    let connection = connect_for_reading(dir)?;
    let mut check = Check::new(&connection, depth);
    let folder = dir.join(FOLDER);
    in_time(&connection, depth, || match depth {
        // What costs little comes first: the pages of a large database take longer than there is time.
        Depth::Quick(_) => {
            check.messages()?;
            check.files(&folder)?;
            check.references()?;
            check.texts()?;
            check.structure()
        }
        Depth::Full => {
            check.database()?;
            check.files(&folder)
        }
    })
    .or_else(|error| check.note(error))?;
    Ok(check.checkup)
}

/// Checks a database to the last byte, without files: what [`Damage`] is found first.
pub(super) fn database(connection: &Connection) -> Result<(), StoreError> {
    let mut check = Check::new(connection, Depth::Full);
    check.database().or_else(|error| check.note(error))?;
    match check.checkup.damage.first() {
        None => Ok(()),
        Some(damage) => Err(StoreError::corrupt(damage.to_string())),
    }
}

/// Interrupts whatever statement runs when the time is over.
fn in_time<T>(connection: &Connection, depth: Depth, work: impl FnOnce() -> T) -> T {
    let Depth::Quick(limit) = depth else { return work() };
    let handle = connection.get_interrupt_handle();
    let (done, waiting) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
            }
        });
        let result = work();
        drop(done);
        result
    })
}

struct Check<'a> {
    connection: &'a Connection,
    full: bool,
    deadline: Option<Instant>,
    checkup: Checkup,
}

/// Why a check goes no further.
enum End {
    /// It has seen enough.
    Enough,
    /// The engine.
    Engine(Error),
    /// The store.
    Store(StoreError),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<'a> Check<'a> {
    fn new(connection: &'a Connection, depth: Depth) -> Self {
        let (full, deadline) = match depth {
            Depth::Full => (true, None),
            Depth::Quick(limit) => (false, Instant::now().checked_add(limit)),
        };
        Self { connection, full, deadline, checkup: Checkup::default() }
    }

    /// What ended a check, as a part of what it found.
    fn note(&mut self, end: End) -> Result<(), StoreError> {
        let error = match end {
            End::Enough => return Ok(()),
            End::Engine(Error::SqliteFailure(failure, _))
                if failure.code == ErrorCode::OperationInterrupted =>
            {
                self.checkup.extent = Extent::Part;
                return Ok(());
            }
            End::Engine(error) => error.into(),
            End::Store(error) => error,
        };
        match error {
            StoreError::Corrupt { what } => {
                self.checkup.damage.push(Damage::Database(what));
                Ok(())
            }
            error => Err(error),
        }
    }

    fn found(&mut self, damage: Damage) -> Result<(), End> {
        self.checkup.damage.push(damage);
        if self.checkup.damage.len() < MAX_DAMAGE { Ok(()) } else { Err(End::Enough) }
    }

    fn in_time(&mut self) -> Result<(), End> {
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.checkup.extent = Extent::Part;
            return Err(End::Enough);
        }
        Ok(())
    }

    /// All of a database, without files.
    fn database(&mut self) -> Result<(), End> {
        self.structure()?;
        self.references()?;
        self.texts()?;
        self.counts()?;
        self.contents()?;
        self.messages()
    }

    fn messages(&mut self) -> Result<(), End> {
        self.checkup.messages = self.count("SELECT count(*) FROM messages")?;
        Ok(())
    }

    /// Pages, rows, constraints; with all of it, that every index fits its table.
    fn structure(&mut self) -> Result<(), End> {
        self.in_time()?;
        let pragma = if self.full { "PRAGMA integrity_check(20)" } else { "PRAGMA quick_check(20)" };
        let mut statement = self.connection.prepare(pragma)?;
        let words: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for words in words.into_iter().filter(|words| words != "ok") {
            self.found(Damage::Database(words))?;
        }
        // What stands on pages that are broken says nothing more.
        if self.checkup.damage.is_empty() { Ok(()) } else { Err(End::Enough) }
    }

    fn references(&mut self) -> Result<(), End> {
        self.in_time()?;
        let sql = "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY \"table\"";
        let mut statement = self.connection.prepare(sql)?;
        let lost = statement.query_and_then([], |row| {
            Ok::<_, End>(Damage::Reference { table: row.get(0)?, rows: unsigned(row, 1)? })
        })?;
        for damage in lost.collect::<Result<Vec<_>, _>>()? {
            self.found(damage)?;
        }
        Ok(())
    }

    /// Every copy has its parts.
    fn texts(&mut self) -> Result<(), End> {
        self.in_time()?;
        let copies = self.count(&format!(
            "SELECT count(*) FROM ({COPIES}) AS copies
             WHERE NOT EXISTS (SELECT 1 FROM parts WHERE id = copies.body)
                OR NOT EXISTS (SELECT 1 FROM parts WHERE id = copies.prefix)"
        ))?;
        if copies == 0 { Ok(()) } else { self.found(Damage::LostText { copies }) }
    }

    /// Every part knows how many copies need it.
    fn counts(&mut self) -> Result<(), End> {
        let parts = self.count(&format!(
            "WITH copies AS ({COPIES}),
                  needed AS (SELECT part, count(*) AS times FROM
                      (SELECT body AS part FROM copies UNION ALL SELECT prefix FROM copies) GROUP BY part)
             SELECT count(*) FROM parts LEFT JOIN needed ON part = id WHERE copies <> ifnull(times, 0)"
        ))?;
        if parts == 0 { Ok(()) } else { self.found(Damage::Count { parts }) }
    }

    fn count(&self, sql: &str) -> Result<u64, End> {
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The checksum of every text that lies in the database.
    fn contents(&mut self) -> Result<(), End> {
        let mut select = self.connection.prepare(
            "SELECT id, size, checksum, octets FROM parts WHERE id > ?1 AND file IS NULL ORDER BY id LIMIT ?2",
        )?;
        let mut last = i64::MIN;
        loop {
            let mut rows = select.query([last, STEP])?;
            let before = last;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let expected = Sum { checksum: row.get(2)?, size: unsigned(row, 1)? };
                let octets = row.get_ref(3)?.as_blob().unwrap_or_default();
                let is = Sum { checksum: crc32fast::hash(octets), size: octets.len() as u64 };
                self.checkup.bytes += is.size;
                if is != expected {
                    self.found(Damage::Changed { part: last })?;
                }
            }
            if last == before {
                return Ok(());
            }
        }
    }

    /// The file of every body that has one: there, and as long as it was; with all of it, its checksum.
    fn files(&mut self, folder: &Path) -> Result<(), End> {
        let mut select = self
            .connection
            .prepare("SELECT file, size, checksum FROM parts WHERE file > ?1 ORDER BY file LIMIT ?2")?;
        let mut last = String::new();
        loop {
            let rows = select.query_and_then((&last, STEP), |row| {
                Ok::<_, End>((row.get(0)?, Sum { size: unsigned(row, 1)?, checksum: row.get(2)? }))
            })?;
            let rows: Vec<(String, Sum)> = rows.collect::<Result<_, _>>()?;
            let Some((name, _)) = rows.last() else { return Ok(()) };
            last.clone_from(name);
            for (file, expected) in rows {
                self.in_time()?;
                self.file(folder, file, expected)?;
            }
        }
    }

    fn file(&mut self, folder: &Path, file: String, expected: Sum) -> Result<(), End> {
        let path = folder.join(&file);
        self.checkup.files += 1;
        let size = match fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return self.found(Damage::FileMissing { file });
            }
            Err(error) => return Err(StoreError::io(format!("looking at {}", path.display()), error).into()),
        };
        let mut whole = size == expected.size;
        if whole && self.full {
            self.checkup.bytes += size;
            whole = sum(&path)? == expected;
        }
        if whole { Ok(()) } else { self.found(Damage::FileChanged { file }) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_statement_that_takes_too_long_is_interrupted() {
        let connection = Connection::open_in_memory().unwrap();
        let endless =
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
        let depth = Depth::Quick(Duration::from_millis(5));
        let mut check = Check::new(&connection, depth);
        let ended = in_time(&connection, depth, || check.count(endless)).map(|_| ());
        ended.or_else(|end| check.note(end)).unwrap();
        assert_eq!((check.checkup.extent, check.checkup.damage), (Extent::Part, vec![]));
    }
}
