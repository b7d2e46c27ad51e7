//! Evidence and policies read back from the store, where an older or newer version, or a damaged disk, may have written
//! them: a line of policy, then a record. Whatever reads is judged, explained and turned round.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postern_policy::{Policy, Record, differences, explain, judge};

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|octet| *octet == b'\n').unwrap_or(data.len());
    let policy = serde_json::from_slice::<Policy>(&data[..end]).unwrap_or_default();
    let rest = data.get(end + 1..).unwrap_or_default();
    let Ok(record) = serde_json::from_slice::<Record>(rest) else { return };
    // What reads is written and read to the same.
    let written = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&written).unwrap(), record);
    for judged in record.verdicts.iter().take(4) {
        let verdict = record.replay(judged, &policy);
        assert_eq!(verdict, record.replay(judged, &policy), "the same evidence, the same verdict");
        let seen = record.seen(judged);
        assert_eq!(verdict, judge(seen, &policy, &judged.verdict.profile, judged.verdict.stage));
        let _ = explain(seen, &policy, &verdict);
    }
    assert!(differences(&policy, &policy).is_empty());
    let _ = differences(&policy, &Policy::default());
});
