//! The pages as values; the templates make HTML of them, and escape what strangers wrote.

use askama::Template;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::why::Why;

/// What stands around a page of somebody who is in.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Whose quarantine it is.
    pub(crate) recipient: String,
    /// What every form carries.
    pub(crate) form_token: String,
}

/// A page that says one thing.
#[derive(Clone, Debug, Template)]
#[template(path = "notice.html")]
pub(crate) struct Notice {
    frame: Option<Frame>,
    title: String,
    text: String,
}

impl Notice {
    /// The same for somebody who is in.
    pub(crate) fn within(self, frame: Frame) -> Self {
        Self { frame: Some(frame), ..self }
    }

    pub(crate) fn new(title: &str, text: &str) -> Self {
        Self { frame: None, title: title.to_owned(), text: text.to_owned() }
    }
}

/// What a link opens: a button, or why there is none.
#[derive(Clone, Debug, Template)]
#[template(path = "door.html")]
pub(crate) struct DoorPage {
    pub(crate) frame: Option<Frame>,
    pub(crate) door: Door,
    /// Whose quarantine it opens.
    pub(crate) recipient: String,
    /// Where the forms go: the link's own path.
    pub(crate) path: String,
    pub(crate) form_token: String,
    /// How long the session will last.
    pub(crate) lasts: String,
    /// Whether this browser is in already.
    pub(crate) inside: bool,
}

/// How the link stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Used,
    Ended,
}

/// What is held.
#[derive(Clone, Debug, Template)]
#[template(path = "list.html")]
pub(crate) struct ListPage {
    pub(crate) frame: Option<Frame>,
    pub(crate) done: Option<&'static str>,
    pub(crate) held: Vec<HeldRow>,
    /// Whether this is not the first page.
    pub(crate) later: bool,
    /// Where the page before goes on.
    pub(crate) older: Option<i64>,
}

/// A held message in the list.
#[derive(Clone, Debug)]
pub(crate) struct HeldRow {
    pub(crate) id: i64,
    pub(crate) subject: String,
    pub(crate) from: String,
    pub(crate) why: String,
    pub(crate) at: String,
    pub(crate) moment: String,
    pub(crate) ago: String,
    pub(crate) size: String,
}

/// One held message.
#[derive(Clone, Debug, Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage {
    pub(crate) frame: Option<Frame>,
    pub(crate) row: HeldRow,
    /// Whether it has been delivered already.
    pub(crate) released: bool,
    /// The envelope's sender, where it is another than the message says.
    pub(crate) sender: Option<String>,
    /// Whether there is a sender to allow.
    pub(crate) can_allow: bool,
    pub(crate) kept_until: String,
    pub(crate) why: Why,
    pub(crate) text: String,
    pub(crate) cut: bool,
    pub(crate) attachments: Vec<AttachmentRow>,
}

/// A file in a message: its name only.
#[derive(Clone, Debug)]
pub(crate) struct AttachmentRow {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) size: String,
}

/// What a press of a button will do; asks to confirm.
#[derive(Clone, Debug, Template)]
#[template(path = "ask.html")]
pub(crate) struct AskPage {
    pub(crate) frame: Option<Frame>,
    pub(crate) row: HeldRow,
    pub(crate) title: &'static str,
    pub(crate) text: String,
    pub(crate) button: &'static str,
    pub(crate) grave: bool,
    pub(crate) path: String,
    pub(crate) form_token: String,
}

/// The recipient's own lists.
#[derive(Clone, Debug, Template)]
#[template(path = "senders.html")]
pub(crate) struct SendersPage {
    pub(crate) frame: Option<Frame>,
    pub(crate) form_token: String,
    pub(crate) done: Option<&'static str>,
    /// What is wrong with what was written, and what it was.
    pub(crate) wrong: Option<String>,
    pub(crate) written: String,
    pub(crate) lists: Vec<SenderList>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct SenderList {
    pub(crate) title: &'static str,
    pub(crate) name: &'static str,
    pub(crate) empty: &'static str,
    pub(crate) rows: Vec<SenderRow>,
}

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct SenderRow {
    pub(crate) sender: String,
    pub(crate) about: String,
}

/// A page as an answer.
pub(crate) fn answer(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        // The templates only write to memory.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A page that was found.
pub(crate) fn ok(page: &impl Template) -> Response {
    answer(StatusCode::OK, page)
}
