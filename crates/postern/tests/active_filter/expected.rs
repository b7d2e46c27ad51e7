//! The table: what the tests find × what a recipient wants done with mail that fails.

/// What the tests find about a remote host and the sender that it brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// Nothing that counts.
    Clean,
    /// Enough to refuse, known at RCPT; the reply is like this.
    Fails(&'static str),
    /// Enough to refuse, known when the message is there: the author is forged.
    Forged,
}

/// What a recipient wants done with mail that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Has said nothing: it is refused.
    Plain,
    /// It is kept in quarantine.
    Hold,
    /// It is delivered with a mark.
    Mark,
    /// It is delivered.
    Pass,
    /// Refused, but this sender is on its allow-list.
    Friend,
}

/// What becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Marked,
    Held,
    Refused,
}

impl Profile {
    pub(crate) const ALL: [Self; 5] = [Self::Plain, Self::Hold, Self::Mark, Self::Pass, Self::Friend];

    /// The user's name.
    pub(crate) fn user(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Hold => "hold",
            Self::Mark => "mark",
            Self::Pass => "pass",
            Self::Friend => "friend",
        }
    }
}

/// What becomes of the copy for one recipient of a group.
pub(crate) fn fate(finding: Finding, profile: Profile, group: &[Profile]) -> Fate {
    match (finding, profile) {
        (Finding::Clean, _) | (Finding::Fails(_) | Finding::Forged, Profile::Pass) => Fate::Delivered,
        (Finding::Fails(_), Profile::Friend) => Fate::Delivered,
        (Finding::Fails(_) | Finding::Forged, Profile::Mark) => Fate::Marked,
        (Finding::Fails(_) | Finding::Forged, Profile::Hold) => Fate::Held,
        (Finding::Fails(_), Profile::Plain) => Fate::Refused,
        // Whoever forges a friend is none. What fails after DATA for some recipients only is neither dropped nor
        // bounced (active-filter §7).
        (Finding::Forged, Profile::Plain | Profile::Friend) if group.len() > 1 => Fate::Held,
        (Finding::Forged, Profile::Plain | Profile::Friend) => Fate::Refused,
    }
}

/// What RCPT is answered.
pub(crate) fn answer(finding: Finding, profile: Profile) -> &'static str {
    match (finding, profile) {
        (Finding::Fails(reply), Profile::Plain) => reply,
        _ => "250 *",
    }
}

impl Fate {
    /// Copies in the mailbox, and in quarantine (or held by the MTA that asked by policy delegation).
    pub(crate) fn copies(self) -> (usize, usize) {
        match self {
            Self::Delivered | Self::Marked => (1, 0),
            Self::Held => (0, 1),
            Self::Refused => (0, 0),
        }
    }
}
