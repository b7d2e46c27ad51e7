//! What strangers wrote, made fit to be shown; times and sizes in words.
//!
//! The templates escape HTML. Here goes what HTML does not know of: control characters, and those that
//! turn the direction of writing, with which `exe.fdp` reads as `pdf.exe` backwards.

use postern_types::Timestamp;

/// The longest subject, name or address that is shown.
const LINE: usize = 200;
/// The most text of a message that is shown.
const TEXT: usize = 64 * 1024;

/// One line of a stranger's: at most 200 characters, nothing that steers.
pub(crate) fn line(text: &str) -> String {
    let mut clean = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter_map(harmless);
    let mut out: String = clean.by_ref().take(LINE).collect();
    if clean.next().is_some() {
        out.push('…');
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text for the page, and whether all of it is there.
pub(crate) fn body(text: &str) -> (String, Whole) {
    let lines = text.replace("\r\n", "\n").replace('\r', "\n");
    let keeps = |c: &char| *c == '\n' || *c == '\t' || !c.is_control();
    let mut clean = lines.trim_end().chars().filter(keeps).filter_map(harmless);
    let out: String = clean.by_ref().take(TEXT).collect();
    let whole = if clean.next().is_none() { Whole::Yes } else { Whole::No };
    (out, whole)
}

/// Whether a text is shown to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    Yes,
    No,
}

/// A character as it may be shown. Marks of direction that right-to-left text needs go silently, what
/// overrides or embeds is shown as a replacement character; tags and invisible operators go.
fn harmless(c: char) -> Option<char> {
    match c {
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}' | '\u{200b}' | '\u{2060}'..='\u{2064}' => None,
        '\u{e0000}'..='\u{e007f}' => None,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' => Some('\u{fffd}'),
        '\u{2028}' | '\u{2029}' => Some(' '),
        c => Some(c),
    }
}

/// How long ago: `3 hours ago`.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let minutes = now.since(at).as_secs() / 60;
    match minutes {
        0 => "just now".to_owned(),
        1..60 => format!("{} ago", count(minutes, "minute")),
        60..1440 => format!("{} ago", count(minutes / 60, "hour")),
        _ => format!("{} ago", count(minutes / 1440, "day")),
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `840 bytes`, `12 KB`, `3.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => count(bytes, "byte"),
        1_000..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_steers_is_taken_out() {
        assert_eq!(line("invoice\u{202e}fdp.exe"), "invoice\u{fffd}fdp.exe");
        assert_eq!(line("a\r\nBcc: b\t c\0"), "a Bcc: b c");
        assert_eq!(line("\u{200f}\u{5e9}\u{5dc}\u{200e}"), "\u{5e9}\u{5dc}");
        assert_eq!(line(&"x".repeat(500)).chars().count(), 201);
        assert_eq!(body("a\r\nb\tc\u{1b}[31m\u{2066}"), ("a\nb\tc[31m\u{fffd}".into(), Whole::Yes));
        assert_eq!(body(&"x".repeat(TEXT + 1)).1, Whole::No);
    }

    #[test]
    fn times_and_sizes_in_words() {
        let at = Timestamp::from_millis(1_795_327_140_000);
        for (seconds, words) in [
            (0, "just now"),
            (60, "1 minute ago"),
            (7200, "2 hours ago"),
            (86_400, "1 day ago"),
            (864_000, "10 days ago"),
        ] {
            assert_eq!(ago(at, at.plus(Duration::from_secs(seconds))), words);
        }
        for (bytes, words) in [(1, "1 byte"), (999, "999 bytes"), (1_001, "2 KB"), (3_449_000, "3.4 MB")] {
            assert_eq!(size(bytes), words);
        }
    }
}
