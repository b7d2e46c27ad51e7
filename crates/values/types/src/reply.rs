//! SMTP replies (RFC 5321 §4.2), enhanced codes (RFC 2034, 3463), and refusals as values.

use std::borrow::Cow;
use std::fmt;

/// A three-digit reply code, 200 to 599.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// A code from its number; `None` outside 200..=599.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 200 && code <= 599 { Some(Self(code)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// 2yz: done.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.0 < 300
    }

    /// 3yz: go on.
    #[must_use]
    pub const fn is_intermediate(self) -> bool {
        self.0 >= 300 && self.0 < 400
    }

    /// 4yz: try again later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        self.0 >= 400 && self.0 < 500
    }

    /// 5yz: no.
    #[must_use]
    pub const fn is_permanent(self) -> bool {
        self.0 >= 500
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `class.subject.detail` (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnhancedCode {
    /// 2 success, 4 transient, 5 permanent.
    pub class: u8,
    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

impl EnhancedCode {
    /// A code from its three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// Reads `5.7.1`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let class: u8 = parts.next()?.parse().ok()?;
        let subject: u16 = parts.next()?.parse().ok()?;
        let detail: u16 = parts.next()?.parse().ok()?;
        let valid = matches!(class, 2 | 4 | 5) && subject < 1000 && detail < 1000;
        (valid && parts.next().is_none()).then_some(Self { class, subject, detail })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply as it goes over the wire. Lines never hold CR or LF (see [`Reply::new`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The code on every line.
    pub code: ReplyCode,
    /// The enhanced code on every line, where the reply has one.
    pub enhanced: Option<EnhancedCode>,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A one-line reply. `code` outside 200..=599 becomes 451, which cannot mislead a client.
    /// CR, LF and other control characters in `text` become spaces.
    #[must_use]
    pub fn new(code: u16, enhanced: Option<(u8, u16, u16)>, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: ReplyCode::new(code).unwrap_or(ReplyCode(451)),
            enhanced: enhanced.map(|(c, s, d)| EnhancedCode::new(c, s, d)),
            lines: vec![clean(text.into())],
        }
    }

    /// Adds a line.
    #[must_use]
    pub fn line(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.lines.push(clean(text.into()));
        self
    }

    /// The text lines, at least one.
    #[must_use]
    pub fn lines(&self) -> &[Cow<'static, str>] {
        &self.lines
    }

    /// Appends the reply in wire form, every line ended by CRLF.
    pub fn encode(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        let last = self.lines.len() - 1;
        for (i, line) in self.lines.iter().enumerate() {
            // rfc5321 §4.2.1: every line but the last has a hyphen behind the code.
            let separator = if i == last { ' ' } else { '-' };
            // Writing to a Vec cannot fail.
            let _ = match self.enhanced {
                Some(enhanced) => write!(out, "{}{separator}{enhanced} {line}\r\n", self.code),
                None => write!(out, "{}{separator}{line}\r\n", self.code),
            };
        }
    }
}

fn clean(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.chars().any(char::is_control) { Cow::Owned(text.replace(char::is_control, " ")) } else { text }
}

/// All lines, joined by ` / `, with the codes once: for logs and traces.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        write!(f, " {}", self.lines.join(" / "))
    }
}

/// Whose fault a refusal is: what the reply tells the sender to do, and what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blame {
    /// The client broke the protocol.
    Protocol,
    /// The host that connects is unwanted.
    Client,
    /// The envelope sender is.
    Sender,
    /// The recipient does not exist or does not want it.
    Recipient,
    /// The message itself.
    Content,
    /// We can't just now.
    Us,
    /// The server behind us can't, or said no.
    Upstream,
}

/// A refusal as a value: what the client reads, and what only our own log says.
/// The one place that turns errors into replies is where these are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What goes over the wire; 4yz or 5yz.
    pub reply: Reply,
    /// Whose fault it is.
    pub blame: Blame,
    /// The cause in our own words, for log and trace; never sent.
    pub cause: Cow<'static, str>,
    /// Whether the connection ends with it (421, 521, 554 at the greeting).
    pub closes: bool,
}

impl Refusal {
    /// A refusal after which the session goes on. The cause is the reply's text until
    /// [`Refusal::because`] says more.
    #[must_use]
    pub fn new(
        blame: Blame,
        code: u16,
        enhanced: (u8, u16, u16),
        text: impl Into<Cow<'static, str>>,
    ) -> Self {
        let reply = Reply::new(code, Some(enhanced), text);
        let cause = reply.lines()[0].clone();
        Self { reply, blame, cause, closes: false }
    }

    /// Names the cause for log and trace.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Puts the trace id behind the last line, so that whoever reads the reply can find the trace. Once.
    #[must_use]
    pub fn traced(mut self, trace: crate::TraceId) -> Self {
        let id = trace.to_string();
        if let Some(last) = self.reply.lines.last_mut().filter(|line| !line.contains(&id)) {
            *last = Cow::Owned(format!("{last} ({id})"));
        }
        self
    }

    /// Ends the connection after the reply.
    #[must_use]
    pub fn and_close(mut self) -> Self {
        self.closes = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_repeat_both_codes() {
        let mut out = Vec::new();
        Reply::new(550, Some((5, 7, 1)), "no").line("because").encode(&mut out);
        assert_eq!(out, b"550-5.7.1 no\r\n550 5.7.1 because\r\n");
    }

    #[test]
    fn a_reply_cannot_be_split_by_its_text() {
        let mut out = Vec::new();
        Reply::new(550, None, "no\r\n250 yes").encode(&mut out);
        assert_eq!(out, b"550 no  250 yes\r\n");
    }

    #[test]
    fn a_refusal_names_its_trace_once() {
        let trace = crate::TraceId::from_i64(77).unwrap();
        let refusal = Refusal::new(Blame::Us, 451, (4, 3, 0), "later").traced(trace).traced(trace);
        assert_eq!(refusal.reply.to_string(), format!("451 4.3.0 later ({trace})"));
    }

    #[test]
    fn enhanced_codes_parse() {
        assert_eq!(EnhancedCode::parse("5.7.1"), Some(EnhancedCode::new(5, 7, 1)));
        for bad in ["5.7", "3.1.1", "5.7.1.1", "5.7.x", ""] {
            assert_eq!(EnhancedCode::parse(bad), None, "{bad}");
        }
    }
}
