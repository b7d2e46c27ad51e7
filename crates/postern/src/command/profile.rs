//! `postern profile set|show|remove`: what recipients want done with mail that fails.

use std::path::Path;

use postern_store::{FailedMail, Learn, ListOwner, OwnedProfile, Store, StoredProfile};
use postern_types::Address;

use super::owner::Owner;
use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// What recipients want done with mail that fails the tests
///
/// What a recipient's own profile leaves open, that of its account says, then that of its domain, then
/// everybody's.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum ProfileCommand {
    /// Set a profile; what is not named stays as it is
    Set {
        #[command(flatten)]
        owner: Owner,
        /// The most that happens to mail that fails [default for everybody: reject]
        #[arg(long, value_name = "WHAT")]
        failed: Option<Failed>,
        /// Whether those whom a user writes to are put on the user's allow list [default for everybody: yes]
        #[arg(long, value_name = "YES|NO")]
        learn: Option<YesNo>,
    },
    /// Every profile, or what holds for one recipient and where it comes from
    Show {
        /// The recipient
        recipient: Option<Address>,
    },
    /// Remove a profile: the next wider one holds
    Remove {
        #[command(flatten)]
        owner: Owner,
    },
}

/// What happens to mail that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Failed {
    /// It is delivered as if nothing was found
    Pass,
    /// It is delivered with a mark in its header
    Tag,
    /// It is held in quarantine
    Quarantine,
    /// The sender is told no
    Reject,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum YesNo {
    /// They are
    Yes,
    /// They are not
    No,
}

impl ProfileCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match self {
            Self::Set { failed: None, learn: None, .. } => {
                Err(Failure::Usage("say what to set: --failed or --learn".into()))
            }
            Self::Set { owner, failed, learn } => {
                let owner = owner.ours(&store).await?;
                let before = store.stored_profile(owner.clone()).await?;
                let profile = StoredProfile {
                    failed: failed.map(FailedMail::from).or(before.failed),
                    learn: learn.map(Learn::from).or(before.learn),
                };
                let said = format!("{}: {}", whom(&owner), words(profile));
                store.set_profile(owner, profile).await?;
                out.done(said)
            }
            Self::Show { recipient: None } => {
                let profiles = store.stored_profiles().await?;
                let rows: Vec<Shown> = profiles.iter().map(Shown::from).collect();
                out.list(&rows, "There is no profile: mail that fails is refused or held as the score says.")
            }
            Self::Show { recipient: Some(recipient) } => out.value(&Holding::of(&store, &recipient).await?),
            Self::Remove { owner } => {
                let owner = owner.whose();
                if store.stored_profile(owner.clone()).await? == StoredProfile::default() {
                    return Err(Failure::Finding(format!("{} has no profile", whom(&owner))));
                }
                let said = format!("The profile of {owner} is removed: the next wider one holds.");
                store.set_profile(owner, StoredProfile::default()).await?;
                out.done(said)
            }
        })?;
        Ok(Status::Fine)
    }
}

/// What holds for one recipient, and whose word it is.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Holding {
    pub(crate) recipient: String,
    /// Whose lists and profiles count, the narrowest first.
    pub(crate) owners: Vec<String>,
    failed: &'static str,
    failed_from: String,
    learn: bool,
    learn_from: String,
}

impl Holding {
    /// Looks it up.
    pub(crate) async fn of(store: &Store, recipient: &Address) -> Result<Self, Failure> {
        let owners = store.owners_for(recipient).await?;
        let default = "the default".to_owned();
        let (mut failed, mut learn) = (None, None);
        for owner in &owners {
            let profile = store.stored_profile(owner.clone()).await?;
            failed = failed.or(profile.failed.map(|failed| (failed, owner.to_string())));
            learn = learn.or(profile.learn.map(|learn| (learn, owner.to_string())));
        }
        let (failed, failed_from) = failed.unwrap_or((FailedMail::Reject, default.clone()));
        let (learn, learn_from) = learn.unwrap_or((Learn::Yes, default));
        Ok(Self {
            recipient: recipient.to_string(),
            owners: owners.iter().map(ToString::to_string).collect(),
            failed: failed.name(),
            failed_from,
            learn: learn == Learn::Yes,
            learn_from,
        })
    }
}

impl std::fmt::Display for Holding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "For {} counts the word of: {}", self.recipient, self.owners.join(", then "))?;
        writeln!(f, "Mail that fails: {} (from {})", self.failed, self.failed_from)?;
        let learn = if self.learn { "are learned" } else { "are not learned" };
        writeln!(f, "Those written to: {learn} (from {})", self.learn_from)
    }
}

fn whom(owner: &ListOwner) -> String {
    match owner {
        ListOwner::Everybody => "Everybody".into(),
        ListOwner::Domain(domain) => format!("The recipients of {domain}"),
        ListOwner::Recipient(address) => address.to_string(),
    }
}

fn words(profile: StoredProfile) -> String {
    let failed = profile.failed.map(|failed| match failed {
        FailedMail::Pass => "mail that fails is delivered",
        FailedMail::Tag => "mail that fails is delivered with a mark",
        FailedMail::Quarantine => "mail that fails is held",
        FailedMail::Reject => "mail that fails may be refused",
    });
    let learn = profile.learn.map(|learn| match learn {
        Learn::Yes => "those written to are allowed for a while",
        Learn::No => "nothing is learned from mail that goes out",
    });
    failed.into_iter().chain(learn).collect::<Vec<_>>().join("; ") + "."
}

impl From<Failed> for FailedMail {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Pass => Self::Pass,
            Failed::Tag => Self::Tag,
            Failed::Quarantine => Self::Quarantine,
            Failed::Reject => Self::Reject,
        }
    }
}

impl From<YesNo> for Learn {
    fn from(answer: YesNo) -> Self {
        if answer == YesNo::Yes { Self::Yes } else { Self::No }
    }
}

/// One profile.
#[derive(serde::Serialize)]
struct Shown {
    owner: String,
    failed: Option<&'static str>,
    learn: Option<bool>,
}

impl From<&OwnedProfile> for Shown {
    fn from(owned: &OwnedProfile) -> Self {
        Self {
            owner: owned.owner.to_string(),
            failed: owned.profile.failed.map(FailedMail::name),
            learn: owned.profile.learn.map(|learn| learn == Learn::Yes),
        }
    }
}

impl Row for Shown {
    const HEAD: &'static [&'static str] = &["FOR", "MAIL THAT FAILS", "THOSE WRITTEN TO"];

    fn cells(&self) -> Vec<String> {
        let learn = match self.learn {
            Some(true) => "learned",
            Some(false) => "not learned",
            None => "-",
        };
        vec![self.owner.clone(), self.failed.unwrap_or("-").into(), learn.into()]
    }
}
