//! Whom our own users write to goes onto their allow lists: the one place where this service learns.
//!
//! A page on the web that sends mail lets strangers choose who is written to, in the name of an address of ours. So nothing
//! is learned from programs on the mail server's own host, nor from an account that writes in another's name, nor
//! from what a program has written by its own word.

use std::net::{IpAddr, UdpSocket};

use postern_gate::{Collector, Trust};
use postern_types::{Address, ReversePath, Timestamp};

use crate::client::Client;
use crate::house::House;
use crate::transaction::Transaction;

/// Who has written a message, as far as the MTA tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// Who has signed in at the MTA under this name.
    SignedIn(String),
    /// Somebody on another host of our own networks.
    Nearby,
    /// A stranger, or a program on the MTA's own host.
    Anybody,
}

impl Author {
    /// The author of what `client` sends, which has signed in under `login` or not at all.
    pub(crate) fn of(client: &Client, login: Option<String>) -> Self {
        match login {
            Some(login) => Self::SignedIn(login),
            None if client.trust == Trust::Ours && !is_this_host(client.ip) => Self::Nearby,
            None => Self::Anybody,
        }
    }

    /// Whether the sender is the author itself: an account writes in its own name.
    fn writes_as(&self, sender: &Address) -> bool {
        match self {
            // Some sign in with the local part alone.
            Self::SignedIn(login) => {
                let name = if login.contains('@') { sender.to_string() } else { sender.local().to_string() };
                name.eq_ignore_ascii_case(login)
            }
            Self::Nearby => true,
            Self::Anybody => false,
        }
    }
}

/// Whether an address is one of this machine: only to those a socket can be bound. Nothing is sent.
fn is_this_host(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Learns from a message that goes out.
pub(crate) async fn learn(house: &House, transaction: &Transaction, collector: &Collector) {
    let until = house.settings.learned_for;
    let ReversePath::Address(sender) = &transaction.sender else { return };
    let goes_out = collector.known().client.trusted && !until.is_zero();
    if !goes_out || !transaction.author.writes_as(sender) {
        return;
    }
    if postern_message::is_automatic(&transaction.message.header) {
        return;
    }
    let recipients: Vec<Address> = transaction.recipients.iter().map(|r| r.judged.address.clone()).collect();
    let until = Timestamp::now().plus(until);
    if let Err(error) = house.store.learn_correspondents(&transaction.sender, &recipients, until).await {
        // The mail itself is not concerned.
        house.store_failed(transaction.trace, "learn", &error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_writes_in_its_own_name_only() {
        let ann = Address::parse("Ann@example.test").unwrap();
        let signed_in = |login: &str| Author::SignedIn(login.into()).writes_as(&ann);
        for login in ["ann", "ANN", "ann@example.test", "Ann@EXAMPLE.test"] {
            assert!(signed_in(login), "{login}");
        }
        for login in ["", "web", "ann@example.org", "@", "ann@", "example.test"] {
            assert!(!signed_in(login), "{login}");
        }
        assert!(is_this_host([127, 0, 0, 1].into()) && !is_this_host([192, 0, 2, 7].into()));
        assert!(Author::Nearby.writes_as(&ann) && !Author::Anybody.writes_as(&ann));
    }
}
