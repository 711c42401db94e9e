//! What is: the box and its cameras as they are now, and what has just happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{ArrayBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::access::Caller;
use super::error::{ApiError, ErrorBody};
use super::params::{Id, Params};
use super::view::{self, CameraDetail, CameraView, Health};
use super::{Shared, feed};
use crate::camera::LADDER;
use crate::camera::fault::Row;
use crate::monitor::board::CameraStatus;
use crate::monitor::pulse::standstill;

/// Whether the box watches: for a machine that watches the box. Open to all; details are for who is signed in.
#[utoipa::path(
    get, path = "/api/health", tag = "box", security(()),
    responses(
        (status = 200, description = "It watches, perhaps with something to look after", body = Health),
        (status = 503, description = "No check has ended for long: the monitor stands still", body = Health),
    )
)]
pub(super) async fn health(
    State(shared): State<Arc<Shared>>,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let snapshot = shared.board.now().clone();
    let standstill = standstill(&snapshot, shared.clock.now());
    let health = Health::new(&snapshot.host, standstill, shared.access.fault());
    let health = if caller.is_some() { health } else { health.in_short() };
    let code = if health.status == "unhealthy" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((code, Json(health)).into_response())
}

/// Everything at once: StreamPulse's object by camera name, and beside it `cameras` and `host`.
#[utoipa::path(
    get, path = "/api/status", tag = "cameras",
    responses((status = 200, description = "By name, with `cameras` and `host` beside", body = super::openapi::Status))
)]
pub(super) async fn status(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let snapshot = shared.board.now().clone();
    let status = view::status(&snapshot, &shared.beside());
    status.map(|status| Json(status).into_response()).map_err(|e| {
        log::error!("the status does not become JSON: {e}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be told", "Report this with the log.")
    })
}

/// One camera that was removed and is kept in the file.
#[derive(Serialize, ToSchema)]
pub(super) struct RemovedView {
    id: String,
    name: String,
    /// Without credentials.
    url: String,
}

/// The cameras in the configuration's order; or the removed ones. Any of the two, for an empty list is both.
pub(super) struct Streams;

impl ToSchema for Streams {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((RemovedView::name().into(), RemovedView::schema()));
        schemas.push((CameraView::name().into(), CameraView::schema()));
        CameraView::schemas(schemas);
    }
}

impl PartialSchema for Streams {
    fn schema() -> RefOr<Schema> {
        let list = |of: &str| ArrayBuilder::new().items(Ref::from_schema_name(of));
        AnyOfBuilder::new().item(list("CameraView")).item(list("RemovedView")).into()
    }
}

/// The cameras in the configuration's order; with `removed=true` those that were removed and can be restored.
#[utoipa::path(
    get, path = "/api/streams", tag = "cameras",
    params(("removed" = Option<bool>, Query, description = "The removed ones instead")),
    responses((status = 200, description = "The cameras", body = Streams))
)]
pub(super) async fn streams(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let removed = Params::read(query.as_deref(), &["removed"])?.flag("removed")?.unwrap_or(false);
    if removed {
        let config = shared.config.current();
        let told = |camera: &crate::config::CameraConfig| RemovedView {
            id: camera.id.clone(),
            name: camera.name.clone(),
            url: camera.url.to_string(),
        };
        return Ok(Json(config.removed.iter().map(told).collect::<Vec<_>>()).into_response());
    }
    let snapshot = shared.board.now().clone();
    Ok(Json(view::cameras(&snapshot, &shared.beside())).into_response())
}

/// One camera with its settings.
#[utoipa::path(
    get, path = "/api/streams/{id}", tag = "cameras", params(Id),
    responses(
        (status = 200, description = "The camera", body = CameraDetail<'static>),
        (status = 404, description = "No such camera", body = ErrorBody),
    )
)]
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    id: Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let camera = shared.board.camera(&id.0).ok_or_else(|| ApiError::unknown_camera(&id.0))?;
    detail(&shared, &camera).await
}

/// A camera with its settings.
pub(super) async fn detail(shared: &Shared, camera: &CameraStatus) -> Result<Response, ApiError> {
    let given = shared.config.given().await;
    let streams = given.get("streams").and_then(Value::as_array);
    let settings = streams.into_iter().flatten().find(|stream| stream["id"] == *camera.id).cloned();
    let settings = settings.unwrap_or_else(|| Value::Object(Default::default()));
    Ok(Json(CameraDetail::new(CameraView::new(camera, &shared.beside()), settings)).into_response())
}

/// Every word there is for how a camera is, in climbing order.
#[utoipa::path(
    get, path = "/api/ladder", tag = "cameras",
    responses((status = 200, description = "The rows", body = Vec<Row>))
)]
pub(super) async fn ladder(RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    Ok(Json(LADDER).into_response())
}

const EVENTS: [&str; 1] = ["types"];

/// What happens, as server-sent events with ids; `Last-Event-ID` resumes from the last 100. Types: `check`,
/// `state`, `incident`, `cameras`, `host`; `resync` and `heartbeat` come whatever is asked for.
#[utoipa::path(
    get, path = "/api/events", tag = "cameras",
    params(
        ("types" = Option<String>, Query, description = "Only these, with commas between them", pattern = "^(check|state|incident|cameras|host)(,(check|state|incident|cameras|host))*$"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event seen"),
    ),
    responses(
        (status = 200, description = "Until either side ends it", body = String, content_type = "text/event-stream"),
        (status = 503, description = "As many streams are open as may be", body = ErrorBody),
    )
)]
pub(super) async fn events(
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
        let what = format!("{} event streams are open", shared.limits.events);
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
