//! Every refusal that the SMTP service itself gives, in one place: code, words, blame.
//!
//! What the protocol refuses (syntax, sequence) is answered in `postern_smtp`; what the
//! judgement refuses comes with the verdict. The rest is here, so that the words that
//! people read at the other end can be read side by side.

use postern_smtp::server::Close;
use postern_store::StoreError;
use postern_types::{Address, Blame, Refusal, Reply, TraceId};

/// rfc5321 §4.2.5 with rfc3463 X.1.1: the domain is ours, the mailbox is not there.
pub(crate) fn unknown_user(recipient: &Address, trace: TraceId) -> Refusal {
    let text = format!("<{recipient}>: there is no such mailbox here ({trace})");
    Refusal::new(Blame::Recipient, 550, (5, 1, 1), text).because("unknown recipient")
}

/// rfc5321 §3.6: we carry mail for our own domains only.
pub(crate) fn relaying_denied(recipient: &Address, trace: TraceId) -> Refusal {
    Refusal::new(
        Blame::Recipient,
        550,
        (5, 7, 1),
        format!("<{recipient}>: relaying denied, this server does not take mail for that domain ({trace})"),
    )
    .because("relaying denied")
}

/// rfc1870 §6.1: the size that MAIL declares is over the limit.
pub(crate) fn too_large() -> Refusal {
    Refusal::new(Blame::Content, 552, (5, 3, 4), "the message is larger than this server accepts")
        .because("the declared SIZE is over smtp.message_size")
}

/// The protocol has ended the session: the client makes nothing but errors, or speaks another protocol.
pub(crate) fn gave_up_on(why: Close) -> Refusal {
    let (code, enhanced, text) = match why {
        Close::TooManyErrors => (421, (4, 7, 0), "Too many errors"),
        Close::LostChunk => (501, (5, 5, 4), "Syntax: BDAT octets [LAST]"),
        _ => (554, (5, 5, 1), "This is no SMTP"),
    };
    Refusal::new(Blame::Protocol, code, enhanced, text).because(format!("the session was ended: {why:?}"))
}

/// The header alone is larger than the limit.
pub(crate) fn header_too_large(limit: usize) -> Refusal {
    Refusal::new(Blame::Content, 552, (5, 3, 4), format!("the message header is larger than {limit} bytes"))
        .because("header too large")
}

/// The disk has less free space than the setting asks for.
pub(crate) fn disk_full() -> Refusal {
    // rfc1870 §6.1: 452 when there is no room now but may be later.
    Refusal::new(
        Blame::Us,
        452,
        (4, 3, 1),
        "there is not enough room for mail at the moment, please try again later",
    )
    .because("free space on the data disk is below smtp.minimum_free_disk")
}

/// Graceful stop.
pub(crate) fn stopping() -> Refusal {
    Refusal::new(Blame::Us, 421, (4, 3, 2), "the server is restarting, please try again in a minute")
        .because("the server is stopping")
        .and_close()
}

/// The client said nothing for too long (rfc5321 §4.5.3.2).
pub(crate) fn timed_out() -> Refusal {
    Refusal::new(Blame::Client, 421, (4, 4, 2), "no command came in time, goodbye")
        .because("timeout")
        .and_close()
}

/// Too many connections, or too fast.
pub(crate) fn too_many_connections(cause: String) -> Refusal {
    Refusal::new(
        Blame::Client,
        421,
        (4, 7, 0),
        "too many connections from your network, please try again later",
    )
    .because(cause)
    .and_close()
}

/// The server behind does not answer, or answers what is no SMTP.
pub(crate) fn upstream_unreachable(cause: String, trace: TraceId) -> Refusal {
    let text = format!(
        "the mail server behind this gate is not reachable at the moment, please try again later ({trace})"
    );
    Refusal::new(Blame::Upstream, 451, (4, 4, 1), text).because(cause)
}

/// The server behind gave this answer: it is passed on as it came.
pub(crate) fn upstream_said(reply: Reply) -> Refusal {
    let cause = format!("the server behind said: {reply}");
    Refusal { reply, blame: Blame::Upstream, cause: cause.into(), closes: false }
}

/// A client that may not use XCLIENT, XFORWARD or such.
pub(crate) fn not_trusted(command: &str) -> Refusal {
    Refusal::new(Blame::Protocol, 550, (5, 7, 0), format!("{command} is only for trusted hosts"))
        .because("the client's address is not in the trusted networks")
}

/// The store's error as the sender reads it: always 4xx, for nothing is the sender's fault.
pub(crate) fn store_failed(error: &StoreError, trace: TraceId) -> Refusal {
    let text = format!("the message could not be stored at the moment, please try again later ({trace})");
    let code = if matches!(error, StoreError::Full) { 452 } else { 451 };
    Refusal::new(Blame::Us, code, (4, 3, 0), text).because(error.to_string())
}

/// An event that does not belong to an open transaction; the protocol does not let it happen.
pub(crate) fn no_transaction() -> Refusal {
    Refusal::new(Blame::Us, 451, (4, 3, 0), "the message could not be taken, please try again")
        .because("an event without a transaction")
}
