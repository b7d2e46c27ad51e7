//! Postern as the other peer: `postern serve` with a configuration as an operator would write
//! it, every test of the gate at its default, and a DNS to ask.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::peer::{Peer, free_port};
use super::postfix::ids;
use super::{BLOCKED, DOMAIN, PASSWORD, USERS};
use crate::step::build_program;
use crate::{Failure, packages, root};

/// What Postern does with mail.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// Keeps it.
    Mailboxes,
    /// Passes it on, session by session, to the server on this port.
    Proxy(u16),
}

/// Which tests of the gate are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tests {
    /// Those that are made by default.
    Default,
    /// None.
    Off,
}

pub(super) struct Ports {
    pub(super) smtp: u16,
    pub(super) pop3: u16,
}

/// Builds the program as it is released; gives its path.
pub(super) fn build() -> Result<PathBuf, Failure> {
    println!("building postern (release)");
    build_program("build --release --package postern", "postern")
}

/// Makes the domain and the accounts with the command line, then serves.
pub(super) fn start(
    peer: &mut Peer,
    program: &Path,
    (role, tests): (Role, Tests),
    dns: u16,
) -> Result<Ports, Failure> {
    let ports = Ports { smtp: free_port()?, pop3: free_port()? };
    // As root it wants a user to become, and that one must own the data.
    let user = if packages::is_root() { "user = \"nobody\"" } else { "" };
    make_data(&peer.path("data"))?;
    let text = format!(
        "[server]
hostname = \"mail.{DOMAIN}\"
data = \"{}\"
{user}

[listen]
smtp = [\"127.0.0.1:{}\"]
pop3 = [\"127.0.0.1:{}\"]
watch = []

[limits]
connections = 20000
exempt = [\"127.0.0.0/8\"]

[gate]
block = [\"{BLOCKED}\"]

[dns]
servers = [\"127.0.0.1:{dns}\"]
",
        peer.path("data").display(),
        ports.smtp,
        ports.pop3,
    ) + &switched(tests)?;
    let configuration = peer.write("postern.toml", &text)?.display().to_string();
    let run = |words: &[&str], input: &str| postern(program, &configuration, words, input);
    match role {
        Role::Mailboxes => {
            run(&["domain", "add", DOMAIN], "")?;
            for number in 0..USERS {
                run(&["account", "add", &format!("user{number}@{DOMAIN}")], PASSWORD)?;
            }
        }
        Role::Proxy(next) => run(&["domain", "add", DOMAIN, "--to", &format!("127.0.0.1:{next}")], "")?,
    }
    peer.spawn(program, &["--config", &configuration, "serve"])?;
    peer.wait_for(ports.smtp)?;
    peer.wait_for(ports.pop3)?;
    Ok(ports)
}

/// The part of the configuration that switches tests off, whose names stand in the reference.
fn switched(tests: Tests) -> Result<String, Failure> {
    if tests == Tests::Default {
        return Ok(String::new());
    }
    let path = root().join("docs/configuration.md");
    let reference = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (_, table) =
        reference.split_once("### The tests").ok_or("docs/configuration.md has no table of tests")?;
    let names = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    Ok(names.map(|name| format!("\n[gate.tests.{name}]\naction = \"off\"\n")).collect())
}

fn make_data(folder: &Path) -> Result<(), Failure> {
    let private = fs::Permissions::from_mode(0o700);
    let mut made = fs::create_dir(folder).and_then(|()| fs::set_permissions(folder, private));
    if packages::is_root() {
        let (user, group) = ids("nobody")?;
        made = made.and_then(|()| chown(folder, Some(user), Some(group)));
    }
    made.map_err(|error| format!("{}: {error}", folder.display()))
}

/// Runs a command of the command line to its end.
fn postern(program: &Path, configuration: &str, words: &[&str], input: &str) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(["--config", configuration]).args(words);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("{}: {error}", program.display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{input}").map_err(|error| error.to_string())?;
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("postern {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr)))
}
