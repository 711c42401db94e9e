//! What may be asked of the past, and in which words it is answered.
//!
//! The history answers and the web asks; both know this page and not each other. It only names things:
//! what is kept and for how long is the history's affair.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;

use super::appliance::Cause;
use super::board::{Incident, State};
use crate::camera::{Severity, Verdict};

/// Milliseconds in each state over some period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StateTimes {
    /// A living picture.
    pub up: i64,
    /// A living picture with a warning.
    pub degraded: i64,
    /// No living picture.
    pub down: i64,
    /// The box could not look (blind), or had not looked yet.
    pub unknown: i64,
    /// Configured, but not checked.
    pub paused: i64,
    /// The box was off, or did not have the camera.
    pub unwatched: i64,
}

impl StateTimes {
    /// Milliseconds in which the camera was watched and known: up, degraded or down.
    pub fn watched(&self) -> i64 {
        self.up + self.degraded + self.down
    }

    /// Share of the watched time with a living picture (up or degraded), 0 to 100; none where nothing
    /// was watched.
    pub fn percent(&self) -> Option<f64> {
        let watched = self.watched();
        (watched > 0).then(|| (self.up + self.degraded) as f64 * 100.0 / watched as f64)
    }

    /// More time in a state; none: not watched.
    pub fn add(&mut self, state: Option<State>, ms: i64) {
        *match state {
            Some(State::Up) => &mut self.up,
            Some(State::Degraded) => &mut self.degraded,
            Some(State::Down) => &mut self.down,
            Some(State::Unknown) => &mut self.unknown,
            Some(State::Paused) => &mut self.paused,
            None => &mut self.unwatched,
        } += ms;
    }

    /// Both together.
    pub fn plus(&self, other: &StateTimes) -> StateTimes {
        StateTimes {
            up: self.up + other.up,
            degraded: self.degraded + other.degraded,
            down: self.down + other.down,
            unknown: self.unknown + other.unknown,
            paused: self.paused + other.paused,
            unwatched: self.unwatched + other.unwatched,
        }
    }
}

/// Uptime of one camera, weighted by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Uptime {
    /// Milliseconds in each state; their sum is the period asked for, as far as it has passed.
    pub times_ms: StateTimes,
    /// Up and degraded as a share of up, degraded and down, 0 to 100; none where nothing was watched.
    pub percent: Option<f64>,
}

impl From<StateTimes> for Uptime {
    fn from(times_ms: StateTimes) -> Self {
        Self { times_ms, percent: times_ms.percent() }
    }
}

/// Uptimes of one camera that end now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Uptimes {
    /// 24 hours.
    pub day: Uptime,
    /// 7 days.
    pub week: Uptime,
    /// 30 days.
    pub month: Uptime,
    /// 365 days.
    pub year: Uptime,
}

/// One step of a series. Figures that were merged from roll-ups: a median is the mean of theirs, by checks;
/// the 95th percentile and the maximum are the largest of theirs.
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
    /// Milliseconds to the first key frame, median.
    pub first_frame_ms: Option<u32>,
    /// Frames a second, median, to a tenth.
    pub fps: Option<f32>,
    /// Kilobits (1000) a second, median.
    pub kbps: Option<u32>,
}

/// One check of one camera.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CheckRow {
    /// When it began.
    pub at: Timestamp,
    /// What it said.
    pub verdict: Verdict,
    /// How bad that is.
    pub severity: Severity,
    /// The camera's state after it.
    pub state: State,
    /// Milliseconds it took.
    pub ms: u32,
    /// Milliseconds to the first packet, where one came.
    pub first_packet_ms: Option<u32>,
    /// Milliseconds to the first key frame, where one came.
    pub first_frame_ms: Option<u32>,
    /// Frames a second, to a tenth.
    pub fps: Option<f32>,
    /// Kilobits (1000) a second.
    pub kbps: Option<u32>,
}

/// An incident, and what is kept as its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct PastIncident {
    /// The incident itself; its own `evidence` is not filled.
    pub incident: Incident,
    /// None where none was kept, or it is too old.
    pub evidence: Option<KeptEvidence>,
}

/// What is kept as evidence of an incident; the pictures are fetched apart ([`Past::evidence_picture`]).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeptEvidence {
    /// What the camera answered first, lines ended by `\n`, secrets masked, at most 2 KiB.
    pub answer: Option<String>,
    /// When the last good picture was taken, where one is kept.
    pub good_at: Option<Timestamp>,
    /// When the first bad picture was taken, where one is kept.
    pub bad_at: Option<Timestamp>,
}

/// One of an incident's two pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidencePicture {
    /// The last good one before it.
    Good,
    /// The first bad one.
    Bad,
}

/// One start of the box.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PastStart {
    /// When Pulsebox learnt of it: seconds after the start.
    pub at: Timestamp,
    /// Why.
    pub cause: Cause,
    /// The same for a person.
    pub message: Option<String>,
    /// The system that ran: `A` or `B`.
    pub slot: Option<String>,
    /// The image's version.
    pub version: Option<String>,
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

/// An answer of the past, when it comes.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, PastError>>;

/// Answers questions about the past. All calls must end within seconds; the web gives up after 12 s.
pub trait Past: Send + Sync + 'static {
    /// A camera's buckets of `step` over `[from, to)`, oldest first.
    fn series(&self, camera: String, from: Timestamp, to: Timestamp, step: Duration) -> Answer<'_, Vec<Bucket>>;

    /// A camera's uptime over `[from, to)`.
    fn uptime(&self, camera: String, from: Timestamp, to: Timestamp) -> Answer<'_, Uptime>;

    /// A camera's uptimes up to now.
    fn uptimes(&self, camera: String) -> Answer<'_, Uptimes>;

    /// A camera's checks that began in `[from, to)`, oldest first; where there are more than `limit`, the
    /// newest.
    fn checks(&self, camera: String, from: Timestamp, to: Timestamp, limit: usize) -> Answer<'_, Vec<CheckRow>>;

    /// A camera's incidents that touch `[from, to)`, oldest first; where there are more than `limit`, the
    /// newest.
    fn incidents(&self, camera: String, from: Timestamp, to: Timestamp, limit: usize) -> Answer<'_, Vec<PastIncident>>;

    /// A picture of the evidence of a camera's incident, a JPEG 640 px wide at most; none where none is kept.
    fn evidence_picture(&self, camera: String, incident: i64, which: EvidencePicture) -> Answer<'_, Option<Bytes>>;

    /// Why the box started, the last `limit` times, newest first; none on a machine that is no appliance.
    fn starts(&self, limit: usize) -> Answer<'_, Vec<PastStart>>;
}
