//! From a line to a [`Command`].

use base64ct::{Base64, Encoding as _};
use postern_types::Secret;

use super::attributes::{self, Attributes};
use super::{
    Auth, Bdat, Command, CommandError, Hello, HelloVerb, Mail, MailParams, PathSyntax, Rcpt, RcptParams, path,
};
use crate::command::{XclientName, XforwardName};

const MAIL_FORM: &str = "MAIL FROM:<address>";
const RCPT_FORM: &str = "RCPT TO:<address>";
/// Names of hosts have at most 253 characters; address literals fewer.
const HELLO_NAME_MAX: usize = 255;
/// rfc4422 §3.1: sasl-mech = 1*20mech-char
const MECHANISM_MAX: usize = 20;

impl Command {
    /// Reads a command line (without its CR LF).
    ///
    /// # Errors
    /// [`CommandError`] says what is wrong.
    pub fn parse(line: &[u8], paths: PathSyntax) -> Result<Command, CommandError> {
        // A TLS ClientHello and other binary protocols: no command begins like that.
        if line.first().is_some_and(|&b| b < b'\t' || (b > b'\r' && b < b' ') || b >= 0x7f) {
            return Err(CommandError::OtherProtocol);
        }
        if line.iter().any(|&b| (b < b' ' && b != b'\t') || b == 0x7f) {
            return Err(CommandError::ControlCharacter);
        }
        let end = line.iter().position(|&b| is_space(b)).unwrap_or(line.len());
        let (verb, rest) = line.split_at(end);
        let rest = rest.trim_ascii();
        let mut upper = [0u8; 8];
        let Some(upper) = upper.get_mut(..verb.len()) else { return Err(CommandError::Unknown) };
        upper.copy_from_slice(verb);
        upper.make_ascii_uppercase();
        match &*upper {
            b"EHLO" => hello(HelloVerb::Ehlo, rest, "EHLO hostname"),
            b"HELO" => hello(HelloVerb::Helo, rest, "HELO hostname"),
            b"LHLO" => hello(HelloVerb::Lhlo, rest, "LHLO hostname"),
            // What curl, browsers and open-proxy scanners say (Postfix: smtpd_forbidden_commands).
            b"GET" | b"POST" | b"HEAD" | b"PUT" | b"CONNECT" | b"OPTIONS" => Err(CommandError::OtherProtocol),
            upper => Self::parse_text(upper, text(rest)?, paths),
        }
    }

    fn parse_text(verb: &[u8], rest: &str, paths: PathSyntax) -> Result<Command, CommandError> {
        match verb {
            b"MAIL" => mail(rest, paths).map(Command::Mail),
            b"RCPT" => rcpt(rest, paths).map(Command::Rcpt),
            b"DATA" => alone(rest, Command::Data, "DATA"),
            b"BDAT" => bdat(rest).map(Command::Bdat),
            b"RSET" => alone(rest, Command::Rset, "RSET"),
            b"VRFY" => argument(rest, "VRFY address").map(Command::Vrfy),
            b"EXPN" => argument(rest, "EXPN list").map(Command::Expn),
            b"HELP" => Ok(Command::Help),
            b"NOOP" => Ok(Command::Noop),
            b"QUIT" => alone(rest, Command::Quit, "QUIT"),
            b"STARTTLS" => alone(rest, Command::StartTls, "STARTTLS"),
            b"AUTH" => auth(rest).map(Command::Auth),
            b"XCLIENT" => {
                pairs(rest, XclientName::parse, "XCLIENT attribute=value ...").map(Command::Xclient)
            }
            b"XFORWARD" => {
                pairs(rest, XforwardName::parse, "XFORWARD attribute=value ...").map(Command::Xforward)
            }
            _ => Err(CommandError::Unknown),
        }
    }
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn text(bytes: &[u8]) -> Result<&str, CommandError> {
    let text = std::str::from_utf8(bytes).map_err(|_| CommandError::NotUtf8)?;
    // Beyond ASCII there are control characters, too (U+0080 to U+009F); those within are refused already.
    let has_control = !text.is_ascii() && text.chars().any(|c| !c.is_ascii() && c.is_control());
    if has_control { Err(CommandError::ControlCharacter) } else { Ok(text) }
}

fn alone(rest: &str, command: Command, form: &'static str) -> Result<Command, CommandError> {
    if rest.is_empty() { Ok(command) } else { Err(CommandError::Syntax(form)) }
}

fn argument(rest: &str, form: &'static str) -> Result<String, CommandError> {
    if rest.is_empty() { Err(CommandError::Syntax(form)) } else { Ok(rest.replace('\t', " ")) }
}

fn hello(verb: HelloVerb, rest: &[u8], form: &'static str) -> Result<Command, CommandError> {
    if rest.is_empty() || rest.len() > HELLO_NAME_MAX {
        return Err(CommandError::Syntax(form));
    }
    // Names with other characters exist in the wild; what they are worth is for the HELO checks to say.
    let printable = |&b: &u8| if (b' '..=b'~').contains(&b) { char::from(b) } else { '?' };
    Ok(Command::Hello(Hello { verb, name: rest.iter().map(printable).collect() }))
}

/// `rest` behind `keyword` and a colon, in any case. Spaces behind the colon are forgiven: old
/// programs send them, and they mislead nobody.
fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    Some(rest[keyword.len()..].strip_prefix(':')?.trim_ascii_start())
}

