//! Command lines (RFC 1939 §3, §5–7; RFC 2449; RFC 2595; RFC 5034; RFC 6856).

/// A command as the client sent it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    User(&'a str),
    Pass(&'a str),
    /// `AUTH` with the mechanism and the initial response, where there are.
    Auth(Option<(&'a str, Option<&'a str>)>),
    Stls,
    Capa,
    Utf8,
    Quit,
    Stat,
    List(Option<u64>),
    Uidl(Option<u64>),
    Retr(u64),
    Top(u64, u64),
    Dele(u64),
    Noop,
    Rset,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// No such command here.
    Unknown,
    /// The command does not take these arguments.
    Arguments,
}

impl<'a> Command<'a> {
    /// Reads a line without its line end.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Syntax> {
        let line = std::str::from_utf8(line).map_err(|_| Syntax::Arguments)?;
        let (keyword, arguments) = line.split_once(' ').unwrap_or((line, ""));
        // rfc1939 §3: keywords are three or four characters, in any case (rfc2449 §4: or more).
        let mut upper = [0; 4];
        let upper = upper.get_mut(..keyword.len()).ok_or(Syntax::Unknown)?;
        upper.copy_from_slice(keyword.as_bytes());
        upper.make_ascii_uppercase();
        match &*upper {
            b"USER" => name(arguments).map(Self::User),
            // rfc1939 §7: the argument of PASS may hold spaces; nothing is cut off it.
            b"PASS" if !arguments.is_empty() => Ok(Self::Pass(arguments)),
            b"AUTH" => auth(arguments),
            b"STLS" => bare(arguments, Self::Stls),
            b"CAPA" => bare(arguments, Self::Capa),
            b"UTF8" => bare(arguments, Self::Utf8),
            b"QUIT" => bare(arguments, Self::Quit),
            b"STAT" => bare(arguments, Self::Stat),
            b"NOOP" => bare(arguments, Self::Noop),
            b"RSET" => bare(arguments, Self::Rset),
            b"LIST" => optional_number(arguments).map(Self::List),
            b"UIDL" => optional_number(arguments).map(Self::Uidl),
            b"RETR" => number(arguments.trim()).map(Self::Retr),
            b"DELE" => number(arguments.trim()).map(Self::Dele),
            b"TOP" => {
                let (message, lines) = arguments.trim().split_once(' ').ok_or(Syntax::Arguments)?;
                Ok(Self::Top(number(message)?, number(lines.trim_start())?))
            }
            b"PASS" => Err(Syntax::Arguments),
            _ => Err(Syntax::Unknown),
        }
    }
}

fn bare<'a>(arguments: &str, command: Command<'a>) -> Result<Command<'a>, Syntax> {
    if arguments.trim().is_empty() { Ok(command) } else { Err(Syntax::Arguments) }
}

fn name(arguments: &str) -> Result<&str, Syntax> {
    let name = arguments.trim();
    if name.is_empty() || name.contains(char::is_control) { Err(Syntax::Arguments) } else { Ok(name) }
}

fn auth(arguments: &str) -> Result<Command<'_>, Syntax> {
    let mut words = arguments.split_ascii_whitespace();
    let Some(mechanism) = words.next() else { return Ok(Command::Auth(None)) };
    let initial = words.next();
    if words.next().is_some() {
        Err(Syntax::Arguments)
    } else {
        Ok(Command::Auth(Some((mechanism, initial))))
    }
}

fn optional_number(arguments: &str) -> Result<Option<u64>, Syntax> {
    let text = arguments.trim();
    if text.is_empty() { Ok(None) } else { number(text).map(Some) }
}

/// Digits only: no sign, no spaces.
fn number(text: &str) -> Result<u64, Syntax> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Syntax::Arguments);
    }
    text.parse().map_err(|_| Syntax::Arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Command::{Auth, Dele, List, Noop, Pass, Quit, Top, User};

    #[test]
    fn commands_are_read() {
        for (line, command) in [
            ("user ann@example.test ", User("ann@example.test")),
            ("PASS  two  words ", Pass(" two  words ")),
            ("Quit", Quit),
            ("NOOP ", Noop),
            ("LIST", List(None)),
            ("list 007", List(Some(7))),
            ("TOP 1 0", Top(1, 0)),
            ("DELE 18446744073709551615", Dele(u64::MAX)),
            ("AUTH", Auth(None)),
            ("AUTH PLAIN", Auth(Some(("PLAIN", None)))),
            ("auth plain =", Auth(Some(("plain", Some("="))))),
        ] {
            assert!(Command::parse(line.as_bytes()) == Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_says_why() {
        use Syntax::{Arguments, Unknown};
        for (line, error) in [
            ("", Unknown),
            (" NOOP", Unknown),
            ("HELO x", Unknown),
            ("RETRIEVE 1", Unknown),
            ("APOP ann c4c9334bac560ecc979e58001b3e22fb", Unknown),
            ("NOOP 1", Arguments),
            ("USER", Arguments),
            ("USER a\0b", Arguments),
            ("PASS", Arguments),
            ("RETR", Arguments),
            ("RETR -1", Arguments),
            ("RETR +1", Arguments),
            ("RETR 1 2", Arguments),
            ("DELE 18446744073709551616", Arguments),
            ("TOP 1", Arguments),
            ("AUTH PLAIN a b", Arguments),
        ] {
            assert!(Command::parse(line.as_bytes()) == Err(error), "{line}");
        }
        assert!(Command::parse(b"USER \xff") == Err(Arguments));
    }
}
