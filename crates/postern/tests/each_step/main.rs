//! Whatever fails at whatever step: the sender is told, and after its retry there is exactly one copy of everything.
//!
//! The table is deployment × who fails (the MTA behind, the filter that asks, the MTA that is asked for, our own disk, the
//! sender, the host that a test asks) × the step at which. One message goes to one recipient with the MTA (or a mailbox) and
//! to one whose mail is held. The one exception is SMTP's own (RFC 1047): where the answer to a whole message is
//! lost on its way, whoever waits for it sends the message again, and what was taken is there twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod link;
mod probed;
#[path = "../running/mod.rs"]
mod running;
mod sender;
mod site;
mod table;

use site::Deployment;
use table::Table;

/// Runs the whole table of a deployment.
async fn all_of(deployment: Deployment) {
    let Some(mut table) = Table::open(deployment).await else { return };
    table.nothing_fails().await;
    table.links_fail().await;
    table.the_sender_fails().await;
    table.our_disk_fails().await;
    table.hosts_that_are_asked_fail().await;
    table.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_server() {
    all_of(Deployment::Server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_firewall_proxy() {
    all_of(Deployment::Proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_single_host() {
    all_of(Deployment::SingleHost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_wrapper() {
    all_of(Deployment::Wrapper).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_milter() {
    all_of(Deployment::Milter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_policy_delegation() {
    all_of(Deployment::Delegation).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_chained_filter() {
    all_of(Deployment::Chained).await;
}
