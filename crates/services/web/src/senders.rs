//! The recipient's own lists: senders that are always let through, and those that never are.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use postern_store::{ListEntry, ListKind, ListOwner, StoreError, Subject};
use postern_types::{Address, Domain, Zone};
use serde::Deserialize;

use crate::error::WebError;
use crate::page::{self, SenderList, SenderRow, SendersPage};
use crate::site::Site;
use crate::text;
use crate::visitor::Visitor;

/// Entries that one recipient can have on one list.
const MOST: usize = 1000;

/// Why an entry is there that the recipient wrote.
const BY_HAND: &str = "by the recipient";
/// Why an entry is there that came with a release.
pub(crate) const RELEASED: &str = "released from quarantine";

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Which {
    Allow,
    Block,
}

/// What was done just now.
#[derive(Debug, Deserialize)]
pub(crate) struct After {
    done: Option<Done>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Done {
    Added,
    Removed,
}

/// A sender and a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Change {
    #[serde(default)]
    form: String,
    list: Which,
    sender: String,
}

/// `GET /senders`.
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    after: Result<Query<After>, QueryRejection>,
) -> Result<Response, WebError> {
    let Query(after) = after.map_err(|_| WebError::NotFound)?;
    let done = after.done.map(|done| match done {
        Done::Added => "Added. It holds for mail that comes from now on.",
        Done::Removed => "Removed.",
    });
    Ok(page::ok(&site.senders(&visitor, done, None, String::new()).await?))
}

/// `POST /senders`: adds.
pub(crate) async fn add(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    form: Result<Form<Change>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(change) = form.map_err(|_| WebError::BadForm)?;
    visitor.check(&change.form)?;
    if let Err(wrong) = site.put(&visitor, &change).await? {
        let written = change.sender.chars().take(320).collect();
        let page = site.senders(&visitor, None, Some(wrong), written).await?;
        return Ok(page::answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    Ok(Redirect::to("/senders?done=added").into_response())
}

/// `POST /senders/remove`.
pub(crate) async fn remove(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    form: Result<Form<Change>, FormRejection>,
) -> Result<Response, WebError> {
    let Form(change) = form.map_err(|_| WebError::BadForm)?;
    visitor.check(&change.form)?;
    let subject = subject(&change.sender).ok_or(WebError::NotFound)?;
    match site.store.remove_listed(change.list.kind(), visitor.owner(), subject).await {
        // Pressed twice.
        Ok(()) | Err(StoreError::NotFound { .. }) => {
            Ok(Redirect::to("/senders?done=removed").into_response())
        }
        Err(error) => Err(error.into()),
    }
}

impl Site {
    /// Puts a sender on a list, and takes it off the other; or says what is wrong with it.
    async fn put(&self, visitor: &Visitor, change: &Change) -> Result<Result<(), String>, WebError> {
        let Some(subject) = subject(&change.sender) else {
            return Ok(Err(
                "Write an address such as anna@example.org, or a domain such as example.org.".into()
            ));
        };
        let now = self.clock.now();
        let (kind, owner) = (change.list.kind(), visitor.owner());
        if self.store.listed(kind, Some(owner.clone()), now).await?.len() >= MOST {
            return Ok(Err(format!("This list is full: it holds {MOST} senders. Remove some first.")));
        }
        let entry = ListEntry {
            list: kind,
            owner: owner.clone(),
            subject: subject.clone(),
            reason: BY_HAND.to_owned(),
            trace: None,
            strikes: 1,
            created_at: now,
            expires_at: None,
        };
        self.store.put_listed(entry).await?;
        match self.store.remove_listed(change.list.other().kind(), owner, subject).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(Ok(())),
            Err(error) => Err(error.into()),
        }
    }

    async fn senders(
        &self,
        visitor: &Visitor,
        done: Option<&'static str>,
        wrong: Option<String>,
        written: String,
    ) -> Result<SendersPage, WebError> {
        let mut lists = Vec::new();
        for which in [Which::Allow, Which::Block] {
            let now = self.clock.now();
            let entries = self.store.listed(which.kind(), Some(visitor.owner()), now).await?;
            lists.push(
                which.page(entries.iter().filter_map(|entry| row(entry, &self.settings.zone)).collect()),
            );
        }
        let form_token = visitor.cookie.form_token();
        Ok(SendersPage { frame: Some(visitor.frame()), form_token, done, wrong, written, lists })
    }
}

fn row(entry: &ListEntry, zone: &Zone) -> Option<SenderRow> {
    let until = entry.expires_at.map(|end| format!(", until {}", zone.show(end))).unwrap_or_default();
    match &entry.subject {
        // Hosts are for those who run the server.
        Subject::Network(_) => None,
        Subject::Address(_) | Subject::Domain(_) => Some(SenderRow {
            sender: entry.subject.to_string(),
            about: format!("{}{until}", about(&entry.reason)),
        }),
    }
}

/// Why it is there, as its owner says it.
fn about(reason: &str) -> String {
    match reason {
        BY_HAND => "added by you".to_owned(),
        RELEASED => "you released a message from there".to_owned(),
        other => text::line(other),
    }
}

/// What somebody wrote: an address, or a domain with or without `@`.
fn subject(written: &str) -> Option<Subject> {
    let written = written.trim();
    match written.strip_prefix('@') {
        Some(domain) => Domain::parse(domain).ok().filter(Domain::is_qualified).map(Subject::Domain),
        None if written.contains('@') => Address::parse(written).ok().map(Subject::Address),
        None => Domain::parse(written).ok().filter(Domain::is_qualified).map(Subject::Domain),
    }
}

impl Which {
    fn kind(self) -> ListKind {
        match self {
            Self::Allow => ListKind::Allow,
            Self::Block => ListKind::Block,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Allow => Self::Block,
            Self::Block => Self::Allow,
        }
    }

    fn page(self, rows: Vec<SenderRow>) -> SenderList {
        let (title, name, empty) = match self {
            Self::Allow => ("Always let through", "allow", "Nobody yet."),
            Self::Block => ("Never let through", "block", "Nobody."),
        };
        SenderList { title, name, empty, rows }
    }
}

impl Visitor {
    fn owner(&self) -> ListOwner {
        ListOwner::Recipient(self.recipient.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_or_a_domain() {
        for (written, expected) in [
            (" anna@example.org ", Some("anna@example.org")),
            ("example.org", Some("example.org")),
            ("@example.org", Some("example.org")),
            ("anna", None),
            ("", None),
            ("a@b@c", None),
            ("<script>", None),
            ("192.0.2.0/24", None),
        ] {
            assert_eq!(subject(written).map(|s| s.to_string()).as_deref(), expected, "{written}");
        }
    }
}
