//! Running one step: a program whose output is shown while it is read.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Failure, root};

/// What a step came to.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) took: Duration,
    /// How many tests or checks passed and failed in it.
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// One line for the summary.
    pub(crate) said: String,
}

impl Step {
    /// A step that is one check.
    pub(crate) fn check(name: &'static str, check: impl FnOnce() -> Result<String, Failure>) -> Self {
        println!("\n=== {name}");
        let started = Instant::now();
        let (passed, failed, said) = match check() {
            Ok(said) => (1, 0, said),
            Err(failure) => {
                println!("{failure}");
                (0, 1, failure.lines().next().unwrap_or("failed").to_owned())
            }
        };
        Self { name, took: started.elapsed(), passed, failed, said }
    }

    /// A step that runs many tests and counts them in the program's output.
    pub(crate) fn tests(name: &'static str, command: &mut Command, count: impl Fn(&str) -> Counts) -> Self {
        println!("\n=== {name}");
        let started = Instant::now();
        let Ran { ok, output } = run(command);
        let mut counts = count(&output);
        // A run that fails without a failed test did not get as far as the tests.
        if !ok && counts.failed == 0 {
            counts.failed = 1;
        }
        let said = format!("{} passed, {} failed, {} ignored", counts.passed, counts.failed, counts.ignored);
        Self { name, took: started.elapsed(), passed: counts.passed, failed: counts.failed, said }
    }
}

/// Numbers of tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
}

/// How a program ended, with what it wrote.
pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) output: String,
}

/// Runs a program at the root of the repository, showing its output as it comes.
pub(crate) fn run(command: &mut Command) -> Ran {
    let spawned = command.current_dir(root()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            return Ran { ok: false, output: format!("{}: {error}", command.get_program().display()) };
        }
    };
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let reader = std::thread::spawn(move || stdout.map(show).unwrap_or_default());
    let mut output = stderr.map(show).unwrap_or_default();
    output.push_str(&reader.join().unwrap_or_default());
    let ok = child.wait().is_ok_and(|status| status.success());
    Ran { ok, output }
}

/// Copies lines to the terminal and keeps them.
fn show(stream: impl Read) -> String {
    let mut kept = String::new();
    for line in BufReader::new(stream).split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line);
        // A terminal that is gone is no reason to stop the tests.
        let _ = writeln!(std::io::stdout(), "{line}");
        kept.push_str(&line);
        kept.push('\n');
    }
    kept
}

/// Runs a program as a check: `said` when it succeeds, else its last lines.
pub(crate) fn demand(command: &mut Command, said: &str) -> Result<String, Failure> {
    let Ran { ok, output } = run(command);
    if ok {
        return Ok(said.to_owned());
    }
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let last = output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().display();
    Err(format!("{program} {} failed: {last}", words.join(" ")))
}

/// `cargo`, the one that runs us.
pub(crate) fn cargo(words: &str) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(words.split_whitespace());
    command
}

/// Builds with `cargo WORDS`; gives the path of the program of this name.
pub(crate) fn build_program(words: &str, name: &str) -> Result<PathBuf, Failure> {
    let mut command = cargo(words);
    command
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root())
        .stderr(Stdio::inherit());
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("cargo {words} failed"));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut named = messages.filter(|message| message["target"]["name"] == name);
    let program = named.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    program.ok_or_else(|| format!("cargo {words} makes no program {name}"))
}
