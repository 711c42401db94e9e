//! What was: a camera's series, uptime, checks and incidents, as JSON and as CSV.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::csv::{Cell, Table};
use super::error::{ApiError, ErrorBody};
use super::params::{Id, Params};
use super::past::{Bucket, CheckRow, EvidencePicture, PastError, PastIncident, Uptime, Uptimes};
use crate::monitor::board::Incident;

/// Points that a series may have.
const POINTS_MAX: u64 = 2000;
/// Points that a series has where no step is asked for, about.
const POINTS_USUAL: u64 = 288;
/// Steps that read well, seconds.
const STEPS: [u64; 11] = [60, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];
/// The longest period asked for at once.
const PERIOD_MAX: SignedDuration = SignedDuration::from_hours(24 * 3660);
/// The usual period.
const PERIOD_USUAL: SignedDuration = SignedDuration::from_hours(24);
/// Incidents told at once.
const INCIDENTS_MAX: u64 = 1000;
const INCIDENTS_USUAL: u64 = 100;
/// How long the past may take to answer: a little more than its own deadline, so that its reason is told.
const PAST_DEADLINE: Duration = Duration::from_secs(12);

/// Checks told at once.
const CHECKS_MAX: u64 = 10_000;
const CHECKS_USUAL: u64 = 1000;

const SERIES: [&str; 3] = ["from", "to", "step"];
const ROWS: [&str; 3] = ["from", "to", "limit"];

/// For the document: which part of the past.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `Period`, which says what is wrong")]
struct During {
    /// RFC 3339; 24 hours before `to`
    #[param(format = DateTime)]
    from: Option<String>,
    /// RFC 3339, not included; now
    #[param(format = DateTime)]
    to: Option<String>,
}

/// For the document: in which steps.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `Period`, which says what is wrong")]
struct Steps {
    /// Seconds a point; at most 2000 points
    #[param(minimum = 1, maximum = 31_622_400)]
    step: Option<u64>,
}

/// For the document: how many checks.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "read by `limit`, which says what is wrong")]
struct ChecksLimit {
    /// At most so many, the newest; 1000
    #[param(minimum = 1, maximum = 10_000)]
    limit: Option<u64>,
}

/// A period of the past, checked.
struct Period {
    from: Timestamp,
    to: Timestamp,
}

impl Period {
    /// The day before now, unless `from` and `to` say otherwise.
    fn read(params: &Params, now: Timestamp) -> Result<Self, ApiError> {
        // A whole second: nobody asked for nanoseconds.
        let to = params.time("to")?.unwrap_or(Timestamp::from_second(now.as_second()).unwrap_or(now));
        let from = match params.time("from")? {
            Some(from) => from,
            None => to.checked_sub(PERIOD_USUAL).unwrap_or(Timestamp::MIN),
        };
        if from >= to {
            return Err(ApiError::bad_request(format!("`from` ({from}) is not before `to` ({to})"), "Swap them."));
        }
        if to.duration_since(from) > PERIOD_MAX {
            return Err(ApiError::bad_request("the period is longer than ten years", "Ask for a shorter one."));
        }
        Ok(Self { from, to })
    }

    fn seconds(&self) -> u64 {
        u64::try_from(self.to.duration_since(self.from).as_secs()).unwrap_or(0).max(1)
    }

    /// Seconds a step: what is asked for, or one that gives about 288 points.
    fn step(&self, params: &Params) -> Result<u64, ApiError> {
        let Some(step) = params.number("step", 1..=31_622_400)? else {
            let about = self.seconds().div_ceil(POINTS_USUAL);
            let fits = STEPS.into_iter().find(|step| *step >= about);
            return Ok(fits.unwrap_or(about.next_multiple_of(86_400)));
        };
        if self.seconds().div_ceil(step) > POINTS_MAX {
            return Err(ApiError::bad_request(
                format!("this would be more than {POINTS_MAX} points"),
                format!("Ask for a shorter period, or a `step` of {} s at least.", self.seconds().div_ceil(POINTS_MAX)),
            ));
        }
        Ok(step)
    }
}

/// A camera's past in steps.
#[derive(Serialize, ToSchema)]
pub(super) struct Series {
    camera: String,
    from: Timestamp,
    to: Timestamp,
    /// Seconds a point; the history rounds up to whole hours or days where it keeps no more.
    step_seconds: u64,
    /// Of the whole period.
    uptime: Uptime,
    points: Vec<Bucket>,
}

async fn series(shared: &Shared, id: &str, query: Option<&str>) -> Result<Series, ApiError> {
    let params = Params::read(query, &SERIES)?;
    let period = Period::read(&params, shared.clock.now())?;
    let step_seconds = period.step(&params)?;
    let Period { from, to } = period;
    let step = Duration::from_secs(step_seconds);
    let points = ask(shared, id, shared.past.series(id.to_owned(), from, to, step)).await?;
    let uptime = ask(shared, id, shared.past.uptime(id.to_owned(), from, to)).await?;
    // The history rounds a step up to whole hours or days: what is told is what the points are.
    let used = points.iter().filter_map(|p| u64::try_from(p.to.duration_since(p.from).as_secs()).ok()).max();
    let step_seconds = used.unwrap_or(step_seconds);
    Ok(Series { camera: id.to_owned(), from, to, step_seconds, uptime, points })
}

