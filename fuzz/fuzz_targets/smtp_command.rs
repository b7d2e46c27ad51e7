//! A command line: what parses is written and parsed to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_smtp::command::{Command, PathSyntax};

fuzz_target!(|line: &[u8]| {
    for paths in [PathSyntax::Strict, PathSyntax::BracketsOptional] {
        let Ok(command) = Command::parse(line, paths) else { continue };
        let written = command.to_string();
        assert!(!written.contains(['\r', '\n']));
        assert_eq!(Command::parse(written.as_bytes(), PathSyntax::Strict), Ok(command), "{written}");
    }
});
