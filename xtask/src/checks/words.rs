//! The measures of the house: names that say something, files and functions that fit the head.

use std::fs;
use std::path::{Path, PathBuf};

use super::source::{blanked, functions, test_modules, tests_start};
use crate::{Failure, root};

const EMPTY_NAMES: [&str; 9] =
    ["common", "helper", "helpers", "manager", "misc", "stuff", "util", "utils", "various"];

/// Lines before the tests.
const FILE_MAX: usize = 500;
const FUNCTION_MAX: usize = 100;

pub(crate) fn check() -> Result<String, Failure> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "fuzz"] {
        collect(&root().join(folder), &mut files)?;
    }
    files.sort();
    let mut sources = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        sources.push(Source { code: blanked(&text), text, path });
    }
    let of_tests: Vec<PathBuf> = sources.iter().flat_map(Source::test_files).collect();
    let mut faults = Vec::new();
    for source in &sources {
        let path = source.path.strip_prefix(root()).unwrap_or(&source.path).display().to_string();
        let is_test = of_tests.contains(&source.path) || source.in_tests_folder();
        let found = source.name_faults().into_iter().chain(source.measure_faults(is_test));
        faults.extend(found.map(|fault| format!("{path}{fault}")));
    }
    faults.extend(manifests()?);
    super::verdict(&faults, format!("{} files keep to the measures", sources.len()))
}

/// Every `.rs` file below a folder, built things left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

struct Source {
    path: PathBuf,
    text: String,
    code: String,
}

impl Source {
    fn in_tests_folder(&self) -> bool {
        self.path.components().any(|part| part.as_os_str() == "tests")
    }

    /// The files of the modules that this file declares for tests only.
    fn test_files(&self) -> Vec<PathBuf> {
        let folder = match self.path.file_name().and_then(|name| name.to_str()) {
            Some("lib.rs" | "main.rs" | "mod.rs") => self.path.parent().map(Path::to_path_buf),
            _ => Some(self.path.with_extension("")),
        };
        let folder = folder.unwrap_or_default();
        let names = test_modules(&self.code);
        names
            .iter()
            .flat_map(|name| [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")])
            .collect()
    }

    fn name_faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let relative = self.path.strip_prefix(root()).unwrap_or(&self.path).with_extension("");
        for part in relative.components().filter_map(|part| part.as_os_str().to_str()) {
            if EMPTY_NAMES.contains(&part) {
                faults.push(format!(": {part} is a name that says nothing"));
            }
        }
        if !self.text.starts_with("//!") {
            faults.push(": its first line does not say what it is for (//!)".into());
        }
        faults
    }

    fn measure_faults(&self, is_test: bool) -> Vec<String> {
        let mut faults = Vec::new();
        let end = tests_start(&self.code).unwrap_or(usize::MAX);
        let lines = self.code.lines().count().min(end - 1);
        if lines > FILE_MAX && !is_test {
            faults.push(format!(": {lines} lines before the tests, {FILE_MAX} is the most"));
        }
        for function in functions(&self.code) {
            let tested = is_test || function.line >= end;
            if function.lines > FUNCTION_MAX && !tested {
                let (line, name) = (function.line, &function.name);
                faults.push(format!(
                    ":{line}: fn {name} has {} lines, {FUNCTION_MAX} is the most",
                    function.lines
                ));
            }
            let flags = function.parameters.split(',').any(|parameter| parameter.trim().ends_with(": bool"));
            if function.public && flags && !tested {
                faults.push(format!(
                    ":{}: fn {} has a bool parameter: name the two cases",
                    function.line, function.name
                ));
            }
        }
        for (number, (line, code)) in self.text.lines().zip(self.code.lines()).enumerate() {
            // Where letters of several octets stand in strings, the two differ in length.
            let comment = line.get(code.trim_end().len()..).unwrap_or_default();
            if ["TODO", "FIXME", "XXX"].iter().any(|mark| comment.contains(&format!("// {mark}"))) {
                faults.push(format!(":{}: do it, or file it, but leave no note", number + 1));
            }
        }
        faults.extend(self.silent_allows());
        faults
    }

    /// `allow` without a reason.
    fn silent_allows(&self) -> Vec<String> {
        let starts = self.code.match_indices("[allow(").map(|(at, _)| at);
        let silent = starts.filter(|&at| {
            let attribute = self.code[at..].split(")]").next().unwrap_or_default();
            !attribute.contains("reason")
        });
        silent
            .map(|at| format!(":{}: allow without a reason", self.code[..at].matches('\n').count() + 1))
            .collect()
    }
}

/// Every crate takes the workspace's lints: without them unsafe code would pass.
fn manifests() -> Result<Vec<String>, Failure> {
    let graph = crate::metadata::Graph::load()?;
    let mut faults = Vec::new();
    for package in graph.workspace() {
        let path = package.folder.join("Cargo.toml");
        let text = fs::read_to_string(root().join(&path)).map_err(|error| error.to_string())?;
        if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!("{}: does not take the workspace's lints", path.display()));
        }
    }
    Ok(faults)
}
