//! From a line to a [`Command`].

use super::{Command, CommandError, PathSyntax};

impl Command {
    /// Reads a command line (without its CR LF).
    ///
    /// # Errors
    /// [`CommandError`] says what is wrong.
    pub fn parse(line: &[u8], paths: PathSyntax) -> Result<Command, CommandError> {
        let _ = (line, paths);
        unimplemented!()
    }
}
