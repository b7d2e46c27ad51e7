//! The reference page of all settings, in Markdown.

use std::fmt::Write;

use crate::config::SECTIONS;
use crate::explain::unwrapped;
use crate::schema::{Need, Section, Setting, Shape, Table};
use crate::settings::{TestRow, TestRule};
use crate::value::Value;

const TESTS: &str = TestRule::SECTION.path;

const INTRODUCTION: &str = "\
<!-- Written by `postern config reference` from the definitions in crates/resources/config. Do not edit. -->
# Configuration

Postern reads one file, `postern.toml`: the one named with `--config`, else `./postern.toml`, else
`/etc/postern/postern.toml`. It is written in [TOML](https://toml.io). Every setting has its
section, kind, default and bounds here; what is not written has its default. `postern check` finds every mistake in
the file with its line and column, `postern config show --changed` shows what differs from the defaults, and
`postern config explain KEY` says what stands here about one setting.

Sizes have a unit: `\"50 MB\"` is 50,000,000 bytes, `\"50 MiB\"` is 52,428,800. Durations have one too: `ms`, `s`, `min`,
`h`, `d`, `w`. Domains, accounts and aliases are not in this file; they are kept in the store (`postern domain`,
`postern account`, `postern alias`).
";

/// The page, for the tests that the judgement knows.
#[must_use]
pub fn reference(rows: &'static [TestRow]) -> String {
    let mut page = String::from(INTRODUCTION);
    for section in SECTIONS {
        let name = if section.shape == Shape::Named { ".NAME" } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## `[{}{name}]`\n\n{}\n", section.path, unwrapped(section.about));
        for setting in section.settings {
            add_setting(&mut page, &section, setting);
        }
        if section.path == TESTS {
            add_tests(&mut page, rows);
        }
    }
    page
}

fn add_setting(page: &mut String, section: &Section, setting: &Setting) {
    let default = match (&setting.need, section.path) {
        (Need::Required, _) => "none, it must be written".into(),
        (Need::Optional, _) => "not set".into(),
        (Need::Default(_), TESTS) if setting.name != "mode" => "see the table below".into(),
        (Need::Default(_), _) => format!("`{}`", setting.default().unwrap_or_default()),
    };
    let _ = write!(page, "\n### `{}`\n\n{}\n\n", setting.name, unwrapped(&setting.about));
    let _ = writeln!(page, "- Write: {}", (setting.kind)());
    let _ = writeln!(page, "- Default: {default}");
    if let Some((min, max)) = setting.bounds {
        let _ = writeln!(page, "- Bounds: `{min}` to `{max}`");
    }
}

fn add_tests(page: &mut String, rows: &'static [TestRow]) {
    page.push_str("\n### The tests\n\n| test | what it looks at | action | weight |\n|---|---|---|---|\n");
    for row in rows {
        let about = unwrapped(row.about).replace('|', "\\|");
        let action = row.action.word();
        let _ = writeln!(page, "| `{}` | {about} | `{action}` | {} |", row.name, row.weight.write());
    }
    let example = rows.first().map_or("NAME", |row| row.name);
    let _ = write!(page, "\n```toml\n[{}.{example}]\naction = \"quarantine\"\n```\n", TESTS);
}
