//! Whether standard error is the systemd journal (systemd.exec(5), `$JOURNAL_STREAM`).

use std::os::unix::fs::MetadataExt;

/// The journal's stream is named by device and inode; the variable alone is inherited by
/// children whose standard error goes elsewhere.
pub(super) fn is_stderr() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let Ok(stderr) = std::fs::metadata("/dev/stderr") else { return false };
    names(&stream, stderr.dev(), stderr.ino())
}

fn names(stream: &str, device: u64, inode: u64) -> bool {
    stream.split_once(':').is_some_and(|(dev, ino)| {
        dev.parse::<u64>().is_ok_and(|dev| dev == device) && ino.parse::<u64>().is_ok_and(|ino| ino == inode)
    })
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_stream_is_known_by_device_and_inode() {
        assert!(names("8:12345", 8, 12345));
        for other in ["8:12346", "9:12345", "8", "", "8:x"] {
            assert!(!names(other, 8, 12345), "{other}");
        }
    }
}
