//! The validation cases of ValiMail's ARC test suite.

use std::collections::HashSet;
use std::time::Duration;

use postern_authentication::Plan;
use postern_types::{Authenticity, Domain};
use tokio::time::Instant;

use crate::data::{entries, find, text, yaml};
use crate::message::authenticate;
use crate::zone::{Record, Records};

/// How many cases the suite has: 171 names, of which four stand for two cases.
const CASES: usize = 175;

#[tokio::test]
async fn the_arc_suite() {
    let Some(path) = find("arc/arc-draft-validation-tests.yml") else { return };
    let (mut cases, mut open, mut failed) = (0, Vec::new(), Vec::new());
    for scenario in yaml(&distinct(&std::fs::read_to_string(&path).unwrap())) {
        let mut zone = Records::default();
        for (name, value) in entries(&scenario["txt-records"]) {
            zone.add(&name, Record::Txt(text(value)));
        }
        for (name, case) in entries(&scenario["tests"]) {
            cases += 1;
            let message = text(&case["message"]).replace('\n', "\r\n");
            let found =
                authenticate(&zone, message.as_bytes(), 7, Instant::now() + Duration::from_secs(60)).await;
            let expected = match text(&case["cv"]).trim() {
                "Pass" => Authenticity::Pass,
                "Fail" => Authenticity::Fail,
                "None" => Authenticity::None,
                // The suite leaves open what becomes of a chain that a sealer found broken; rfc8617 §5.2 says it.
                "" => {
                    open.push(name.clone());
                    Authenticity::Fail
                }
                other => panic!("{name}: {other}"),
            };
            if found.arc.result != expected {
                let why = found.arc.problem;
                failed.push(format!("{name}: {}, not {expected} ({why:?})", found.arc.result));
            }
        }
    }
    println!("{cases} cases; without a result in the suite: {open:?}");
    assert!(failed.is_empty(), "{} of {cases}: {failed:#?}", failed.len());
    assert_eq!(cases, CASES);
}

/// A message that fails DMARC is believed where its last sealer is trusted, and only while the chain holds.
#[tokio::test]
async fn a_trusted_forwarder_is_believed() {
    let Some(path) = find("arc/arc-draft-validation-tests.yml") else { return };
    let suite = yaml(&distinct(&std::fs::read_to_string(&path).unwrap()));
    let mut zone = Records::default();
    for (name, value) in entries(&suite[0]["txt-records"]) {
        zone.add(&name, Record::Txt(text(value)));
    }
    zone.add("_dmarc.d1.example.org", Record::Txt("v=DMARC1; p=reject".into()));
    let message = |case: &str| text(&suite[0]["tests"][case]["message"]).replace('\n', "\r\n");
    let org = Domain::parse("example.org").unwrap();
    let other = Domain::parse("other.example").unwrap();
    for (case, trusted, believed) in [
        ("cv_pass_i2_1", &org, true),
        ("cv_pass_i2_1", &other, false),
        ("cv_fail_i2_as2_invalid", &org, false),
    ] {
        let message = message(case);
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        let plan = Plan::of(format!("{header}\r\n\r\n").as_bytes());
        let mut hashes = plan.body();
        hashes.push(body.as_bytes());
        let known = plan.ask(&zone, Instant::now() + Duration::from_secs(60)).await;
        let found = plan.conclude(&known, hashes, None, std::slice::from_ref(trusted), 1_600_000_000);
        assert_eq!(found.dmarc.result, Authenticity::Fail, "{case}: {:?}", found.dmarc);
        assert_eq!(found.forwarder.as_ref(), believed.then_some(&org), "{case}");
    }
}

/// The suite with numbers behind the names of cases that it uses twice, which YAML forbids.
fn distinct(suite: &str) -> String {
    let mut seen = HashSet::new();
    let mut out = String::with_capacity(suite.len() + 100);
    for (at, line) in suite.lines().enumerate() {
        match line.strip_prefix("  ").and_then(|line| line.strip_suffix(':')) {
            Some(name) if !name.starts_with(' ') && !seen.insert(name) => {
                out.push_str(&format!("  {name}_{at}:"));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}
