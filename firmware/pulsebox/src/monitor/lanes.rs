//! How many checks run at once, in two lanes.
//!
//! A hanging camera holds its place until its deadline. So cameras whose last check failed share one half
//! of the places: however many of them hang, the other half is there for the cameras that live.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places.
#[derive(Debug)]
pub(super) struct Lanes {
    all: Arc<Semaphore>,
    doubtful: Arc<Semaphore>,
}

/// A place, until it is dropped.
pub(super) struct Place {
    _doubtful: Option<OwnedSemaphorePermit>,
    _all: Option<OwnedSemaphorePermit>,
}

impl Lanes {
    /// `at_once` places, at least one.
    pub fn new(at_once: usize) -> Self {
        let all = at_once.max(1);
        Self { all: Arc::new(Semaphore::new(all)), doubtful: Arc::new(Semaphore::new((all / 2).max(1))) }
    }

    /// Waits for a place.
    pub async fn enter(&self, doubtful: bool) -> Place {
        // The semaphores are never closed.
        let narrow = if doubtful { self.doubtful.clone().acquire_owned().await.ok() } else { None };
        Place { _doubtful: narrow, _all: self.all.clone().acquire_owned().await.ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn however_many_cameras_hang_half_of_the_places_stay_free() {
        let lanes = Lanes::new(4);
        let hanging = [lanes.enter(true).await, lanes.enter(true).await];
        assert!(futures::poll!(std::pin::pin!(lanes.enter(true))).is_pending());
        let living = [lanes.enter(false).await, lanes.enter(false).await];
        assert!(futures::poll!(std::pin::pin!(lanes.enter(false))).is_pending());
        drop((hanging, living));
        lanes.enter(true).await;
    }
}
