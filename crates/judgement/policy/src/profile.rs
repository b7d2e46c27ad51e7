//! What one recipient wants done.

use serde::{Deserialize, Serialize};

/// A recipient's wishes, and what the recipient's own lists say about this sender.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// The most that may happen to mail that fails.
    pub failed: Ceiling,
    /// Whether the recipient's own lists know the sender.
    #[serde(skip_serializing_if = "Listed::is_no")]
    pub sender: Listed,
    /// What the entry that knows it is about.
    #[serde(skip_serializing_if = "About::is_sender")]
    pub about: About,
}

/// What an entry of a recipient's list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The sender's address or domain, which anybody can write into an envelope: such an entry lets nobody in
    /// who is shown to be somebody else.
    #[default]
    Sender,
    /// The host that connects, which nobody can forge.
    Host,
}

/// The most that may happen to mail that fails. Ordered from mild to hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ceiling {
    /// It is delivered as if nothing was found.
    Pass,
    /// It is delivered with a mark in its header.
    Tag,
    /// It is kept where the recipient can look at it.
    Quarantine,
    /// The sender is told no.
    #[default]
    Reject,
}

/// Whether a recipient's own lists know the sender.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Listed {
    /// They don't.
    #[default]
    No,
    /// Always accepted.
    Allowed {
        /// The entry that fits.
        entry: String,
    },
    /// Never accepted.
    Blocked {
        /// The entry that fits.
        entry: String,
    },
}

impl About {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_sender(&self) -> bool {
        *self == Self::Sender
    }
}

impl Listed {
    pub(crate) fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }
}
