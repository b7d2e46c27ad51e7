//! Where a new password comes from: made up, typed twice, or the first line of standard input.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use postern_signin::{Cost, LONGEST, PasswordHash, generate};
use postern_types::Secret;

use crate::failure::Failure;

/// Where the password comes from
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// Make up a password and show it once; otherwise it is asked for, or read from standard
    /// input where that is no terminal
    #[arg(long)]
    generate: bool,
}

/// A password with its hash.
pub(crate) struct NewPassword {
    /// What the store keeps.
    pub(crate) hash: String,
    /// The password, where it was made up here and must be shown.
    pub(crate) shown: Option<Secret<String>>,
}

impl Source {
    /// Gets the password and hashes it.
    pub(crate) fn get(&self) -> Result<NewPassword, Failure> {
        if self.generate {
            return NewPassword::made_up();
        }
        let password = if std::io::stdin().is_terminal() { typed()? } else { piped()? };
        let hash = PasswordHash::new(&password, Cost::default())?;
        Ok(NewPassword { hash: hash.as_str().to_owned(), shown: None })
    }
}

impl NewPassword {
    /// A random one.
    pub(crate) fn made_up() -> Result<Self, Failure> {
        let password = generate()?;
        let hash = PasswordHash::new(&password, Cost::default())?;
        Ok(Self { hash: hash.as_str().to_owned(), shown: Some(password) })
    }
}

/// The first line of standard input.
fn piped() -> Result<Secret<String>, Failure> {
    let mut line = String::new();
    // A password may have 1024 bytes; two more tell that it is longer.
    let mut input = std::io::stdin().lock().take(LONGEST as u64 + 2);
    input.read_line(&mut line).map_err(Failure::io("cannot read the password from standard input"))?;
    if line.trim_end_matches(['\r', '\n']).is_empty() {
        return Err(Failure::Usage(
            "no password came over standard input: pipe one in, or let one be made up with --generate".into(),
        ));
    }
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Asked for twice on the terminal, not shown.
fn typed() -> Result<Secret<String>, Failure> {
    let first = ask("New password: ")?;
    let second = ask("Once more: ")?;
    if first != second {
        return Err(Failure::Usage("the two passwords differ: nothing was changed".into()));
    }
    Ok(first)
}

fn ask(question: &str) -> Result<Secret<String>, Failure> {
    let failed = || Failure::io("cannot read the password from the terminal");
    let stdin = std::io::stdin();
    let before = tcgetattr(stdin.as_fd()).map_err(std::io::Error::from).map_err(failed())?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &silent).map_err(std::io::Error::from).map_err(failed())?;
    // Only now: what is typed before the terminal is silent would be shown, and then thrown away.
    let mut err = std::io::stderr().lock();
    let asked = write!(err, "{question}").and_then(|()| err.flush());
    let mut line = String::new();
    let read = stdin.lock().take(LONGEST as u64 + 2).read_line(&mut line);
    tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &before).map_err(std::io::Error::from).map_err(failed())?;
    asked.and_then(|()| writeln!(err)).map_err(failed())?;
    read.map_err(failed())?;
    Ok(Secret::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}
