//! Answers: the actions of Postfix's access(5) that follow from a verdict.

use std::fmt;

use postern_types::Reply;

/// What Postfix is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// No opinion: Postfix's next restriction decides.
    Dunno,
    /// Refuses the recipient with these words; 4yz or 5yz.
    Refuse(Reply),
    /// Refuses for now, if nothing refuses for good.
    DeferIfPermit(String),
    /// Takes the message and puts it on hold, for all its recipients.
    Hold(String),
    /// Puts a header field before the message.
    Prepend(String),
}

impl Action {
    /// Appends the answer: `action=…` and an empty line.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("action={self}\n\n").as_bytes());
    }
}

/// As access(5) has it, on one line.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |text: &str| text.replace(char::is_control, " ");
        match self {
            Self::Dunno => f.write_str("DUNNO"),
            Self::Refuse(reply) if reply.code.get() < 400 => write!(f, "DEFER_IF_PERMIT {}", words(reply)),
            Self::Refuse(reply) => write!(f, "{} {}", reply.code, words(reply)),
            Self::DeferIfPermit(why) => write!(f, "DEFER_IF_PERMIT {}", line(why)),
            Self::Hold(why) => write!(f, "HOLD {}", line(why)),
            Self::Prepend(field) => write!(f, "PREPEND {}", line(field)),
        }
    }
}

/// Code and text without the reply code: Postfix puts its own answers on one line.
fn words(reply: &Reply) -> String {
    let text = reply.lines().join(" ");
    match reply.enhanced {
        Some(enhanced) => format!("{enhanced} {text}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_one_line() {
        for (action, text) in [
            (Action::Dunno, "DUNNO"),
            (Action::Refuse(Reply::new(550, Some((5, 7, 1)), "no").line("never")), "550 5.7.1 no never"),
            (Action::Refuse(Reply::new(451, None, "later")), "451 later"),
            (Action::Refuse(Reply::new(250, None, "fine?")), "DEFER_IF_PERMIT fine?"),
            (Action::DeferIfPermit("4.3.0 store\nfails".into()), "DEFER_IF_PERMIT 4.3.0 store fails"),
            (Action::Hold("why".into()), "HOLD why"),
            (Action::Prepend("X-A: b".into()), "PREPEND X-A: b"),
        ] {
            let mut out = Vec::new();
            action.encode(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("action={text}\n\n"));
        }
    }
}
