//! What was: a camera's series, uptime, checks and incidents, as JSON and as CSV.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Shared;
use super::error::{ApiError, ErrorBody};
use super::params::{Id, Params};
use super::past::{Bucket, PastError, Uptime};
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

const SERIES: [&str; 3] = ["from", "to", "step"];
const INCIDENTS: [&str; 3] = ["from", "to", "limit"];

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
    step_seconds: u64,
    uptime: Uptime,
    points: Vec<Bucket>,
}

/// A camera's past in steps, oldest first; 24 hours unless `from` and `to` say otherwise, and about 288 points
/// unless `step` does.
#[utoipa::path(
    get, path = "/api/streams/{id}/history", tag = "past",
    params(
        Id,
        ("from" = Option<String>, Query, description = "RFC 3339", format = DateTime),
        ("to" = Option<String>, Query, description = "RFC 3339, not included", format = DateTime),
        ("step" = Option<u64>, Query, description = "Seconds a point; at most 2000 points", minimum = 1, maximum = 31622400),
    ),
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

/// A camera's incidents that touch the period, oldest first; of more than `limit` the newest.
#[utoipa::path(
    get, path = "/api/streams/{id}/incidents", tag = "past",
    params(
        Id,
        ("from" = Option<String>, Query, description = "RFC 3339", format = DateTime),
        ("to" = Option<String>, Query, description = "RFC 3339, not included", format = DateTime),
        ("limit" = Option<u64>, Query, description = "At most so many; 100", minimum = 1, maximum = 1000),
    ),
    responses(
        (status = 200, description = "The incidents", body = Vec<Incident>),
        (status = 404, description = "Never seen", body = ErrorBody),
        (status = 503, description = "The history does not answer now", body = ErrorBody),
    )
)]
pub(super) async fn incidents(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let params = Params::read(query.as_deref(), &INCIDENTS)?;
    let limit = params.number("limit", 1..=INCIDENTS_MAX)?.unwrap_or(INCIDENTS_USUAL);
    let Period { from, to } = Period::read(&params, shared.clock.now())?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let incidents = ask(&shared, &id, shared.past.incidents(id.clone(), from, to, limit)).await?;
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
