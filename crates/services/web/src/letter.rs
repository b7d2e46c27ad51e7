//! A held message looked into as far as a page or digest needs: bounded, and never more than text.

use std::sync::Arc;

use postern_message::{Bounds, Mailbox, Summary};
use postern_store::{Quarantined, Store, StoreError};
use postern_types::{Timestamp, Zone};

use crate::page::{AttachmentRow, HeldRow};
use crate::text::{self, Whole};
use crate::why::Why;

/// What is read of a message to list it.
const TO_LIST: usize = 64 << 10;
/// What is read of a message to show it.
const TO_SHOW: usize = 1 << 20;
/// Attachments that are named.
const NAMED: usize = 50;

/// A message as a page shows it.
pub(crate) struct Letter {
    pub(crate) row: HeldRow,
    pub(crate) text: String,
    pub(crate) cut: bool,
    pub(crate) attachments: Vec<AttachmentRow>,
}

/// What time it is, and how times are shown.
#[derive(Clone, Debug)]
pub(crate) struct Now {
    pub(crate) at: Timestamp,
    pub(crate) zone: Arc<Zone>,
}

/// A held message's line in a list.
pub(crate) async fn row(store: &Store, held: &Quarantined, now: &Now) -> Result<HeldRow, StoreError> {
    let start = match begin(store, held, TO_LIST).await {
        // One that is damaged must not hide the others.
        Err(StoreError::Corrupt { what }) => {
            tracing::error!(id = held.id.as_i64(), what, "a held message cannot be read");
            Vec::new()
        }
        start => start?,
    };
    let bounds = Bounds { parts: 1, text: 0, ..Bounds::default() };
    Ok(row_of(held, &Summary::read(&start, &bounds), now))
}

/// A held message whole, as far as the bounds go.
pub(crate) async fn letter(store: &Store, held: &Quarantined, now: Now) -> Result<Letter, StoreError> {
    let start = begin(store, held, TO_SHOW).await?;
    let all_read = start.len() as u64 >= held.size;
    // A page is made while others wait: what takes long to take apart is taken apart beside them.
    let held = held.clone();
    let work = move || {
        let summary = Summary::read(&start, &Bounds { parts: 200, ..Bounds::default() });
        let (text, whole) = text::body(summary.text.as_deref().unwrap_or_default());
        let attachments = summary.attachments().take(NAMED).map(|part| AttachmentRow {
            name: text::line(part.name.as_deref().unwrap_or("without a name")),
            kind: text::line(&part.content_type),
            size: text::size(part.size),
        });
        let cut = whole == Whole::No || !all_read || !summary.complete;
        Letter { row: row_of(&held, &summary, &now), text, cut, attachments: attachments.collect() }
    };
    // The task can only be lost when the process is stopping.
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)
}

async fn begin(store: &Store, held: &Quarantined, most: usize) -> Result<Vec<u8>, StoreError> {
    let mut reader = store.read_quarantined(held.id).await?;
    let mut start = Vec::new();
    while start.len() < most
        && let Some(piece) = reader.next().await?
    {
        start.extend_from_slice(&piece);
    }
    start.truncate(most);
    Ok(start)
}

fn row_of(held: &Quarantined, summary: &Summary, now: &Now) -> HeldRow {
    let subject = text::line(summary.subject.as_deref().unwrap_or_default());
    let from = match summary.from.first() {
        Some(Mailbox { name: Some(name), address }) => {
            format!("{} <{}>", text::line(name), text::line(address))
        }
        Some(Mailbox { name: None, address }) => text::line(address),
        None => "nobody".to_owned(),
    };
    HeldRow {
        id: held.id.as_i64(),
        subject: if subject.is_empty() { "(no subject)".to_owned() } else { subject },
        from,
        why: Why::of(held).short,
        at: held.at.to_string(),
        moment: now.zone.show(held.at),
        ago: text::ago(held.at, now.at),
        size: text::size(held.size),
    }
}
