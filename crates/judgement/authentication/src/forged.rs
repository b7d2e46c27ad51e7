//! `Authentication-Results` fields under our own name that came from outside (RFC 8601 §5).

use std::borrow::Cow;

use postern_types::Domain;

use crate::header::field_end;

/// The header without fields that claim to be our results, or whose author cannot be read. Everything else stays as
/// it is, octet by octet; `header` may go on with the body.
#[must_use]
pub fn without_forged<'a>(header: &'a [u8], authserv_id: &Domain) -> Cow<'a, [u8]> {
    let mut kept: Option<Vec<u8>> = None;
    let mut at = 0;
    while at < header.len() {
        let end = field_end(header, at);
        let raw = &header[at..end];
        if matches!(raw, b"\r\n" | b"\n") {
            break;
        }
        if is_forged(raw, authserv_id) {
            kept.get_or_insert_with(|| header[..at].to_vec());
        } else if let Some(kept) = &mut kept {
            kept.extend_from_slice(raw);
        }
        at = end;
    }
    match kept {
        None => Cow::Borrowed(header),
        Some(mut kept) => {
            kept.extend_from_slice(&header[at..]);
            Cow::Owned(kept)
        }
    }
}

fn is_forged(raw: &[u8], authserv_id: &Domain) -> bool {
    let Some(colon) = memchr::memchr(b':', raw) else { return false };
    if !raw[..colon].trim_ascii().eq_ignore_ascii_case(b"Authentication-Results") {
        return false;
    }
    match author(&raw[colon + 1..]) {
        Some(author) => {
            let author = author.strip_suffix(b".").unwrap_or(&author);
            // rfc8601 §5: a name in UTF-8 is that of its A-labels
            let name = std::str::from_utf8(author).ok().and_then(|author| Domain::parse(author).ok());
            name.as_ref() == Some(authserv_id) || author.eq_ignore_ascii_case(authserv_id.as_str().as_bytes())
        }
        None => true,
    }
}

/// rfc8601 §2.2: `[CFWS] authserv-id`, a token or a quoted string.
fn author(value: &[u8]) -> Option<Vec<u8>> {
    let value = past_comments(value)?;
    if let Some(quoted) = value.strip_prefix(b"\"") {
        let mut author = Vec::new();
        let mut octets = quoted.iter();
        loop {
            match octets.next()? {
                b'"' => return Some(author),
                b'\\' => author.push(*octets.next()?),
                b'\r' | b'\n' => {}
                octet => author.push(*octet),
            }
        }
    }
    // Whoever reads it later may take any control character for white space.
    let end = value.iter().position(|byte| *byte <= b' ' || b";(\"\x7f".contains(byte));
    let author = &value[..end.unwrap_or(value.len())];
    (!author.is_empty()).then(|| author.to_vec())
}

/// What follows white space and comments; `None` where a comment does not end.
fn past_comments(mut value: &[u8]) -> Option<&[u8]> {
    loop {
        value = value.trim_ascii_start();
        if !value.starts_with(b"(") {
            return Some(value);
        }
        let mut depth = 0_usize;
        let mut at = 0;
        loop {
            match value.get(at)? {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => at += 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
        value = &value[at.min(value.len())..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn strip(header: &str) -> String {
        let host = Domain::parse("mx.here.example").unwrap();
        String::from_utf8(without_forged(header.as_bytes(), &host).into_owned()).unwrap()
    }

    #[test]
    fn fields_under_our_name_go() {
        for forged in [
            "Authentication-Results: mx.here.example; spf=pass\r\n",
            "authentication-RESULTS : MX.Here.Example.\r\n\t;dkim=pass\r\n\t header.d=x\r\n",
            "Authentication-Results: (a (nested) \\) comment)\r\n mx.here.example 1; none\r\n",
            "Authentication-Results: \"mx.here\\.example\"; none\r\n",
            "Authentication-Results:\r\n mx.here.example(c); none\r\n",
            "Authentication-Results: (never ends\r\n",
            "Authentication-Results: ;\r\n",
            "Authentication-Results: mx.here.example\x0b; none\r\n",
        ] {
            assert_eq!(
                strip(&format!("A: 1\r\n{forged}B: 2\r\n\r\nbody")),
                "A: 1\r\nB: 2\r\n\r\nbody",
                "{forged}"
            );
        }
    }

    #[test]
    fn our_name_is_ours_in_unicode_too() {
        let host = Domain::parse("mx.bücher.example").unwrap();
        for forged in ["mx.bücher.example", "MX.Bücher.Example.", "mx.xn--bcher-kva.example"] {
            let header = format!("Authentication-Results: {forged}; spf=pass\r\nA: 1\r\n");
            assert_eq!(&*without_forged(header.as_bytes(), &host), b"A: 1\r\n", "{forged}");
        }
    }

    #[test]
    fn everything_else_stays() {
        for header in [
            "Authentication-Results: other.example; spf=pass mx.here.example\r\n",
            "Authentication-Results: xmx.here.example; none\r\n",
            "ARC-Authentication-Results: i=1; mx.here.example; none\r\n",
            "X: a\r\n Authentication-Results: mx.here.example; none\r\nno field\r\n",
            "A: 1\r\n\r\nAuthentication-Results: mx.here.example; in the body\r\n",
        ] {
            assert_eq!(strip(header), header);
        }
    }

    proptest! {
        #[test]
        fn what_stays_stands_in_order(
            lines in proptest::collection::vec("(Authentication-Results: ?)?[a-z:;()\"\\\\ .\t]{0,12}(mx.here.example)?", 0..8),
        ) {
            let header = lines.join("\r\n");
            let once = strip(&header);
            prop_assert_eq!(&strip(&once), &once);
            // A subsequence of the lines.
            let mut rest = header.as_str();
            for line in once.split_inclusive("\r\n") {
                let at = rest.find(line);
                prop_assert!(at.is_some(), "{line:?}");
                rest = &rest[at.unwrap() + line.len()..];
            }
        }
    }
}
