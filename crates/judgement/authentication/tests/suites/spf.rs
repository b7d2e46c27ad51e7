//! The openSPF test suite for RFC 7208 (release 2014.04).

use std::time::Duration;

use postern_authentication::{Sender, Spf, spf};
use postern_types::{Address, Host, LocalPart, ReversePath};
use tokio::time::Instant;
use yaml_rust2::Yaml;

use crate::data::{entries, find, text, yaml};
use crate::zone::{Record, Records};

/// How many cases the suite has.
const CASES: usize = 203;

#[tokio::test]
async fn the_open_spf_suite() {
    let Some(path) = find("pyspf-2.0.14/test/rfc7208-tests.yml") else { return };
    let (mut cases, mut second_choice, mut failed) = (0, Vec::new(), Vec::new());
    for scenario in yaml(&std::fs::read_to_string(path).unwrap()) {
        let zone = zone(&scenario["zonedata"]);
        for (name, case) in entries(&scenario["tests"]) {
            cases += 1;
            let spf = check(&zone, case).await;
            let allowed: Vec<String> = match &case["result"] {
                Yaml::Array(several) => several.iter().map(text).collect(),
                one => vec![text(one)],
            };
            let got = spf.result.to_string();
            match allowed.iter().position(|result| *result == got) {
                None => failed.push(format!("{name}: {got}, not {allowed:?} ({:?})", spf.problem)),
                Some(0) => {}
                Some(_) => second_choice.push(format!("{name}: {got}, of {allowed:?}")),
            }
            match text(&case["explanation"]).as_str() {
                "" => {}
                "DEFAULT" if spf.explanation.is_none() => {}
                expected if spf.explanation.as_deref() == Some(expected) => {}
                expected => failed.push(format!("{name}: explains {:?}, not {expected:?}", spf.explanation)),
            }
        }
    }
    println!(
        "{cases} cases; where the suite allows several results, not its first choice: {second_choice:#?}"
    );
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(cases, CASES);
}

async fn check(zone: &Records, case: &Yaml) -> Spf {
    let (from, helo) = (text(&case["mailfrom"]), text(&case["helo"]));
    let deadline = Instant::now() + Duration::from_secs(60);
    let sender =
        |path, helo| Sender { ip: text(&case["host"]).parse().unwrap(), helo, path, receiver: "unknown" };
    let (local, domain) = from.rsplit_once('@').unwrap_or(("", &from));
    let path = match (LocalPart::from_unquoted(local), Host::parse(domain)) {
        (Ok(local), Ok(host)) => ReversePath::Address(Address::new(local, host)),
        // No local part is no address of RFC 5321; the suite wants `postmaster` for it, as for the null sender.
        (Err(_), Ok(_)) if !from.is_empty() => {
            return spf(zone, &sender(&ReversePath::Null, domain), deadline).await;
        }
        _ if from.is_empty() => ReversePath::Null,
        // What cannot be written in MAIL FROM never gets so far; as a HELO name it can.
        _ => return spf(zone, &sender(&ReversePath::Null, domain), deadline).await,
    };
    spf(zone, &sender(&path, &helo), deadline).await
}

fn zone(data: &Yaml) -> Records {
    let mut zone = Records::default();
    for (name, declared) in entries(data) {
        let declared = declared.as_vec().unwrap();
        // Its SPF records stand for TXT ones, unless there are TXT ones.
        let has_txt = declared.iter().any(|record| entries(record).any(|(kind, _)| kind == "TXT"));
        zone.0.entry(name.to_lowercase()).or_default();
        for record in declared {
            if record.as_str() == Some("TIMEOUT") {
                zone.add(&name, Record::Timeout);
            }
            for (kind, value) in entries(record) {
                let plain = |value: &Yaml| match value {
                    Yaml::Array(parts) => parts.iter().map(text).collect(),
                    one => text(one),
                };
                let record = match kind.as_str() {
                    "TXT" if value.as_str() == Some("NONE") => continue,
                    "SPF" if has_txt => Record::Other,
                    "TXT" | "SPF" => Record::Txt(plain(value)),
                    "A" => Record::A(plain(value).parse().unwrap()),
                    "AAAA" => Record::Aaaa(plain(value).parse().unwrap()),
                    "MX" => Record::Mx(text(&value[0]).parse().unwrap(), text(&value[1])),
                    "PTR" => Record::Ptr(plain(value)),
                    "CNAME" => Record::Cname(plain(value)),
                    other => panic!("a record of type {other}"),
                };
                zone.add(&name, record);
            }
        }
    }
    zone
}
