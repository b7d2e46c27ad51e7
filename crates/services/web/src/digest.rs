//! Digests: a mail that tells a recipient what is held, with a link that opens the quarantine once.
//!
//! A digest goes straight into the recipient's mailbox, or by the queue to the MTA behind, like a released
//! message: no filter sees it. What it tells of is noted in the commit that accepts it, so a
//! restart tells nobody twice.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use postern_message::{Draft, delivered_to, return_path};
use postern_store::{
    Acceptance, AccountId, DigestDue, DigestNote, Link, MessageCopy, Outcome, QuarantineId, QuarantineQuery,
    QuarantineState, ReleaseTo, Store, StoreError, TraceRecord, TracedRecipient,
};
use postern_types::{Address, Domain, ReversePath, Timestamp, TraceIds, Zone};

use crate::letter::{self, Now};
use crate::page::HeldRow;
use crate::settings::PublicUrl;
use crate::text;
use crate::token::{NoRandom, Token};

/// Messages that one digest lists; the rest is counted.
const LISTED: usize = 100;

/// Where links lead and how long they are good.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// Where browsers reach the pages.
    pub url: PublicUrl,
    /// How long a link is good; 7 days.
    pub lasts: Duration,
}

/// Writes digests and has them delivered. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Digests {
    store: Store,
    ids: Arc<TraceIds>,
    host: Domain,
    links: Option<LinkSettings>,
    zone: Arc<Zone>,
}

/// A digest that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// To whom.
    pub recipient: Address,
    /// Messages that it tells of.
    pub count: u64,
    /// What came of it.
    pub outcome: SentTo,
}

/// Where a digest went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentTo {
    /// Into so many mailboxes: all that the recipient stands for.
    Mailboxes(usize),
    /// To the MTA behind, by the queue.
    Queue,
    /// Nowhere: the recipient receives no mail here any more.
    Nobody,
    /// Nowhere: another process has told the recipient meanwhile.
    ToldAlready,
}

/// Why a digest could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes for a link.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// A letter; its templates only write to memory.
    #[error("the digest cannot be written: {0}")]
    Template(#[from] askama::Error),
}

/// What one digest is to say.
struct Content {
    recipient: Address,
    title: String,
    intro: &'static str,
    held: Vec<HeldRow>,
    /// How many more there are than are listed.
    more: u64,
}

#[derive(Template)]
#[template(path = "digest.txt")]
struct PlainText<'a> {
    content: &'a Content,
    link: Option<&'a str>,
    good_for: String,
    host: &'a Domain,
}

#[derive(Template)]
#[template(path = "digest.html")]
struct Html<'a> {
    content: &'a Content,
    link: Option<&'a str>,
    good_for: String,
    host: &'a Domain,
}

impl Digests {
    /// Digests of this server, with times as `zone` shows them. Without `links` they tell what is held and open nothing.
    #[must_use]
    pub fn new(
        store: Store,
        ids: Arc<TraceIds>,
        host: Domain,
        links: Option<LinkSettings>,
        zone: Arc<Zone>,
    ) -> Self {
        Self { store, ids, host, links, zone }
    }

