//! Load shedding: what to leave out when there is too much to do.
//!
//! Several inputs (sessions, the store's queue, memory, free disk) each have a mark at which
//! they enter a level and one, further away, at which they leave it, so that the level does
//! not flutter. The server's level is the worst of them. Under `Stressed` clients that dawdle
//! get less time; under `Shedding` new work is put off with 421 or 452, which costs the
//! sender a retry and loses nothing.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postern_types::{Blame, Refusal};
use tokio::sync::watch;

/// How much there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// As much as can be done.
    Normal,
    /// Much: timeouts are short.
    Stressed,
    /// Too much: new work is put off.
    Shedding,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Connections that are open.
    Sessions,
    /// Transactions that wait for the store.
    StoreQueue,
    /// Bytes of memory that the process takes.
    Memory,
    /// Bytes that are free on the store's disk: the less, the worse.
    FreeDisk,
}

/// All inputs, in the order of their numbers.
pub const INPUTS: [Input; 4] = [Input::Sessions, Input::StoreQueue, Input::Memory, Input::FreeDisk];

/// When an input enters a level and when it leaves it. Where `enter` is the larger one, more
/// is worse; where it is the smaller one, less is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// Reaching this, the level begins.
    pub enter: u64,
    /// Back at this, it ends.
    pub leave: u64,
}

/// The two bands of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Of [`Level::Stressed`].
    pub stressed: Band,
    /// Of [`Level::Shedding`].
    pub shedding: Band,
}

/// When there is too much to do. An input without marks does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Default: of 10,000, see [`Marks::of_capacity`].
    pub sessions: Option<Marks>,
    /// Default: of 1,024, which is what the store lets wait.
    pub store_queue: Option<Marks>,
    /// Default: none.
    pub memory: Option<Marks>,
    /// Default: stressed below 1 GiB, shedding below 256 MiB, each until half as much again is
    /// free.
    pub free_disk: Option<Marks>,
    /// How long a client may be silent under stress. Default 10 s, as Postfix's.
    pub stressed_timeout: Duration,
}

/// Knows how much there is to do. Clones share it.
#[derive(Clone)]
pub struct Pressure {
    inner: Arc<Inner>,
}

/// An input as it stands, for metrics and `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// Which.
    pub input: Input,
    /// What was last reported; `None` before the first time.
    pub value: Option<u64>,
    /// What that means.
    pub level: Level,
}

struct Inner {
    settings: Settings,
    /// The worst level of all, for the hot path.
    level: AtomicU8,
    gauges: Mutex<[Gauge; INPUTS.len()]>,
    /// Tells sessions that wait for a client when the level changes.
    changes: watch::Sender<Level>,
}

impl Marks {
    /// For something of which there is room for `capacity`: stressed from 80 % until 70 %,
    /// shedding from 95 % until 85 %.
    #[must_use]
    pub fn of_capacity(capacity: u64) -> Self {
        let percent = |n: u64| capacity / 100 * n + capacity % 100 * n / 100;
        Self {
            stressed: Band { enter: percent(80), leave: percent(70) },
            shedding: Band { enter: percent(95), leave: percent(85) },
        }
    }

    /// For something that should not become less than `least`: shedding below that, stressed
    /// below four times that, each until half as much again is there.
    #[must_use]
    pub fn of_reserve(least: u64) -> Self {
        let stressed = least.saturating_mul(4);
        Self {
            stressed: Band { enter: stressed, leave: stressed.saturating_add(stressed / 2) },
            shedding: Band { enter: least, leave: least.saturating_add(least / 2) },
        }
    }

    /// The level that follows on `before`. Exact hysteresis: a level that was entered is left
    /// only at its own `leave` mark.
    fn next(&self, before: Level, value: u64) -> Level {
        if self.shedding.holds(before >= Level::Shedding, value) {
            Level::Shedding
        } else if self.stressed.holds(before >= Level::Stressed, value) {
            Level::Stressed
        } else {
            Level::Normal
        }
    }
}

impl Band {
    /// Whether the level holds at `value`, given whether it did before.
    fn holds(&self, before: bool, value: u64) -> bool {
        match (self.enter >= self.leave, before) {
            (true, false) => value >= self.enter,
            (true, true) => value > self.leave,
            (false, false) => value <= self.enter,
            (false, true) => value < self.leave,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sessions: Some(Marks::of_capacity(10_000)),
            store_queue: Some(Marks::of_capacity(1_024)),
            memory: None,
            free_disk: Some(Marks::of_reserve(256 << 20)),
            stressed_timeout: Duration::from_secs(10),
        }
    }
}

