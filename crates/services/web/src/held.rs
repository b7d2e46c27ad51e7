//! What is held: the list, one message, and what can be done with it.

use std::sync::Arc;

use axum::extract::rejection::{FormRejection, PathRejection, QueryRejection};
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use postern_policy::Record;
use postern_store::{
    ListEntry, ListKind, ListOwner, QuarantineId, QuarantineQuery, QuarantineState, Quarantined, Release,
    StoreError, Subject,
};
use serde::Deserialize;

use crate::door::Confirm;
use crate::error::WebError;
use crate::letter::{self, Now};
use crate::page::{self, AskPage, ListPage, MessagePage};
use crate::site::Site;
use crate::visitor::Visitor;
use crate::why::Why;

/// Messages on a page.
const PAGE: usize = 25;

/// What can be done with a held message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Deliver it.
    Release,
    /// Deliver it, and always let its sender through.
    Allow,
    /// Throw it away.
    Delete,
}

/// Which part of the list.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    before: Option<i64>,
    done: Option<Done>,
}

/// What was done just now.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Done {
    Released,
    Allowed,
    Again,
    Deleted,
}

/// `GET /quarantine`.
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, WebError> {
    let Query(part) = part.map_err(|_| WebError::NotFound)?;
    let query = QuarantineQuery {
        recipient: Some(visitor.recipient.clone()),
        state: Some(QuarantineState::Held),
        before: part.before.map(QuarantineId::from_i64),
        limit: PAGE + 1,
    };
    let mut found = site.store.quarantine(query).await?;
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let older = found.last().filter(|_| more).map(|last| last.id.as_i64());
    let now = site.now();
    let mut held = Vec::with_capacity(found.len());
    for entry in &found {
        match letter::row(&site.store, entry, &now).await {
            Ok(row) => held.push(row),
            // Deleted meanwhile.
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let done = part.done.map(Done::words);
    Ok(page::ok(&ListPage { frame: Some(visitor.frame()), done, held, later: part.before.is_some(), older }))
}

/// `GET /quarantine/ID`.
pub(crate) async fn message(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Response, WebError> {
    let Path(id) = id.map_err(|_| WebError::NotFound)?;
    let held = site.own(&visitor, id).await?;
    let letter = letter::letter(&site.store, &held, site.now()).await?;
    Ok(page::ok(&MessagePage {
        frame: Some(visitor.frame()),
        released: held.state == QuarantineState::Released,
        can_allow: held.sender.address().is_some(),
        sender: envelope_sender(&held, &letter.row.from),
        kept_until: site.settings.zone.show(held.expires_at),
        why: site.why(&held).await?,
        row: letter.row,
        text: letter.text,
        cut: letter.cut,
        attachments: letter.attachments,
    }))
}

/// `GET /quarantine/ID/release|allow|delete`: asks to confirm, and does nothing.
pub(crate) async fn ask(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: Result<Path<(i64, Action)>, PathRejection>,
) -> Result<Response, WebError> {
    let Path((id, action)) = path.map_err(|_| WebError::NotFound)?;
    let held = site.own(&visitor, id).await?;
    if held.state == QuarantineState::Released && action != Action::Delete {
        return Ok(page::ok(&ListPage::again(&visitor)));
    }
    let row = letter::row(&site.store, &held, &site.now()).await?;
    let (title, button, text) = action.words(&held).ok_or(WebError::NotFound)?;
    Ok(page::ok(&AskPage {
        frame: Some(visitor.frame()),
        path: format!("/quarantine/{id}/{}", action.name()),
        form_token: visitor.cookie.form_token(),
        grave: action == Action::Delete,
        row,
        title,
        text,
        button,
    }))
}

/// `POST /quarantine/ID/release|allow|delete`.
pub(crate) async fn act(
    State(site): State<Arc<Site>>,
    visitor: Visitor,
    path: Result<Path<(i64, Action)>, PathRejection>,
    form: Result<Form<Confirm>, FormRejection>,
) -> Result<Response, WebError> {
    visitor.check(&form.map_err(|_| WebError::BadForm)?.form)?;
    let Path((id, action)) = path.map_err(|_| WebError::NotFound)?;
    let held = site.own(&visitor, id).await?;
    let done = match action {
        Action::Release => site.release(&held).await?,
        Action::Allow => {
            // First the list: should the release fail, the button is still there, and an entry twice is one.
            site.allow(&visitor, &held).await?;
            match site.release(&held).await? {
                Done::Again => Done::Again,
                _ => Done::Allowed,
            }
        }
        Action::Delete => {
            site.store.delete_quarantined(held.id).await?;
            Done::Deleted
        }
    };
    tracing::info!(recipient = %visitor.recipient, client = %visitor.client, trace = %held.trace, id, ?done, "a recipient has dealt with a held message");
    Ok(Redirect::to(&format!("/quarantine?done={}", done.name())).into_response())
}

/// The envelope's sender, where the message does not say the same of itself.
fn envelope_sender(held: &Quarantined, from: &str) -> Option<String> {
    let sender = held.sender.address().map(|address| crate::text::line(&address.to_string()))?;
    (!from.contains(&sender)).then_some(sender)
}

impl Site {
    /// What time it is, for a page.
    fn now(&self) -> Now {
        Now { at: self.clock.now(), zone: Arc::clone(&self.settings.zone) }
    }

    /// A held copy of this visitor's. Somebody else's is not found, like one that never was.
    async fn own(&self, visitor: &Visitor, id: i64) -> Result<Quarantined, StoreError> {
        self.store.quarantined_for(visitor.recipient.clone(), QuarantineId::from_i64(id)).await
    }

    /// The store sees to it that it is delivered once, however often and from wherever this is asked for.
    async fn release(&self, held: &Quarantined) -> Result<Done, WebError> {
        let to = self.store.release_destination(&held.recipient).await?.ok_or(WebError::NoMailbox)?;
        Ok(match self.store.release(held.id, to).await? {
            Release::Delivered(_) => Done::Released,
            Release::AlreadyReleased => Done::Again,
        })
    }

    /// Puts the sender of a message on the visitor's list of allowed senders.
    async fn allow(&self, visitor: &Visitor, held: &Quarantined) -> Result<(), WebError> {
        let sender = held.sender.address().ok_or(WebError::NotFound)?;
        let entry = ListEntry {
            list: ListKind::Allow,
            owner: ListOwner::Recipient(visitor.recipient.clone()),
            subject: Subject::Address(sender.clone()),
            reason: crate::senders::RELEASED.to_owned(),
            trace: Some(held.trace),
            strikes: 1,
            created_at: self.clock.now(),
            expires_at: None,
        };
        Ok(self.store.put_listed(entry).await?)
    }

    /// Why it is held, with everything that was asked while the evidence is kept.
    async fn why(&self, held: &Quarantined) -> Result<Why, WebError> {
        let why = Why::of(held);
        let record = match self.store.trace(held.trace).await {
            Ok(trace) => serde_json::from_str::<Record>(&trace.evidence).ok(),
            Err(StoreError::NotFound { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(match record {
            Some(record) => why.with_evidence(held, &record.evidence, &self.policy.load()),
            None => why,
        })
    }
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Allow => "allow",
            Self::Delete => "delete",
        }
    }

    /// Title, button and explanation; `None` where it cannot be done.
    fn words(self, held: &Quarantined) -> Option<(&'static str, &'static str, String)> {
        let to = &held.recipient;
        Some(match self {
            Self::Release => (
                "Release this message?",
                "Release",
                format!("It is delivered to {to}. Open its links and files only if you know the sender."),
            ),
            Self::Allow => {
                let sender = crate::text::line(&held.sender.address()?.to_string());
                let text = format!(
                    "It is delivered to {to}, and from now on mail from {sender} is not held for you any more. \
                     You can change that on the page “My senders”."
                );
                ("Release it and always allow the sender?", "Release and allow", text)
            }
            Self::Delete => (
                "Delete this message?",
                "Delete for good",
                "It is gone for good. You need not delete what you do not want: it goes by itself."
                    .to_owned(),
            ),
        })
    }
}

impl Done {
    fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Allowed => "allowed",
            Self::Again => "again",
            Self::Deleted => "deleted",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Released => "Released. The message is on its way to your mailbox.",
            Self::Allowed => {
                "Released, and the sender is allowed from now on. The message is on its way to your mailbox."
            }
            Self::Again => "This message had been released before; it was not delivered again.",
            Self::Deleted => "Deleted for good.",
        }
    }
}

impl ListPage {
    /// What is said of a message that has been released before.
    fn again(visitor: &Visitor) -> page::Notice {
        page::Notice::new("It has been released", Done::Again.words()).within(visitor.frame())
    }
}
