//! Whether the sender of the envelope is shown to be somebody else: then nobody's allow list counts for it.

use postern_types::{Address, Authenticity, Domain, ReversePath};

use crate::{Evidence, Fact, Stage};

/// What can show that a sender is authentic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouching {
    /// SPF, or a signature of the sender's domain: who it is within the domain does not matter.
    Domain,
    /// SPF alone. A signature says that its domain sent the message once, for whichever of its people; everybody
    /// who has an address there could send it on under another's name.
    Address,
}

impl Evidence {
    /// Why the sender is taken for forged by what is known at `stage`; `None` when it is authentic, and when
    /// there is nothing by which it could be checked.
    ///
    /// A domain that publishes SPF says who sends for it: who fails that, softly too, must be authentic by a DKIM
    /// signature, which only the message can show. So a sender may be taken for forged at RCPT and not at
    /// the end of the message.
    #[must_use]
    pub fn forged(&self, stage: Stage, vouching: Vouching) -> Option<String> {
        let sender = self.sender.as_ref().and_then(ReversePath::address).and_then(Address::domain)?;
        let facts = || self.until(stage).map(|finding| &finding.fact);
        let authentic = facts().any(|fact| match fact {
            Fact::Spf { result: Authenticity::Pass, helo: false, domain, .. } => speaks_for(domain, sender),
            Fact::Dkim { result: Authenticity::Pass, domain, .. } => {
                vouching == Vouching::Domain && speaks_for(domain, sender)
            }
            _ => false,
        });
        if authentic {
            return None;
        }
        facts().find(|fact| fails(fact)).map(ToString::to_string)
    }
}

/// Whether what `domain` signs is good for `sender`'s (rfc6376 §3.5, `i=`: for those below it too).
fn speaks_for(domain: &str, sender: &Domain) -> bool {
    let rest = sender.as_str().strip_suffix(domain);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn fails(fact: &Fact) -> bool {
    match fact {
        Fact::Spf { result, helo: false, .. } => {
            matches!(result, Authenticity::Fail | Authenticity::SoftFail)
        }
        Fact::Dmarc { result, forwarder, .. } => *result == Authenticity::Fail && forwarder.is_empty(),
        _ => false,
    }
}
