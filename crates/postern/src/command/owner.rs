//! Whose list or profile a command is about.

use postern_store::{ListOwner, Store};
use postern_types::{Address, Domain};

use crate::failure::Failure;

/// One recipient, one domain, or everybody.
#[derive(Debug, clap::Args)]
pub(crate) struct Owner {
    /// For this recipient only (an account, an alias, an address behind) [default: everybody]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "domain")]
    recipient: Option<Address>,
    /// For the recipients of this domain
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<Domain>,
}

impl Owner {
    /// Whether one was named.
    pub(crate) fn is_named(&self) -> bool {
        self.recipient.is_some() || self.domain.is_some()
    }

    /// The owner as the store knows it.
    pub(crate) fn whose(self) -> ListOwner {
        match (self.recipient, self.domain) {
            (Some(recipient), _) => ListOwner::Recipient(recipient),
            (None, Some(domain)) => ListOwner::Domain(domain),
            (None, None) => ListOwner::Everybody,
        }
    }

    /// The same for something that is added: what is not for a domain of ours would never count.
    pub(crate) async fn ours(self, store: &Store) -> Result<ListOwner, Failure> {
        let owner = self.whose();
        let domain = match &owner {
            ListOwner::Everybody => return Ok(owner),
            ListOwner::Domain(domain) => Some(domain),
            ListOwner::Recipient(recipient) => recipient.domain(),
        };
        let domains = store.domains().await?;
        if domain.is_some_and(|domain| domains.iter().any(|ours| ours.name == *domain)) {
            return Ok(owner);
        }
        Err(Failure::Usage(format!(
            "no mail is received for {owner}: see `postern domain list` for the domains that there are"
        )))
    }
}
