//! The shapes of the API's answers. Times are RFC 3339 in UTC; names carry their unit.

use std::collections::HashSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::stream_settings::StreamSettings;

use crate::camera::{self, RungTime, Severity, StreamInfo, Verdict};
use crate::live::Live;
use crate::monitor::appliance::Appliance;
use crate::monitor::board::{BoxStatus, CameraStatus, Incident, Recent, Report, Snapshot, State, Thumbnail, tenth};
use crate::monitor::stream_pulse;

/// What stands beside the board in a view of a camera.
#[derive(Debug)]
pub(super) struct Beside {
    /// For ages.
    pub now: Timestamp,
    /// Who watches.
    pub live: Live,
    /// Cameras with a second stream.
    pub subs: HashSet<String>,
}

/// What of a camera can be watched live, and how many do.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct LiveView {
    /// Now.
    viewers: usize,
    /// The main stream: always.
    main: bool,
    /// The second stream, where `sub_url` is configured.
    sub: bool,
}

/// One camera, as `/api/streams` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CameraView<'a> {
    /// Its id.
    #[schema(pattern = "^[a-z0-9_-]{1,64}$")]
    id: &'a str,
    /// As people call it.
    name: &'a str,
    /// Without credentials.
    url: &'a str,
    state: State,
    since: Timestamp,
    heartbeat_seconds: u64,
    /// What the last check said, before thresholds; with `severity`, `title` and `advice` from the ladder.
    verdict: Option<Verdict>,
    severity: Option<Severity>,
    title: Option<&'static str>,
    advice: Option<&'static str>,
    message: Option<&'a str>,
    checked_at: Option<Timestamp>,
    check_ms: Option<f64>,
    first_packet_ms: Option<f64>,
    first_frame_ms: Option<f64>,
    rungs: &'a [RungTime],
    stream: Option<&'a StreamInfo>,
    decoded: Option<bool>,
    failures: u32,
    next_check: Option<Timestamp>,
    incident: Option<&'a Incident>,
    thumbnail: Option<ThumbnailView>,
    /// The last 50 checks, oldest first.
    recent: Vec<RecentView>,
    live: LiveView,
    /// Paused until then.
    paused_until: Option<Timestamp>,
}

/// One camera with its settings, as `/api/streams/{id}` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CameraDetail<'a> {
    #[serde(flatten)]
    camera: CameraView<'a>,
    /// What the file gives of it, secrets masked.
    #[schema(value_type = StreamSettings)]
    settings: Value,
}

impl<'a> CameraDetail<'a> {
    pub fn new(camera: CameraView<'a>, settings: Value) -> Self {
        Self { camera, settings }
    }
}

/// The last good picture, without its bytes.
#[derive(Debug, Serialize, ToSchema)]
struct ThumbnailView {
    url: String,
    at: Timestamp,
    age_seconds: u64,
    width: u32,
    height: u32,
    etag: String,
}

/// One check.
#[derive(Debug, Serialize, ToSchema)]
struct RecentView {
    at: Timestamp,
    verdict: Verdict,
    severity: Severity,
    /// To the first packet, or the whole check's where none came; null where it read along with an open live view.
    ms: Option<f64>,
}

impl From<&Recent> for RecentView {
    fn from(recent: &Recent) -> Self {
        Self { at: recent.at, verdict: recent.verdict, severity: recent.verdict.severity(), ms: recent.ms.map(tenth) }
    }
}

