//! The targets of links in HTML, written out: a reader of the text sees where a link would lead.

use memchr::memmem;

/// The longest target that is written out.
const LONGEST: usize = 300;

/// The HTML with the target of each `<a href>` in brackets behind its text, where the text is not the target
/// itself. It is HTML still, entities and all.
pub(crate) fn with_targets(html: &str) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 8);
    let mut rest = html;
    while let Some((before, target, text, behind)) = next_link(rest) {
        out.push_str(before);
        out.push_str(text);
        let shown = &target[..target.floor_char_boundary(LONGEST)];
        let is_link = target.contains(':') && !text.contains(target);
        if is_link && !shown.contains(['<', '>']) {
            out.push_str(" [");
            out.push_str(shown);
            if shown.len() < target.len() {
                out.push('…');
            }
            out.push(']');
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// The next link: what stands before it, its target, what it shows, and what follows. Each byte is looked at once.
fn next_link(html: &str) -> Option<(&str, &str, &str, &str)> {
    let bytes = html.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'<', &bytes[from..])?;
        from = at + 1;
        let is_anchor = bytes.get(from).is_some_and(|b| b.eq_ignore_ascii_case(&b'a'))
            && bytes.get(from + 1).is_some_and(u8::is_ascii_whitespace);
        if !is_anchor {
            continue;
        }
        let end = from + memchr::memchr(b'>', &bytes[from..])?;
        let Some(target) = href(&html[from + 1..end]) else { continue };
        let text = &html[end + 1..];
        let close =
            memmem::find(text.as_bytes(), b"</a").or_else(|| memmem::find(text.as_bytes(), b"</A"))?;
        return Some((&html[..at], target, &text[..close], &text[close..]));
    }
}

/// The value of `href` among the attributes of a tag.
fn href(attributes: &str) -> Option<&str> {
    let mut rest = attributes;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let behind = behind.trim_ascii_start();
        let (value, next) = match behind.as_bytes().first()? {
            quote @ (b'"' | b'\'') => behind[1..].split_once(char::from(*quote))?,
            _ => behind.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((behind, "")),
        };
        if name.trim_ascii().rsplit(|c: char| c.is_ascii_whitespace()).next()?.eq_ignore_ascii_case("href") {
            return Some(value.trim_ascii());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_link_shows_where_it_leads() {
        for (html, shown) in [
            (
                "<a href=\"https://evil.example/?a=1&amp;b\">bank.example</a>!",
                "bank.example [https://evil.example/?a=1&amp;b]</a>!",
            ),
            ("<A class=x HREF='http://e.example' >go</A>", "go [http://e.example]</A>"),
            ("<a href=http://e.example>go</a>", "go [http://e.example]</a>"),
            ("<a href=\"https://e.example\">https://e.example</a>", "https://e.example</a>"),
            ("<a name=x>x</a><b>y</b>", "<a name=x>x</a><b>y</b>"),
            ("<a href=\"#top\">up</a>", "up</a>"),
            ("<a href=\"javascript:alert(1)\">x</a>", "x [javascript:alert(1)]</a>"),
            ("<a href=\"http://x.example/<b>\">x</a>", "<a href=\"http://x.example/<b>\">x</a>"),
            ("<a href=\"http://e.example", "<a href=\"http://e.example"),
        ] {
            assert_eq!(with_targets(html), shown);
        }
    }

    proptest! {
        #[test]
        fn any_html_will_do(parts in proptest::collection::vec(prop_oneof![
            Just("<a href='x:y'>"), Just("<a "), Just("</a>"), Just(">"), Just("href="), Just("\""), Just("ä"), Just("text"),
        ], 0..30)) {
            let html = parts.concat();
            prop_assert!(with_targets(&html).len() <= html.len() * 2 + 16);
        }
    }
}
