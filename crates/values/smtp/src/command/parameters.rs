//! The ESMTP parameters of MAIL and RCPT, as values.

use std::fmt;

use super::CommandError;

/// `BODY=` (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BodyType {
    /// `7BIT`
    SevenBit,
    /// `8BITMIME`
    EightBitMime,
    /// `BINARYMIME`: any octets, BDAT only.
    BinaryMime,
}

/// `RET=` (RFC 3461 §4.3): how much of the message comes back in a failure notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    /// `FULL`
    Full,
    /// `HDRS`
    Headers,
}

/// `NOTIFY=` (RFC 3461 §4.1): when the sender wants a notice. All false is `NEVER`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Notify {
    /// `SUCCESS`
    pub success: bool,
    /// `FAILURE`
    pub failure: bool,
    /// `DELAY`
    pub delay: bool,
}

/// `ORCPT=` (RFC 3461 §4.2), in its wire form, so that it is passed on unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OriginalRecipient {
    kind: String,
    xtext: String,
}

impl OriginalRecipient {
    /// The address type, such as `rfc822`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The address, decoded from xtext.
    #[must_use]
    pub fn address(&self) -> String {
        // Checked when it was read; an OriginalRecipient has no other source.
        crate::xtext::decode(&self.xtext).unwrap_or_default()
    }
}

/// The parameters of MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParams {
    /// `SIZE=` (RFC 1870): octets, as the client estimates.
    pub size: Option<u64>,
    /// `BODY=`
    pub body: Option<BodyType>,
    /// `SMTPUTF8` (RFC 6531)
    pub smtp_utf8: bool,
    /// `RET=`
    pub ret: Option<Return>,
    /// `ENVID=` (RFC 3461 §4.4), decoded; at most 100 characters of printable ASCII.
    pub envid: Option<String>,
    /// `AUTH=` (RFC 4954 §5), decoded; `<>` where the submitter is unknown.
    pub auth: Option<String>,
    /// `REQUIRETLS` (RFC 8689)
    pub require_tls: bool,
}

/// The parameters of RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RcptParams {
    /// `NOTIFY=`
    pub notify: Option<Notify>,
    /// `ORCPT=`
    pub orcpt: Option<OriginalRecipient>,
}

/// rfc3461 §4.2: at most 500 characters of ORCPT; §4.4: at most 100 of ENVID.
const ORCPT_MAX: usize = 500;
const ENVID_MAX: usize = 100;
/// rfc1870 §3: size-value = 1*20DIGIT
const SIZE_DIGITS_MAX: usize = 20;

impl MailParams {
    pub(super) fn parse(rest: &str) -> Result<Self, CommandError> {
        let mut params = Self::default();
        for word in rest.split_ascii_whitespace() {
            params.read(word)?;
        }
        Ok(params)
    }

    fn read(&mut self, word: &str) -> Result<(), CommandError> {
        let (key, value) = split(word);
        if key.eq_ignore_ascii_case("SIZE") {
            once(&mut self.size, "SIZE", value.and_then(size))
        } else if key.eq_ignore_ascii_case("BODY") {
            once(&mut self.body, "BODY", value.and_then(BodyType::parse))
        } else if key.eq_ignore_ascii_case("SMTPUTF8") {
            flag(&mut self.smtp_utf8, "SMTPUTF8", value)
        } else if key.eq_ignore_ascii_case("RET") {
            once(&mut self.ret, "RET", value.and_then(Return::parse))
        } else if key.eq_ignore_ascii_case("ENVID") {
            once(&mut self.envid, "ENVID", value.and_then(envid))
        } else if key.eq_ignore_ascii_case("AUTH") {
            once(&mut self.auth, "AUTH", value.and_then(submitter))
        } else if key.eq_ignore_ascii_case("REQUIRETLS") {
            flag(&mut self.require_tls, "REQUIRETLS", value)
        } else {
            Err(unknown(key))
        }
    }
}

