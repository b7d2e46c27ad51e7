//! `postern domain add|route|list|remove`.

use std::path::Path;

use postern_smtp_service::upstream;
use postern_store::{LocalDomain, Route};
use postern_types::Domain;

use crate::failure::{Failure, Status};
use crate::file;
use crate::open::with_store;
use crate::output::{Output, Row};

/// The domains that mail is received for
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DomainCommand {
    /// Receive mail for a domain
    Add {
        /// The domain
        name: Domain,
        /// Pass its mail on to the mail server behind, as HOST:PORT, instead of keeping it here
        #[arg(long, value_name = "HOST:PORT", value_parser = next_hop)]
        to: Option<String>,
        /// Pass its mail on to the program that `postern wrap` is started with
        #[arg(long, conflicts_with = "to")]
        wrapped: bool,
    },
    /// Change where the mail of a domain goes
    Route {
        /// The domain
        name: Domain,
        #[command(flatten)]
        destination: Destination,
    },
    /// The domains and where their mail goes
    List,
    /// Receive no more mail for a domain; it must have no accounts
    Remove {
        /// The domain
        name: Domain,
    },
}

/// Where mail goes.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Destination {
    /// To the mail server behind
    #[arg(long, value_name = "HOST:PORT", value_parser = next_hop)]
    to: Option<String>,
    /// To the program that `postern wrap` is started with
    #[arg(long)]
    wrapped: bool,
    /// Into mailboxes here
    #[arg(long)]
    mailboxes: bool,
}

fn route(to: Option<String>, wrapped: bool) -> Route {
    match to {
        Some(hop) => Route::Proxy(hop),
        None if wrapped => Route::Proxy(upstream::WRAPPED.to_owned()),
        None => Route::Mailbox,
    }
}

impl DomainCommand {
    pub(crate) fn run(self, named: Option<&Path>, out: Output) -> Result<Status, Failure> {
        let config = file::load(named)?;
        with_store(&config, async |store| match self {
            Self::Add { name, to, wrapped } => {
                store.add_domain(name.clone(), route(to, wrapped)).await?;
                out.done(format_args!("Mail for {name} is received."))
            }
            Self::Route { name, destination } => {
                let Destination { to, wrapped, mailboxes: _ } = destination;
                store.set_route(name.clone(), route(to, wrapped)).await?;
                out.done(format_args!("Mail for {name} goes there from now on."))
            }
            Self::List => {
                let domains: Vec<Listed> = store.domains().await?.iter().map(Listed::from).collect();
                out.list(&domains, "There are no domains: add one with `postern domain add NAME`.")
            }
            Self::Remove { name } => {
                store.remove_domain(name.clone()).await?;
                out.done(format_args!("Mail for {name} is no longer received."))
            }
        })?;
        Ok(Status::Fine)
    }
}

#[derive(serde::Serialize)]
struct Listed {
    name: Domain,
    /// `mailboxes` or `HOST:PORT`.
    route: String,
    added_at: String,
}

impl From<&LocalDomain> for Listed {
    fn from(domain: &LocalDomain) -> Self {
        let route = match &domain.route {
            Route::Mailbox => "mailboxes".to_owned(),
            Route::Proxy(hop) => hop.clone(),
        };
        Self { name: domain.name.clone(), route, added_at: domain.added_at.to_string() }
    }
}

impl Row for Listed {
    const HEAD: &'static [&'static str] = &["DOMAIN", "MAIL GOES TO", "SINCE"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.to_unicode(), self.route.clone(), self.added_at.clone()]
    }
}

/// `host:port`, `192.0.2.1:25` or `[2001:db8::1]:25`.
fn next_hop(text: &str) -> Result<String, String> {
    let wrong =
        || format!("`{text}` is not HOST:PORT: write mail.example.org:25, 192.0.2.1:25 or [2001:db8::1]:25");
    if text.parse::<std::net::SocketAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let right = Domain::parse(host).is_ok() && port.parse::<u16>().is_ok_and(|port| port != 0);
    if right { Ok(text.to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::next_hop;

    #[test]
    fn next_hops_have_host_and_port() {
        for good in ["mail.example.org:25", "192.0.2.1:2525", "[2001:db8::1]:25"] {
            assert_eq!(next_hop(good).as_deref(), Ok(good));
        }
        for bad in ["mail.example.org", "mail.example.org:", "mail:0", "2001:db8::1:25", ":25", "a b:25"] {
            assert!(next_hop(bad).is_err(), "{bad}");
        }
    }
}
