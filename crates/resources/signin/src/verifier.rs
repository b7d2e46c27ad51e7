//! Checks passwords off the async threads, so many at a time as there are cores to spare.

use std::sync::Arc;

use postern_types::Secret;
use tokio::sync::Semaphore;

use crate::{Cost, PasswordHash, SigninError, generate};

/// Whether a password is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Answer {
    /// It is.
    Right,
    /// It is not, or there is no such user.
    Wrong,
}

/// Computes hashes on tokio's blocking threads; the others wait in line. To be shared by all
/// services of a process.
#[derive(Clone, Debug)]
pub struct Verifier {
    permits: Arc<Semaphore>,
    cost: Cost,
    /// The hash of a password nobody knows: checked where there is no user.
    decoy: PasswordHash,
}

impl Verifier {
    /// A verifier that works on at most `parallel` passwords at once (at least one), each with
    /// the memory that `cost` names; computes one hash.
    ///
    /// # Errors
    /// The cost is impossible, or no random bytes.
    pub fn new(cost: Cost, parallel: usize) -> Result<Self, SigninError> {
        let decoy = PasswordHash::new(&generate()?, cost)?;
        Ok(Self { permits: Arc::new(Semaphore::new(parallel.max(1))), cost, decoy })
    }

    /// Checks a password against the user's hash. Without a user the answer is `Wrong`, after
    /// the same work, so that the time does not tell which names exist.
    ///
    /// # Errors
    /// [`SigninError::Failed`] when the process is stopping.
    pub async fn verify(
        &self,
        password: Secret<String>,
        hash: Option<PasswordHash>,
    ) -> Result<Answer, SigninError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        let matches = self.work(move || hash.matches(&password)).await?;
        Ok(if matches && known { Answer::Right } else { Answer::Wrong })
    }

    /// Hashes a new password.
    ///
    /// # Errors
    /// As [`PasswordHash::new`].
    pub async fn hash(&self, password: Secret<String>) -> Result<PasswordHash, SigninError> {
        let cost = self.cost;
        self.work(move || PasswordHash::new(&password, cost)).await?
    }

    /// The permit goes along with the work, so that callers who give up do not make room for
    /// more work than there are permits.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SigninError> {
        let failed = |error: &dyn std::fmt::Display| SigninError::Failed(error.to_string());
        let permit = self.permits.clone().acquire_owned().await.map_err(|error| failed(&error))?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        task.await.map_err(|error| failed(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::CHEAP;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let verifier = Verifier::new(CHEAP, 2).unwrap();
        let hash = verifier.hash(secret("open sesame")).await.unwrap();
        let verify = |password, hash| verifier.verify(secret(password), hash);
        assert_eq!(verify("open sesame", Some(hash.clone())).await, Ok(Answer::Right));
        assert_eq!(verify("open barley", Some(hash)).await, Ok(Answer::Wrong));
        assert_eq!(verify("open sesame", None).await, Ok(Answer::Wrong));
        assert_eq!(verifier.decoy.as_str().split('$').nth(3), Some("m=8,t=1,p=1"), "as dear as a real one");
    }

    #[tokio::test]
    async fn no_more_at_once_than_permitted() {
        let verifier = Verifier::new(CHEAP, 2).unwrap();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (verifier, running, most) = (verifier.clone(), running.clone(), most.clone());
            tasks.spawn(async move {
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                verifier.work(work).await.unwrap();
            });
        }
        tasks.join_all().await;
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }
}