impl RcptParams {
    pub(super) fn parse(rest: &str) -> Result<Self, CommandError> {
        let mut params = Self::default();
        for word in rest.split_ascii_whitespace() {
            let (key, value) = split(word);
            if key.eq_ignore_ascii_case("NOTIFY") {
                once(&mut params.notify, "NOTIFY", value.and_then(Notify::parse))?;
            } else if key.eq_ignore_ascii_case("ORCPT") {
                once(&mut params.orcpt, "ORCPT", value.and_then(OriginalRecipient::parse))?;
            } else {
                return Err(unknown(key));
            }
        }
        Ok(params)
    }
}

/// rfc5321 §4.1.2: esmtp-param = esmtp-keyword ["=" esmtp-value]
fn split(word: &str) -> (&str, Option<&str>) {
    word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)))
}

/// An unknown key as an error, cut so that the reply's line stays short.
pub(super) fn unknown(key: &str) -> CommandError {
    CommandError::UnknownParameter(key.chars().take(40).collect())
}

fn once<T>(slot: &mut Option<T>, key: &'static str, value: Option<T>) -> Result<(), CommandError> {
    let value = value.ok_or(CommandError::BadParameter(key))?;
    if slot.replace(value).is_some() { Err(CommandError::RepeatedParameter(key)) } else { Ok(()) }
}

fn flag(slot: &mut bool, key: &'static str, value: Option<&str>) -> Result<(), CommandError> {
    if value.is_some() {
        return Err(CommandError::BadParameter(key));
    }
    if std::mem::replace(slot, true) { Err(CommandError::RepeatedParameter(key)) } else { Ok(()) }
}

fn size(value: &str) -> Option<u64> {
    let is_size = value.len() <= SIZE_DIGITS_MAX && value.bytes().all(|b| b.is_ascii_digit());
    // 20 digits may be more than a u64 holds: then it is more than any limit, too.
    if is_size && !value.is_empty() { Some(value.parse().unwrap_or(u64::MAX)) } else { None }
}

fn envid(value: &str) -> Option<String> {
    // rfc3461 §4.4: the decoded value holds printable US-ASCII only.
    let is_envid = |text: &String| {
        !text.is_empty() && text.len() <= ENVID_MAX && text.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    crate::xtext::decode(value).filter(is_envid)
}

fn submitter(value: &str) -> Option<String> {
    let is_mailbox = |text: &String| !text.is_empty() && !text.chars().any(char::is_control);
    crate::xtext::decode(value).filter(is_mailbox)
}

impl BodyType {
    fn parse(value: &str) -> Option<Self> {
        [Self::SevenBit, Self::EightBitMime, Self::BinaryMime]
            .into_iter()
            .find(|body| body.as_str().eq_ignore_ascii_case(value))
    }

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

impl Return {
    fn parse(value: &str) -> Option<Self> {
        [Self::Full, Self::Headers].into_iter().find(|ret| ret.as_str().eq_ignore_ascii_case(value))
    }

    /// As it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}

impl Notify {
    fn parse(value: &str) -> Option<Self> {
        let mut notify = Self::default();
        // rfc3461 §4.1: NEVER stands alone.
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(notify);
        }
        for word in value.split(',') {
            let slot = match word {
                _ if word.eq_ignore_ascii_case("SUCCESS") => &mut notify.success,
                _ if word.eq_ignore_ascii_case("FAILURE") => &mut notify.failure,
                _ if word.eq_ignore_ascii_case("DELAY") => &mut notify.delay,
                _ => return None,
            };
            *slot = true;
        }
        Some(notify)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let words: Vec<&str> = named.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        f.write_str(if words.is_empty() { "NEVER".to_owned() } else { words.join(",") }.as_str())
    }
}

impl OriginalRecipient {
    /// Reads `type;xtext`.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let (kind, xtext) = value.split_once(';')?;
        let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"-_.+/".contains(&b);
        let is_valid = value.len() <= ORCPT_MAX
            && !kind.is_empty()
            && kind.bytes().all(is_atom)
            && !xtext.is_empty()
            && crate::xtext::decode(xtext).is_some();
        is_valid.then(|| Self { kind: kind.to_owned(), xtext: xtext.to_owned() })
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.kind, self.xtext)
    }
}
