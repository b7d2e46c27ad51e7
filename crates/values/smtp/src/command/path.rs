//! The paths of MAIL and RCPT (RFC 5321 §4.1.2).

use postern_types::{ForwardPath, Host, ReversePath};

use super::CommandError;

/// Whether a path needs its angle brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathSyntax {
    /// `<a@b.example>` only.
    #[default]
    Strict,
    /// `a@b.example` too, for old programs (Postfix: `strict_rfc821_envelopes = no`).
    BracketsOptional,
}

/// The path at the start of `text`, without brackets, and what stands behind it.
///
/// `form` is the correct form, for the error's text.
pub(super) fn split<'a>(
    text: &'a str,
    syntax: PathSyntax,
    form: &'static str,
) -> Result<(&'a str, &'a str), CommandError> {
    if let Some(inner) = text.strip_prefix('<') {
        let end = end_of_path(inner, |b| b == b'>').ok_or(CommandError::Brackets(form))?;
        let rest = &inner[end + 1..];
        if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
            return Err(CommandError::Syntax(form));
        }
        return Ok((&inner[..end], rest));
    }
    if syntax == PathSyntax::Strict || text.is_empty() {
        return Err(CommandError::Brackets(form));
    }
    let end = end_of_path(text, |b| b == b' ' || b == b'\t').unwrap_or(text.len());
    Ok((&text[..end], &text[end..]))
}

/// Where the first octet outside quotes is that `ends` the path.
fn end_of_path(text: &str, ends: impl Fn(u8) -> bool) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        if escaped {
            escaped = false;
            return false;
        }
        match byte {
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        !quoted && ends(byte)
    })
}

/// The sender in `inner`; nothing is the null path.
pub(super) fn reverse(inner: &str) -> Result<ReversePath, CommandError> {
    ReversePath::parse(without_route(inner)?).map_err(CommandError::Sender)
}

/// The recipient in `inner`.
pub(super) fn forward(inner: &str) -> Result<ForwardPath, CommandError> {
    let text = without_route(inner)?;
    // rfc5321 §4.5.1: "Postmaster" without a domain, in any case.
    if text.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    text.parse().map(ForwardPath::Address).map_err(CommandError::Recipient)
}

/// rfc5321 §4.1.2, appendix C: source routes are accepted and ignored.
fn without_route(inner: &str) -> Result<&str, CommandError> {
    if !inner.starts_with('@') {
        return Ok(inner);
    }
    let (route, address) = inner.split_once(':').ok_or(CommandError::Route)?;
    let is_hop = |hop: &str| hop.strip_prefix('@').is_some_and(|host| Host::parse(host).is_ok());
    if route.split(',').all(is_hop) { Ok(address) } else { Err(CommandError::Route) }
}
