//! What follows from a host's history: a pure function.

use std::time::Duration;

use postern_types::Timestamp;

use crate::Settings;

/// What is remembered of a host. The sums are those of `at`, and decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// Of when the sums are.
    pub at: Timestamp,
    /// The weight of its strikes, in ordinary ones.
    pub strikes: f64,
    /// Its clean messages.
    pub clean: f64,
    /// How far its blocks have grown: one for each.
    pub level: f64,
    /// Until when it is blocked.
    pub banned_until: Timestamp,
    /// Until when one more strike is enough.
    pub parole_until: Timestamp,
}

/// What is new about a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// The weight of new strikes, in ordinary ones.
    pub strikes: f64,
    /// New clean messages.
    pub clean: u32,
}

/// Who is behind a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// One sender, as far as is known.
    Own,
    /// Many senders: a provider, a network behind one address. Blocking it stops honest mail too.
    Shared,
    /// The operator lets it in whatever it does.
    Exempt,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing changes.
    Nothing,
    /// It is blocked until then.
    Block {
        /// The end.
        until: Timestamp,
    },
}

/// The strikes that a shared host is allowed more, as a factor.
const SHARED_FACTOR: f64 = 4.0;
/// Each block is so many times as long as the one before.
const GROWTH: f64 = 4.0;
/// Blocks are forgotten so many times more slowly than strikes.
const LEVEL_LIFE: u32 = 30;
/// Parole after a block is so many times as long as the block …
const PAROLE_FACTOR: u32 = 4;
/// … and at least this long.
const PAROLE_MIN: Duration = Duration::from_secs(86_400);
/// A clean message takes so much of a strike away, and the last half of what parole is left.
const CLEAN_WORTH: f64 = 0.1;

impl History {
    /// Of a host that was never seen.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self { at: now, strikes: 0.0, clean: 0.0, level: 0.0, banned_until: now, parole_until: now }
    }

    /// The same, with what has decayed by `now`.
    #[must_use]
    pub fn at(self, now: Timestamp, settings: &Settings) -> Self {
        // A clock that went back lets nothing grow.
        let passed = now.since(self.at);
        let left = |value: f64, half_life: Duration| sane(value) * halves(passed, half_life);
        Self {
            at: now.max(self.at),
            strikes: left(self.strikes, settings.half_life),
            clean: left(self.clean, settings.half_life),
            level: left(self.level, settings.half_life.saturating_mul(LEVEL_LIFE)),
            ..self
        }
    }
}

/// What is remembered from now on, and what follows.
///
/// - Strikes below the threshold block nobody; on parole, one ordinary strike does.
/// - A block is `first` long, each further one four times the last, `max` at most; the growth is forgotten
///   thirty times more slowly than strikes.
/// - While a block holds, nothing makes it longer: what comes in then was on its way before.
/// - Clean messages never bring a block; each takes a tenth of a strike away and halves the parole.
/// - A shared host needs four times the strikes, has no parole and no growth, and is blocked for
///   `max_shared` at most. An exempt one is never blocked.
#[must_use]
pub fn decide(
    history: &History,
    seen: Seen,
    share: Share,
    now: Timestamp,
    settings: &Settings,
) -> (History, Decision) {
    let mut next = history.at(now, settings);
    let now = next.at;
    let (strikes, clean) = (sane(seen.strikes), f64::from(seen.clean));
    next.clean += clean;
    next.strikes = (next.strikes - CLEAN_WORTH * clean).max(0.0) + strikes;
    if next.parole_until > now {
        let left = next.parole_until.since(now).mul_f64(0.5_f64.powf(clean.min(64.0)));
        next.parole_until = now.plus(left);
    }
    let banned = next.banned_until > now;
    let paroled = next.parole_until > now && share == Share::Own;
    // Half a strike less, so that strikes some hours apart count as what they are.
    let threshold = f64::from(settings.after.max(1)) - 0.5;
    let enough = match share {
        Share::Exempt => false,
        Share::Shared => next.strikes >= threshold * SHARED_FACTOR,
        Share::Own => next.strikes >= threshold || (paroled && strikes >= 1.0),
    };
    if strikes <= 0.0 || banned || !enough {
        return (next, Decision::Nothing);
    }
    let length = match share {
        Share::Own => {
            let grown = settings.first.as_secs_f64() * GROWTH.powf(next.level.round().clamp(0.0, 32.0));
            settings.max.min(Duration::try_from_secs_f64(grown).unwrap_or(settings.max))
        }
        Share::Shared | Share::Exempt => settings.first.min(settings.max_shared),
    };
    next.banned_until = now.plus(length);
    // What brought the block is paid with it; what comes after it counts anew.
    next.strikes = 0.0;
    if share == Share::Own {
        next.level += 1.0;
        let parole = length.saturating_mul(PAROLE_FACTOR).max(PAROLE_MIN);
        next.parole_until = next.banned_until.plus(parole);
    }
    (next, Decision::Block { until: next.banned_until })
}

/// What is left of one after `passed`.
fn halves(passed: Duration, half_life: Duration) -> f64 {
    let half_life = half_life.as_secs_f64().max(1.0);
    0.5_f64.powf(passed.as_secs_f64() / half_life)
}

/// Whatever was read from a disk: never negative, endless or no number.
fn sane(value: f64) -> f64 {
    if value.is_finite() { value.clamp(0.0, 1e9) } else { 0.0 }
}
