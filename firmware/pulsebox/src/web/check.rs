//! `/api/check`: one look at a camera that is not (yet) watched, told rung by rung.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;
use utoipa::ToSchema;

use super::Shared;
use super::body::JsonBody;
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::stream_settings::{Credentials, with_credentials};

use crate::camera::{CameraUrl, OnRung, RungTime, Severity, StreamInfo, Transport, Verdict};
use crate::clock::Clock;
use crate::config::{CameraConfig, has_masked_secret};
use crate::monitor::board::tenth;
use crate::monitor::one_off;

/// Checks of cameras that are not watched, at once.
pub(super) const AT_ONCE: usize = 4;
/// Rungs that may wait for a slow reader: more than a climb has.
const RUNGS_WAITING: usize = 32;

/// A camera to look at once.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckRequest {
    /// Its URL, with or without credentials: `rtsp`, `rtsps`, `http`, `https` or `v4l2` under /dev.
    #[schema(min_length = 1, max_length = 2048, example = "rtsp://192.168.1.20:554/stream1")]
    url: String,
    /// A configured camera: a URL that comes back masked (`rtsp://***:***@…`) has its secrets then, on the same
    /// host only.
    #[schema(pattern = "^[a-z0-9_-]{1,64}$")]
    id: Option<String>,
    /// User name apart from the URL; with `password`, or neither.
    #[schema(max_length = 256)]
    username: Option<String>,
    /// Its password.
    #[schema(max_length = 256)]
    password: Option<String>,
    /// Which way RTSP's packets come.
    #[serde(default)]
    transport: Transport,
    /// Take any TLS certificate.
    #[serde(default)]
    tls_insecure: bool,
    /// The deadline of the check, whole seconds.
    #[schema(minimum = 1, maximum = 120)]
    timeout_seconds: Option<u64>,
}

impl CheckRequest {
    async fn with_secrets(mut self, shared: &Shared) -> Self {
        if let Some(id) = self.id.take() {
            self.url = shared.config.url_with_secrets(id, self.url).await;
        }
        self
    }

