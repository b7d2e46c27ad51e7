//! `cargo xtask test`: every step, in the order in which it is cheapest to fail; all of them run,
//! so that one run shows everything.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use crate::step::{Counts, Step, cargo, demand};
use crate::{Failure, checks, docs, fuzz, material, packages};

fn run_all() -> Vec<Step> {
    let skips = Skips::new();
    // `--workspace` in every step: one set of features, so that nothing is built twice.
    vec![
        Step::check("packages", || packages::install(packages::TESTS)),
        Step::check("unpacked packages", packages::unpack),
        Step::check("material of others", material::fetch),
        Step::check("format", || demand(&mut cargo("fmt --all --check"), "formatted")),
        Step::check("layers", checks::layers::check),
        Step::check("licences", checks::licences::check),
        Step::check("words", checks::words::check),
        Step::check("clippy", || {
            demand(&mut cargo("clippy --workspace --all-targets --quiet -- -D warnings"), "no warning")
        }),
        Step::check("fuzz targets", fuzz::check),
        tests(&skips),
        Step::tests("doc tests", &mut cargo("test --workspace --doc --quiet"), cargo_test_counts),
        Step::check("documentation", docs::build),
        Step::check("generated pages", || docs::reference(docs::Pages::Compare)),
        Step::check("nothing skipped", || skips.judge()),
    ]
}

/// Runs everything and prints the summary; its last line holds the counts.
pub(crate) fn run() -> ExitCode {
    let started = Instant::now();
    let steps = run_all();
    println!("\n=== summary");
    for step in &steps {
        let mark = if step.failed == 0 { "-" } else { "- FAILED" };
        println!("{mark} {}: {} ({:.1} s)", step.name, step.said, step.took.as_secs_f64());
    }
    let (passed, failed) = steps.iter().fold((0, 0), |(p, f), step| (p + step.passed, f + step.failed));
    println!("- total: {:.1} s", started.elapsed().as_secs_f64());
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All unit and integration tests: by nextest where it is installed, else by `cargo test`.
fn tests(skips: &Skips) -> Step {
    let has_nextest = cargo("nextest --version").output().is_ok_and(|output| output.status.success());
    let mut command = if has_nextest {
        cargo(
            "nextest run --workspace --lib --bins --tests --no-fail-fast --status-level slow --final-status-level flaky",
        )
    } else {
        cargo("test --workspace --lib --bins --tests --no-fail-fast")
    };
    command.env("POSTERN_SKIPS", &skips.file).env("POSTERN_TEST_DATA", material::folder());
    if has_nextest {
        Step::tests("tests", &mut command, nextest_counts)
    } else {
        Step::tests("tests", &mut command, cargo_test_counts)
    }
}

/// `Summary [  2.662s] 32 tests run: 31 passed (1 slow), 1 failed, 2 skipped`
fn nextest_counts(output: &str) -> Counts {
    let summary = output.lines().rev().find_map(|line| line.trim_start().strip_prefix("Summary ["));
    let numbers = summary.and_then(|line| line.split_once("run: ")).map_or("", |(_, numbers)| numbers);
    let mut counts = Counts::default();
    for part in numbers.split(", ") {
        let mut words = part.split_whitespace();
        let number = words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
        match words.collect::<Vec<_>>().join(" ").as_str() {
            word if word.starts_with("passed") => counts.passed += number,
            word if word.starts_with("skipped") => counts.ignored += number,
            // failed, timed out, exec failed
            _ => counts.failed += number,
        }
    }
    counts
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out`, once per binary.
fn cargo_test_counts(output: &str) -> Counts {
    let mut counts = Counts::default();
    for line in output.lines().filter(|line| line.starts_with("test result:")) {
        for part in line.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let number: usize = words.next().and_then(|number| number.parse().ok()).unwrap_or(0);
            match words.next() {
                Some("passed") => counts.passed += number,
                Some("failed") => counts.failed += number,
                Some("ignored") => counts.ignored += number,
                _ => {}
            }
        }
    }
    counts
}

/// Tests that said that they could not run here, one line each.
struct Skips {
    file: PathBuf,
}

impl Skips {
    fn new() -> Self {
        let file = std::env::temp_dir().join(format!("postern-skips-{}", std::process::id()));
        // Left from an earlier process with our number: not ours.
        let _ = std::fs::remove_file(&file);
        Self { file }
    }

    /// Where packages can be installed nothing may be skipped; elsewhere it is only said.
    fn judge(&self) -> Result<String, Failure> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let _ = std::fs::remove_file(&self.file);
        let count = text.lines().count();
        if count == 0 {
            return Ok("every test ran".into());
        }
        println!("{text}");
        let said = format!("{count} tests were SKIPPED for lack of programs or rights");
        if packages::can_install() { Err(said) } else { Ok(said) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runners_counts_are_read() {
        let text = "x\n     Summary [  2.6s] 28/32 tests run: 26 passed (1 slow), 1 failed, 1 timed out, 4 skipped\n";
        assert_eq!(nextest_counts(text), Counts { passed: 26, failed: 2, ignored: 4 });
        assert_eq!(nextest_counts("error: could not compile"), Counts::default());
        let text = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
                    test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(cargo_test_counts(text), Counts { passed: 15, failed: 2, ignored: 1 });
    }
}
