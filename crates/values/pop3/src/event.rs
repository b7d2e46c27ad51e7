//! What a session asks of its driver.

use postern_types::Secret;

/// What the driver must do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Write the output, read from the client, give it to [`receive`](crate::Session::receive).
    NeedInput,
    /// Write the output, then ask on: there is more to say than should be held in memory.
    Flush,
    /// Check name and password, then answer by [`opened`](crate::Session::opened) or
    /// [`login_denied`](crate::Session::login_denied).
    Login(Credentials),
    /// Write the output, make TLS, then call [`tls_started`](crate::Session::tls_started);
    /// hang up if it fails.
    StartTls,
    /// Read a message, then call [`content_begins`](crate::Session::content_begins) and so on,
    /// or [`content_denied`](crate::Session::content_denied).
    Retrieve {
        /// Which message, counted from 0, in the order of the maildrop.
        message: usize,
        /// How much of it.
        extent: Extent,
    },
    /// `QUIT`: delete these messages for good (counted from 0, ascending), all or none, then
    /// call [`updated`](crate::Session::updated) or [`update_denied`](crate::Session::update_denied).
    Update {
        /// The messages to delete; may be empty.
        delete: Vec<usize>,
    },
    /// Write the output and hang up.
    Close(Ending),
}

/// How much of a message is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// `RETR`: all of it.
    Whole,
    /// `TOP`: the header and so many lines of the body. The session itself cuts; it tells by
    /// [`content`](crate::Session::content) when it has enough.
    Top(u64),
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// `QUIT`.
    Quit,
    /// Too many wrong commands.
    Errors,
    /// Too many failed logins.
    Logins,
    /// The driver ended it.
    Server,
}

/// Who wants in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name as it was given: 1 or more characters of UTF-8 without control characters.
    pub user: String,
    /// The password; not empty.
    pub password: Secret<String>,
    /// How they came.
    pub mechanism: Mechanism,
}

/// How a client signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// `USER` and `PASS`.
    UserPass,
    /// `AUTH PLAIN`.
    Plain,
}
