//! `cargo xtask fuzz`: every target below `fuzz/`, with coverage and the address sanitizer, for
//! some time each. The stable compiler does it when `RUSTC_BOOTSTRAP` is set; the flags are those
//! of libFuzzer's instrumentation, so that nothing else must be installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::step::{cargo, demand};
use crate::{Failure, root};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address --cfg fuzzing \
    -Cdebug-assertions -Ccodegen-units=1";

pub(crate) fn run(arguments: &[String]) -> Result<String, Failure> {
    let seconds: u32 = match arguments.first() {
        Some(text) => text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?,
        None => 60,
    };
    let manifest = root().join("fuzz/Cargo.toml");
    let targets: Vec<String> = targets(&manifest)?
        .into_iter()
        .filter(|name| arguments.get(1).is_none_or(|only| only == name))
        .collect();
    if targets.is_empty() {
        return Err("no such fuzz target".into());
    }
    let mut build = cargo("build --release --manifest-path fuzz/Cargo.toml --target");
    build.arg(TRIPLE).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS);
    build.env("CARGO_TARGET_DIR", root().join("fuzz/target"));
    demand(&mut build, "")?;
    let mut crashed = Vec::new();
    for target in &targets {
        println!("=== {target}, {seconds} s");
        if fuzz(target, seconds)?.is_err() {
            crashed.push(target.as_str());
        }
    }
    if crashed.is_empty() {
        return Ok(format!("{} targets, {seconds} s each, no crash", targets.len()));
    }
    Err(format!("crashed: {} (inputs in fuzz/artifacts)", crashed.join(", ")))
}

/// That every target is formatted and still compiles, without a warning. They are a workspace of their own, so nothing else looks at
/// them; what the workspace above has built is used again.
pub(crate) fn check() -> Result<String, Failure> {
    let manifest = root().join("fuzz/Cargo.toml");
    demand(&mut cargo("fmt --check --manifest-path fuzz/Cargo.toml"), "")?;
    let mut command = cargo("clippy --bins --quiet --manifest-path fuzz/Cargo.toml");
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.arg("--target-dir").arg(root().join("target"));
    }
    command.args(["--", "-D", "warnings"]);
    demand(&mut command, &format!("{} targets compile without a warning", targets(&manifest)?.len()))
}

/// Runs one target: what it has learned goes to `fuzz/corpus`, which git does not keep; the seeds
/// in `fuzz/seeds` are only read.
fn fuzz(target: &str, seconds: u32) -> Result<Result<String, Failure>, Failure> {
    let folder = root().join("fuzz");
    let make = |kind: &str| {
        let path = folder.join(kind).join(target);
        fs::create_dir_all(&path).map(|()| path).map_err(|error| error.to_string())
    };
    let (corpus, artifacts) = (make("corpus")?, make("artifacts")?);
    let seeds = folder.join("seeds").join(target);
    let mut command = Command::new(folder.join("target").join(TRIPLE).join("release").join(target));
    command
        .arg(corpus)
        .args(seeds.is_dir().then_some(&seeds))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    Ok(demand(&mut command, ""))
}

/// The names of the `[[bin]]` sections.
fn targets(manifest: &Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    let sections = text.split("[[bin]]").skip(1);
    let name = |section: &str| {
        let line = section.lines().find_map(|line| line.trim().strip_prefix("name"))?;
        line.split('"').nth(1).map(str::to_owned)
    };
    Ok(sections.filter_map(name).collect())
}
