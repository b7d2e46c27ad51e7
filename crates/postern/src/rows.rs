//! The judgement's table of tests, as the configuration wants it: `[gate.tests.NAME]` follows from it.

use std::sync::LazyLock;

use postern_config::{Points, TestAction, TestRow};
use postern_policy::{RuleAction, Test};

/// One row for each test.
pub(crate) fn rows() -> &'static [TestRow] {
    static ROWS: LazyLock<Vec<TestRow>> = LazyLock::new(|| Test::ALL.iter().copied().map(row).collect());
    &ROWS
}

fn row(test: Test) -> TestRow {
    let entry = test.entry();
    TestRow {
        name: entry.name,
        about: entry.meaning,
        action: action(entry.action),
        weight: Points(entry.weight.as_hundredths()),
    }
}

fn action(action: RuleAction) -> TestAction {
    match action {
        RuleAction::Off => TestAction::Off,
        RuleAction::Score => TestAction::Score,
        RuleAction::Quarantine => TestAction::Quarantine,
        RuleAction::Reject => TestAction::Reject,
    }
}