/// A camera's past in steps, oldest first; 24 hours unless `from` and `to` say otherwise, and about 288 points
/// unless `step` does.
#[utoipa::path(
    get, path = "/api/streams/{id}/history", tag = "past",
    params(Id, During, Steps),
    responses(
        (status = 200, description = "The series", body = Series),
        (status = 404, description = "Never seen", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn history(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Ok(Json(series(&shared, &id, query.as_deref()).await?).into_response())
}

/// The same points as a table.
#[utoipa::path(
    get, path = "/api/streams/{id}/history.csv", tag = "past",
    params(Id, During, Steps),
    responses(
        (status = 200, description = "One line a point", body = String, content_type = "text/csv"),
        (status = 404, description = "Never seen", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn history_csv(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let series = series(&shared, &id, query.as_deref()).await?;
    let columns = [
        "from",
        "to",
        "up_ms",
        "degraded_ms",
        "down_ms",
        "unknown_ms",
        "paused_ms",
        "unwatched_ms",
        "checks",
        "failures",
        "p50_ms",
        "p95_ms",
        "max_ms",
        "first_frame_ms",
        "fps",
        "kbps",
    ];
    let mut table = Table::new(&columns);
    for Bucket { from, to, times_ms: t, checks, failures, p50_ms, p95_ms, max_ms, first_frame_ms, fps, kbps } in
        &series.points
    {
        let times = [t.up, t.degraded, t.down, t.unknown, t.paused, t.unwatched];
        let mut cells = vec![Cell::from(*from), Cell::from(*to)];
        cells.extend(times.map(Cell::from));
        cells.extend([Cell::from(*checks), Cell::from(*failures)]);
        cells.extend([p50_ms, p95_ms, max_ms, first_frame_ms].map(|ms| Cell::from(*ms)));
        cells.extend([Cell::from(*fps), Cell::from(*kbps)]);
        table.row(cells);
    }
    Ok(table.answer(&format!("{id}-history.csv")))
}

async fn rows(shared: &Shared, id: &str, query: Option<&str>) -> Result<Vec<CheckRow>, ApiError> {
    let params = Params::read(query, &ROWS)?;
    let limit = limit(&params, CHECKS_USUAL, CHECKS_MAX)?;
    let Period { from, to } = Period::read(&params, shared.clock.now())?;
    ask(shared, id, shared.past.checks(id.to_owned(), from, to, limit)).await
}

fn limit(params: &Params, usual: u64, most: u64) -> Result<usize, ApiError> {
    let limit = params.number("limit", 1..=most)?.unwrap_or(usual);
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}

/// A camera's checks one by one, oldest first.
#[utoipa::path(
    get, path = "/api/streams/{id}/checks", tag = "past",
    params(Id, During, ChecksLimit),
    responses(
        (status = 200, description = "The checks", body = Vec<CheckRow>),
        (status = 404, description = "Never seen", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn checks(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Ok(Json(rows(&shared, &id, query.as_deref()).await?).into_response())
}

/// The same checks as a table.
#[utoipa::path(
    get, path = "/api/streams/{id}/checks.csv", tag = "past",
    params(Id, During, ChecksLimit),
    responses(
        (status = 200, description = "One line a check", body = String, content_type = "text/csv"),
        (status = 404, description = "Never seen", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn checks_csv(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let columns = ["at", "verdict", "severity", "state", "ms", "first_packet_ms", "first_frame_ms", "fps", "kbps"];
    let mut table = Table::new(&columns);
    for row in rows(&shared, &id, query.as_deref()).await? {
        let severity = serde_json::to_value(row.severity).ok();
        table.row([
            row.at.into(),
            Cell::text(row.verdict.name()),
            Cell::text(severity.as_ref().and_then(|word| word.as_str()).unwrap_or_default()),
            Cell::text(row.state.name()),
            row.ms.into(),
            row.first_packet_ms.into(),
            row.first_frame_ms.into(),
            row.fps.into(),
            row.kbps.into(),
        ]);
    }
    Ok(table.answer(&format!("{id}-checks.csv")))
}

/// A camera's uptime of the last 24 hours, 7, 30 and 365 days.
#[utoipa::path(
    get, path = "/api/streams/{id}/uptime", tag = "past", params(Id),
    responses(
        (status = 200, description = "Up to now", body = Uptimes),
        (status = 404, description = "Never seen", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn uptime(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    Ok(Json(ask(&shared, &id, shared.past.uptimes(id.clone())).await?).into_response())
}

/// One incident with its evidence.
#[derive(Serialize, ToSchema)]
pub(super) struct IncidentView {
    #[serde(flatten)]
    incident: Incident,
    /// What is kept of it; none where nothing is.
    evidence: Option<EvidenceView>,
}

/// What is kept of an incident.
#[derive(Serialize, ToSchema)]
struct EvidenceView {
    /// What the camera answered first, secrets masked.
    answer: Option<String>,
    /// What was said of it.
    message: String,
    /// What to do about it.
    advice: &'static str,
    /// The last good picture before it.
    good: Option<PictureView>,
    /// The first bad one.
    bad: Option<PictureView>,
}

/// Where a picture is.
#[derive(Serialize, ToSchema)]
struct PictureView {
    url: String,
    at: Timestamp,
}

impl IncidentView {
    fn new(PastIncident { incident, evidence }: PastIncident, is_local: bool) -> Self {
        let place = |which: &str| format!("/api/streams/{}/incidents/{}/{which}.jpg", incident.camera, incident.id);
        let evidence = evidence.map(|kept| EvidenceView {
            answer: kept.answer,
            message: incident.message.clone(),
            advice: incident.verdict.row().words(is_local).advice,
            good: kept.good_at.map(|at| PictureView { url: place("good"), at }),
            bad: kept.bad_at.map(|at| PictureView { url: place("bad"), at }),
        });
        Self { incident, evidence }
    }
}

/// A camera's incidents that touch the period, oldest first.
#[utoipa::path(
    get, path = "/api/streams/{id}/incidents", tag = "past",
    params(
        Id,
        During,
        ("limit" = Option<u64>, Query, description = "At most so many, the newest; 100", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "The incidents", body = Vec<IncidentView>),
        (status = 404, description = "Never seen", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn incidents(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &ROWS)?;
    let limit = limit(&params, INCIDENTS_USUAL, INCIDENTS_MAX)?;
    let Period { from, to } = Period::read(&params, shared.clock.now())?;
    let incidents = ask(&shared, &id, shared.past.incidents(id.clone(), from, to, limit)).await?;
    let is_local = shared.config.current().camera(&id).is_some_and(|camera| camera.url.is_local());
    Ok(Json(incidents.into_iter().map(|past| IncidentView::new(past, is_local)).collect::<Vec<_>>()).into_response())
}

/// A camera's id and an incident's number in the path.
#[derive(IntoParams)]
#[into_params(names("id", "incident"), parameter_in = Path)]
pub(super) struct IncidentPath(
    /// The camera's id.
    #[param(pattern = "^[a-z0-9_-]{1,64}$", example = "gate")]
    String,
    /// The incident's id.
    i64,
);

impl<S: Send + Sync> FromRequestParts<S> for IncidentPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<(String, i64)>::from_request_parts(parts, state).await;
        path.map(|Path((id, incident))| Self(id, incident)).map_err(|_| {
            ApiError::bad_request("this is no incident's number", "GET /api/streams/{id}/incidents has the addresses.")
        })
    }
}

/// The last good picture before an incident.
#[utoipa::path(
    get, path = "/api/streams/{id}/incidents/{incident}/good.jpg", tag = "past", params(IncidentPath),
    responses(
        (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/jpeg"),
        (status = 404, description = "None is kept", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn good_picture(
    State(shared): State<Arc<Shared>>,
    path: IncidentPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    picture(&shared, path, query.as_deref(), EvidencePicture::Good).await
}

/// The first bad picture of an incident.
#[utoipa::path(
    get, path = "/api/streams/{id}/incidents/{incident}/bad.jpg", tag = "past", params(IncidentPath),
    responses(
        (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/jpeg"),
        (status = 404, description = "None is kept", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn bad_picture(
    State(shared): State<Arc<Shared>>,
    path: IncidentPath,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    picture(&shared, path, query.as_deref(), EvidencePicture::Bad).await
}

async fn picture(
    shared: &Shared,
    IncidentPath(id, incident): IncidentPath,
    query: Option<&str>,
    which: EvidencePicture,
) -> Result<Response, ApiError> {
    Params::read(query, &[])?;
    let picture = ask(shared, &id, shared.past.evidence_picture(id.clone(), incident, which)).await?;
    let picture = picture.ok_or_else(|| {
        ApiError::not_found("no such picture is kept", "Pictures of the newest incidents are kept, older ones go.")
    })?;
    let mut response = Body::from(picture).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    // It never changes.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable"));
    Ok(response)
}

/// Waits for an answer of the past. A camera on the board is known, even before the past has seen it; one
/// that was removed lives on in its history.
async fn ask<T: Default>(
    shared: &Shared,
    id: &str,
    answer: impl Future<Output = Result<T, PastError>>,
) -> Result<T, ApiError> {
    let later = |what: String| ApiError::busy(what, "Try again in a minute, or ask for a shorter period.", 60);
    match timeout(PAST_DEADLINE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(PastError::UnknownCamera)) if shared.board.camera(id).is_some() => Ok(T::default()),
        Ok(Err(PastError::UnknownCamera)) => Err(ApiError::unknown_camera(id)),
        Ok(Err(PastError::Unavailable(why))) => Err(later(why)),
        Err(_) => Err(later("the history did not answer in time".into())),
    }
}
