//! Who receives mail here: domains, accounts, aliases.
//!
//! Local parts are compared without regard to case (Unicode lower case), as every mail system that
//! people use does; RFC 5321 §2.4 leaves that to the host that owns the mailbox.

use std::fmt;

use postern_types::{Address, AddressError, Domain, Timestamp};

use crate::sqlite::directory;
use crate::{Store, StoreError};

/// Where mail for a domain goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Into mailboxes of this store.
    Mailbox,
    /// Through to the MTA behind, `host:port`. The text is kept as given.
    Proxy(String),
}

/// A domain that we receive mail for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalDomain {
    /// The name.
    pub name: Domain,
    /// Where its mail goes.
    pub route: Route,
    /// When it was added.
    pub added_at: Timestamp,
}

/// The identity of an account; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub(crate) i64);

/// An account: somebody who has mailboxes and can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its identity.
    pub id: AccountId,
    /// Its address, spelled as it was added.
    pub address: Address,
    /// The password's hash in PHC format.
    pub password_hash: String,
    /// When it was added.
    pub added_at: Timestamp,
}

/// The left side of an alias.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AliasName {
    /// One address.
    Address(Address),
    /// Every address of the domain that is nothing else; written `@example.org`.
    CatchAll(Domain),
}

/// An alias: mail for its name goes to its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The address that it answers for.
    pub name: AliasName,
    /// Accounts or other aliases of this store.
    pub targets: Vec<Address>,
}

impl AccountId {
    /// The id as a number, for logs.
    #[must_use]
    pub fn as_i64(self) -> i64 {
        self.0
    }
}

impl AliasName {
    /// Reads `sales@example.org` or `@example.org`.
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match text.strip_prefix('@') {
            Some(domain) => Ok(Self::CatchAll(Domain::parse(domain)?)),
            None => Address::parse(text).map(Self::Address),
        }
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::CatchAll(domain) => write!(f, "@{domain}"),
        }
    }
}

impl Store {
    /// Adds a domain.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when it is there already.
    pub async fn add_domain(&self, name: Domain, route: Route) -> Result<(), StoreError> {
        self.change_directory(move |c| directory::add_domain(c, &name, &route)).await
    }

    /// Sends a domain's mail elsewhere from now on.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_route(&self, name: Domain, route: Route) -> Result<(), StoreError> {
        self.change_directory(move |c| directory::set_route(c, &name, &route)).await
    }

    /// Removes a domain that has no accounts any more, and its aliases with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Invalid`] while it has accounts.
    pub async fn remove_domain(&self, name: Domain) -> Result<(), StoreError> {
        self.change_directory(move |c| directory::remove_domain(c, &name)).await
    }

    /// One domain.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn domain(&self, name: Domain) -> Result<LocalDomain, StoreError> {
        self.engine.read(move |c| directory::domain(c, &name)).await
    }

    /// All domains, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn domains(&self) -> Result<Vec<LocalDomain>, StoreError> {
        self.engine.read(directory::domains).await
    }

    /// Adds an account with an empty INBOX. The address must be free, also as an alias.
    ///
    /// # Errors
    /// [`StoreError::Exists`]; [`StoreError::NotFound`] when the domain is not ours;
    /// [`StoreError::Invalid`] when the domain's mail goes to an MTA behind.
    pub async fn add_account(
        &self,
        address: Address,
        password_hash: String,
    ) -> Result<AccountId, StoreError> {
        self.change_directory(move |c| directory::add_account(c, &address, &password_hash)).await
    }

    /// Removes an account with all its mail. Mail is removed in small steps, so that others are served.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_account(&self, address: Address) -> Result<(), StoreError> {
        self.change_directory(move |c| directory::remove_account(c, &address)).await?;
        self.purge_abandoned_mailboxes().await
    }

    /// Changes an account's password hash.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn set_password_hash(&self, address: Address, hash: String) -> Result<(), StoreError> {
        self.change_directory(move |c| directory::set_password_hash(c, &address, &hash)).await
    }

    /// The account with exactly this address (in any case), for signing in. `None` if there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn account(&self, address: Address) -> Result<Option<Account>, StoreError> {
        self.engine.read(move |c| directory::account(c, &address)).await
    }

    /// All accounts by address; of one domain where it is named.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn accounts(&self, domain: Option<Domain>) -> Result<Vec<Account>, StoreError> {
        self.engine.read(move |c| directory::accounts(c, domain.as_ref())).await
    }

    /// Adds targets to an alias, making it where it is new.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the name is an account's; [`StoreError::NotFound`] when the domain is
    /// not ours; [`StoreError::Invalid`] when a target is no account or alias here, or there is none.
    pub async fn add_alias(&self, name: AliasName, targets: Vec<Address>) -> Result<(), StoreError> {
        self.change_directory(move |c| directory::add_alias(c, &name, &targets)).await
    }

    /// Removes an alias with all its targets.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    pub async fn remove_alias(&self, name: AliasName) -> Result<(), StoreError> {
        self.change_directory(move |c| directory::remove_alias(c, &name)).await
    }

    /// All aliases by name; of one domain where it is named.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn aliases(&self, domain: Option<Domain>) -> Result<Vec<Alias>, StoreError> {
        self.engine.read(move |c| directory::aliases(c, domain.as_ref())).await
    }
}