impl Pressure {
    /// All is normal until something else is reported.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let gauges = INPUTS.map(|input| Gauge { input, value: None, level: Level::Normal });
        let level = AtomicU8::new(Level::Normal as u8);
        let changes = watch::Sender::new(Level::Normal);
        Self { inner: Arc::new(Inner { settings, level, gauges: Mutex::new(gauges), changes }) }
    }

    /// Reports what an input stands at. Returns the server's level.
    pub fn report(&self, input: Input, value: u64) -> Level {
        let mut gauges = self.inner.gauges();
        let gauge = &mut gauges[input as usize];
        gauge.value = Some(value);
        gauge.level = match self.inner.marks(input) {
            Some(marks) => marks.next(gauge.level, value),
            None => Level::Normal,
        };
        let worst = gauges.iter().map(|gauge| gauge.level).max().unwrap_or(Level::Normal);
        let before = self.inner.level.swap(worst as u8, Ordering::Relaxed);
        if before != worst as u8 {
            // Under the lock, so that the last one told is the last one set.
            self.inner.changes.send_replace(worst);
        }
        drop(gauges);
        if before != worst as u8 {
            tracing::warn!(%input, value, level = %worst, "load has changed");
        }
        worst
    }

    /// The server's level. An atomic load.
    #[must_use]
    pub fn level(&self) -> Level {
        match self.inner.level.load(Ordering::Relaxed) {
            0 => Level::Normal,
            1 => Level::Stressed,
            _ => Level::Shedding,
        }
    }

    /// Waits until the level is worse than `level`: whoever waits for a client has less time then.
    pub async fn worse_than(&self, level: Level) {
        let mut changes = self.inner.changes.subscribe();
        // An error means that nobody can report any more; we are somebody.
        let _ = changes.wait_for(|now| *now > level).await;
    }

    /// All inputs as they stand.
    #[must_use]
    pub fn gauges(&self) -> [Gauge; INPUTS.len()] {
        *self.inner.gauges()
    }

    /// How long a client may be silent: `normal`, or less when there is much to do.
    #[must_use]
    pub fn timeout(&self, normal: Duration) -> Duration {
        if self.level() == Level::Normal { normal } else { normal.min(self.inner.settings.stressed_timeout) }
    }

    /// What a new connection is told when it should come back later. A full disk is no reason:
    /// such a client may want to fetch and delete.
    #[must_use]
    pub fn refuse_connection(&self) -> Option<Refusal> {
        let input = self.shedding(&[Input::Sessions, Input::StoreQueue, Input::Memory])?;
        // rfc5321 §3.8, rfc3463: 4.3.2 system not accepting network messages
        let refusal = Refusal::new(Blame::Us, 421, (4, 3, 2), "too busy, please try again later");
        Some(refusal.because(format!("load shedding: {input}")).and_close())
    }

    /// What a new transaction is told when it should come back later. Sessions that are in go
    /// on, however many there are.
    #[must_use]
    pub fn refuse_mail(&self) -> Option<Refusal> {
        let input = self.shedding(&[Input::FreeDisk, Input::StoreQueue, Input::Memory])?;
        let refusal = match input {
            // rfc5321 §4.2.3: 452 insufficient system storage; rfc3463: 4.3.1 mail system full
            Input::FreeDisk => Refusal::new(Blame::Us, 452, (4, 3, 1), "insufficient system storage"),
            _ => Refusal::new(Blame::Us, 452, (4, 3, 2), "too busy, please try again later"),
        };
        Some(refusal.because(format!("load shedding: {input}")))
    }

    /// The first of the inputs that calls for shedding.
    fn shedding(&self, inputs: &[Input]) -> Option<Input> {
        if self.level() < Level::Shedding {
            return None;
        }
        let gauges = self.inner.gauges();
        inputs.iter().copied().find(|&input| gauges[input as usize].level == Level::Shedding)
    }
}

impl Inner {
    fn gauges(&self) -> MutexGuard<'_, [Gauge; INPUTS.len()]> {
        // Nothing panics while it is held.
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn marks(&self, input: Input) -> Option<&Marks> {
        match input {
            Input::Sessions => self.settings.sessions.as_ref(),
            Input::StoreQueue => self.settings.store_queue.as_ref(),
            Input::Memory => self.settings.memory.as_ref(),
            Input::FreeDisk => self.settings.free_disk.as_ref(),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normal",
            Self::Stressed => "stressed",
            Self::Shedding => "shedding",
        })
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sessions => "sessions",
            Self::StoreQueue => "store queue",
            Self::Memory => "memory",
            Self::FreeDisk => "free disk",
        })
    }
}

