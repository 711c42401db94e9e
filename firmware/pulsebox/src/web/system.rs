//! `/api/system`: the box, its connections and its live views in numbers.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Shared;
use super::error::ApiError;
use super::params::Params;
use crate::camera::{Codec, StreamKind};
use crate::monitor::board::{BoxStatus, Counts};
use crate::monitor::overall::Overall;
use crate::monitor::past::PastStart;

/// Starts of the box that are told.
const STARTS: usize = 20;
/// The page asks for the box every few seconds.
const STARTS_DEADLINE: Duration = Duration::from_secs(2);

/// The most of each kind of connection.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct Limits {
    /// Connections of any kind.
    pub http: usize,
    /// Event streams.
    pub events: usize,
    /// WebSockets.
    pub sockets: usize,
    /// MJPEG streams.
    pub mjpeg: usize,
}

/// Connections now.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct Connections {
    pub http: usize,
    pub events: usize,
    pub sockets: usize,
    pub mjpeg: usize,
    pub limits: Limits,
}

impl Connections {
    pub fn of(shared: &Shared) -> Self {
        let limits = shared.limits;
        let taken = |limit: usize, places: &Semaphore| limit.saturating_sub(places.available_permits());
        Self {
            http: taken(limits.http, &shared.connections),
            events: taken(limits.events, &shared.listeners),
            sockets: taken(limits.sockets, &shared.sockets),
            mjpeg: shared.live.mjpeg().clients(),
            limits,
        }
    }
}

/// One open upstream.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct Upstream {
    /// The camera's id.
    camera: String,
    stream: StreamKind,
    /// Viewers now.
    viewers: usize,
    codec: Option<Codec>,
    /// Pixels.
    width: Option<u32>,
    /// Pixels.
    height: Option<u32>,
    /// Frames a second over the last frames.
    fps: Option<f32>,
    /// Kilobits (1000) a second over the last frames.
    kbps: Option<u32>,
    /// Bytes of video since it was opened.
    bytes: u64,
    /// When it was opened.
    since: Timestamp,
    /// Frames in hand from the last key frame on.
    gop_frames: usize,
    /// How often viewers fell behind and went on at a later key frame.
    skips: u64,
}

/// The box in numbers.
#[derive(Serialize, ToSchema)]
pub(super) struct System {
    host: BoxStatus,
    /// The box in one word: the first that holds.
    overall: Overall,
    cameras: Counts,
    connections: Connections,
    /// Open upstreams.
    live: Vec<Upstream>,
    /// Why the box started, the last 20 times, newest first; empty where this is no appliance.
    starts: Vec<PastStart>,
}

/// The box, its cameras by state, its connections and its live views.
#[utoipa::path(
    get, path = "/api/system", tag = "box",
    responses((status = 200, description = "Now", body = System))
)]
pub(super) async fn system(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<System>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let snapshot = shared.board.now().clone();
    let now = shared.clock.now();
    let upstream = |open: crate::live::Statistics| Upstream {
        camera: open.camera,
        stream: open.stream,
        viewers: open.viewers,
        codec: open.codec,
        width: open.width,
        height: open.height,
        fps: open.fps,
        kbps: open.kbps,
        bytes: open.bytes,
        since: SignedDuration::try_from(open.open_for).ok().and_then(|age| now.checked_sub(age).ok()).unwrap_or(now),
        gop_frames: open.gop_frames,
        skips: open.skips,
    };
    // Only an appliance knows, and a history that does not answer holds nothing back.
    let starts = match (&shared.appliance, shared.past.starts(STARTS)) {
        (Some(_), asked) => timeout(STARTS_DEADLINE, asked).await.ok().and_then(Result::ok).unwrap_or_default(),
        (None, _) => Vec::new(),
    };
    Ok(Json(System {
        starts,
        host: snapshot.host.clone(),
        overall: Overall::of(&snapshot),
        cameras: Counts::of(&snapshot),
        connections: Connections::of(&shared),
        live: shared.live.statistics().into_iter().map(upstream).collect(),
    }))
}

/// The box shows which one it is for 10 s: on its page, and by its LEDs where it has some.
#[utoipa::path(
    post, path = "/api/identify", tag = "box",
    responses((status = 204, description = "It shows itself; `host.identify_until` says how long"))
)]
pub(super) async fn identify(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    Params::read(query.as_deref(), &[])?;
    shared.board.identify(shared.clock.now());
    Ok(StatusCode::NO_CONTENT)
}
