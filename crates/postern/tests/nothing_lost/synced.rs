//! The order of system calls is the proof: body and log are synced before the 250 is written.

use postern_testnet::{SmtpPeer, fresh_address};

use crate::running::strace::{self, Call};
use crate::running::{House, mail};

/// What is traced: whatever writes to a file or a connection, and whatever syncs.
const CALLS: &str = "trace=fsync,fdatasync,sendto,sendmsg,write,writev,pwrite64,pwritev";
const WRITES: &[&str] = &["write", "writev", "pwrite64", "pwritev"];
const SENDS: &[&str] = &["sendto", "sendmsg", "write", "writev"];
const SYNCS: &[&str] = &["fsync", "fdatasync"];

/// The last write to the file before `line` was over when a sync of it began, which succeeded and
/// was over before `line`.
fn assert_synced(calls: &[Call], after: usize, file: &str, line: usize) {
    let before = |call: &&Call| call.began > after && call.began < line;
    let last = calls.iter().filter(before).rfind(|call| call.is(WRITES) && call.on(file));
    let last = last.unwrap_or_else(|| panic!("{file} was not written to"));
    let synced = |call: &Call| {
        call.is(SYNCS) && call.on(file) && call.began > last.ended && call.ended < line && call.result == 0
    };
    assert!(calls.iter().any(synced), "{file} was written to and not synced: {last:?}");
}

#[tokio::test]
async fn the_sync_comes_before_the_250() {
    if !strace::may_trace().await {
        return;
    }
    let mta = SmtpPeer::new().start(fresh_address()).await.unwrap();
    let behind = mta.address();
    let house = House::build(|plan| plan.behind.push(("behind.test".into(), behind))).await;
    let log = house.folder.path().join("calls");
    let trace = ["strace", "-D", "-f", "-y", "-s", "8192", "-e", CALLS, "-o", log.to_str().unwrap()];
    let mut server = house.start_under(&trace).await;
    let mut c = house.client().await;
    let both: &[&str] = &["ann@example.test", "dora@behind.test"];
    let (small, large, mixed) = ("small in a row", "large in a file", "mixed for both");
    for (what, to, size) in [(small, &both[..1], 2_000), (large, &both[..1], 300_000), (mixed, both, 3_000)] {
        c.send(&format!("MAIL FROM:<{}>", mail::SENDER)).await;
        c.expect("250 *").await;
        for to in to {
            c.send(&format!("RCPT TO:<{to}>")).await;
            c.expect("250 *").await;
        }
        c.send("DATA").await;
        c.expect("354 *").await;
        c.send_bytes(&mail::data(&mail::message(what, size))).await;
        c.expect("250 2.0.0 *").await;
    }
    c.send("QUIT").await;
    c.expect("221 *").await;
    assert!(server.stop().await.success(), "{}", server.log());

    let calls = strace::calls(&log);
    let said = |text: &str| -> Vec<usize> {
        let says = |call: &&Call| call.is(SENDS) && call.on_socket() && call.arguments.contains(text);
        calls.iter().filter(says).map(|call| call.began).collect()
    };
    let (asked, told) = (said("\"354 "), said("\"250 2.0.0 "));
    let [ask_small, ask_large, ask_mixed] = asked[..] else { panic!("{asked:?}") };
    let [tell_small, tell_large, tell_mixed] = told[..] else { panic!("{told:?}") };
    let log = "postern.db-wal";
    assert_synced(&calls, ask_small, log, tell_small);
    assert_synced(&calls, ask_large, log, tell_large);
    assert_synced(&calls, ask_mixed, log, tell_mixed);
    let body = |after: usize, before: usize| {
        let is_body = |call: &&Call| {
            call.is(WRITES)
                && call.arguments.contains("/data/bodies/")
                && (after..before).contains(&call.began)
        };
        let call = calls.iter().find(is_body).expect("a body is written to a file");
        call.arguments.split(['<', '>']).nth(1).unwrap().to_owned()
    };
    let file = body(ask_large, tell_large);
    assert_synced(&calls, ask_large, &file, tell_large);
    // The MTA behind gets the last dot only when our part is safe on our disk.
    let dots: Vec<usize> =
        said(".\\r\\n\", ").into_iter().filter(|line| (ask_mixed + 1..tell_mixed).contains(line)).collect();
    let [dot] = dots[..] else { panic!("{dots:?}") };
    assert_synced(&calls, ask_mixed, &body(ask_mixed, tell_mixed), dot);
}
