//! Why a question is not asked.

use std::net::IpAddr;

/// Why a question is not asked. Never a reason to refuse anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// Its owner does not want to be asked.
    #[error("{0} does not want to be asked (`probe.opt_out_domains`, `probe.opt_out_networks`)")]
    OptedOut(String),
    /// It is this host, or a domain of ours.
    #[error("{0} is ours")]
    Ours(String),
    /// An address that the world cannot reach.
    #[error("{0} is not a public address")]
    NotPublic(IpAddr),
    /// The sender is at an address literal, which has no mail hosts.
    #[error("{0} is at an address, not at a domain")]
    Literal(String),
    /// The method is switched off.
    #[error("{0} is switched off")]
    Off(&'static str),
    /// The budget of a domain or network is spent for this minute.
    #[error("{0} was asked within the last minute")]
    PlaceMinute(String),
    /// … for this day.
    #[error("{0} was asked often enough today")]
    PlaceDay(String),
    /// A network or provider, whatever domain is asked about, was connected to as often as it may be in a minute.
    #[error("{0} was connected to often enough within the last minute")]
    TargetMinute(String),
    /// … in a day.
    #[error("{0} was connected to often enough today")]
    TargetDay(String),
    /// It has a connection now, and others wait for theirs.
    #[error("{0} is being asked something else")]
    TargetBusy(String),
    /// Ours is, for this minute.
    #[error("enough questions were asked this minute")]
    TotalMinute,
    /// … for this day.
    #[error("enough questions were asked today")]
    TotalDay,
    /// As many as may be are on their way.
    #[error("too many questions are on their way")]
    Busy,
    /// Our own way out seems to be broken.
    #[error("connections from here seem to fail: hosts that answered lately do so no more")]
    NothingAnswers,
    /// The host was tested lately, and may not be again so soon.
    #[error("{0} was tested within the last 30 days")]
    Lately(IpAddr),
    /// What cannot be written down is not done.
    #[error("the store failed: {0}")]
    Store(String),
}

impl NotAllowed {
    /// Whether it is a matter of time, so that to have been held back is not remembered as an answer.
    pub(crate) fn will_pass(&self) -> bool {
        matches!(
            self,
            Self::TargetMinute(_)
                | Self::TargetDay(_)
                | Self::TargetBusy(_)
                | Self::NothingAnswers
                | Self::Store(_)
        )
    }
}