impl<'a> CameraView<'a> {
    pub fn new(camera: &'a CameraStatus, beside: &Beside) -> Self {
        let now = beside.now;
        let last: Option<&Report> = camera.last.as_deref();
        let row = last.map(|report| report.verdict.row());
        let words = row.map(|row| row.words(camera::is_local(&camera.url)));
        Self {
            id: &camera.id,
            name: &camera.name,
            url: &camera.url,
            state: camera.state,
            since: camera.since,
            heartbeat_seconds: camera.heartbeat_seconds,
            verdict: last.map(|report| report.verdict),
            severity: row.map(|row| row.severity),
            title: words.map(|words| words.title),
            advice: words.map(|words| words.advice),
            message: last.map(|report| report.message.as_str()),
            checked_at: last.map(|report| report.at),
            check_ms: last.map(|report| tenth(report.ms)),
            first_packet_ms: last.and_then(|report| report.first_packet_ms).map(tenth),
            first_frame_ms: last.and_then(|report| report.first_frame_ms).map(tenth),
            rungs: last.map_or(&[], |report| &report.rungs),
            stream: last.map(|report| &report.stream),
            decoded: last.map(|report| report.decoded),
            failures: camera.failures,
            next_check: camera.next_check,
            incident: camera.incident.as_deref(),
            thumbnail: camera.thumbnail.as_deref().map(|thumbnail| ThumbnailView::new(&camera.id, thumbnail, now)),
            recent: camera.recent.iter().map(RecentView::from).collect(),
            live: LiveView {
                viewers: beside.live.viewers(&camera.id),
                main: true,
                sub: beside.subs.contains(&camera.id),
            },
            paused_until: camera.paused_until,
        }
    }
}

impl ThumbnailView {
    fn new(id: &str, thumbnail: &Thumbnail, now: Timestamp) -> Self {
        Self {
            url: format!("/api/streams/{id}/thumbnail"),
            at: thumbnail.at,
            age_seconds: age_seconds(thumbnail.at, now),
            width: thumbnail.width,
            height: thumbnail.height,
            etag: format!("{:016x}", thumbnail.etag),
        }
    }
}

/// Whole seconds from `at` to `now`; 0 where `at` lies ahead (the clock was set back).
pub(super) fn age_seconds(at: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(at).as_secs()).unwrap_or(0)
}

/// All cameras in the configuration's order.
pub(super) fn cameras<'a>(snapshot: &'a Snapshot, beside: &Beside) -> Vec<CameraView<'a>> {
    snapshot.in_order().map(|camera| CameraView::new(camera, beside)).collect()
}

/// `/api/status`: StreamPulse's object by camera name, and beside it ours: `cameras` and `host`. A camera
/// that is itself called so is found only in the list.
pub(super) fn status(snapshot: &Snapshot, beside: &Beside) -> serde_json::Result<Value> {
    let mut all = stream_pulse::status(snapshot);
    all.insert("cameras".into(), serde_json::to_value(cameras(snapshot, beside))?);
    all.insert("host".into(), serde_json::to_value(&snapshot.host)?);
    Ok(Value::Object(all))
}

/// `/api/health`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `healthy`; `degraded`: it watches, with something to look after; `unhealthy`: it stands still.
    pub status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

impl Health {
    /// `standstill` says why nothing is being watched, where that is so; `access` what is wrong with sign-in.
    pub fn new(host: &BoxStatus, standstill: Option<String>, access: Option<String>) -> Self {
        let status_if = |reasons: &[String]| match (&standstill, reasons.is_empty()) {
            (Some(_), _) => "unhealthy",
            (None, false) => "degraded",
            (None, true) => "healthy",
        };
        let mut reasons: Vec<String> = standstill.iter().cloned().collect();
        if !host.network {
            reasons.push("the box has no network: cameras cannot be reached".into());
        }
        reasons.extend(host.storage_fault.iter().map(|fault| format!("the history is not written to disk: {fault}")));
        reasons.extend(
            host.config_fault
                .iter()
                .map(|fault| format!("the configuration file has a mistake, the last good one is in force: {fault}")),
        );
        if let Some(fault) = host.appliance.as_ref().and_then(Appliance::import_fault) {
            reasons.push(format!("the configuration on the card was not taken: {fault}"));
        }
        reasons.extend(access);
        Self { status: status_if(&reasons), reasons }
    }

    /// The same for who is not signed in: what is wrong, without the paths and places that stand behind the colon.
    #[must_use]
    pub fn in_short(mut self) -> Self {
        for reason in &mut self.reasons {
            reason.truncate(reason.find(": ").unwrap_or(reason.len()));
        }
        self
    }
}
