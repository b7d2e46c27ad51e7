//! Licence expressions (SPDX, annex D): identifiers, `WITH`, `AND`, `OR`, brackets. The slash of
//! old manifests means `OR`.

/// Whether an expression can be met with licences that `allowed` takes (an identifier, or
/// `identifier WITH exception`). `None` where the expression cannot be read.
pub(crate) fn met(expression: &str, allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let met = parser.any()?;
    parser.words.is_empty().then_some(met)
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first().is_some_and(|first| first.eq_ignore_ascii_case(word));
        if found {
            self.words = &self.words[1..];
        }
        found
    }

    /// all *("OR" all)
    fn any(&mut self) -> Option<bool> {
        let mut met = self.all()?;
        while self.take("OR") {
            met |= self.all()?;
        }
        Some(met)
    }

    /// one *("AND" one): binds tighter than OR
    fn all(&mut self) -> Option<bool> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Some(met)
    }

    /// "(" any ")" / identifier ["WITH" exception]
    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let met = self.any()?;
            return self.take(")").then_some(met);
        }
        let name = *self.words.first()?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || "-.+".contains(c));
        if !is_name || ["AND", "OR", "WITH"].contains(&name) {
            return None;
        }
        self.words = &self.words[1..];
        if !self.take("WITH") {
            return Some((self.allowed)(name));
        }
        let exception = *self.words.first()?;
        self.words = &self.words[1..];
        Some((self.allowed)(&format!("{name} WITH {exception}")))
    }
}

#[cfg(test)]
mod tests {
    use super::met;

    fn judge(expression: &str) -> Option<bool> {
        met(expression, &|name| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&name))
    }

    #[test]
    fn expressions_are_met_or_not() {
        for well in [
            "MIT",
            "GPL-3.0 OR MIT",
            "GPL-3.0/MIT",
            "MIT AND ISC",
            "(GPL-3.0 OR MIT) AND ISC",
            "GPL-3.0 AND X OR MIT",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0+",
        ] {
            assert_eq!(judge(well), Some(true), "{well}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "ISC AND (GPL-3.0 OR AGPL-3.0)",
            "Apache-2.0",
            "MIT AND (GPL-3.0 AND MIT)",
        ] {
            assert_eq!(judge(bad), Some(false), "{bad}");
        }
        for unreadable in ["", "MIT AND", "(MIT", "MIT ISC", "MIT)", "OR MIT", "MIT WITH"] {
            assert_eq!(judge(unreadable), None, "{unreadable}");
        }
    }
}