    /// Who is to be told of what came before `before`; one recipient where it is named.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn due(
        &self,
        before: Timestamp,
        recipient: Option<Address>,
    ) -> Result<Vec<DigestDue>, DigestError> {
        Ok(self.store.digests_due(before, recipient).await?)
    }

    /// The digest that [`send`](Self::send) would send, with a link that opens nothing.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn preview(&self, due: &DigestDue, now: Timestamp) -> Result<String, DigestError> {
        let content = self.content(due, now).await?;
        let link = self.links.as_ref().map(|links| format!("{}/q/…", links.url));
        self.plain_text(&content, link.as_deref())
    }

    /// Sends a digest, and notes that its recipient has been told.
    ///
    /// # Errors
    /// When the store fails; then the recipient is still due.
    pub async fn send(&self, due: &DigestDue, now: Timestamp) -> Result<Sent, DigestError> {
        let content = self.content(due, now).await?;
        let told = (due.recipient.clone(), due.up_to);
        let sent = |outcome| Sent { recipient: due.recipient.clone(), count: due.count, outcome };
        match self.deliver(&content, Some(told), now).await {
            Ok(outcome) => Ok(sent(outcome)),
            Err(DigestError::Store(StoreError::Exists { .. })) => Ok(sent(SentTo::ToldAlready)),
            Err(error) => Err(error),
        }
    }

    /// Sends a recipient a new link, with everything that is held.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn send_link(&self, recipient: &Address, now: Timestamp) -> Result<SentTo, DigestError> {
        let (held, more) = self.rows(recipient, None, None, now).await?;
        let content = Content {
            recipient: recipient.clone(),
            title: "Your new link to your quarantine".to_owned(),
            intro: "You asked for a new link. If it was not you, nothing has happened: only this mail has the link.",
            held,
            more,
        };
        self.deliver(&content, None, now).await
    }

    async fn content(&self, due: &DigestDue, now: Timestamp) -> Result<Content, DigestError> {
        let (held, _) = self.rows(&due.recipient, due.after, Some(due.up_to), now).await?;
        let verb = if due.count == 1 { "is" } else { "are" };
        Ok(Content {
            recipient: due.recipient.clone(),
            title: format!("{} {verb} held for you", text::count(due.count, "message")),
            intro: "The mail filter held these messages because they look like junk or worse. What you do not want \
                    you can leave: it goes by itself.",
            more: due.count.saturating_sub(held.len() as u64),
            held,
        })
    }

    /// What is held in a range of entries, the latest first, and whether there is more than is listed.
    async fn rows(
        &self,
        recipient: &Address,
        after: Option<QuarantineId>,
        up_to: Option<QuarantineId>,
        now: Timestamp,
    ) -> Result<(Vec<HeldRow>, u64), DigestError> {
        let query = QuarantineQuery {
            recipient: Some(recipient.clone()),
            state: Some(QuarantineState::Held),
            before: up_to.map(|last| QuarantineId::from_i64(last.as_i64().saturating_add(1))),
            limit: LISTED + 1,
        };
        let mut held = self.store.quarantine(query).await?;
        held.retain(|entry| after.is_none_or(|after| entry.id > after));
        let more = u64::from(held.len() > LISTED);
        held.truncate(LISTED);
        let now = Now { at: now, zone: Arc::clone(&self.zone) };
        let mut rows = Vec::with_capacity(held.len());
        for entry in &held {
            rows.push(letter::row(&self.store, entry, &now).await?);
        }
        Ok((rows, more))
    }

    /// Everybody behind the recipient gets a copy with a link of their own.
    async fn deliver(
        &self,
        content: &Content,
        told: Option<(Address, QuarantineId)>,
        now: Timestamp,
    ) -> Result<SentTo, DigestError> {
        match self.store.release_destination(&content.recipient).await? {
            None => Ok(SentTo::Nobody),
            Some(ReleaseTo::Queue { route, expires_at }) => {
                let copy = MessageCopy::Queue {
                    recipient: content.recipient.clone(),
                    route,
                    parameters: String::new(),
                    expires_at,
                    prefix: Vec::new(),
                };
                self.accept(content, copy, told, now).await?;
                Ok(SentTo::Queue)
            }
            Some(ReleaseTo::Mailboxes(accounts)) => {
                let last = accounts.len().saturating_sub(1);
                for (at, &account) in accounts.iter().enumerate() {
                    // Noted with the last: after a crash in between some are told again, and none is left out.
                    let told = told.clone().filter(|_| at == last);
                    self.accept(content, mailbox(account, &content.recipient), told, now).await?;
                }
                Ok(SentTo::Mailboxes(accounts.len()))
            }
        }
    }

    async fn accept(
        &self,
        content: &Content,
        copy: MessageCopy,
        told: Option<(Address, QuarantineId)>,
        now: Timestamp,
    ) -> Result<(), DigestError> {
        let (url, link) = self.link(&content.recipient, now)?.unzip();
        let id = self.ids.next(now);
        let message = self.draft(content, url.as_deref(), id, now)?.encode();
        let mut body = self.store.body();
        body.write(&message).await?;
        let record = TraceRecord {
            id,
            at: now,
            client: Ipv4Addr::LOCALHOST.into(),
            helo: self.host.to_string(),
            sender: Some(ReversePath::Null),
            recipients: vec![TracedRecipient {
                address: content.recipient.to_string(),
                verdict: "digest of the quarantine".to_owned(),
            }],
            outcome: Outcome::Accepted,
            reply: String::new(),
            size: message.len() as u64,
            duration_us: 0,
            evidence: String::new(),
        };
        let body = body.finish().await?;
        let acceptance = Acceptance { sender: ReversePath::Null, body, copies: vec![copy], record };
        // Nobody waits for a 250: the commit itself is what counts.
        let _ = self.store.accept_digest(acceptance, DigestNote { link, told }).await?;
        Ok(())
    }

    /// A new link for this recipient: as it stands in the mail, and as the store knows it.
    fn link(&self, recipient: &Address, now: Timestamp) -> Result<Option<(String, Link)>, NoRandom> {
        let Some(settings) = &self.links else { return Ok(None) };
        let token = Token::random()?;
        let link = Link {
            token: token.hash(),
            recipient: recipient.clone(),
            at: now,
            expires_at: now.plus(settings.lasts),
            used_at: None,
        };
        Ok(Some((format!("{}/q/{token}", settings.url), link)))
    }

    fn draft(
        &self,
        content: &Content,
        link: Option<&str>,
        id: postern_types::TraceId,
        now: Timestamp,
    ) -> Result<Draft, DigestError> {
        let html = Html { content, link, good_for: self.good_for(), host: &self.host }.render()?;
        Ok(Draft {
            name: "Quarantine".to_owned(),
            from: self.postmaster(&content.recipient),
            to: vec![content.recipient.clone()],
            subject: content.title.clone(),
            date: now,
            id,
            host: self.host.clone(),
            text: self.plain_text(content, link)?,
            html: Some(html),
            attachments: Vec::new(),
        })
    }

    fn plain_text(&self, content: &Content, link: Option<&str>) -> Result<String, DigestError> {
        Ok(PlainText { content, link, good_for: self.good_for(), host: &self.host }.render()?)
    }

    fn good_for(&self) -> String {
        let hours = self.links.as_ref().map_or(0, |links| links.lasts.as_secs() / 3600);
        if hours >= 48 { text::count(hours / 24, "day") } else { text::count(hours.max(1), "hour") }
    }

    /// Who answers for the mail of the recipient's domain (RFC 5321 §4.5.1).
    fn postmaster(&self, recipient: &Address) -> Address {
        let domain = recipient.domain().unwrap_or(&self.host);
        // `postmaster` is a local part, and the domain is one already.
        Address::parse(&format!("postmaster@{domain}")).unwrap_or_else(|_| recipient.clone())
    }
}

fn mailbox(account: AccountId, recipient: &Address) -> MessageCopy {
    let mut prefix = return_path(&ReversePath::Null).into_bytes();
    prefix.extend_from_slice(delivered_to(recipient).as_bytes());
    MessageCopy::Mailbox { account, prefix }
}
