//! Writes the labelled sample: `cargo run -p postern-dialup --example make_names > data/names.csv`.

mod generate;
mod patterns;

use std::io::Write;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(generate::sample().as_bytes())
}
