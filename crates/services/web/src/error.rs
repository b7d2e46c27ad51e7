//! What can go wrong with a request, and the page that says so.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use postern_store::StoreError;

use crate::digest::DigestError;
use crate::page::{self, Notice};
use crate::token::NoRandom;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    /// No such page, or nothing of this visitor's.
    #[error("there is nothing here")]
    NotFound,
    /// No session, or one that has ended.
    #[error("no session")]
    NotIn,
    /// The form was not one of ours, or is too old.
    #[error("the form was not made here")]
    NotOurs,
    /// The form does not read.
    #[error("the form cannot be read")]
    BadForm,
    /// Too many links that do not exist came from this address.
    #[error("too many wrong links")]
    TooMany,
    /// What was pressed is not meant for this page.
    #[error("this page cannot be changed")]
    Method,
    /// The recipient receives no mail here any more.
    #[error("the recipient receives no mail here any more")]
    NoMailbox,
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// A letter could not be sent.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// No random bytes.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
}

impl From<StoreError> for WebError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound { .. } => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

impl WebError {
    fn notice(&self) -> (StatusCode, Notice) {
        match self {
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                Notice::new(
                    "There is nothing here",
                    "The message may have been deleted, or its time in quarantine is over.",
                ),
            ),
            Self::NotIn => (
                StatusCode::FORBIDDEN,
                Notice::new(
                    "Please come in by your link",
                    "Your quarantine opens with the link in the digest that you get by mail. For your safety it \
                     closes by itself after a while; then open the same link again, and have a new one sent to you.",
                ),
            ),
            Self::NotOurs => (
                StatusCode::FORBIDDEN,
                Notice::new(
                    "Nothing was changed",
                    "The button came from an old page, or your browser does not keep cookies for this site. Go \
                     back, load the page again, and press the button once more.",
                ),
            ),
            Self::BadForm => (
                StatusCode::BAD_REQUEST,
                Notice::new("Nothing was changed", "What was sent could not be read. Go back and try again."),
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                Notice::new(
                    "Too many attempts",
                    "Too many links that do not exist were opened from your network. Wait some minutes, and open \
                     the link exactly as it stands in your mail.",
                ),
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                Notice::new("Nothing was changed", "This is only for looking."),
            ),
            Self::NoMailbox => (
                StatusCode::CONFLICT,
                Notice::new(
                    "It could not be delivered",
                    "Your address receives no mail here at the moment, so the message stays held. Please tell \
                     whoever looks after your mail.",
                ),
            ),
            Self::Store(_) | Self::Digest(_) | Self::NoRandom(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                Notice::new(
                    "Not just now",
                    "Something is wrong on our side. Nothing is lost; please try again in some minutes.",
                ),
            ),
        }
    }
}

impl IntoResponse for WebError {
    fn into_response(self) -> Response {
        let (status, notice) = self.notice();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(error = %self, "a quarantine page could not be shown");
        }
        page::answer(status, &notice)
    }
}
