//! Questions on their way: answered on the spot where the answer is known, in the background where not.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::task::JoinHandle;

/// A task that ends when this is dropped.
pub(crate) struct Task<T>(JoinHandle<T>);

/// Something asked.
pub(crate) enum Lookup<T> {
    /// The answer is here, or was taken.
    Known(Option<T>),
    /// The answer is on its way.
    Underway(Task<T>),
}

impl<T> Task<T> {
    pub(crate) fn of(handle: JoinHandle<T>) -> Self {
        Self(handle)
    }

    #[cfg(test)]
    pub(crate) fn handle(&self) -> tokio::task::AbortHandle {
        self.0.abort_handle()
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<T: Send + 'static> Lookup<T> {
    /// Nothing was asked.
    pub(crate) const NOTHING: Self = Self::Known(None);

    /// Asks. With warm caches the first poll has the answer, and no task is made.
    pub(crate) fn start(question: impl Future<Output = T> + Send + 'static) -> Self {
        let mut question = Box::pin(question);
        match question.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => Self::Known(Some(answer)),
            Poll::Pending => Self::Underway(Task(tokio::spawn(question))),
        }
    }

    /// Waits for the answer and takes it. `None` when nothing was asked, or the answer was taken before.
    pub(crate) async fn take(&mut self) -> Option<T> {
        if let Self::Underway(task) = self {
            // Not taken out before the answer is here, so that waiting can be broken off and begun again.
            let answer = Pin::new(&mut task.0).await.ok();
            *self = Self::NOTHING;
            return answer;
        }
        match self {
            Self::Known(answer) => answer.take(),
            Self::Underway(_) => None,
        }
    }
}

/// Microseconds since `began`.
pub(crate) fn micros(began: Instant) -> u32 {
    u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX)
}
