//! What can be asked.

use std::fmt;
use std::net::IpAddr;

use postern_events::{Label, Probe};
use postern_types::Address;

use crate::target::{network, registered};

/// A question that a test asks of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Does the host itself answer on its SMTP port?
    ConnectBack(IpAddr),
    /// Do its neighbours?
    Neighbours(IpAddr),
    /// Would it relay for strangers?
    Relay(IpAddr),
    /// Does the sender exist?
    User(Address),
}

/// Under what an answer is kept: the test's name and what it was about.
pub(crate) type Key = (&'static str, String);

/// The test whose answers hold for a whole domain.
pub(crate) const DOMAIN: &str = "domain";

impl Question {
    /// The test's name, in ledger and cache.
    #[must_use]
    pub fn probe(&self) -> &'static str {
        self.label().text()
    }

    /// The test as events count it.
    pub(crate) fn label(&self) -> Probe {
        match self {
            Self::ConnectBack(_) => Probe::Connect,
            Self::Neighbours(_) => Probe::Neighbours,
            Self::Relay(_) => Probe::Relay,
            Self::User(_) => Probe::User,
        }
    }

    /// What it is about, in ledger and cache. All hosts of a network have the same neighbours, or each of them
    /// would have some of its own connected to; and the letter case of a sender makes no new question.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::ConnectBack(ip) | Self::Relay(ip) => ip.to_canonical().to_string(),
            Self::Neighbours(ip) => network(*ip).to_string(),
            Self::User(address) => address.to_string().to_lowercase(),
        }
    }

    pub(crate) fn key(&self) -> Key {
        (self.probe(), self.subject())
    }

    /// Whose budget it takes from: the registered domain of a sender, the network of a host.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::ConnectBack(ip) | Self::Neighbours(ip) | Self::Relay(ip) => network(*ip).to_string(),
            Self::User(address) => registered(&address.host().to_string()),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConnectBack(ip) => write!(f, "whether {ip} answers on its SMTP port"),
            Self::Neighbours(ip) => write!(f, "whether the neighbours of {ip} answer on their SMTP ports"),
            Self::Relay(ip) => write!(f, "whether {ip} relays for strangers"),
            Self::User(address) => write!(f, "whether {address} exists"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_belongs_to_whoever_registered_the_domain() {
        for (question, subject, place) in [
            (
                Question::User("Ann@a.b.example.co.uk".parse().unwrap()),
                "ann@a.b.example.co.uk",
                "example.co.uk",
            ),
            (Question::User("ann@com".parse().unwrap()), "ann@com", "com"),
            (Question::Relay("192.0.2.7".parse().unwrap()), "192.0.2.7", "192.0.2.0/24"),
            (Question::Neighbours("192.0.2.7".parse().unwrap()), "192.0.2.0/24", "192.0.2.0/24"),
            (Question::ConnectBack("2001:db8::7".parse().unwrap()), "2001:db8::7", "2001:db8::/64"),
        ] {
            assert_eq!((question.subject().as_str(), question.place().as_str()), (subject, place));
        }
    }
}
