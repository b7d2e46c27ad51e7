//! A mistake in the file: where it is, what it is, what to write instead.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One mistake, as `file:line:column: sentence`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Mistake {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The setting or section it is about; empty for a mistake in the file's syntax.
    pub key: String,
    /// What is wrong and what to do, one sentence.
    pub message: String,
}

/// All mistakes of one file, in the order of their lines; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The file as the user named it.
    pub file: PathBuf,
    /// The mistakes.
    pub all: Vec<Mistake>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read {}: {cause}", file.display())]
    Read {
        /// The file as the user named it.
        file: PathBuf,
        /// The operating system's reason.
        cause: std::io::Error,
    },
    /// The file is larger than a configuration can be (1 MiB).
    #[error("{} is larger than 1 MiB: that is not a configuration; put long lists into files of their own", .0.display())]
    TooLarge(PathBuf),
    /// The file has mistakes.
    #[error(transparent)]
    Mistakes(#[from] Mistakes),
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.all.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{mistake}", self.file.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}:{}: {}{separator}{}", self.line, self.column, self.key, self.message)
    }
}

impl Mistake {
    /// A mistake at a byte range of `source`.
    pub(crate) fn at(source: &str, span: &Range<usize>, key: &str, message: String) -> Self {
        let (line, column) = position(source, span.start);
        Self { line, column, key: key.into(), message }
    }
}

/// Line and column, both from 1, of a byte of the file.
pub(crate) fn position(source: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = &source[..end];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The name most like `text`, where one is near enough to be meant.
pub(crate) fn did_you_mean<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let text = text.to_ascii_lowercase().replace('-', "_");
    let near = |name: &&str| strsim::damerau_levenshtein(&text, &name.replace('-', "_"));
    let best = names.min_by_key(|name| near(name))?;
    // A third of the letters may be wrong, and two in a short word.
    (near(&best) <= (best.len() / 3).max(2)).then_some(best)
}
