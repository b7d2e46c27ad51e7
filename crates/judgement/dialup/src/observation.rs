//! What is known about a client's address: the input of the score.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Names of one address beyond these are not looked at.
pub const MAX_NAMES: usize = 8;
/// Neighbours beyond these are not looked at.
pub const MAX_NEIGHBOURS: usize = 32;
/// Octets of a name beyond these are not looked at (RFC 1035 §2.3.4).
pub const MAX_NAME: usize = 255;

/// What the DNS says about an address, and about the sender that it brings.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Observation {
    /// The client's address.
    pub address: IpAddr,
    /// Its PTR names.
    pub names: Vec<String>,
    /// Addresses near it that have names; empty when nobody asked.
    #[serde(default)]
    pub neighbours: Vec<Neighbour>,
    /// Whether an MX or address record of the sender's domain leads to the client.
    #[serde(default)]
    pub sender_points_here: bool,
    /// Whether SPF says that the sender's domain sends from here.
    #[serde(default)]
    pub spf_pass: bool,
    /// Whether the host itself answers on its SMTP port.
    #[serde(default)]
    pub smtp: Smtp,
    /// Whether hosts beside it do; empty when nobody asked.
    #[serde(default)]
    pub smtp_beside: SmtpBeside,
}

/// Whether a host answers on its SMTP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Smtp {
    /// Nobody asked, or nobody could tell.
    #[default]
    Unknown,
    /// It greets.
    Answers,
    /// Nobody is there.
    Silent,
}

/// How many of the hosts beside one answer on their SMTP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct SmtpBeside {
    /// Those that greet.
    pub answering: u8,
    /// Those where nobody is there.
    pub silent: u8,
}

/// An address near the client's, and its PTR names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Neighbour {
    /// The address.
    pub address: IpAddr,
    /// Its names.
    pub names: Vec<String>,
}

impl Observation {
    /// An address and its names; nothing is known about neighbours or a sender.
    #[must_use]
    pub fn new(address: IpAddr, names: Vec<String>) -> Self {
        Self {
            address,
            names,
            neighbours: Vec::new(),
            sender_points_here: false,
            spf_pass: false,
            smtp: Smtp::Unknown,
            smtp_beside: SmtpBeside::default(),
        }
    }
}
