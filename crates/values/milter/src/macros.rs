//! Macros: what the MTA knows besides (queue id, who has signed in, TLS), told before each command.

/// Values kept over all stages together; beyond it new ones are passed over.
const KEPT_MAX: usize = 256 * 1024;

/// The command that macros are for. Ordered as the session goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The connection.
    Connect,
    /// HELO.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// Header fields.
    Header,
    /// The end of the header.
    EndOfHeader,
    /// The body.
    Body,
    /// The end of the message.
    EndOfMessage,
    /// Some other command.
    Other,
}

impl Stage {
    const COMMANDS: [(Self, u8); 9] = [
        (Self::Connect, b'C'),
        (Self::Hello, b'H'),
        (Self::Mail, b'M'),
        (Self::Rcpt, b'R'),
        (Self::Data, b'T'),
        (Self::Header, b'L'),
        (Self::EndOfHeader, b'N'),
        (Self::Body, b'B'),
        (Self::EndOfMessage, b'E'),
    ];

    pub(crate) fn of(command: u8) -> Self {
        Self::COMMANDS.iter().find(|(_, c)| *c == command).map_or(Self::Other, |(stage, _)| *stage)
    }

    pub(crate) fn command(self) -> u8 {
        Self::COMMANDS.iter().find(|(stage, _)| *stage == self).map_or(b'U', |(_, command)| *command)
    }
}

/// The macros that hold now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macros {
    known: Vec<(Stage, Vec<u8>, Vec<u8>)>,
    kept: usize,
}

impl Macros {
    /// The value of a macro: `name` is `i` or `auth_authen`, without braces. The latest stage that has it counts.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        let found = self.known.iter().filter(|(_, known, _)| known == name.as_bytes());
        found.max_by_key(|(stage, ..)| *stage).map(|(.., value)| value.as_slice())
    }

    /// Takes what was told for a stage; what was known for it and later ones is over.
    pub(crate) fn set(&mut self, stage: Stage, values: Vec<(Vec<u8>, Vec<u8>)>) {
        self.forget(stage);
        for (name, value) in values {
            let name = bare(&name).to_vec();
            let size = name.len() + value.len();
            if self.kept + size <= KEPT_MAX {
                self.kept += size;
                self.known.push((stage, name, value));
            }
        }
    }

    /// Forgets a stage and all later ones.
    pub(crate) fn forget(&mut self, from: Stage) {
        self.known.retain(|(stage, ..)| *stage < from);
        self.kept = self.known.iter().map(|(_, name, value)| name.len() + value.len()).sum();
    }
}

/// `{auth_authen}` → `auth_authen`.
fn bare(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"{").and_then(|name| name.strip_suffix(b"}")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
        (name.into(), value.into())
    }

    #[test]
    fn a_message_does_not_inherit_the_macros_of_the_one_before() {
        let mut macros = Macros::default();
        macros.set(Stage::Connect, vec![pair("j", "mx.example.test")]);
        macros.set(Stage::Mail, vec![pair("{auth_authen}", "ann"), pair("i", "one")]);
        macros.set(Stage::EndOfMessage, vec![pair("i", "one-at-the-end")]);
        assert_eq!(macros.value("auth_authen"), Some(&b"ann"[..]));
        assert_eq!(macros.value("i"), Some(&b"one-at-the-end"[..]));
        macros.set(Stage::Mail, vec![]);
        assert_eq!((macros.value("auth_authen"), macros.value("i")), (None, None));
        assert_eq!(macros.value("j"), Some(&b"mx.example.test"[..]));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut macros = Macros::default();
        let large = "x".repeat(KEPT_MAX - 10);
        macros.set(Stage::Connect, vec![pair("a", &large), pair("b", "too much by now"), pair("c", "")]);
        assert_eq!((macros.value("b"), macros.value("c")), (None, Some(&b""[..])));
    }
}
