//! What an answer from memory costs: `cargo run --release -p postern-dns --example cached`.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "prints its figures")]

use std::net::Ipv4Addr;
use std::time::Instant;

use postern_dns::{Dns, Servers, Settings};
use postern_testnet::{DnsServer, Zone};
use postern_types::Domain;

const NAMES: usize = 1_000;
const ROUNDS: u32 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = DnsServer::start().await.unwrap();
    let mut zone = Zone::new("example.test").mx(10, "host0");
    for n in 0..NAMES {
        zone = zone.a(&format!("host{n}"), Ipv4Addr::LOCALHOST);
    }
    server.add(zone);
    let servers = Servers::List(vec![server.address()]);
    let dns = Dns::new(Settings { servers, ..Settings::default() }).unwrap();
    let names: Vec<Domain> =
        (0..NAMES).map(|n| Domain::parse(&format!("host{n}.example.test")).unwrap()).collect();

    let start = Instant::now();
    for name in &names {
        assert!(dns.a(name).await.is_found());
    }
    println!("asked, one after the other: {:?} each", start.elapsed() / NAMES as u32);

    let start = Instant::now();
    for _ in 0..ROUNDS {
        for name in &names {
            assert!(dns.a(name).await.is_found());
        }
    }
    println!("from memory: {:?} each", start.elapsed() / (ROUNDS * NAMES as u32));
    println!("{:?}", dns.counts());
}
