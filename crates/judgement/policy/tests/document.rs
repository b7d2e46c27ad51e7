//! `docs/active-filter.md` says of each test what the table of tests says.
#![allow(clippy::panic, reason = "a test fails by panicking")]

use postern_policy::{RuleAction, Stage, Test};

const DOCUMENT: &str = include_str!("../../../../docs/active-filter.md");

#[test]
fn the_document_knows_every_test_and_its_defaults() {
    let mut rows = DOCUMENT.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 7);
    for &test in Test::ALL {
        let entry = test.entry();
        let when = match entry.stage {
            Stage::Connect => "connect",
            Stage::Helo => "HELO",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
        };
        let action = match entry.action {
            RuleAction::Off => "off",
            RuleAction::Score => "score",
            RuleAction::Quarantine => "quarantine",
            RuleAction::Reject => "reject",
        };
        let expected = format!("| `{}` | {when} | {action} | {} |", entry.name, entry.weight);
        let row = rows.next().unwrap_or_else(|| panic!("no row is left for {test}"));
        assert!(row.starts_with(&expected), "{row}\nshould begin\n{expected}");
    }
    assert_eq!(rows.next(), None, "a row for a test that is not there");
}
