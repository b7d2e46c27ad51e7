//! What holds for every history: nobody is blocked for nothing, for longer than is allowed, or for clean mail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::time::Duration;

use postern_feedback::{Decision, History, Seen, Settings, Share, decide};
use postern_types::Timestamp;
use proptest::prelude::*;

const START: i64 = 1_800_000_000_000;

/// One thing that happens, so many seconds after the last.
#[derive(Clone, Copy, Debug)]
struct Step {
    after: u32,
    seen: Seen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let strikes = prop_oneof![Just(0.0), Just(1.0), Just(1.5), 0.0..5.0];
    let step = (0..400_000_u32, strikes, 0..4_u32);
    let step = step.prop_map(|(after, strikes, clean)| Step { after, seen: Seen { strikes, clean } });
    prop::collection::vec(step, 1..40)
}

fn settings() -> impl Strategy<Value = Settings> {
    (1..6_u32, 60..200_000_u64, 10..10_000_u64, 10_000..1_000_000_u64, 1..2_000_u64).prop_map(
        |(after, half_life, first, max, shared)| Settings {
            after,
            half_life: Duration::from_secs(half_life),
            first: Duration::from_secs(first),
            max: Duration::from_secs(max),
            max_shared: Duration::from_secs(shared),
        },
    )
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Goes through the steps; `look` sees each with the history before and after it.
fn live(
    steps: &[Step],
    share: Share,
    settings: &Settings,
    mut look: impl FnMut(Timestamp, &Step, History, History, Decision),
) {
    let mut now = START;
    let mut history = History::new(at(now));
    for step in steps {
        now += i64::from(step.after) * 1000;
        let (next, decision) = decide(&history, step.seen, share, at(now), settings);
        look(at(now), step, history, next, decision);
        history = next;
    }
}

proptest! {
    #[test]
    fn who_is_exempt_is_never_blocked(steps in steps(), settings in settings()) {
        live(&steps, Share::Exempt, &settings, |_, _, _, _, decision| assert_eq!(decision, Decision::Nothing));
    }

    #[test]
    fn a_block_has_its_bounds(steps in steps(), settings in settings(), shared in any::<bool>()) {
        let share = if shared { Share::Shared } else { Share::Own };
        live(&steps, share, &settings, |now, step, before, after, decision| {
            if let Decision::Block { until } = decision {
                assert!(step.seen.strikes > 0.0, "only a strike brings a block");
                assert!(before.banned_until <= now, "a block is never made longer");
                let (length, longest) = (until.since(now), if shared { settings.max_shared } else { settings.max });
                assert!(length <= longest, "{length:?} > {longest:?}");
                assert!(shared || length >= settings.first.min(settings.max));
                assert_eq!(after.banned_until, until);
            }
        });
    }

    /// Whatever happens is no number out of bounds.
    #[test]
    fn sums_stay_sums(steps in steps(), settings in settings()) {
        live(&steps, Share::Own, &settings, |_, _, _, after, _| {
            for sum in [after.strikes, after.clean, after.level] {
                assert!(sum.is_finite() && sum >= 0.0);
            }
        });
    }

    /// A first block takes as many strikes as the setting says, less half a one.
    #[test]
    fn nobody_is_blocked_for_little(steps in steps(), settings in settings()) {
        let mut total = 0.0;
        let mut blocked = false;
        live(&steps, Share::Own, &settings, |_, step, _, _, decision| {
            total += step.seen.strikes;
            if decision != Decision::Nothing && !blocked {
                blocked = true;
                assert!(total >= f64::from(settings.after) - 0.5, "{total}");
            }
        });
    }

    /// The same again with more strikes at one step: the first block comes no later.
    #[test]
    fn more_strikes_never_help(steps in steps(), settings in settings(), which in any::<prop::sample::Index>()) {
        let first = |steps: &[Step]| {
            let mut first = None;
            live(steps, Share::Own, &settings, |now, _, _, _, decision| {
                if decision != Decision::Nothing { first = first.or(Some(now)); }
            });
            first
        };
        let mut worse = steps.clone();
        let step = &mut worse[which.index(steps.len())];
        step.seen.strikes += 1.0;
        if let Some(before) = first(&steps) {
            prop_assert!(first(&worse).is_some_and(|after| after <= before));
        }
    }

    /// Clean mail never brings a first block sooner, and never lengthens a parole.
    #[test]
    fn clean_mail_never_hurts(steps in steps(), settings in settings(), which in any::<prop::sample::Index>()) {
        let first = |steps: &[Step]| {
            let mut first = None;
            live(steps, Share::Own, &settings, |now, _, _, _, decision| {
                if decision != Decision::Nothing { first = first.or(Some(now)); }
            });
            first
        };
        let mut better = steps.clone();
        better[which.index(steps.len())].seen.clean += 3;
        if let Some(after) = first(&better) {
            prop_assert!(first(&steps).is_some_and(|before| before <= after));
        }
        live(&steps, Share::Own, &settings, |_, step, before, after, decision| {
            if decision == Decision::Nothing && step.seen.clean > 0 {
                assert!(after.parole_until <= before.parole_until.max(after.at));
            }
        });
    }

    /// Old strikes count less, and in the end for nothing.
    #[test]
    fn strikes_decay(strikes in 0.0..100.0_f64, settings in settings(), lives in 0..60_u32) {
        let history = History { strikes, ..History::new(at(START)) };
        let later = at(START).plus(settings.half_life * lives);
        let left = history.at(later, &settings).strikes;
        prop_assert!((left - strikes * 0.5_f64.powi(i32::try_from(lives).unwrap())).abs() < 1e-6);
        let earlier = history.at(at(START - 1_000_000), &settings);
        prop_assert!(earlier.strikes <= strikes, "a clock that goes back makes nothing grow");
    }
}

fn strike() -> Seen {
    Seen { strikes: 1.0, clean: 0 }
}

const HOUR: i64 = 3_600_000;

fn until(decision: Decision) -> i64 {
    match decision {
        Decision::Block { until } => (until.as_millis() - START) / HOUR,
        Decision::Nothing => panic!("no block"),
    }
}

#[test]
fn the_life_of_a_host_that_does_not_learn() {
    let settings = Settings::default();
    let mut host = History::new(at(START));
    let mut step = |hours: i64, seen| {
        let (next, decision) = decide(&host, seen, Share::Own, at(START + hours * HOUR), &settings);
        host = next;
        decision
    };
    assert_eq!(step(0, strike()), Decision::Nothing);
    assert_eq!(step(1, strike()), Decision::Nothing);
    assert_eq!(until(step(2, strike())), 3, "the third: an hour");
    assert_eq!(step(2, strike()), Decision::Nothing, "it was on its way");
    // On parole one is enough, and the block is four times as long; and again.
    assert_eq!(until(step(5, strike())), 9);
    assert_eq!(until(step(20, strike())), 36);
    assert_eq!(until(step(40, strike())), 104);
    assert_eq!(until(step(110, strike())), 110 + 7 * 24, "a week at most");
    // Long after, it begins with three again; how far it has been is not forgotten so soon.
    assert_eq!(step(110 + 24 * 60, strike()), Decision::Nothing);
}

#[test]
fn clean_mail_ends_a_parole() {
    let settings = Settings::default();
    let caught = Seen { strikes: 3.0, clean: 0 };
    let (host, decision) = decide(&History::new(at(START)), caught, Share::Own, at(START), &settings);
    assert_eq!(until(decision), 1);
    let clean = Seen { strikes: 0.0, clean: 10 };
    let (host, _) = decide(&host, clean, Share::Own, at(START + 2 * HOUR), &settings);
    assert!(host.parole_until.as_millis() < START + 3 * HOUR);
    let (_, decision) = decide(&host, strike(), Share::Own, at(START + 3 * HOUR), &settings);
    assert_eq!(decision, Decision::Nothing, "it begins anew");
}

#[test]
fn a_shared_host_needs_much_more_and_is_soon_back() {
    let settings = Settings::default();
    let mut host = History::new(at(START));
    for n in 0..10 {
        let (next, decision) = decide(&host, strike(), Share::Shared, at(START + n), &settings);
        assert_eq!(decision, Decision::Nothing, "{n}");
        host = next;
    }
    let (host, decision) = decide(&host, strike(), Share::Shared, at(START + 10), &settings);
    assert_eq!(decision, Decision::Block { until: at(START + 10).plus(settings.max_shared) });
    let (_, decision) = decide(&host, strike(), Share::Shared, at(START + HOUR), &settings);
    assert_eq!(decision, Decision::Nothing, "no parole");
}
