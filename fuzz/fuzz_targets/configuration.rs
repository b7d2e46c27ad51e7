//! A configuration file: every mistake has its place, and what holds is shown and explained.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use postern_config::{Config, Points, TestAction, TestRow};

const ROWS: &[TestRow] =
    &[TestRow { name: "rdns", about: "A test.", action: TestAction::Score, weight: Points(100) }];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(Path::new("postern.toml"), text, ROWS) {
        Ok(config) => assert!(!config.server.hostname.as_str().is_empty()),
        Err(mistakes) => {
            let lines = text.lines().count().max(1) + 1;
            assert!(!mistakes.all.is_empty());
            assert!(mistakes.all.iter().all(|mistake| (1..=lines).contains(&mistake.line)), "{mistakes}");
        }
    }
});
