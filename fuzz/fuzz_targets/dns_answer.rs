//! Whatever a name server answers: the message is read by hickory, and what it says about a name by our `read.rs`,
//! which is compiled in here because it is nobody else's to call. The first octet chooses the kind of the question.
#![no_main]

use std::time::Duration;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::{Name, RecordType};
use libfuzzer_sys::fuzz_target;
use postern_dns::{Absent, Answer, Unknown};
use read::{MAX_ADDRESSES, MAX_ALIASES, MAX_EXCHANGES, MAX_NAMES, MAX_TEXTS, Mxs, Reading, Records};

#[path = "../../crates/resources/dns/src/read.rs"]
mod read;

const KINDS: [RecordType; 5] =
    [RecordType::A, RecordType::AAAA, RecordType::MX, RecordType::TXT, RecordType::PTR];

fuzz_target!(|data: &[u8]| {
    let [kind, octets @ ..] = data else { return };
    let kind = KINDS[usize::from(*kind) % KINDS.len()];
    let Ok(message) = Message::from_vec(octets) else { return };
    let asked = message.queries.first().map_or_else(Name::root, |query| query.name().clone());
    // A chain that leads on from message to message, each of them the same, has an end too.
    let (mut name, mut aliases, mut ttl) = (asked, 0, 86_400);
    loop {
        match read::read(&message, &name, kind, aliases, ttl) {
            Reading::Answer(answer, keep) => break check(kind, &answer, keep),
            Reading::Alias { target, aliases: followed, ttl: shortest } => {
                assert!(followed > aliases && followed <= MAX_ALIASES && shortest <= ttl);
                (name, aliases, ttl) = (target, followed, shortest);
            }
        }
    }
});

fn check(kind: RecordType, answer: &Answer<Records>, keep: Duration) {
    // rfc2308 §5: nothing is kept longer than the aliases on the way to it.
    assert!(keep <= Duration::from_secs(86_400));
    let Answer::Found { value, ttl } = answer else { return };
    assert_eq!(*ttl, keep);
    let bounded = match (kind, value) {
        (RecordType::A, Records::A(list)) => (1..=MAX_ADDRESSES).contains(&list.len()),
        (RecordType::AAAA, Records::Aaaa(list)) => (1..=MAX_ADDRESSES).contains(&list.len()),
        (RecordType::MX, Records::Mx(Mxs::Null)) => true,
        (RecordType::MX, Records::Mx(Mxs::Hosts(list))) => {
            list.is_sorted_by_key(|mx| mx.preference) && (1..=MAX_EXCHANGES).contains(&list.len())
        }
        (RecordType::TXT, Records::Txt(list)) => (1..=MAX_TEXTS).contains(&list.len()),
        (RecordType::PTR, Records::Ptr(list)) => (1..=MAX_NAMES).contains(&list.len()),
        other => panic!("an answer of another kind: {other:?}"),
    };
    assert!(bounded, "{value:?}");
    // What the cache counts stays within what a message of 64 KiB can hold, and some more for each value.
    assert!(value.weight() <= 3 * 65_536 + 32 * MAX_TEXTS);
}
