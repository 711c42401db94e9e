//! Answers the page's questions about the past from the history, so that neither room knows the other.

use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use pulsebox::history::{self, History};
use pulsebox::monitor::board::Incident;
use pulsebox::web::{Bucket, Past, PastError, StateTimes, Uptime};

/// The history as the page sees it.
pub struct Recorded(pub History);

impl Past for Recorded {
    fn series(
        &self,
        camera: String,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> BoxFuture<'_, Result<Vec<Bucket>, PastError>> {
        Box::pin(async move {
            self.known(&camera).await?;
            let buckets = self.0.series(&camera, from, to, step).await.map_err(unavailable)?;
            let bucket = |b: history::Bucket| Bucket {
                from: b.from,
                to: b.to,
                times_ms: times(b.times),
                checks: b.checks,
                failures: b.failures,
                p50_ms: b.p50,
                p95_ms: b.p95,
                max_ms: b.max,
            };
            Ok(buckets.into_iter().map(bucket).collect())
        })
    }

    fn uptime(&self, camera: String, from: Timestamp, to: Timestamp) -> BoxFuture<'_, Result<Uptime, PastError>> {
        Box::pin(async move {
            self.known(&camera).await?;
            let uptime = self.0.uptime(&camera, from, to).await.map_err(unavailable)?;
            Ok(Uptime { times_ms: times(uptime.times), percent: uptime.percent })
        })
    }

    fn incidents(
        &self,
        camera: String,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Incident>, PastError>> {
        Box::pin(async move {
            self.known(&camera).await?;
            self.0.incidents(Some(&camera), from, to, limit).await.map_err(unavailable)
        })
    }
}

impl Recorded {
    /// Whether the history ever heard of the camera, configured still or not.
    async fn known(&self, camera: &str) -> Result<(), PastError> {
        match self.0.knows(camera).await.map_err(unavailable)? {
            true => Ok(()),
            false => Err(PastError::UnknownCamera),
        }
    }
}

fn unavailable(error: history::Error) -> PastError {
    PastError::Unavailable(error.to_string())
}

fn times(times: history::Times) -> StateTimes {
    let history::Times { up, degraded, down, unknown, paused, unwatched } = times;
    StateTimes { up, degraded, down, unknown, paused, unwatched }
}
