//! Processor time and memory of processes, from the kernel's own books.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Clock ticks per second in /proc: fixed on every Linux that Rust's standard library supports.
const TICKS: f64 = 100.0;

/// A new group below the cgroup v2 file system, where there is one that we may write to.
pub(super) fn new_group(name: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words.get(2) == Some(&"cgroup2")).then(|| words[1].to_owned())
    })?;
    let group = Path::new(&mount).join(name);
    fs::create_dir(&group).ok()?;
    group.join("cpu.stat").exists().then_some(group)
}

pub(super) fn group_cpu(group: &Path) -> Duration {
    let text = fs::read_to_string(group.join("cpu.stat")).unwrap_or_default();
    let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
    Duration::from_micros(micros.unwrap_or(0))
}

pub(super) fn group_processes(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Kills what is left in the group (only processes that were started in it) and removes it.
pub(super) fn end_group(group: &Path) {
    let _ = fs::write(group.join("cgroup.kill"), "1");
    for _ in 0..100 {
        if fs::remove_dir(group).is_ok() || !group.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes below these, themselves included.
pub(super) fn tree(roots: &[u32]) -> Vec<u32> {
    let parents: BTreeMap<u32, u32> = all().into_iter().map(|process| (process.id, process.parent)).collect();
    let below = |mut id: u32| loop {
        if roots.contains(&id) {
            return true;
        }
        match parents.get(&id) {
            Some(&parent) if parent != id => id = parent,
            _ => return false,
        }
    };
    parents.keys().copied().filter(|&id| below(id)).collect()
}

/// The time of the processes below these, and of those that ended and were waited for.
pub(super) fn tree_cpu(roots: &[u32]) -> Duration {
    let wanted = tree(roots);
    let ticks =
        all().iter().filter(|process| wanted.contains(&process.id)).map(|process| process.ticks).sum::<u64>();
    seconds(ticks)
}

/// Our own time, with that of the children that we waited for: the load.
pub(super) fn own_cpu() -> Duration {
    let id = std::process::id();
    let ticks = all().iter().find(|process| process.id == id).map_or(0, |process| process.ticks);
    seconds(ticks)
}

/// The time that the machine was busy, by whomever.
pub(super) fn machine_cpu() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let numbers: Vec<u64> = first.split_whitespace().skip(1).take(8).filter_map(|n| n.parse().ok()).collect();
    let idle: u64 = numbers.iter().skip(3).take(2).sum();
    seconds(numbers.iter().sum::<u64>() - idle)
}

/// PSS in KiB; 0 for a process that is gone.
pub(super) fn pss(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

struct Process {
    id: u32,
    parent: u32,
    ticks: u64,
}

fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// proc(5): behind the name in brackets come state, parent, …; 14 to 17 are the times.
fn process(id: u32) -> Option<Process> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let times = fields.get(11..15)?.iter().filter_map(|time| time.parse::<u64>().ok());
    Some(Process { id, parent: fields.get(1)?.parse().ok()?, ticks: times.sum() })
}

#[allow(clippy::cast_precision_loss, reason = "ticks of a bench stay far below 2^52")]
fn seconds(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / TICKS)
}
