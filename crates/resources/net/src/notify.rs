//! What systemd is told (sd_notify(3)). Does nothing when systemd did not start the process.

use std::time::Duration;

use sd_notify::NotifyState;

/// The ports are open and mail is taken.
pub fn ready() {
    say(&[NotifyState::Ready]);
}

/// The process is finishing, and may take so long for it.
pub fn stopping(grace: Duration) {
    let micros = u32::try_from(grace.as_micros()).unwrap_or(u32::MAX);
    say(&[NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(micros)]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    // One datagram is a list of lines: a line break would begin another variable.
    say(&[NotifyState::Status(&line.replace(char::is_control, " "))]);
}

/// How often systemd wants to hear from us (`WatchdogSec=`); half of that is due.
#[must_use]
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / 2)
}

/// Tells systemd that the runtime still turns, for ever; returns at once if it does not care.
pub async fn watchdog() {
    let Some(every) = watchdog_interval() else { return };
    let mut ticks = tokio::time::interval(every);
    loop {
        ticks.tick().await;
        say(&[NotifyState::Watchdog]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell systemd");
    }
}
