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
    /// Who it came from: a host's name, a sender.
    pub(crate) from: String,
    /// The address that it came from, where there is room for it.
    pub(crate) address: String,
    pub(crate) decided: String,
    pub(crate) why: String,
}

const MARK: usize = 5;
const WHAT: usize = 32;
const FROM: usize = 18;
const ADDRESS: usize = 15;
const DECIDED: usize = 12;
/// With fewer columns than this behind them, reasons stand on lines of their own.
const REASON: usize = 36;

const GREEN: &str = "32";
const RED: &str = "1;31";
const YELLOW: &str = "33";
const FAINT: &str = "2";
const BOLD: &str = "1";

impl Looks {
    /// Columns in front of the reasons.
    fn reasons_at(self) -> usize {
        let address = if self.shows_addresses() { ADDRESS + 1 } else { 0 };
        MARK + 1 + WHAT + 1 + FROM + 1 + address + DECIDED + 1
    }

    fn shows_addresses(self) -> bool {
        self.width.is_none_or(|width| width >= 150)
    }

    fn paint<'t>(self, text: &'t str, code: &str) -> Cow<'t, str> {
        match self.colour {
            Colour::On => format!("\x1b[{code}m{text}\x1b[0m").into(),
            Colour::Off => text.into(),
        }
    }
}

/// The headings.
pub(crate) fn heading(looks: Looks) -> String {
    let address = if looks.shows_addresses() { format!("{:ADDRESS$} ", "address") } else { String::new() };
    let text =
        format!("{:MARK$} {:WHAT$} {:FROM$} {address}{:DECIDED$} why", "", "what came", "from", "decided");
    looks.paint(cut(&text, looks.width.unwrap_or(usize::MAX)).trim_end(), BOLD).into_owned()
}

/// One row of the table, of one line or several, without the last line end.
pub(crate) fn line(row: &Row, looks: Looks) -> String {
    let (mark, mark_colour) = match row.mark {
        Mark::Right => ("ok", GREEN),
        Mark::Wrong => ("WRONG", RED),
        Mark::Seen => ("-", FAINT),
    };
    let decided_colour = match row.decided.as_str() {
        "accepted" | "relayed" | "released" => GREEN,
        "refused" => RED,
        "quarantined" | "deferred" => YELLOW,
        _ => BOLD,
    };
    let cell = |text: &str, columns: usize| {
        let text = printable(text);
        // A file or a pipe gets everything, even if a column goes out of line.
        let text = if looks.width.is_some() { cut(&text, columns) } else { text.as_str().into() };
        format!("{text:columns$} ")
    };
    let mut line = looks.paint(&cell(mark, MARK), mark_colour).into_owned();
    line.push_str(&cell(&row.what, WHAT));
    line.push_str(&looks.paint(&cell(&row.from, FROM), FAINT));
    if looks.shows_addresses() {
        line.push_str(&looks.paint(&cell(&row.address, ADDRESS), FAINT));
    }
    line.push_str(&looks.paint(&cell(&row.decided, DECIDED), decided_colour));
    add_reason(&mut line, &printable(&row.why), looks);
    line.trim_end().to_owned()
}

/// The reason behind the columns, or below them where there is little room.
fn add_reason(line: &mut String, why: &str, looks: Looks) {
    let Some(width) = looks.width else { return line.push_str(why) };
    let beside = width.saturating_sub(looks.reasons_at());
    let (indent, room) = if beside >= REASON {
        (looks.reasons_at(), beside)
    } else {
        (MARK + 1, width.saturating_sub(MARK + 1).max(REASON))
    };
    for (number, part) in wrapped(why, room).iter().enumerate() {
        if number > 0 || beside < REASON {
            line.truncate(line.trim_end_matches(' ').len());
            line.push('\n');
            line.push_str(&" ".repeat(indent));
        }
        line.push_str(part);
    }
}

/// Lines of at most `room` characters, broken at spaces where that is possible.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word.to_owned();
        while !word.is_empty() {
            let used = lines.last().map_or(0, |line| line.chars().count());
            let gap = usize::from(used > 0);
            if let Some(line) = lines.last_mut()
                && used + gap + word.chars().count() <= room
            {
                line.push_str(&" "[..gap]);
                line.push_str(&word);
                break;
            }
            if used == 0 {
                // A word longer than a line.
                let end = word.char_indices().nth(room).map_or(word.len(), |(end, _)| end);
                lines.insert(lines.len() - 1, word.drain(..end).collect());
            } else {
                lines.push(String::new());
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
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
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Looks = Looks { width: None, colour: Colour::Off };

    fn row() -> Row {
        Row {
            mark: Mark::Right,
            what: "relay attempt".into(),
            from: "mail.stranger.test".into(),
            address: "127.3.2.1".into(),
            decided: "refused".into(),
            why: "550 5.7.1 <victim@elsewhere.test>: relaying denied".into(),
        }
    }

    fn at(width: usize) -> String {
        line(&row(), Looks { width: Some(width), colour: Colour::Off })
    }

    #[test]
    fn columns_stand_under_their_headings() {
        assert_eq!(
            heading(PLAIN),
            "      what came                        from               address         decided      why"
        );
        assert_eq!(
            line(&row(), PLAIN),
            "ok    relay attempt                    mail.stranger.test 127.3.2.1       refused      \
             550 5.7.1 <victim@elsewhere.test>: relaying denied"
        );
        let wrong = Row { mark: Mark::Wrong, ..row() };
        assert!(line(&wrong, PLAIN).starts_with("WRONG relay attempt "));
    }

    #[test]
    fn reasons_are_whole_on_every_terminal() {
        assert_eq!(at(160), line(&row(), PLAIN));
        // The rest of the reason stands under its beginning.
        let start = "ok    relay attempt                    mail.stranger.test refused      ";
        let indent = " ".repeat(start.len());
        assert_eq!(at(120), format!("{start}550 5.7.1 <victim@elsewhere.test>: relaying\n{indent}denied"));
        assert_eq!(
            at(80),
            "ok    relay attempt                    mail.stranger.test refused\n\
             \x20     550 5.7.1 <victim@elsewhere.test>: relaying denied"
        );
    }

    #[test]
    fn colours_only_where_they_are_wanted() {
        let looks = Looks { width: None, colour: Colour::On };
        assert!(line(&row(), looks).contains("\x1b[1;31mrefused      \x1b[0m"));
        assert!(!line(&row(), PLAIN).contains('\x1b'));
    }

    #[test]
    fn a_client_cannot_move_the_cursor() {
        let evil = Row { from: "\x1b[2Jmail\r\n".into(), why: "\u{9b}x".into(), ..row() };
        assert!(!line(&evil, PLAIN).contains(char::is_control));
    }

    #[test]
    fn a_file_gets_everything() {
        let long = Row { what: "mail to somebody-with-a-long-name@example.test".into(), ..row() };
        assert!(line(&long, PLAIN).contains("long-name@example.test mail.stranger.test"));
    }

    proptest! {
        #[test]
        fn wrapping_loses_no_word_and_keeps_within_the_room(text in "[a-zä ]{0,200}", room in 1_usize..50) {
            let lines = wrapped(&text, room);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= room));
            let letters = |text: &str| text.replace(' ', "");
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
