//! Patterns of expected lines: `*` stands for any text (line ends included), `?` for one character.

/// Whether `text` as a whole fits `pattern`. Letters are compared exactly.
///
/// Linear in `text` for each `*`: on a mismatch only the last `*` takes one character more.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((star_p, star_t)) => {
                    star = Some((star_p, star_t + 1));
                    p = star_p + 1;
                    t = star_t + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text) in [
            ("220 *", "220 mx ESMTP"),
            ("*", ""),
            ("a*b*c", "a1b2b3c"),
            ("25?*", "250-x\n250 y"),
            ("250 OK", "250 OK"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("220 *", "221 x"), ("250", "250 OK"), ("a*b", "a"), ("", "x"), ("?", "")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
