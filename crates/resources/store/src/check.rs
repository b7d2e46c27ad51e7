//! Is everything in the store as it was written? For whoever looks after it; mail goes on meanwhile.

use std::fmt;
use std::time::Duration;

use crate::body::blocking;
use crate::sqlite::check as engine;
use crate::{Store, StoreError};

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At the structure of the database and at whether what rows name is there, for so long at most.
    Quick(Duration),
    /// At all of that, every index, and the checksum of every message: reads the whole store.
    Full,
}

/// What was looked at, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkup {
    /// Messages in all mailboxes.
    pub messages: u64,
    /// Bodies in files of their own that were looked at.
    pub files: u64,
    /// Bytes of messages that were read: none unless the check was [`Depth::Full`].
    pub bytes: u64,
    /// Whether the time was over before everything was looked at.
    pub extent: Extent,
    /// What is wrong, [`MAX_DAMAGE`] entries at most.
    pub damage: Vec<Damage>,
}

/// How much of what was to be looked at was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    #[default]
    Whole,
    /// A part: the time was over.
    Part,
}

/// How many kinds of damage a [`Checkup`] lists.
pub const MAX_DAMAGE: usize = 50;

/// Something that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The database's own structure, in the engine's words.
    Database(String),
    /// Rows that refer to rows that are not there.
    Reference {
        /// Whose rows.
        table: String,
        /// How many.
        rows: u64,
    },
    /// Copies of messages whose text is gone.
    LostText {
        /// How many.
        copies: u64,
    },
    /// Texts whose count of copies is wrong: they would be deleted too early, or never.
    Count {
        /// How many.
        parts: u64,
    },
    /// A text in the database that has changed.
    Changed {
        /// Its number.
        part: i64,
    },
    /// A body's file that is not there.
    FileMissing {
        /// Its name in the folder of bodies.
        file: String,
    },
    /// A body's file that has another length or checksum.
    FileChanged {
        /// Its name in the folder of bodies.
        file: String,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(words) => write!(f, "the database is damaged: {words}"),
            Self::Reference { table, rows } => {
                write!(f, "{rows} rows of `{table}` refer to rows that are missing")
            }
            Self::LostText { copies } => write!(f, "{copies} messages have lost their text"),
            Self::Count { parts } => write!(f, "{parts} texts do not know how many messages need them"),
            Self::Changed { part } => write!(f, "part {part} of a message has changed"),
            Self::FileMissing { file } => write!(f, "the body file {file} is missing"),
            Self::FileChanged { file } => write!(f, "the body file {file} has changed"),
        }
    }
}

impl Store {
    /// Looks whether the store is whole, beside everything else that it does. Damage is no error: it is in the answer.
    ///
    /// # Errors
    /// When it cannot be looked: the folder cannot be read, the store is busy.
    pub async fn check(&self, depth: Depth) -> Result<Checkup, StoreError> {
        let dir = self.engine.dir().to_owned();
        blocking(move || engine::store(&dir, depth)).await
    }
}
