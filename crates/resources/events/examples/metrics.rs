//! Prints `docs/metrics.md`: `cargo run -p postern-events --example metrics > docs/metrics.md`.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

fn main() {
    print!("{}", postern_events::Metrics::reference());
}
