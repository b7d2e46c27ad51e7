//! Every refusal that these services themselves give; what the judgement refuses comes with the verdict.

use postern_store::StoreError;
use postern_types::{Blame, Refusal, TraceId};

/// A path that is none. The MTA has taken it; nothing can be tested about it.
pub(crate) fn bad_address(path: &str, trace: TraceId) -> Refusal {
    let shown: String = path.chars().take(80).filter(|c| !c.is_control()).collect();
    Refusal::new(Blame::Protocol, 553, (5, 1, 3), format!("{shown}: this is not an address ({trace})"))
        .because("an address that cannot be read")
}

/// The header alone is larger than the limit.
pub(crate) fn header_too_large(limit: usize, trace: TraceId) -> Refusal {
    let text = format!("the message header is larger than {limit} bytes ({trace})");
    Refusal::new(Blame::Content, 552, (5, 3, 4), text).because("header too large")
}

/// The disk has less free space than the setting asks for.
pub(crate) fn disk_full(trace: TraceId) -> Refusal {
    // rfc1870 §6.1: 452 when there is no room now but may be later.
    let text = format!("there is not enough room for mail at the moment, please try again later ({trace})");
    Refusal::new(Blame::Us, 452, (4, 3, 1), text).because("too little free space on the data disk")
}

/// The store's error as the sender reads it: always 4yz, for nothing is the sender's fault.
pub(crate) fn store_failed(error: &StoreError, trace: TraceId) -> Refusal {
    let text = format!("the message could not be taken at the moment, please try again later ({trace})");
    let code = if matches!(error, StoreError::Full) { 452 } else { 451 };
    Refusal::new(Blame::Us, code, (4, 3, 0), text).because(error.to_string())
}
