//! The results as Markdown, for BENCHMARKS.md.

use std::collections::BTreeMap;

use super::measure::Cost;

/// One run of one test with one peer.
pub(super) struct Run {
    pub(super) test: &'static str,
    pub(super) peer: &'static str,
    pub(super) messages: usize,
    /// When the last message was accepted; the whole time is in the cost.
    pub(super) accepted_in: f64,
    pub(super) cost: Cost,
}

/// The medians of all runs, Postern's last in each test, with its ratio to the peer before it.
#[allow(clippy::cast_precision_loss, reason = "counts of a bench stay far below 2^52")]
pub(super) fn of(runs: &[Run]) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&Run>> = BTreeMap::new();
    let mut order = Vec::new();
    for run in runs {
        let key = (run.test, run.peer);
        groups.entry(key).or_default().push(run);
        if !order.contains(&key) {
            order.push(key);
        }
    }
    let mut lines = vec![
        "| test | server | accepted/s | done/s (min–max) | CPU ms each | peak PSS MB | load CPU ms each | others' cores | runs |".to_owned(),
        "|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let mut before: Option<(&str, f64, f64)> = None;
    for key in order {
        let runs = &groups[&key];
        let all = |value: &dyn Fn(&Run) -> f64| runs.iter().map(|run| value(run)).collect::<Vec<_>>();
        let rates = all(&|run| run.messages as f64 / run.cost.seconds);
        let cpu = median(all(&|run| run.cost.cpu * 1000.0 / run.messages as f64));
        let rate = median(rates.clone());
        let (low, high) =
            (rates.iter().copied().fold(f64::MAX, f64::min), rates.iter().copied().fold(0.0, f64::max));
        let ratio = match before {
            Some((test, r, c)) if test == key.0 && key.1.starts_with("Postern") => {
                format!(" **(rate ×{:.1}, CPU ÷{:.1})**", rate / r, c / cpu)
            }
            _ => String::new(),
        };
        lines.push(format!(
            "| {} | {}{ratio} | {:.0} | {rate:.0} ({low:.0}–{high:.0}) | {cpu:.3} | {:.1} | {:.3} | {:.2} | {} |",
            key.0,
            key.1,
            median(all(&|run| run.messages as f64 / run.accepted_in)),
            median(all(&|run| run.cost.peak as f64)) / 1024.0,
            median(all(&|run| run.cost.load_cpu * 1000.0 / run.messages as f64)),
            median(all(&|run| run.cost.others)),
            runs.len(),
        ));
        before = Some((key.0, rate, cpu));
    }
    lines.join("\n")
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
