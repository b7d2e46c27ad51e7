//! A question on its way: asked once, awaited by as many as want to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::Answer;

/// A question on its way.
#[derive(Clone, Debug)]
pub struct Pending {
    answer: watch::Receiver<Option<Answer>>,
    targets: watch::Receiver<Vec<IpAddr>>,
}

/// What came of waiting for an answer on a client's behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It is here.
    Answer(Answer),
    /// It is not.
    NotYet,
    /// The client is the one that is asked: it is not made to wait, for it may itself be waiting for us.
    AsksClient,
}

/// The hosts that a question connects to, as far as they are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Targets(Arc<watch::Sender<Vec<IpAddr>>>);

/// The end where the answer comes in.
pub(crate) struct Flight {
    pub(crate) answer: watch::Sender<Option<Answer>>,
    pub(crate) targets: Targets,
}

impl Flight {
    pub(crate) fn new() -> (Self, Pending) {
        let (sender, answer) = watch::channel(None);
        let targets = Targets::default();
        let pending = Pending { answer, targets: targets.0.subscribe() };
        (Self { answer: sender, targets }, pending)
    }
}

impl Targets {
    pub(crate) fn set(&self, hosts: impl IntoIterator<Item = IpAddr>) {
        self.0.send_replace(hosts.into_iter().map(|ip| ip.to_canonical()).collect());
    }
}

impl Pending {
    /// Waits for the answer, no longer than this. `None`: it is not here yet, or will never be.
    pub async fn wait(&mut self, within: Duration) -> Option<Answer> {
        let here = self.answer.wait_for(Option::is_some);
        tokio::time::timeout(within, here).await.ok()?.ok()?.clone()
    }

    /// As [`Pending::wait`], on behalf of a client. It does not wait where the client is the mail host that is asked
    /// about its sender.
    pub async fn wait_for_client(&mut self, client: IpAddr, within: Duration) -> Waited {
        let client = client.to_canonical();
        let (mut targets, mut answer) = (self.targets.clone(), self.answer.clone());
        let concerned = async {
            if targets.wait_for(|hosts| hosts.contains(&client)).await.is_err() {
                // The question has ended: its answer is here.
                std::future::pending::<()>().await;
            }
        };
        let here = async { answer.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone()) };
        tokio::select! {
            biased;
            here = here => here.map_or(Waited::NotYet, Waited::Answer),
            () = concerned => Waited::AsksClient,
            () = tokio::time::sleep(within) => Waited::NotYet,
        }
    }

    /// Waits until the question is no longer on its way.
    pub(crate) async fn end(&mut self) {
        // An error means that it has ended too.
        let _ = self.answer.wait_for(Option::is_some).await;
    }
}
