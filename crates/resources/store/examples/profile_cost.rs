//! What the question of each RCPT costs: `cargo run --release -p postern-store --example profile_cost`.
//!
//! Prints microseconds for a store without profiles and lists, and for one with 1,000 recipients who know
//! 200 correspondents each.

use std::time::Instant;

use postern_store::{FailedMail, ListOwner, Options, Route, Store, StoredProfile};
use postern_types::{Address, Domain, ReversePath, Timestamp};

const ROUNDS: u32 = 20_000;

fn address(text: &str) -> Result<Address, Box<dyn std::error::Error>> {
    Ok(Address::parse(text)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("data"), Options::default())?;
    store.add_domain(Domain::parse("example.test")?, Route::Mailbox).await?;
    report("nothing to find", &store).await?;
    let until = Timestamp::now().plus(std::time::Duration::from_secs(86_400));
    for user in 0..1_000 {
        let owner = address(&format!("user{user}@example.test"))?;
        let profile = StoredProfile { failed: Some(FailedMail::Quarantine), learn: None };
        store.set_profile(ListOwner::Recipient(owner.clone()), profile).await?;
        let sender = ReversePath::Address(owner);
        for half in 0..2 {
            let known: Result<Vec<_>, _> =
                (0..100).map(|n| address(&format!("friend{n}@d{half}.friends.example"))).collect();
            store.learn_correspondents(&sender, &known?, until).await?;
        }
    }
    report("200,000 entries", &store).await?;
    Ok(())
}

async fn report(what: &str, store: &Store) -> Result<(), Box<dyn std::error::Error>> {
    let client = [192, 0, 2, 1].into();
    let senders = [address("friend7@d1.friends.example")?, address("stranger@shop.elsewhere.example")?];
    let mut found = 0;
    let (began, cpu) = (Instant::now(), cpu_time());
    for n in 0..ROUNDS {
        let recipient = address(&format!("user{}@example.test", n % 1_000))?;
        let sender = ReversePath::Address(senders[n as usize % 2].clone());
        found += store.profile(&recipient, &[], &sender, client).await?.entries.len();
    }
    let micros = began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let cpu = (cpu_time() - cpu) / 1e3 / f64::from(ROUNDS);
    // The example is for people: what it finds is what it prints.
    #[allow(clippy::print_stdout, reason = "an example")]
    {
        println!("{what}: {micros:.1} µs a question, {cpu:.1} µs of CPU ({found} entries found)");
    }
    Ok(())
}

/// Nanoseconds that this thread has had of the CPU; 0 where the kernel does not say.
fn cpu_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0.0)
}
