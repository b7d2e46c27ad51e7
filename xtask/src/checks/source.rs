//! Rust source for counting: comments and the insides of literals blanked out, functions found.

/// A function: its name, its first line (from 1), how many lines it has, and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) lines: usize,
    pub(super) parameters: String,
    pub(super) public: bool,
}

/// The text with every comment and every inside of a string or character replaced by spaces;
/// line ends stay where they are.
pub(super) fn blanked(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let end = match chars[i] {
            '/' if chars.get(i + 1) == Some(&'/') => line_comment(&chars, i),
            '/' if chars.get(i + 1) == Some(&'*') => block_comment(&chars, i),
            '"' => string(&chars, i),
            'r' if !follows_name(&chars, i) && raw_hashes(&chars, i).is_some() => raw_string(&chars, i),
            '\'' => character(&chars, i),
            _ => i,
        };
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

fn line_comment(chars: &[char], start: usize) -> usize {
    chars[start..].iter().position(|&c| c == '\n').map_or(chars.len(), |n| start + n)
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut i = start;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn string(chars: &[char], start: usize) -> usize {
    let mut i = start + 1;
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// Whether the character before belongs to a name, so that this `r` does, too. `br"…"` and
/// `cr"…"` are literals all the same.
fn follows_name(chars: &[char], at: usize) -> bool {
    let is_name = |i: usize| chars.get(i).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    match at.checked_sub(1) {
        Some(before) if matches!(chars[before], 'b' | 'c') => before.checked_sub(1).is_some_and(is_name),
        Some(before) => is_name(before),
        None => false,
    }
}

/// `r##"` → 2; `None` where no raw string starts.
fn raw_hashes(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    (chars.get(start + 1 + hashes) == Some(&'"')).then_some(hashes)
}

fn raw_string(chars: &[char], start: usize) -> usize {
    let hashes = raw_hashes(chars, start).unwrap_or(0);
    let mut i = start + hashes + 2;
    while i < chars.len() {
        let closes =
            chars[i] == '"' && chars[i + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
        if closes {
            return i + 1 + hashes;
        }
        i += 1;
    }
    chars.len()
}

/// A character literal; a lifetime is none.
fn character(chars: &[char], start: usize) -> usize {
    match (chars.get(start + 1), chars.get(start + 2)) {
        (Some('\\'), Some(_)) => {
            chars[start + 3..].iter().position(|&c| c == '\'').map_or(chars.len(), |n| start + n + 4)
        }
        (Some(_), Some('\'')) => start + 3,
        _ => start,
    }
}

/// The line (from 1) at which the file's own tests begin: `#[cfg(test)]` before a module with a body.
pub(super) fn tests_start(code: &str) -> Option<usize> {
    let lines: Vec<&str> = code.lines().collect();
    (0..lines.len())
        .find(|&i| {
            let next = lines[i + 1..].iter().find(|line| !line.trim_start().starts_with('#'));
            lines[i].trim() == "#[cfg(test)]"
                && next.is_some_and(|line| {
                    line.trim_start().starts_with("mod ") && line.trim_end().ends_with('{')
                })
        })
        .map(|i| i + 1)
}

/// The names of the modules that are compiled for tests only and lie in files of their own.
pub(super) fn test_modules(code: &str) -> Vec<String> {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    pairs.filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';').map(str::to_owned)).collect()
}

/// Every function with a body, of blanked code.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut line = 1;
    let mut from = 0;
    for (at, _) in code.match_indices("fn ") {
        let starts_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let name: String = code[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some((parameters, length)) = body(&code[at..]) else { continue };
        if !starts_word || name.is_empty() {
            continue;
        }
        line += code[from..at].matches('\n').count();
        from = at;
        let before = code[..at].rsplit('\n').next().unwrap_or_default();
        let public = before.trim_start().starts_with("pub ");
        let lines = code[at..at + length].matches('\n').count() + 1;
        found.push(Function { name, line, lines, parameters: parameters.to_owned(), public });
    }
    found
}

/// From `fn`: the text between its first brackets, and the length up to the end of its body.
fn body(code: &str) -> Option<(&str, usize)> {
    let open = code.find('(')?;
    let close = open + matching(&code[open..], '(', ')')?;
    let after = &code[close..];
    let brace = opening_brace(after)?;
    let end = close + brace + matching(&after[brace..], '{', '}')?;
    Some((&code[open + 1..close - 1], end))
}

/// The first `{`; `None` where the declaration ends before one. A `;` within `[u8; 4]` ends nothing.
fn opening_brace(code: &str) -> Option<usize> {
    let mut depth = 0_i32;
    for (i, c) in code.char_indices() {
        match c {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            '{' if depth == 0 => return Some(i),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The length up to and with the bracket that closes the first one.
fn matching(code: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, c) in code.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(i + 1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_blanked() {
        for (text, code) in [
            ("a // b\nc", "a     \nc"),
            ("a /* x /* y */ z */ b", "a                   b"),
            (r#"f("a\"{b", 'c', '\'', 'd')"#, r#"f(       ,    ,     ,    )"#),
            ("r#\"x\"y\"# + br\"z\"", "         + b    "),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ] {
            assert_eq!(blanked(text), code, "{text}");
        }
    }

    #[test]
    fn functions_are_measured() {
        let code =
            "trait T {\n    fn none(&self);\n}\npub fn two(a: bool) -> [u8; 4] {\n    x\n}\nfn one() {}\n";
        let found: Vec<_> =
            functions(code).into_iter().map(|f| (f.name, f.line, f.lines, f.public)).collect();
        assert_eq!(found, [("two".into(), 4, 3, true), ("one".into(), 7, 1, false)]);
        assert_eq!(functions(code)[0].parameters, "a: bool");
    }

    #[test]
    fn tests_are_told_from_the_rest() {
        let code = "#[cfg(test)]\nmod other;\nfn f() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n}\n";
        assert_eq!(tests_start(code), Some(4));
        assert_eq!(test_modules(code), ["other"]);
    }
}
