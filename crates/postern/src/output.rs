//! What commands print: text for people, or JSON for programs with `--json`.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::failure::Failure;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether a program reads it.
    pub(crate) format: Format,
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// People.
    Text,
    /// Programs.
    Json,
}

/// Something that is listed: one row of a table, or one object of a JSON array.
pub(crate) trait Row: Serialize {
    /// The heads of the columns.
    const HEAD: &'static [&'static str];

    /// The cells, as many as heads.
    fn cells(&self) -> Vec<String>;
}

impl Output {
    /// One value.
    pub(crate) fn value<T: Serialize + Display>(self, value: &T) -> Result<(), Failure> {
        match self.format {
            Format::Text => print(value.to_string().trim_end()),
            Format::Json => json(value),
        }
    }

    /// A list; `empty` is said to people when there is nothing in it.
    pub(crate) fn list<T: Row>(self, rows: &[T], empty: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => json(rows),
            Format::Text if rows.is_empty() => print(empty),
            Format::Text => print(table(T::HEAD, rows.iter().map(Row::cells)).trim_end()),
        }
    }

    /// What was done, said to people only.
    pub(crate) fn done(self, text: impl Display) -> Result<(), Failure> {
        match self.format {
            Format::Text => print(&text.to_string()),
            Format::Json => Ok(()),
        }
    }
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    print(&text.map_err(|error| Failure::Finding(format!("cannot write JSON: {error}")))?)
}

/// Prints a text and a line end. A reader that has gone away (`postern … | head`) is no error.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::io("cannot write to standard output")(error))
        }
        _ => Ok(()),
    }
}

/// Says on standard error why a command failed.
pub(crate) fn complain(failure: &dyn Display) {
    // With standard error gone there is nobody to tell.
    let _ = writeln!(std::io::stderr().lock(), "{failure}");
}

/// Asks a question on the terminal; `false` without one.
pub(crate) fn confirm(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    let mut err = std::io::stderr().lock();
    let mut answer = String::new();
    let asked = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
    asked.and_then(|()| std::io::stdin().read_line(&mut answer)).is_ok()
        && matches!(answer.trim(), "y" | "Y" | "yes")
}

/// Columns as wide as their widest cell; the last is not padded. Control characters, which may
/// come from a client, are not given to the terminal.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let clean = |cell: String| cell.replace(char::is_control, " ");
    let mut lines: Vec<Vec<String>> = vec![head.iter().map(|cell| (*cell).to_owned()).collect()];
    lines.extend(rows.map(|cells| cells.into_iter().map(clean).collect()));
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}  "));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_are_harmless() {
        let rows =
            [vec!["a".to_owned(), "b\u{1b}[31m".to_owned()], vec!["ännchen".to_owned(), String::new()]];
        let text = table(&["NAME", "WHAT"], rows.into_iter());
        assert_eq!(text, "NAME     WHAT\na        b [31m\nännchen\n");
    }
}