fn mail(rest: &str, paths: PathSyntax) -> Result<Mail, CommandError> {
    let rest = after_keyword(rest, "FROM").ok_or(CommandError::Syntax(MAIL_FORM))?;
    let (inner, rest) = path::split(rest, paths, MAIL_FORM)?;
    Ok(Mail { path: path::reverse(inner)?, params: MailParams::parse(rest)? })
}

fn rcpt(rest: &str, paths: PathSyntax) -> Result<Rcpt, CommandError> {
    let rest = after_keyword(rest, "TO").ok_or(CommandError::Syntax(RCPT_FORM))?;
    let (inner, rest) = path::split(rest, paths, RCPT_FORM)?;
    Ok(Rcpt { path: path::forward(inner)?, params: RcptParams::parse(rest)? })
}

fn bdat(rest: &str) -> Result<Bdat, CommandError> {
    let mut words = rest.split_ascii_whitespace();
    let digits = words.next().filter(|word| word.bytes().all(|b| b.is_ascii_digit()));
    let octets = digits.and_then(|word| word.parse().ok()).ok_or(CommandError::ChunkSize)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        // The octets that follow can't be told from commands: the session must end.
        Some(_) => return Err(CommandError::ChunkSize),
    };
    if words.next().is_some() { Err(CommandError::ChunkSize) } else { Ok(Bdat { octets, last }) }
}

fn auth(rest: &str) -> Result<Auth, CommandError> {
    const FORM: CommandError = CommandError::Syntax("AUTH mechanism [initial-response]");
    let mut words = rest.split_ascii_whitespace();
    let mechanism = words.next().ok_or(FORM)?;
    let is_mechanism = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if mechanism.len() > MECHANISM_MAX || !mechanism.bytes().all(is_mechanism) {
        return Err(FORM);
    }
    let initial = words.next().map(initial_response).transpose()?;
    if words.next().is_some() {
        return Err(FORM);
    }
    Ok(Auth { mechanism: mechanism.to_ascii_uppercase(), initial })
}

/// rfc4954 §4: an initial response of no octets is written `=`.
fn initial_response(word: &str) -> Result<Secret<Vec<u8>>, CommandError> {
    if word == "=" { Ok(Secret::new(Vec::new())) } else { response(word) }
}

/// A base64 line of an AUTH exchange.
pub(crate) fn response(line: &str) -> Result<Secret<Vec<u8>>, CommandError> {
    Base64::decode_vec(line).map(Secret::new).map_err(|_| CommandError::Base64)
}

fn pairs<N: Copy + PartialEq>(
    rest: &str,
    name: impl Fn(&str) -> Option<N>,
    form: &'static str,
) -> Result<Attributes<N>, CommandError> {
    let mut found = Attributes::new();
    for word in rest.split_ascii_whitespace() {
        let (key, value) = word.split_once('=').ok_or(CommandError::Syntax(form))?;
        let key = name(key).ok_or_else(|| super::parameters::unknown(key))?;
        if found.names(key) {
            return Err(CommandError::RepeatedParameter("attribute"));
        }
        let value = match value {
            "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => None,
            value => Some(attributes::value(value)?),
        };
        found.pairs.push((key, value.filter(|text| !text.is_empty())));
    }
    if found.is_empty() { Err(CommandError::Syntax(form)) } else { Ok(found) }
}
