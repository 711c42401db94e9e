//! What the web asks of the past. `main.rs` answers it from the history, so that neither room knows
//! the other.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;

use crate::monitor::board::Incident;

/// Milliseconds in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[allow(missing_docs)]
pub struct StateTimes {
    pub up: i64,
    pub degraded: i64,
    pub down: i64,
    pub unknown: i64,
    pub paused: i64,
    /// The box was off, or did not have the camera.
    pub unwatched: i64,
}

/// Uptime of one camera, weighted by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Uptime {
    /// Milliseconds in each state.
    pub times_ms: StateTimes,
    /// Up and degraded as a share of up, degraded and down, 0 to 100; none where nothing was watched.
    pub percent: Option<f64>,
}

/// One step of a series.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Bucket {
    /// Its begin.
    pub from: Timestamp,
    /// Its end, not included.
    pub to: Timestamp,
    /// Milliseconds in each state.
    pub times_ms: StateTimes,
    /// How many checks.
    pub checks: u32,
    /// How many of them were faults.
    pub failures: u32,
    /// Milliseconds to the first packet, median.
    pub p50_ms: Option<u32>,
    /// The 95th percentile.
    pub p95_ms: Option<u32>,
    /// The slowest.
    pub max_ms: Option<u32>,
}

/// Why the past could not be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PastError {
    /// Neither configured nor ever seen.
    #[error("this camera was never seen")]
    UnknownCamera,
    /// The history does not answer now; the text is for a person.
    #[error("{0}")]
    Unavailable(String),
}

/// Answers questions about the past. All calls must end within seconds; the web gives up after 12 s.
pub trait Past: Send + Sync + 'static {
    /// A camera's buckets of `step` over `[from, to)`, oldest first.
    fn series(
        &self,
        camera: String,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> BoxFuture<'_, Result<Vec<Bucket>, PastError>>;

    /// A camera's uptime over `[from, to)`.
    fn uptime(&self, camera: String, from: Timestamp, to: Timestamp) -> BoxFuture<'_, Result<Uptime, PastError>>;

    /// A camera's incidents that touch `[from, to)`, oldest first; where there are more than `limit`, the
    /// newest.
    fn incidents(
        &self,
        camera: String,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Incident>, PastError>>;
}
