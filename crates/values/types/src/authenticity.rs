//! What a method of sender authentication comes to, in the words of RFC 8601 §2.7.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of SPF, DKIM, DMARC, ARC or iprev. Each method uses some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authenticity {
    /// There was nothing to check: no record, no signature.
    #[default]
    None,
    /// It is authentic.
    Pass,
    /// It is not.
    Fail,
    /// SPF: probably not.
    SoftFail,
    /// The domain's owner says nothing about it, or what there is cannot be used.
    Neutral,
    /// It would pass, but our rules do not count it.
    Policy,
    /// It could not be checked now; a later try may tell.
    TempError,
    /// It can never be checked: what the domain publishes or the message says is wrong.
    PermError,
}

impl Authenticity {
    /// The word of RFC 8601.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }

    /// Whether it is authentic.
    #[must_use]
    pub fn is_pass(self) -> bool {
        self == Self::Pass
    }
}

impl fmt::Display for Authenticity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
