//! What the session says by itself: one place for every text.

use crate::command::{BodyType, CommandError, MailParams, RcptParams};
use crate::{Extension, Extensions};

/// A whole reply, with its CR LF.
pub(super) type Line = &'static str;

pub(super) const OK: Line = "250 2.0.0 Ok\r\n";
pub(super) const BYE: Line = "221 2.0.0 Bye\r\n";
pub(super) const HELP: Line = "214 2.0.0 See https://www.rfc-editor.org/rfc/rfc5321\r\n";
// rfc5321 §7.3: 252 tells nothing and harms nobody.
pub(super) const VRFY: Line = "252 2.5.2 Cannot verify the user, but will take mail for it\r\n";
pub(super) const EXPN: Line = "502 5.5.1 EXPN is not offered\r\n";

pub(super) const LINE_TOO_LONG: Line = "500 5.5.2 The command line is too long\r\n";
pub(super) const BARE_NEWLINE: Line = "500 5.5.2 A CR or LF stands alone; lines end with CR LF\r\n";
pub(super) const UNWELCOME: Line = "503 5.5.1 This server takes no mail from you; say QUIT\r\n";
pub(super) const THIS_IS_SMTP: Line = "500 5.5.1 This is SMTP; say EHLO\r\n";
pub(super) const THIS_IS_LMTP: Line = "500 5.5.1 This is LMTP; say LHLO\r\n";
pub(super) const HELLO_FIRST: Line = "503 5.5.1 Say hello first\r\n";
pub(super) const NESTED_MAIL: Line = "503 5.5.1 The sender is already given; RSET begins anew\r\n";
pub(super) const MAIL_FIRST: Line = "503 5.5.1 MAIL must come first\r\n";
pub(super) const RCPT_FIRST: Line = "503 5.5.1 RCPT must come first\r\n";
pub(super) const NO_VALID_RECIPIENTS: Line = "554 5.5.1 No valid recipients\r\n";
pub(super) const CHUNKS_BEGUN: Line = "503 5.5.1 The message has begun with BDAT and must end with it\r\n";
pub(super) const BINARY_NEEDS_BDAT: Line = "503 5.5.1 BODY=BINARYMIME needs BDAT\r\n";
pub(super) const WITHIN_TRANSACTION: Line = "503 5.5.1 Not within a mail transaction\r\n";
pub(super) const TOO_MANY_RECIPIENTS: Line = "452 4.5.3 Too many recipients; send the others separately\r\n";
// rfc6531 §3.5
pub(super) const UTF8_SENDER: Line = "553 5.6.7 An address beyond ASCII needs SMTPUTF8\r\n";
pub(super) const UTF8_RECIPIENT: Line = "553 5.6.7 An address beyond ASCII needs MAIL with SMTPUTF8\r\n";
pub(super) const NO_CHUNKING: Line = "502 5.5.1 BDAT is not offered\r\n";
pub(super) const NO_STARTTLS: Line = "502 5.5.1 STARTTLS is not offered\r\n";
pub(super) const NO_AUTH: Line = "503 5.5.1 AUTH is not offered\r\n";
pub(super) const AUTH_AGAIN: Line = "503 5.5.1 Already authenticated\r\n";
// rfc4954 §4
pub(super) const AUTH_MECHANISM: Line = "504 5.5.4 The mechanism is not offered\r\n";
pub(super) const AUTH_CANCELLED: Line = "501 5.7.0 Authentication cancelled\r\n";
pub(super) const AUTH_NOT_BASE64: Line = "501 5.5.2 The response is not base64\r\n";
pub(super) const AUTH_TOO_LONG: Line = "500 5.5.6 The response is too long\r\n";
pub(super) const NOT_TRUSTED: Line = "550 5.7.0 Not from your address\r\n";
pub(super) const UNOFFERED_ATTRIBUTE: Line = "501 5.5.4 An attribute is not offered\r\n";
pub(super) const TOO_MANY_ERRORS: Line = "421 4.7.0 Too many errors\r\n";

/// The reply to a line that is no command.
pub(super) fn of(error: &CommandError) -> String {
    use CommandError as E;
    let codes = match error {
        E::Unknown => "500 5.5.1",
        E::OtherProtocol => "554 5.5.1",
        E::ControlCharacter | E::NotUtf8 => "500 5.5.2",
        E::Syntax(_) | E::ChunkSize | E::Brackets(_) => "501 5.5.4",
        E::Base64 => "501 5.5.2",
        // rfc3463 §3.2: 5.1.7 bad sender's, 5.1.3 bad destination mailbox address syntax.
        E::Sender(_) => "501 5.1.7",
        E::Recipient(_) | E::Route => "501 5.1.3",
        // rfc5321 §4.1.1.11: 555 for parameters that are not implemented.
        E::UnknownParameter(_) => "555 5.5.4",
        E::BadParameter(_) | E::RepeatedParameter(_) => "501 5.5.4",
    };
    // Error texts begin small; parameters are quoted from the client, so only ASCII may pass.
    let text: String = error.to_string().chars().map(|c| if c.is_ascii() { c } else { '?' }).collect();
    let (first, rest) = text.split_at(text.len().min(1));
    format!("{codes} {}{rest}\r\n", first.to_ascii_uppercase())
}

/// A parameter of MAIL whose extension is not offered.
pub(super) fn unoffered_mail(params: &MailParams, offered: &Extensions) -> Option<Line> {
    let has = |extension| offered.has(extension);
    if params.size.is_some() && offered.size.is_none() {
        Some("555 5.5.4 SIZE is not offered\r\n")
    } else if params.body == Some(BodyType::BinaryMime) && !has(Extension::BinaryMime) {
        Some("555 5.5.4 BODY=BINARYMIME is not offered\r\n")
    } else if params.body.is_some() && !has(Extension::EightBitMime) && !has(Extension::BinaryMime) {
        Some("555 5.5.4 BODY is not offered\r\n")
    } else if params.smtp_utf8 && !has(Extension::SmtpUtf8) {
        Some("555 5.5.4 SMTPUTF8 is not offered\r\n")
    } else if (params.ret.is_some() || params.envid.is_some()) && !has(Extension::Dsn) {
        Some("555 5.5.4 DSN is not offered\r\n")
    } else if params.auth.is_some() && offered.auth.is_empty() {
        Some("555 5.5.4 AUTH is not offered\r\n")
    } else if params.require_tls && !has(Extension::RequireTls) {
        Some("555 5.5.4 REQUIRETLS is not offered\r\n")
    } else {
        None
    }
}

/// A parameter of RCPT whose extension is not offered.
pub(super) fn unoffered_rcpt(params: &RcptParams, offered: &Extensions) -> Option<Line> {
    let has_dsn = params.notify.is_some() || params.orcpt.is_some();
    (has_dsn && !offered.has(Extension::Dsn)).then_some("555 5.5.4 DSN is not offered\r\n")
}
