//! The active filter as a table: deployment × what the tests find × the recipient's profile.
//!
//! Each deployment meets the same remote hosts, real Postfixes among them. One message goes to five recipients who
//! want five different things done with mail that fails. What each `RCPT` and the message are answered, and what
//! reached whom, follows from one small table: `expected.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod expected;
mod remote;
#[path = "../running/mod.rs"]
mod running;
mod session;
mod site;

use expected::{Fate, Profile};
use remote::{Remote, World};
use site::{Deployment, Site};

/// What one recipient is owed of one message.
struct Owed {
    what: String,
    id: String,
    profile: Profile,
    fate: Fate,
}

/// One deployment meets every remote host.
async fn meets_all(deployment: Deployment) {
    let house = site::house(deployment).await;
    let Some(world) = World::open(&house.net).await else { return };
    let Some(site) = Site::start(deployment, &house, &world).await else { return };
    let mut owed = Vec::new();
    for remote in world.remotes() {
        if let Some(probe) = remote.asked {
            site.prime(remote, probe).await;
        }
        for group in deployment.groups(remote.finding) {
            owed.extend(meets(&site, remote, group).await);
        }
    }
    site.settle().await;
    for Owed { what, id, profile, fate } in owed {
        assert_eq!(
            site.copies(profile, &id).await,
            fate.copies(),
            "{what}: {fate:?}, in mailbox and quarantine"
        );
        if fate == Fate::Marked {
            assert!(site.is_marked(profile, &id).await, "{what}: the copy has the mark");
        }
    }
    site.remotes_were_treated_well(&world);
}

/// One message to a group of recipients.
async fn meets(site: &Site<'_>, remote: &Remote, group: &[Profile]) -> Vec<Owed> {
    let id = session::id();
    let heard = session::run(site.address(), remote, group, &id).await;
    let mut owed = Vec::new();
    for (at, &profile) in group.iter().enumerate() {
        let what = format!("{:?}, {}, {profile:?}", site.deployment, remote.name);
        let fate = expected::fate(remote.finding, profile, group);
        let pattern = expected::answer(remote.finding, profile);
        let answer = &heard.recipients[at];
        assert!(
            postern_testnet::glob_matches(pattern, answer),
            "{what}: RCPT was answered `{answer}`, not `{pattern}`\n{}",
            heard.transcript
        );
        owed.push(Owed { what, id: id.clone(), profile, fate });
    }
    let accepted = owed.iter().any(|owed| owed.fate != Fate::Refused);
    let first = heard.end.as_deref().and_then(|end| end.chars().next());
    assert_eq!(
        first == Some('2'),
        accepted,
        "{:?}, {}: {:?}\n{}",
        site.deployment,
        remote.name,
        heard.end,
        heard.transcript
    );
    owed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_meets_every_remote_host() {
    meets_all(Deployment::Server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_meets_every_remote_host() {
    meets_all(Deployment::Proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wrapper_meets_every_remote_host() {
    meets_all(Deployment::Wrapper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_milter_meets_every_remote_host() {
    meets_all(Deployment::Milter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_service_meets_every_remote_host() {
    meets_all(Deployment::Delegation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chained_filter_meets_every_remote_host() {
    meets_all(Deployment::Chained).await;
}
