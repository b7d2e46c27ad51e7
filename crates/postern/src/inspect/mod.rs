//! What `setup`, `check` and `doctor` look at, and how they say what they found. Every look is
//! bounded in time; what cannot be told is "unknown", not a failure.

pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod files;
pub(crate) mod folder;
pub(crate) mod names;
pub(crate) mod outbound;
pub(crate) mod ports;
pub(crate) mod sockets;
pub(crate) mod store;
pub(crate) mod tls;

use std::fmt;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) about: String,
    /// How it is.
    pub(crate) state: State,
    /// What was seen.
    pub(crate) found: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// As it should be.
    Ok,
    /// Nobody could tell.
    Unknown,
    /// Mail works, but not as well as it could.
    Warning,
    /// Mail does not work.
    Problem,
}

impl Finding {
    pub(crate) fn new(about: impl Into<String>, state: State, found: impl Into<String>) -> Self {
        Self { about: about.into(), state, found: found.into(), advice: None }
    }

    pub(crate) fn ok(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(about, State::Ok, found)
    }

    pub(crate) fn unknown(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(about, State::Unknown, found)
    }

    pub(crate) fn warning(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(about, State::Warning, found)
    }

    pub(crate) fn problem(about: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(about, State::Problem, found)
    }

    /// Says what to do.
    pub(crate) fn so(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => "ok",
            State::Unknown => "unknown",
            State::Warning => "warning",
            State::Problem => "problem",
        };
        write!(f, "{state:8} {}: {}", self.about, self.found)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, "\n         {advice}"))
    }
}
