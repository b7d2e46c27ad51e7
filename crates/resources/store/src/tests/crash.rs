//! Killed at any moment, nothing that was said to be durable is lost: proved in processes of their own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use postern_types::{Timestamp, TraceId};

use super::{House, IDS, body_files, content, record, sender, to_mailbox, whole};
use crate::{Acceptance, Options, Outcome, Store, TraceRecord};

const DIR: &str = "POSTERN_STORE_TEST_DIR";
const SESSIONS: &str = "POSTERN_STORE_TEST_SESSIONS";
const MESSAGES: &str = "POSTERN_STORE_TEST_MESSAGES";

/// Every seventh body goes to a file.
fn size(id: TraceId) -> usize {
    if id.to_i64() % 7 == 0 { 280_000 } else { 3_000 }
}

fn text(id: TraceId) -> Vec<u8> {
    content(id.to_i64().cast_unsigned(), size(id))
}

/// Accepts messages and prints the trace id of each, when it is durable.
#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let number = |name: &str| std::env::var(name).unwrap().parse::<usize>().unwrap();
    let (sessions, messages) = (number(SESSIONS), number(MESSAGES));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&dir), Options::default()).unwrap();
        let anna = store.account(super::address("anna@example.test")).await.unwrap().unwrap().id;
        let mut tasks = Vec::new();
        for _ in 0..sessions {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                for _ in 0..messages {
                    let record = TraceRecord { id: IDS.next(Timestamp::now()), ..record(Outcome::Accepted) };
                    let body = super::body(&store, &text(record.id)).await.unwrap();
                    let copies = vec![to_mailbox(anna)];
                    let acceptance = Acceptance { sender: sender(), body, copies, record };
                    let durable = store.accept(acceptance).await.unwrap();
                    let mut out = std::io::stdout().lock();
                    out.write_all(format!("durable {}\n", durable.trace()).as_bytes()).unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

fn child_command(data: &Path, sessions: usize, messages: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["tests::crash::child", "--exact", "--ignored", "--nocapture"]);
    with_environment(&mut command, data, sessions, messages);
    command
}

fn with_environment(command: &mut Command, data: &Path, sessions: usize, messages: usize) {
    command.env(DIR, data).env(SESSIONS, sessions.to_string()).env(MESSAGES, messages.to_string());
    command.stdout(Stdio::piped());
}

/// Lets the child print some ids, kills it, and returns all that it printed.
fn kill_after(child: &mut Child, lines: usize) -> Vec<TraceId> {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut printed = Vec::new();
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).unwrap() > 0 {
        // A line without its end was cut off by the kill.
        let text = String::from_utf8_lossy(&line);
        if let Some(id) = text.strip_suffix('\n').and_then(|text| text.split("durable ").nth(1)) {
            printed.push(TraceId::parse(id).unwrap());
        }
        if printed.len() == lines {
            child.kill().unwrap();
        }
        line.clear();
    }
    assert!(!child.wait().unwrap().success(), "the child was to be killed");
    printed
}

#[tokio::test]
async fn whatever_was_durable_survives_sigkill_exactly_once() {
    let house = House::new().await;
    let (data, anna, House { dir: _dir, store, .. }) = (house.data(), house.anna, house);
    store.close().await.unwrap();
    let mut durable = Vec::new();
    let mut random = std::process::id();
    for round in 0..8 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut child = child_command(&data, 8, 100_000).spawn().unwrap();
        let printed = kill_after(&mut child, 1 + (random >> 25) as usize);
        assert!(!printed.is_empty(), "round {round}");
        durable.extend(printed);
    }
    let store = Store::open(&data, Options::default()).unwrap();
    let inbox = store.mailbox(anna, "INBOX").await.unwrap().id;
    let mut found: HashMap<TraceId, u32> = HashMap::new();
    let mut files = 0;
    for entry in store.list(inbox).await.unwrap() {
        *found.entry(entry.trace).or_default() += 1;
        files += usize::from(size(entry.trace) > 256 << 10);
        // Also what was stored without anybody having been told is whole.
        let read = store.read(inbox, entry.uid).await.unwrap().read_all().await.unwrap();
        assert!(read == whole(&text(entry.trace)), "the body of {} has changed", entry.trace);
        assert_eq!(store.trace(entry.trace).await.unwrap().outcome, Outcome::Accepted);
    }
    for id in &durable {
        assert_eq!(found.get(id), Some(&1), "{id}, of {} durable ones", durable.len());
    }
    assert_eq!(body_files(&data), files, "no file is left over");
}

/// The order of system calls is the proof: between two lines that say `durable`, the log was synced.
#[tokio::test]
async fn the_log_is_synced_before_anybody_is_told() {
    let probe = Command::new("strace").args(["-e", "trace=none", "true"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: strace is not installed, or may not trace here");
        return;
    }
    let house = House::new().await;
    let (data, House { dir, store, .. }) = (house.data(), house);
    store.close().await.unwrap();
    let log = dir.path().join("calls");
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-s", "64", "-e", "trace=write,pwrite64,fsync,fdatasync", "-o"]).arg(&log);
    command.arg(std::env::current_exe().unwrap());
    command.args(["tests::crash::child", "--exact", "--ignored", "--nocapture"]);
    with_environment(&mut command, &data, 1, 20);
    assert!(command.output().unwrap().status.success());

    let calls = std::fs::read_to_string(&log).unwrap();
    let (mut written, mut synced, mut told) = (false, false, 0);
    for call in calls.lines() {
        let is_log = call.contains("postern.db-wal>");
        if is_log && call.contains("pwrite64(") {
            (written, synced) = (true, false);
        }
        // strace prints an unfinished call and its end on lines of their own when threads interleave.
        if is_log && (call.contains("fdatasync(") || call.contains("fsync(")) {
            assert!(!call.contains("= -1"), "{call}");
            synced = written;
        }
        if call.contains("write(1<") && call.contains("\"durable ") {
            assert!(synced, "told before the sync, message {told}: {call}");
            (written, synced) = (false, false);
            told += 1;
        }
    }
    assert_eq!(told, 20, "every message was told about");
}
