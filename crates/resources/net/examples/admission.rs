//! What a connection costs at the door: `cargo run --release -p postern-net --example admission`.

#![allow(clippy::print_stdout, reason = "prints its figures")]

use std::net::IpAddr;
use std::time::Instant;

use postern_net::limit::{Admission, Settings};
use postern_net::pressure::{Input, Pressure};

const ROUNDS: u32 = 1_000_000;

fn main() {
    let settings = Settings { per_minute: 60, ..Settings::default() };
    let admission = Admission::new(settings);
    // Thousands that are in, as on a busy server.
    let now = Instant::now();
    let _inside: Vec<_> =
        (0..5_000_u32).filter_map(|n| admission.admit(address(n.wrapping_mul(977)), now).ok()).collect();
    let (mut let_in, start) = (0, Instant::now());
    for n in 0..ROUNDS {
        let_in += u32::from(admission.admit(address(n.wrapping_mul(7_919)), start).is_ok());
    }
    let each = start.elapsed() / ROUNDS;
    println!("admit and leave: {each:?} each, {let_in} of {ROUNDS} let in, {:?}", admission.refused());

    let pressure = Pressure::new(postern_net::pressure::Settings::default());
    let start = Instant::now();
    for n in 0..ROUNDS {
        pressure.report(Input::Sessions, u64::from(n % 100));
    }
    println!("report and judge the load: {:?} each", start.elapsed() / ROUNDS);
}

fn address(n: u32) -> IpAddr {
    IpAddr::V4(n.into())
}
