//! Where the operating system says no, and how much is asked of it. In processes of their own, which
//! are put under a limit before they start.

use std::path::Path;
use std::process::{Command, Output};

use super::{House, PREFIX, address, content, domain, record, sender, to_mailbox, uid};
use crate::{Acceptance, AccountId, Options, Outcome, Placed, Route, Store, StoreError};

const DIR: &str = "POSTERN_STORE_TEST_LIMITED";
const SIZE: &str = "POSTERN_STORE_TEST_SIZE";

/// Accepts messages until one fails, then tries some more, and checks that those which were durable are
/// there. Says `first error: …`, how much was accepted, and the memory used.
#[test]
#[ignore = "the child of the tests below"]
fn child() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let size: usize = std::env::var(SIZE).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = runtime.block_on(until_it_fails(Path::new(&dir), size));
    println!("{}", report.unwrap_or_else(|error| format!("first error: {error:?}")));
}

async fn until_it_fails(dir: &Path, size: usize) -> Result<String, StoreError> {
    let store = Store::open(dir, Options::default())?;
    store.add_domain(domain("example.test"), Route::Mailbox).await?;
    let anna = store.add_account(address("anna@example.test"), "hash".into()).await?;
    let before = memory();
    let (mut durable, mut errors) = (Vec::new(), Vec::new());
    for seed in 0..200 {
        match stream(&store, seed, size, anna).await {
            Ok(placed) => durable.push((seed, uid(placed))),
            Err(error) => errors.push(error),
        }
        if errors.len() == 5 || size > 1 << 20 {
            break;
        }
    }
    let inbox = store.mailbox(anna, "INBOX").await?.id;
    for &(seed, uid) in &durable {
        let mut reader = store.read(inbox, uid).await?;
        let (mut read, mut checksum) = (0, crc32fast::Hasher::new());
        while let Some(piece) = reader.next().await? {
            assert!(piece.len() <= 256 << 10);
            read += piece.len();
            checksum.update(&piece);
        }
        assert_eq!((read, checksum.finalize()), (PREFIX.len() + size, whole_checksum(seed, size)));
    }
    let grown = memory() - before;
    assert_eq!(store.list(inbox).await?.len(), durable.len(), "nothing that was refused is there");
    let error = errors.first().map(|error| format!("first error: {error:?}"));
    Ok(format!("{}; {} accepted; {grown} KB", error.unwrap_or_default(), durable.len()))
}

/// Pieces of one message's content.
fn pieces(seed: u64, size: usize) -> impl Iterator<Item = Vec<u8>> {
    const PIECE: usize = 50_000;
    let piece = content(seed, PIECE);
    (0..size).step_by(PIECE).map(move |done| piece[..PIECE.min(size - done)].to_vec())
}

async fn stream(store: &Store, seed: u64, size: usize, anna: AccountId) -> Result<Placed, StoreError> {
    let mut writer = store.body();
    for piece in pieces(seed, size) {
        writer.write(&piece).await?;
    }
    let (body, copies, record) = (writer.finish().await?, vec![to_mailbox(anna)], record(Outcome::Accepted));
    let durable = store.accept(Acceptance { sender: sender(), body, copies, record }).await?;
    Ok(durable.placed()[0])
}

fn whole_checksum(seed: u64, size: usize) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(PREFIX);
    pieces(seed, size).for_each(|piece| checksum.update(&piece));
    checksum.finalize()
}

