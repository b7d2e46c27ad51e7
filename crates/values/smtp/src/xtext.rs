//! xtext (RFC 3461 §4): how parameter values carry any character.

/// The text behind `xtext`; `None` where it is malformed or not UTF-8.
pub(crate) fn decode(xtext: &str) -> Option<String> {
    if xtext.bytes().any(|b| !(b'!'..=b'~').contains(&b) || b == b'=') {
        return None;
    }
    let mut parts = xtext.split('+');
    let mut out = parts.next()?.as_bytes().to_vec();
    for part in parts {
        // rfc3461 §4: hexchar = "+" followed by two upper case hexadecimal digits (lower case is read too).
        let code = part.get(..2).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
        out.push(u8::from_str_radix(code, 16).ok()?);
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(out).ok()
}

/// `text` as xtext.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b'!'..=b'~').contains(&byte) && byte != b'+' && byte != b'=' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("+{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_survives() {
        for text in ["", "ann@example.test", "a+b=c d", "[UNAVAILABLE]", "bücher", "\r\n\0"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
        }
        assert_eq!(encode("a+b=c d"), "a+2Bb+3Dc+20d");
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for bad in ["a b", "a=b", "+", "+2", "+2g", "+-1", "a\u{e4}", "+FF", "a\r"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
