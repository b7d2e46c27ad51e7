//! A file of the time zone database: the first eight octets are a moment, the rest is the file.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use postern_types::{Timestamp, Zone};

fuzz_target!(|data: &[u8]| {
    let Some((moment, file)) = data.split_first_chunk() else { return };
    let Ok(zone) = Zone::parse(file) else { return };
    let _ = zone.show(Timestamp::from_millis(i64::from_le_bytes(*moment)));
    // Within the years that anybody asks about, 1900 to 2100.
    let moment = i64::from_le_bytes(*moment).rem_euclid(6_311_433_600_000) - 2_208_988_800_000;
    let at = Timestamp::from_millis(moment);
    assert!(zone.show(at).len() >= "1970-01-01 00:00".len());
    let hour = u8::try_from(moment.rem_euclid(24)).unwrap();
    let last = zone.last_hour(hour, at);
    assert!(last <= at && at.since(last) <= Duration::from_secs(5 * 86_400), "{last} before {at}");
});
