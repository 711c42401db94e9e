//! Answers the page's questions ([`Past`]) from the history.

use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::{Error, History, lock};
use crate::monitor::past::{
    Answer, Bucket, CheckRow, EvidencePicture, Past, PastError, PastIncident, PastStart, Uptime, Uptimes,
};

/// Days of each of the uptimes that end now.
const UPTIMES_DAYS: [i64; 4] = [1, 7, 30, 365];

impl Past for History {
    fn series(&self, camera: String, from: Timestamp, to: Timestamp, step: Duration) -> Answer<'_, Vec<Bucket>> {
        Box::pin(async move {
            self.known(&camera).await?;
            Ok(self.series(&camera, from, to, step).await?)
        })
    }

    fn uptime(&self, camera: String, from: Timestamp, to: Timestamp) -> Answer<'_, Uptime> {
        Box::pin(async move {
            self.known(&camera).await?;
            Ok(self.uptime(&camera, from, to).await?)
        })
    }

    fn uptimes(&self, camera: String) -> Answer<'_, Uptimes> {
        Box::pin(async move {
            self.known(&camera).await?;
            let now = lock(&self.0.settings).clock.now();
            let mut uptimes = [Uptime::default(); UPTIMES_DAYS.len()];
            for (uptime, days) in uptimes.iter_mut().zip(UPTIMES_DAYS) {
                let from = now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
                *uptime = self.uptime(&camera, from, now).await?;
            }
            let [day, week, month, year] = uptimes;
            Ok(Uptimes { day, week, month, year })
        })
    }

    fn checks(&self, camera: String, from: Timestamp, to: Timestamp, limit: usize) -> Answer<'_, Vec<CheckRow>> {
        Box::pin(async move {
            self.known(&camera).await?;
            Ok(self.checks(&camera, from, to, limit).await?)
        })
    }

    fn incidents(&self, camera: String, from: Timestamp, to: Timestamp, limit: usize) -> Answer<'_, Vec<PastIncident>> {
        Box::pin(async move {
            self.known(&camera).await?;
            let (from, to) = (from.as_millisecond(), to.as_millisecond());
            Ok(self.ask(move |s| s.told_incidents(&camera, from, to, limit)).await?)
        })
    }

    fn evidence_picture(&self, camera: String, incident: i64, which: EvidencePicture) -> Answer<'_, Option<Bytes>> {
        Box::pin(async move {
            self.known(&camera).await?;
            Ok(self.ask(move |s| s.evidence_picture(&camera, incident, which)).await?)
        })
    }

    fn starts(&self, limit: usize) -> Answer<'_, Vec<PastStart>> {
        Box::pin(async move { Ok(self.starts(limit).await?) })
    }
}

impl History {
    /// Whether the camera was ever heard of, configured still or not.
    async fn known(&self, camera: &str) -> Result<(), PastError> {
        match self.knows(camera).await? {
            true => Ok(()),
            false => Err(PastError::UnknownCamera),
        }
    }
}

impl From<Error> for PastError {
    fn from(error: Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}
