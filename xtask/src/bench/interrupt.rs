//! Ctrl-C, or SIGTERM: the peers of the bench end before it does, and nothing else does.

use std::thread;

use nix::sys::signal::{SigSet, Signal};

use super::peer::end_all;
use crate::Failure;

/// From here on a signal ends the peers that there are, then this process. To be called before other threads begin,
/// for they inherit what is blocked; programs that are started do not.
pub(super) fn prepare() -> Result<(), Failure> {
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    signals.thread_block().map_err(|error| format!("signals: {error}"))?;
    thread::spawn(move || {
        // It fails only for a set that holds no signal.
        let signal = signals.wait().unwrap_or(Signal::SIGTERM);
        eprintln!("{signal}: ending what was started");
        end_all();
        // As the shell has it: 128 and the signal's number.
        std::process::exit(128 + signal as i32);
    });
    Ok(())
}
