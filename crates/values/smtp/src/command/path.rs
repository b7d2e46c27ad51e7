//! The paths of MAIL and RCPT (RFC 5321 §4.1.2).

/// Whether a path needs its angle brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PathSyntax {
    /// `<a@b.example>` only.
    #[default]
    Strict,
    /// `a@b.example` too, for old programs (Postfix: `strict_rfc821_envelopes = no`).
    BracketsOptional,
}
