//! What time it is, for the wall and for measuring, in one place so that tests can turn it.
//!
//! Everything that waits uses `tokio::time`; everything that dates a row uses [`Clock`], whose wall
//! time is a fixed start plus tokio's monotonic time. Under `tokio::time::pause` both turn together,
//! so a simulated week is consistent to the millisecond.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// How far the wall clock can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It may not have been set since the boot.
    Provisional,
    /// Nothing tells whether it is set; it is taken as it is.
    Taken,
    /// Time synchronisation says that it is right.
    Synchronised,
}

/// Tells the wall time. Cheap to clone; clones share one origin.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    /// The system's clock, which time synchronisation may step.
    System { origin: Instant },
    /// A start and tokio's time since.
    Turned { start: Timestamp, origin: Instant },
}

impl Clock {
    /// The system's own clock.
    pub fn system() -> Self {
        Self(Arc::new(Source::System { origin: Instant::now() }))
    }

    /// A clock that starts at `start` now and follows tokio's time (paused or not) from here.
    pub fn turned(start: Timestamp) -> Self {
        Self(Arc::new(Source::Turned { start, origin: Instant::now() }))
    }

    /// The wall time.
    pub fn now(&self) -> Timestamp {
        match &*self.0 {
            Source::System { .. } => Timestamp::now(),
            Source::Turned { start, origin } => {
                let passed = SignedDuration::try_from(origin.elapsed()).unwrap_or(SignedDuration::MAX);
                start.checked_add(passed).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Milliseconds since this clock was made, by the monotonic clock: never steps.
    pub fn monotonic_ms(&self) -> i64 {
        let (Source::System { origin } | Source::Turned { origin, .. }) = &*self.0;
        i64::try_from(origin.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}