/// The most memory this process has had, in KB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs the child below a shell command that sets the limit and ends with `exec "$@"`.
fn under(shell: &str, dir: &Path, size: usize) -> Output {
    let exe = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", shell, "sh"]).arg(exe);
    command.args(["tests::limits::child", "--exact", "--ignored", "--nocapture"]);
    command.env(DIR, dir).env(SIZE, size.to_string()).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn writes_that_fail_are_errors_and_what_was_durable_stays() {
    for size in [20_000, 3_000_000] {
        let dir = tempfile::tempdir().unwrap();
        // No file may grow beyond 1 MB (2 MB in some shells); the signal is ignored, so that writing fails instead.
        let said = said(&under(r#"trap "" XFSZ; ulimit -f 2000; exec "$@""#, &dir.path().join("data"), size));
        assert!(said.contains("first error: Io") || said.contains("first error: Full"), "{said}");
        let none = said.contains("; 0 accepted");
        assert_eq!(none, size > 1 << 20, "{said}");
    }
}

#[test]
fn a_full_disk_is_said_to_be_full() {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!(r#"mount -t tmpfs -o size=3m tmpfs {} && exec "$@""#, dir.path().display());
    let may_mount = Command::new("unshare").args(["-m", "true"]).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        eprintln!("skipped: only root may mount a small disk");
        return;
    }
    for size in [20_000, 400_000] {
        let shell = format!(r#"exec unshare -m sh -c '{mount}' sh "$@""#);
        let said = said(&under(&shell, &dir.path().join("data"), size));
        assert!(said.contains("first error: Full"), "{said}");
        assert!(!said.contains("; 0 accepted"), "{said}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_said_to_be_read_only() {
    let dir = tempfile::tempdir().unwrap();
    let closed = format!("chmod 0555 {0}; ", dir.path().display());
    let is_root =
        dir.path().metadata().is_ok_and(|metadata| std::os::unix::fs::MetadataExt::uid(&metadata) == 0);
    // Permissions do not bind root.
    let drop = if is_root {
        r#"exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@""#
    } else {
        r#"exec "$@""#
    };
    let output = under(&format!("{closed}{drop}"), &dir.path().join("data"), 1000);
    if is_root && !output.status.success() {
        eprintln!("skipped: cannot run as another user here: {}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    assert!(said(&output).contains("first error: ReadOnly"), "{}", said(&output));
}

#[test]
fn a_message_of_50_mb_takes_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let output = under(r#"exec "$@""#, &dir.path().join("data"), 50_000_000);
    let said = said(&output);
    let grown = said.split("; ").nth(2).and_then(|part| part.split(' ').next()).unwrap();
    let grown: u64 = grown.parse().unwrap();
    assert!(grown < 4 * 1024, "{grown} KB: {said}");
    assert!(said.contains("; 1 accepted"), "{said}");
}

#[tokio::test]
async fn the_log_does_not_grow_without_bound() {
    const LOG: u64 = 256 << 10;
    let house = House::with(Options { log_bytes: LOG, ..Options::default() }).await;
    let text = content(1, 200_000);
    // It begins anew again and again. How soon depends on how busy the machine is.
    let (mut before, mut begun_anew) = (0, 0);
    for _ in 0..500 {
        house.deliver(&text).await.unwrap();
        let now = house.store.stats().wal_bytes;
        begun_anew += u32::from(now < before);
        before = now;
        if begun_anew == 3 {
            break;
        }
    }
    assert_eq!(begun_anew, 3, "100 MB of mail, and {before} bytes of log");
    let path = house.data().join("postern.db-wal");
    house.store.close().await.unwrap();
    assert!(!path.exists() || path.metadata().unwrap().len() == 0, "closing leaves no log");
}

#[tokio::test]
async fn a_long_reader_delays_the_end_of_the_log_but_no_mail() {
    const LOG: u64 = 256 << 10;
    let house = House::with(Options { log_bytes: LOG, ..Options::default() }).await;
    let reader = rusqlite::Connection::open(house.data().join("postern.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM messages").unwrap();
    let text = content(1, 200_000);
    for _ in 0..15 {
        house.deliver(&text).await.unwrap();
    }
    let held = house.store.stats().wal_bytes;
    assert!(held > 8 * LOG, "{held}: nothing that the reader sees is overwritten");
    reader.execute_batch("COMMIT").unwrap();
    for _ in 0..100 {
        house.deliver(&text).await.unwrap();
        if house.store.stats().wal_bytes < held {
            return;
        }
    }
    panic!("the log never begins anew");
}