impl fmt::Debug for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pressure").field("level", &self.level()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pressure() -> Pressure {
        Pressure::new(Settings {
            sessions: Some(Marks::of_capacity(100)),
            free_disk: Some(Marks::of_reserve(1_000)),
            ..Settings::default()
        })
    }

    #[test]
    fn a_level_is_left_later_than_it_was_entered() {
        let pressure = pressure();
        for (sessions, level) in [
            (79, Level::Normal),
            (80, Level::Stressed),
            (71, Level::Stressed),
            (70, Level::Normal),
            (79, Level::Normal),
            (95, Level::Shedding),
            (86, Level::Shedding),
            (85, Level::Stressed),
            (94, Level::Stressed),
            (96, Level::Shedding),
            (0, Level::Normal),
        ] {
            assert_eq!(pressure.report(Input::Sessions, sessions), level, "at {sessions}");
            assert_eq!(pressure.level(), level);
        }
    }

    #[tokio::test]
    async fn whoever_waits_hears_of_stress() {
        let pressure = pressure();
        let waiting = tokio::spawn({
            let pressure = pressure.clone();
            async move { pressure.worse_than(Level::Normal).await }
        });
        pressure.report(Input::Sessions, 79);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        pressure.report(Input::Sessions, 80);
        waiting.await.unwrap();
        pressure.worse_than(Level::Normal).await;
    }

    #[test]
    fn of_free_disk_less_is_worse() {
        let pressure = pressure();
        for (free, level) in [
            (4_001, Level::Normal),
            (4_000, Level::Stressed),
            (5_999, Level::Stressed),
            (1_000, Level::Shedding),
            (1_499, Level::Shedding),
            (1_500, Level::Stressed),
            (6_000, Level::Normal),
        ] {
            assert_eq!(pressure.report(Input::FreeDisk, free), level, "at {free}");
        }
    }

    #[test]
    fn the_worst_input_counts_and_is_named() {
        let pressure = pressure();
        pressure.report(Input::FreeDisk, 10);
        assert_eq!(pressure.report(Input::Sessions, 1), Level::Shedding);
        assert!(pressure.refuse_connection().is_none(), "a full disk keeps nobody from fetching mail");
        let refusal = pressure.refuse_mail().unwrap();
        assert_eq!(refusal.reply.to_string(), "452 4.3.1 insufficient system storage");
        assert_eq!(refusal.cause, "load shedding: free disk");

        pressure.report(Input::FreeDisk, 1 << 40);
        pressure.report(Input::Sessions, 99);
        assert!(pressure.refuse_mail().is_none(), "those who are in go on");
        let refusal = pressure.refuse_connection().unwrap();
        assert_eq!(refusal.reply.to_string(), "421 4.3.2 too busy, please try again later");
        assert!(refusal.closes);
    }

    #[test]
    fn stress_shortens_timeouts() {
        let pressure = pressure();
        let (five_minutes, second) = (Duration::from_secs(300), Duration::from_secs(1));
        assert_eq!(pressure.timeout(five_minutes), five_minutes);
        pressure.report(Input::Sessions, 80);
        assert_eq!(pressure.timeout(five_minutes), Duration::from_secs(10));
        assert_eq!(pressure.timeout(second), second);
    }

    #[test]
    fn an_input_without_marks_is_only_shown() {
        let pressure = pressure();
        assert_eq!(pressure.report(Input::Memory, u64::MAX), Level::Normal);
        assert_eq!(pressure.gauges()[Input::Memory as usize].value, Some(u64::MAX));
    }

    proptest! {
        /// Between the two marks of a band nothing changes, from wherever one comes.
        #[test]
        fn nothing_flutters(start in 0..120_u64, between in prop::collection::vec(71..=79_u64, 1..20)) {
            let pressure = pressure();
            pressure.report(Input::Sessions, start);
            let level = pressure.report(Input::Sessions, between[0]);
            for sessions in between {
                prop_assert_eq!(pressure.report(Input::Sessions, sessions), level);
            }
        }

        /// A higher load from the same state never means a lower level.
        #[test]
        fn more_is_never_better(before in 0..120_u64, a in 0..120_u64, b in 0..120_u64) {
            let level_at = |value| {
                let pressure = pressure();
                pressure.report(Input::Sessions, before);
                pressure.report(Input::Sessions, value)
            };
            prop_assert!(level_at(a.min(b)) <= level_at(a.max(b)));
        }
    }
}
