//! Answers of `-ERR` kind that the driver gives, as values.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// The code in brackets that tells a program why (RFC 2449 §8, RFC 3206).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseCode {
    /// Another session holds the maildrop.
    InUse,
    /// The last login was too recent.
    LoginDelay,
    /// It is the server's fault and passes: try again later.
    SysTemp,
    /// It is the server's fault and stays: call its people.
    SysPerm,
    /// The name or password is wrong: ask the user.
    Auth,
}

/// A `-ERR` answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    code: Option<ResponseCode>,
    text: Cow<'static, str>,
}

impl Denial {
    /// A denial with its code. Control characters in `text` become spaces.
    #[must_use]
    pub fn new(code: ResponseCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code: Some(code), text: clean(text.into()) }
    }

    /// A denial that no code describes.
    #[must_use]
    pub fn plain(text: impl Into<Cow<'static, str>>) -> Self {
        Self { code: None, text: clean(text.into()) }
    }

    /// The name or the password is wrong; which of them is not said.
    #[must_use]
    pub fn wrong_password() -> Self {
        Self::new(ResponseCode::Auth, "name or password is wrong")
    }

    /// Another session has the maildrop.
    #[must_use]
    pub fn in_use() -> Self {
        Self::new(ResponseCode::InUse, "another program is fetching this mail just now")
    }

    /// The login came before `left` was over.
    #[must_use]
    pub fn login_delay(left: Duration) -> Self {
        let seconds = left.as_secs().max(1);
        Self::new(ResponseCode::LoginDelay, format!("fetched a moment ago; wait {seconds} seconds"))
    }

    /// Something here failed that will pass.
    #[must_use]
    pub fn temporary(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ResponseCode::SysTemp, text)
    }

    /// Something here failed that will not pass by itself.
    #[must_use]
    pub fn permanent(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ResponseCode::SysPerm, text)
    }

    /// The whole line with its CRLF, for a client that is turned away before a session begins.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("-ERR {self}\r\n")
    }

    /// The code, where there is one.
    #[must_use]
    pub fn code(&self) -> Option<ResponseCode> {
        self.code
    }
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
            Self::Auth => "AUTH",
        })
    }
}

/// What stands behind `-ERR `.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "[{code}] {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

fn clean(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.chars().any(char::is_control) { text.replace(char::is_control, " ").into() } else { text }
}