    /// # Errors
    /// 422: what is wrong with which value.
    fn camera(self) -> Result<CameraConfig, ApiError> {
        let credentials = Credentials::of(self.username, self.password)?;
        if credentials.is_none() && has_masked_secret(&self.url) {
            return Err(ApiError::unfit(
                "the URL's secrets are masked, and only the configured camera on the same host has them",
                "Type user name and password.",
            ));
        }
        let url = match &credentials {
            Some(credentials) => with_credentials(&self.url, credentials)?,
            None => self.url,
        };
        if url.len() > 4096 {
            return Err(ApiError::unfit("the URL is too long", "Shorten it to 2048 characters."));
        }
        let url = CameraUrl::parse(&url).map_err(|what| ApiError::unfit(what, "Correct the URL."))?;
        let timeout = self.timeout_seconds.unwrap_or(15);
        if !(1..=120).contains(&timeout) {
            return Err(ApiError::unfit("`timeout_seconds` is not from 1 to 120", "Correct `timeout_seconds`."));
        }
        Ok(CameraConfig {
            transport: self.transport,
            tls_insecure: self.tls_insecure,
            timeout: Duration::from_secs(timeout),
            ..CameraConfig::new("check", url)
        })
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct CheckResult {
    pub verdict: Verdict,
    pub severity: Severity,
    /// What a person reads first.
    title: &'static str,
    /// What to do about it.
    advice: &'static str,
    /// What happened this time.
    message: String,
    /// The rungs reached, in climbing order.
    rungs: Vec<RungTime>,
    /// Milliseconds in all.
    ms: f64,
    /// Milliseconds to the first packet.
    first_packet_ms: Option<f64>,
    /// Milliseconds to the first key frame.
    first_frame_ms: Option<f64>,
    /// What is sent, where a key frame came.
    stream: Option<StreamInfo>,
    /// A `data:` URL of a JPEG, 640 px wide at most.
    picture: Option<String>,
    /// What the camera answered where it refused, secrets masked.
    answer: Option<String>,
}

impl CheckResult {
    fn new(found: one_off::Found, is_local: bool) -> Self {
        let one_off::Found { report, picture } = found;
        let row = report.verdict.row();
        let words = row.words(is_local);
        Self {
            verdict: report.verdict,
            severity: row.severity,
            title: words.title,
            advice: words.advice,
            message: report.message,
            rungs: report.rungs,
            ms: tenth(report.ms),
            first_packet_ms: report.first_packet_ms.map(tenth),
            first_frame_ms: report.first_frame_ms.map(tenth),
            stream: report.stream.codec.is_some().then_some(report.stream),
            picture: picture.map(|jpeg| format!("data:image/jpeg;base64,{}", STANDARD.encode(&jpeg.data))),
            answer: report.answer.as_deref().map(str::to_owned),
        }
    }
}

/// A check under way; it is given up where nobody waits for it any more.
struct Running {
    result: oneshot::Receiver<CheckResult>,
    _task: AbortOnDropHandle<()>,
}

fn start(camera: CameraConfig, clock: &Clock, on_rung: Option<OnRung>, place: OwnedSemaphorePermit) -> Running {
    let at = clock.now();
    let (told, result) = oneshot::channel();
    let task = tokio::spawn(async move {
        let _place = place;
        let (found, goodbye) = one_off::look_once(&camera, at, true, on_rung).await;
        let _ = told.send(CheckResult::new(found, camera.url.is_local()));
        goodbye.wait(crate::monitor::look::GOODBYE).await;
    });
    Running { result, _task: AbortOnDropHandle::new(task) }
}

/// A place among the checks of this kind.
///
/// # Errors
/// 503 where [`AT_ONCE`] are under way.
pub(super) fn place(shared: &Shared) -> Result<OwnedSemaphorePermit, ApiError> {
    shared.checks.clone().try_acquire_owned().map_err(|_| {
        ApiError::busy(format!("{AT_ONCE} checks of this kind are under way"), "Try again when one has ended.", 5)
    })
}

fn broken_down() -> ApiError {
    ApiError::busy("the check broke down", "Report this with the log.", 60)
}

/// One look at `camera`, as [`CheckResult`].
///
/// # Errors
/// 503 where [`AT_ONCE`] are under way.
pub(super) async fn once(shared: &Shared, camera: CameraConfig) -> Result<CheckResult, ApiError> {
    let mut running = start(camera, &shared.clock, None, place(shared)?);
    (&mut running.result).await.map_err(|_| broken_down())
}

/// Checks a camera without adding it. With `Accept: text/event-stream` each rung is told as it is reached
/// (`event: rung`, data `{"rung":"resolve","ms":0.2}`), then the result (`event: result`). At most 4 at once.
#[utoipa::path(
    post, path = "/api/check", tag = "cameras", request_body = CheckRequest,
    responses(
        (status = 200, description = "What the check found, good or bad",
            content((CheckResult = "application/json"), (String = "text/event-stream"))),
        (status = 422, description = "No camera's URL, or a value out of its range", body = ErrorBody),
        (status = 503, description = "4 checks are under way", body = ErrorBody),
    )
)]
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    JsonBody(request): JsonBody<CheckRequest>,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let camera = request.with_secrets(&shared).await.camera()?;
    if !wants_events(&headers) {
        return Ok(Json(once(&shared, camera).await?).into_response());
    }
    let place = place(&shared)?;
    let (tell, rungs) = mpsc::channel(RUNGS_WAITING);
    // A rung that finds no room is not told; the result has them all.
    let on_rung: OnRung = Arc::new(move |time| {
        let _ = tell.try_send(time);
    });
    let running = start(camera, &shared.clock, Some(on_rung), place);
    let stop = shared.stop.clone();
    let events = events(running, rungs).take_until(async move { stop.cancelled().await });
    Ok(Sse::new(events).into_response())
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// The rungs, then the result. The sender of rungs goes with the climb, so the first part ends by itself.
fn events(running: Running, rungs: mpsc::Receiver<RungTime>) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    let told = futures::stream::unfold(rungs, |mut rungs| async move {
        let time = rungs.recv().await?;
        Some((event("rung", &time), rungs))
    });
    let result = futures::stream::once(async move {
        let mut running = running;
        match (&mut running.result).await {
            Ok(result) => event("result", &result),
            Err(_) => Event::default().event("error").data(r#"{"what":"the check broke down"}"#),
        }
    });
    told.chain(result).map(Ok)
}

fn event(kind: &str, data: &impl Serialize) -> Event {
    // Numbers and text always become JSON.
    Event::default().event(kind).data(serde_json::to_string(data).unwrap_or_default())
}
