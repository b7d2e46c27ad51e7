//! `postern account add|list|remove|passwd`.

use std::path::Path;

use postern_store::{Account, StoreError};
use postern_types::{Address, Domain, Secret};

use super::password::Source;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row, confirm};

/// The accounts that mail is kept for
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account with a mailbox
    Add {
        /// Its address, in a domain whose mail is kept here
        address: Address,
        #[command(flatten)]
        password: Source,
    },
    /// The accounts
    List {
        /// Of this domain only
        #[arg(long)]
        domain: Option<Domain>,
    },
    /// Remove an account and all its mail
    Remove {
        /// Its address
        address: Address,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
    /// Change the password of an account
    Passwd {
        /// Its address
        address: Address,
        #[command(flatten)]
        password: Source,
    },
}

impl AccountCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match self {
            Self::Add { address, password } => {
                let password = password.get()?;
                let added = store.add_account(address.clone(), password.hash).await;
                added.map_err(|error| unknown_domain(error, &address))?;
                out.value(&Changed { address, password: password.shown, what: "is made" })
            }
            Self::List { domain } => {
                let accounts = store.accounts(domain).await?;
                let accounts: Vec<Listed> = accounts.iter().map(Listed::from).collect();
                out.list(&accounts, "There are no accounts: add one with `postern account add ADDRESS`.")
            }
            Self::Remove { address, yes } => {
                let question = format!("Remove {address} and all mail in it, for good?");
                if store.account(address.clone()).await?.is_none() {
                    return Err(no_account(&address));
                }
                if !yes && !confirm(&question) {
                    return Err(Failure::Usage("nothing was removed: say yes, or --yes".into()));
                }
                store.remove_account(address.clone()).await?;
                out.done(format_args!("The account {address} and its mail are gone."))
            }
            Self::Passwd { address, password } => {
                if store.account(address.clone()).await?.is_none() {
                    return Err(no_account(&address));
                }
                let password = password.get()?;
                store.set_password_hash(address.clone(), password.hash).await?;
                out.value(&Changed { address, password: password.shown, what: "has a new password" })
            }
        })?;
        Ok(Status::Fine)
    }
}

fn no_account(address: &Address) -> Failure {
    Failure::Finding(format!("there is no account {address}; `postern account list` shows those there are"))
}

fn unknown_domain(error: StoreError, address: &Address) -> Failure {
    match (error, address.domain()) {
        (StoreError::NotFound { .. }, Some(domain)) => Failure::Finding(format!(
            "mail for {domain} is not received here: first `postern domain add {domain}`"
        )),
        (error, _) => error.into(),
    }
}

/// An account that was made or changed.
#[derive(serde::Serialize)]
pub(crate) struct Changed {
    pub(crate) address: Address,
    /// Shown this once; absent when the user chose it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub(crate) password: Option<Secret<String>>,
    #[serde(skip)]
    pub(crate) what: &'static str,
}

/// The one place where a password is written out: it was made up here and nobody else knows it.
fn shown<S: serde::Serializer>(password: &Option<Secret<String>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_some(&password.as_ref().map(Secret::expose))
}

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "The account {} {}.", self.address, self.what)?;
        if let Some(password) = &self.password {
            writeln!(f, "Its password, shown only now: {}", password.expose())?;
        }
        Ok(())
    }
}

#[derive(serde::Serialize)]
struct Listed {
    address: Address,
    added_at: String,
}

impl From<&Account> for Listed {
    fn from(account: &Account) -> Self {
        Self { address: account.address.clone(), added_at: account.added_at.to_string() }
    }
}

impl Row for Listed {
    const HEAD: &'static [&'static str] = &["ADDRESS", "SINCE"];

    fn cells(&self) -> Vec<String> {
        vec![self.address.to_string(), self.added_at.clone()]
    }
}
