//! `postern alias add|list|remove`.

use std::path::Path;

use postern_store::{Alias, AliasName};
use postern_types::{Address, Domain};

use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// Addresses that stand for others
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AliasCommand {
    /// Let an address stand for others; one that does already gets more
    Add {
        /// The address, or `@example.org` for every address of the domain that is nothing else
        #[arg(value_parser = AliasName::parse)]
        name: AliasName,
        /// Accounts or other aliases
        #[arg(required = true)]
        targets: Vec<Address>,
    },
    /// The aliases
    List {
        /// Of this domain only
        #[arg(long)]
        domain: Option<Domain>,
    },
    /// Remove an alias
    Remove {
        /// The address, or `@example.org`
        #[arg(value_parser = AliasName::parse)]
        name: AliasName,
    },
}

impl AliasCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match self {
            Self::Add { name, targets } => {
                store.add_alias(name.clone(), targets).await?;
                out.done(format_args!("Mail for {name} goes there from now on."))
            }
            Self::List { domain } => {
                let aliases = store.aliases(domain).await?;
                let aliases: Vec<Listed> = aliases.iter().map(Listed::from).collect();
                out.list(&aliases, "There are no aliases: add one with `postern alias add NAME TARGET`.")
            }
            Self::Remove { name } => {
                store.remove_alias(name.clone()).await?;
                out.done(format_args!("{name} stands for nobody any more."))
            }
        })?;
        Ok(Status::Fine)
    }
}

#[derive(serde::Serialize)]
struct Listed {
    name: String,
    targets: Vec<Address>,
}

impl From<&Alias> for Listed {
    fn from(alias: &Alias) -> Self {
        Self { name: alias.name.to_string(), targets: alias.targets.clone() }
    }
}

impl Row for Listed {
    const HEAD: &'static [&'static str] = &["ALIAS", "STANDS FOR"];

    fn cells(&self) -> Vec<String> {
        let targets: Vec<String> = self.targets.iter().map(ToString::to_string).collect();
        vec![self.name.clone(), targets.join(", ")]
    }
}
