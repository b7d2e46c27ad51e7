//! The table of the tour as text: one line for each thing that came, what was decided, and why.

use std::borrow::Cow;

/// How the text may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looks {
    /// Columns of the terminal; `None` cuts nothing.
    pub(crate) width: Option<usize>,
    /// Whether colours help.
    pub(crate) colour: Colour,
}

/// Colours of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// A terminal that shows them.
    On,
    /// A file, a pipe, or a person who asked for none (<https://no-color.org>).
    Off,
}

/// Whether a row is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is.
    Right,
    /// It is not.
    Wrong,
    /// Nobody knows: a person sent it.
    Seen,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) mark: Mark,
    pub(crate) what: String,
    pub(crate) from: String,
    pub(crate) decided: String,
    pub(crate) why: String,
}

const WHAT: usize = 33;
const FROM: usize = 33;
const DECIDED: usize = 12;

const GREEN: &str = "32";
const RED: &str = "1;31";
const YELLOW: &str = "33";
const FAINT: &str = "2";
const BOLD: &str = "1";

impl Looks {
    fn paint<'t>(self, text: &'t str, code: &str) -> Cow<'t, str> {
        match self.colour {
            Colour::On => format!("\x1b[{code}m{text}\x1b[0m").into(),
            Colour::Off => text.into(),
        }
    }
}

/// The headings.
pub(crate) fn heading(looks: Looks) -> String {
    let text = format!("{:6}{:WHAT$} {:FROM$} {:DECIDED$} {}", "", "what came", "from", "decided", "why");
    looks.paint(cut(&text, looks.width.unwrap_or(usize::MAX)).trim_end(), BOLD).into_owned()
}

/// One line of the table, without its line end.
pub(crate) fn line(row: &Row, looks: Looks) -> String {
    let (mark, mark_colour) = match row.mark {
        Mark::Right => ("ok", GREEN),
        Mark::Wrong => ("WRONG", RED),
        Mark::Seen => ("-", FAINT),
    };
    let decided_colour = match row.decided.as_str() {
        "accepted" | "relayed" => GREEN,
        "refused" => RED,
        "quarantined" | "deferred" => YELLOW,
        _ => BOLD,
    };
    let room = looks.width.map_or(usize::MAX, |width| width.saturating_sub(6 + WHAT + FROM + DECIDED + 3));
    let shown = |text: &str, columns: usize| {
        let text = printable(text);
        // A file or a pipe gets everything, even if a column goes out of line.
        let text = if looks.width.is_some() { cut(&text, columns) } else { text.as_str().into() };
        format!("{text:columns$}")
    };
    format!(
        "{} {} {} {} {}",
        looks.paint(&format!("{mark:5}"), mark_colour),
        shown(&row.what, WHAT),
        looks.paint(&shown(&row.from, FROM), FAINT),
        looks.paint(&shown(&row.decided, DECIDED), decided_colour),
        cut(&printable(&row.why), room.max(20)),
    )
    .trim_end()
    .to_owned()
}

/// Text from a client may hold what a terminal obeys.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// At most `columns` characters; what is longer ends in `…`.
fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    match text.char_indices().nth(columns) {
        None => text.into(),
        Some(_) => text.chars().take(columns.saturating_sub(1)).chain(['…']).collect::<String>().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Looks = Looks { width: None, colour: Colour::Off };

    fn row() -> Row {
        Row {
            mark: Mark::Right,
            what: "relay attempt".into(),
            from: "mail.stranger.test 127.3.2.1".into(),
            decided: "refused".into(),
            why: "550 5.7.1 <victim@elsewhere.test>: relaying denied".into(),
        }
    }

    #[test]
    fn columns_stand_under_their_headings() {
        assert_eq!(
            heading(PLAIN),
            "      what came                         from                              decided      why"
        );
        assert_eq!(
            line(&row(), PLAIN),
            "ok    relay attempt                     mail.stranger.test 127.3.2.1      refused      \
             550 5.7.1 <victim@elsewhere.test>: relaying denied"
        );
        let wrong = Row { mark: Mark::Wrong, ..row() };
        assert!(line(&wrong, PLAIN).starts_with("WRONG relay attempt "));
    }

    #[test]
    fn a_terminal_shows_no_more_than_fits() {
        let looks = Looks { width: Some(110), colour: Colour::Off };
        let text = line(&row(), looks);
        assert_eq!(text.chars().count(), 110);
        assert!(text.ends_with("refused      550 5.7.1 <victim@else…"), "{text}");
    }

    #[test]
    fn a_file_gets_everything() {
        let long = Row { what: "mail to somebody-with-a-long-name@example.test".into(), ..row() };
        assert!(line(&long, PLAIN).contains("long-name@example.test mail.stranger.test"));
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let looks = Looks { width: None, colour: Colour::On };
        assert!(line(&row(), looks).contains("\x1b[1;31mrefused     \x1b[0m"));
        assert!(!line(&row(), PLAIN).contains('\x1b'));
    }

    #[test]
    fn a_client_cannot_move_the_cursor() {
        let evil = Row { from: "\x1b[2Jmail\r\n".into(), why: "\u{9b}x".into(), ..row() };
        assert!(!line(&evil, PLAIN).contains(char::is_control));
    }
}
