//! Every route of the API, once, as data: the router and the documentation's test read [`ROUTES`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router, middleware};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;

use super::error::ApiError;
use super::params::Params;
use super::past::{Bucket, PastError, Uptime};
use super::view::{self, CameraView, Health};
use super::{Shared, access, feed, guard, live, page, picture, video};
use crate::camera::LADDER;
use crate::monitor::board;
use crate::monitor::pulse::standstill;

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

type Handler = fn() -> MethodRouter<Arc<Shared>>;

/// One route of the API.
pub(super) struct Route {
    /// As axum writes it.
    pub path: &'static str,
    handler: Handler,
}

const fn route(path: &'static str, handler: Handler) -> Route {
    Route { path, handler }
}

const SERIES: [&str; 3] = ["from", "to", "step"];
const INCIDENTS: [&str; 3] = ["from", "to", "limit"];
const EVENTS: [&str; 1] = ["types"];

/// The API. The page's own files stand in `page`.
pub(super) const ROUTES: [Route; 9] = [
    route("/api/health", || get(health)),
    route("/api/status", || get(status)),
    route("/api/streams", || get(streams)),
    route("/api/streams/{id}", || get(stream)),
    route("/api/streams/{id}/thumbnail", || get(picture::thumbnail)),
    route("/api/streams/{id}/history", || get(history)),
    route("/api/streams/{id}/incidents", || get(incidents)),
    route("/api/ladder", || get(ladder)),
    route("/api/events", || get(events)),
];

/// All routes, behind the guard.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let documented = OpenApiRouter::new().merge(access::routes()).merge(live::routes()).merge(video::routes());
    let (mut router, _document) = documented.split_for_parts();
    for route in ROUTES {
        router = router.route(route.path, (route.handler)());
    }
    for asset in page::ASSETS {
        let file = get(async move |request: HeaderMap| page::answer(&request, asset.content_type, asset.body.into()));
        router = router.route(asset.path, file);
    }
    for state in board::State::ALL {
        let icon = get(async move |request: HeaderMap| page::answer(&request, "image/svg+xml", page::favicon(state)));
        router = router.route(&format!("/favicon-{}.svg", state.name()), icon);
    }
    router
        .method_not_allowed_fallback(async || {
            let what = "this address takes other methods";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, what, "`Allow` says which; docs/api.md says what for.")
        })
        .fallback(async || ApiError::not_found("there is nothing at this address", "docs/api.md lists what there is."))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}

/// The camera's id in the path.
pub(super) struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(ApiError::bad_request("the id in the path is not text", "Ids are a-z, 0-9, `_` and `-`.")),
        }
    }
}

async fn health(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let snapshot = shared.board.now().clone();
    let standstill = standstill(&snapshot, shared.clock.now());
    let health = Health::new(&snapshot.host, standstill, shared.access.fault());
    let code = if health.status == "unhealthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((code, Json(health)).into_response())
}

async fn status(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let snapshot = shared.board.now().clone();
    let status = view::status(&snapshot, shared.clock.now());
    status.map(|status| Json(status).into_response()).map_err(|e| {
        log::error!("the status does not become JSON: {e}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be told", "Report this with the log.")
    })
}

async fn streams(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let snapshot = shared.board.now().clone();
    Ok(Json(view::cameras(&snapshot, shared.clock.now())).into_response())
}

async fn stream(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let camera = shared.board.camera(&id).ok_or_else(|| ApiError::unknown_camera(&id))?;
    Ok(Json(CameraView::new(&camera, shared.clock.now())).into_response())
}

async fn ladder(RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    Ok(Json(LADDER).into_response())
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

#[derive(Serialize)]
struct Series {
    camera: String,
    from: Timestamp,
    to: Timestamp,
    step_seconds: u64,
    uptime: Uptime,
    points: Vec<Bucket>,
}

async fn history(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &SERIES)?;
    let period = Period::read(&params, shared.clock.now())?;
    let step_seconds = period.step(&params)?;
    let Period { from, to } = period;
    let step = Duration::from_secs(step_seconds);
    let points = ask(&shared, &id, shared.past.series(id.clone(), from, to, step)).await?;
    let uptime = ask(&shared, &id, shared.past.uptime(id.clone(), from, to)).await?;
    // The history rounds a step up to whole hours or days: what is told is what the points are.
    let used = points.iter().filter_map(|p| u64::try_from(p.to.duration_since(p.from).as_secs()).ok()).max();
    let step_seconds = used.unwrap_or(step_seconds);
    Ok(Json(Series { camera: id, from, to, step_seconds, uptime, points }).into_response())
}

async fn incidents(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &INCIDENTS)?;
    let limit = params.number("limit", 1..=INCIDENTS_MAX)?.unwrap_or(INCIDENTS_USUAL);
    let Period { from, to } = Period::read(&params, shared.clock.now())?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let incidents = ask(&shared, &id, shared.past.incidents(id.clone(), from, to, limit)).await?;
    let incidents: Vec<_> = incidents.into_iter().map(|past| past.incident).collect();
    Ok(Json(incidents).into_response())
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

async fn events(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &EVENTS)?;
    let types = match params.text("types") {
        None => None,
        Some(text) => Some(read_types(text)?),
    };
    let Ok(place) = shared.listeners.clone().try_acquire_owned() else {
        let what = format!("{} event streams are open", super::LISTENERS);
        return Err(ApiError::busy(what, "Close some pages, or try again in a moment.", 30));
    };
    let last_id = request.get("last-event-id").and_then(|id| id.to_str().ok());
    Ok(Sse::new(shared.feed.stream(last_id, types, place, shared.stop.clone())).into_response())
}

fn read_types(text: &str) -> Result<BTreeSet<String>, ApiError> {
    let types: BTreeSet<String> = text.split(',').map(|kind| kind.trim().to_owned()).collect();
    if let Some(unknown) = types.iter().find(|kind| !feed::TYPES.contains(&kind.as_str())) {
        let shown: String = unknown.chars().take(40).collect();
        return Err(ApiError::bad_request(
            format!("`{shown}` is not a type of event"),
            format!("Types are: {}.", feed::TYPES.join(", ")),
        ));
    }
    Ok(types)
}
