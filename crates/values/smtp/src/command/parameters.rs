//! The ESMTP parameters of MAIL and RCPT, as values.

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
    pub(super) kind: String,
    pub(super) xtext: String,
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
