//! Is the clock plausible? Certificates, `Received` fields and bans depend on it.

use std::path::Path;

use postern_types::Timestamp;

use super::Finding;

/// 2026-01-01: the program is younger than that, so no right clock shows less.
const EARLIEST: Timestamp = Timestamp::from_millis(1_767_225_600_000);
/// 2100-01-01.
const LATEST: Timestamp = Timestamp::from_millis(4_102_444_800_000);

/// What systemd-timesyncd and chrony leave when they have set the clock.
const SYNCHRONISED: [&str; 2] = ["/run/systemd/timesync/synchronized", "/run/chrony/chronyd.sock"];

/// Looks at the clock.
pub(crate) fn inspect(now: Timestamp) -> Finding {
    if now < EARLIEST || now > LATEST {
        return Finding::problem("clock", format!("{now} cannot be right"))
            .so("Set the clock, and keep it right with systemd-timesyncd or chrony.");
    }
    if SYNCHRONISED.iter().any(|mark| Path::new(mark).exists()) {
        return Finding::ok("clock", format!("{now}, kept by a time service"));
    }
    Finding::ok("clock", format!("{now} is plausible; whether a time service keeps it is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::State;

    #[test]
    fn a_clock_at_its_epoch_is_found() {
        assert_eq!(inspect(Timestamp::from_millis(0)).state, State::Problem);
        assert_eq!(inspect(Timestamp::from_millis(1_795_327_140_000)).state, State::Ok);
    }
}
