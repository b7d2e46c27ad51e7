//! A question's place among those that are on their way.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::NotAllowed;

/// The place of one question. Who waits for a turn gets up, so that a host which answers slowly holds up nobody but those
/// who want to ask it.
pub(crate) struct Seat {
    room: Option<Arc<Semaphore>>,
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Seat {
    /// A place in the room, if there is one.
    pub(crate) fn take(room: &Arc<Semaphore>) -> Result<Self, NotAllowed> {
        let permit = Arc::clone(room).try_acquire_owned().map_err(|_| NotAllowed::Busy)?;
        Ok(Self { room: Some(Arc::clone(room)), permit: Mutex::new(Some(permit)) })
    }

    /// That of an operator, for whom there is always room.
    pub(crate) fn standing() -> Self {
        Self { room: None, permit: Mutex::default() }
    }

    pub(crate) fn leave(&self) {
        self.put(None);
    }

    /// Waits for a place again.
    pub(crate) async fn come_back(&self) {
        if let Some(room) = &self.room {
            // The room is never closed.
            self.put(Arc::clone(room).acquire_owned().await.ok());
        }
    }

    fn put(&self, permit: Option<OwnedSemaphorePermit>) {
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_leaves_his_place_to_another() {
        let room = Arc::new(Semaphore::new(1));
        let first = Seat::take(&room).unwrap();
        assert!(matches!(Seat::take(&room), Err(NotAllowed::Busy)));
        first.leave();
        let second = Seat::take(&room).unwrap();
        drop(second);
        first.come_back().await;
        assert!(Seat::take(&room).is_err());
        drop(first);
        assert!(Seat::take(&room).is_ok());
    }
}
