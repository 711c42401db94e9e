//! Cameras added, changed, removed, restored and checked: `/api/streams` as it writes.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::body::JsonBody;
use super::error::{ApiError, ErrorBody};
use super::params::{Id, Params};
use super::read::detail;
use super::stream_settings::{Extent, StreamSettings, changes, in_order};
use super::view::{CameraDetail, CameraView};
use super::{Shared, check};
use crate::camera::Severity;
use crate::config::edit::{Change, EditError, add_stream, remove_stream, set_stream_keys, stream_url};
use crate::config::{CameraConfig, Config};
use crate::monitor::Ask;
use crate::monitor::board::{CameraStatus, Event, Snapshot, State as CameraState};

/// The most cameras.
const CAMERAS_MAX: usize = 500;
/// The monitor follows a change within this time, or the answer is what it will show.
const FOLLOWED: Duration = Duration::from_secs(2);
/// A check ends by its deadline and this.
const CHECK_GRACE: Duration = Duration::from_secs(2);

type Settings = Map<String, Value>;

/// Adds a camera. It is checked first, and refused where the check finds a fault (`error.check` holds it),
/// unless `"check": false` is sent.
#[utoipa::path(
    post, path = "/api/streams", tag = "cameras",
    request_body(content = super::openapi::NewStream),
    responses(
        (status = 201, description = "Added", body = CameraView<'static>, headers(("Location" = String))),
        (status = 409, description = "The id is taken, 500 cameras are configured, or the file is in another's hands", body = ErrorBody),
        (status = 422, description = "Bad settings, or the check failed", body = ErrorBody),
        (status = 503, description = "4 checks are under way, or the file cannot be written", body = ErrorBody),
    )
)]
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    JsonBody(settings): JsonBody<Settings>,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let wants_check = match settings.get("check") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(check)) => *check,
        Some(_) => return Err(ApiError::unfit("`check` is neither true nor false", "Correct `check`.")),
    };
    let config = shared.config.current();
    must_have_room(&config)?;
    id_must_be_free(&config, &settings)?;
    let changes = changes(&settings, Extent::Given, None)?;
    let edit = move |text: &str| add_stream(text, &in_order(&changes));
    let added = last(shared.config.preview(edit.clone()).await?)?;
    if wants_check {
        must_be_well(&shared, added.clone()).await?;
    }
    shared.config.change(edit).await?;
    let camera = followed(&shared, &added).await;
    let place = format!("/api/streams/{}", added.id);
    let mut response = (StatusCode::CREATED, Json(CameraView::new(&camera, &shared.beside()))).into_response();
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn must_have_room(config: &Config) -> Result<(), ApiError> {
    if config.cameras.len() >= CAMERAS_MAX {
        return Err(ApiError::conflict(format!("{CAMERAS_MAX} cameras are configured"), "Remove one first."));
    }
    Ok(())
}

fn id_must_be_free(config: &Config, settings: &Settings) -> Result<(), ApiError> {
    let Some(id) = settings.get("id").and_then(Value::as_str) else { return Ok(()) };
    if config.camera(id).is_some() {
        return Err(ApiError::conflict(format!("the id `{id}` is taken"), "Choose another id."));
    }
    if config.removed.iter().any(|camera| camera.id == id) {
        return Err(ApiError::conflict(
            format!("the id `{id}` belongs to a removed camera"),
            format!("Restore it with POST /api/streams/{id}/restore, or choose another id."),
        ));
    }
    Ok(())
}

/// The camera that was put at the end.
fn last(config: Config) -> Result<CameraConfig, ApiError> {
    config.cameras.into_iter().last().ok_or_else(|| ApiError::unfit("there is no camera in this", "Send its settings."))
}

async fn must_be_well(shared: &Shared, camera: CameraConfig) -> Result<(), ApiError> {
    let result = check::once(shared, camera).await?;
    if result.severity != Severity::Fault {
        return Ok(());
    }
    let mut error = ApiError::unfit(
        "the camera was checked first, and the check failed",
        "Do what `check` says, or send `\"check\": false` to add it anyway.",
    );
    error.check = Some(Box::new(result));
    Err(error)
}

/// The settings of one camera, all of them: what is not given goes back to its default.
#[utoipa::path(
    put, path = "/api/streams/{id}", tag = "cameras", params(Id),
    request_body(content = StreamSettings),
    responses(
        (status = 200, description = "Changed", body = CameraDetail<'static>),
        (status = 404, description = "No such camera", body = ErrorBody),
        (status = 409, description = "The file is in another's hands", body = ErrorBody),
        (status = 422, description = "Bad settings", body = ErrorBody),
        (status = 503, description = "The file cannot be written", body = ErrorBody),
    )
)]
pub(super) async fn replace(
    State(shared): State<Arc<Shared>>,
    id: Id,
    RawQuery(query): RawQuery,
    JsonBody(settings): JsonBody<Settings>,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    set(&shared, &id.0, settings, Extent::Whole).await
}

/// Some settings of one camera; `null` puts one back to its default. Pausing is this:
/// `{"paused":true}` or `{"paused_until":"2026-11-23T08:00:00Z"}`.
#[utoipa::path(
    patch, path = "/api/streams/{id}", tag = "cameras", params(Id),
    request_body(content = super::openapi::StreamChanges),
    responses(
        (status = 200, description = "Changed", body = CameraDetail<'static>),
        (status = 404, description = "No such camera", body = ErrorBody),
        (status = 409, description = "The file is in another's hands", body = ErrorBody),
        (status = 422, description = "Bad settings", body = ErrorBody),
        (status = 503, description = "The file cannot be written", body = ErrorBody),
    )
)]
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    id: Id,
    RawQuery(query): RawQuery,
    JsonBody(settings): JsonBody<Settings>,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    set(&shared, &id.0, settings, Extent::Given).await
}

async fn set(shared: &Arc<Shared>, id: &str, settings: Settings, extent: Extent) -> Result<Response, ApiError> {
    let camera = changed(shared, id, settings, extent).await?;
    detail(shared, &camera).await
}

/// Changes some settings of a camera; its status once the monitor follows.
///
/// # Errors
/// As of `PATCH /api/streams/{id}`.
pub(super) async fn apply(shared: &Shared, id: &str, settings: Settings) -> Result<Arc<CameraStatus>, ApiError> {
    changed(shared, id, settings, Extent::Given).await
}

async fn changed(shared: &Shared, id: &str, settings: Settings, extent: Extent) -> Result<Arc<CameraStatus>, ApiError> {
    configured(shared, id)?;
    if settings.contains_key("check") {
        return Err(ApiError::unfit("`check` is for adding a camera", "Leave it out."));
    }
    if settings.get("id").is_some_and(|given| given != id) {
        return Err(ApiError::unfit(
            "a camera's id cannot be changed: its history and its addresses hang on it",
            "Leave `id` out; the name may be changed.",
        ));
    }
    let (of, given) = (id.to_owned(), settings.clone());
    // Whether the credentials fit is known only with the URL so far, which nothing but the file holds.
    let edit = move |text: &str| -> Result<String, EditError> {
        let url = stream_url(text, &of);
        match changes(&given, extent, url.as_deref()) {
            Ok(mut changes) => {
                changes.retain(|change| change.path != ["id"]);
                set_stream_keys(text, &of, &changes)
            }
            Err(_) => Err(EditError::TooOdd),
        }
    };
    if let Some(camera) = shared.config.current().camera(id) {
        changes(&settings, extent, Some(camera.url.bare().as_str()))?;
    }
    shared.config.change(edit).await?;
    Ok(followed(shared, &*configured(shared, id)?).await)
}

/// The camera's configuration in force.
fn configured(shared: &Shared, id: &str) -> Result<Box<CameraConfig>, ApiError> {
    let config = shared.config.current();
    config.camera(id).map(|camera| Box::new(camera.clone())).ok_or_else(|| ApiError::unknown_camera(id))
}

/// Takes a camera out of the watch: it stays in the file with `removed: true` and can be restored; its
/// history stays. `forget=true` takes it out of the file, removed before or not.
#[utoipa::path(
    delete, path = "/api/streams/{id}", tag = "cameras",
    params(Id, ("forget" = Option<bool>, Query, description = "Take it out of the file")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such camera", body = ErrorBody),
        (status = 409, description = "The file is in another's hands", body = ErrorBody),
        (status = 503, description = "The file cannot be written", body = ErrorBody),
    )
)]
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    id: Id,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    let forget = Params::read(query.as_deref(), &["forget"])?.flag("forget")?.unwrap_or(false);
    let of = id.0.clone();
    if forget {
        shared.config.change(move |text| remove_stream(text, &of)).await?;
    } else {
        configured(&shared, &id.0)?;
        let removed = [Change::new("removed", true.into())];
        shared.config.change(move |text| set_stream_keys(text, &of, &removed)).await?;
    }
    let gone = |snapshot: &Snapshot| !snapshot.cameras.contains_key(&id.0);
    let _ = timeout(FOLLOWED, shared.board.watch().wait_for(gone)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Watches a removed camera again.
#[utoipa::path(
    post, path = "/api/streams/{id}/restore", tag = "cameras", params(Id),
    responses(
        (status = 200, description = "It is watched again", body = CameraView<'static>),
        (status = 404, description = "No such camera among the removed ones", body = ErrorBody),
        (status = 409, description = "It is not removed, 500 cameras are configured, or the file is in another's hands", body = ErrorBody),
        (status = 503, description = "The file cannot be written", body = ErrorBody),
    )
)]
pub(super) async fn restore(
    State(shared): State<Arc<Shared>>,
    id: Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let config = shared.config.current();
    if config.camera(&id.0).is_some() {
        return Err(ApiError::conflict(format!("the camera `{}` is not removed", id.0), "Nothing to do."));
    }
    if !config.removed.iter().any(|camera| camera.id == id.0) {
        return Err(ApiError::unknown_camera(&id.0));
    }
    must_have_room(&config)?;
    let of = id.0.clone();
    let there = [Change::new("removed", Value::Null)];
    shared.config.change(move |text| set_stream_keys(text, &of, &there)).await?;
    let camera = followed(&shared, &*configured(&shared, &id.0)?).await;
    Ok(Json(CameraView::new(&camera, &shared.beside())).into_response())
}

/// Checks a camera now.
#[utoipa::path(
    post, path = "/api/streams/{id}/check", tag = "cameras", params(Id),
    responses(
        (status = 200, description = "After the check", body = CameraView<'static>),
        (status = 202, description = "The check has not ended yet; events tell when it has", body = CameraView<'static>),
        (status = 404, description = "No such camera", body = ErrorBody),
        (status = 409, description = "The camera is paused", body = ErrorBody),
        (status = 503, description = "The monitor has too much to do", body = ErrorBody),
    )
)]
pub(super) async fn check_now(
    State(shared): State<Arc<Shared>>,
    id: Id,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let (camera, done) = fresh(&shared, &id.0).await?;
    let code = if done { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, Json(CameraView::new(&camera, &shared.beside()))).into_response())
}

/// Has a camera checked; its status after that, and whether the check ended in time.
///
/// # Errors
/// 404, 409 for a paused one, 503.
pub(super) async fn fresh(shared: &Shared, id: &str) -> Result<(Arc<CameraStatus>, bool), ApiError> {
    let camera = shared.board.camera(id).ok_or_else(|| ApiError::unknown_camera(id))?;
    if camera.state == CameraState::Paused {
        return Err(ApiError::conflict(
            format!("`{id}` is paused"),
            "Resume it first: PATCH /api/streams/{id} with {\"paused\":null,\"paused_until\":null}.",
        ));
    }
    let deadline = configured(shared, id).map_or(Duration::from_secs(15), |camera| camera.timeout) + CHECK_GRACE;
    // Listened for before it is asked for: no answer is missed.
    let mut events = shared.board.events();
    if !shared.orders.ask(id, Ask::Check) {
        return Err(ApiError::busy("the monitor has too much to do", "Try again in a moment.", 5));
    }
    let checked = async {
        loop {
            match events.recv().await {
                Ok(Event::Checked { camera, .. }) if camera == id => return true,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return false,
            }
        }
    };
    let done = timeout(deadline, checked).await.unwrap_or(false);
    let camera = shared.board.camera(id).ok_or_else(|| ApiError::unknown_camera(id))?;
    Ok((camera, done))
}

/// The camera as the board shows it once the monitor follows; where it does not in time, as it will be.
async fn followed(shared: &Shared, camera: &CameraConfig) -> Arc<CameraStatus> {
    let (url, now) = (camera.url.to_string(), shared.clock.now());
    let follows = |snapshot: &Snapshot| {
        let listed = snapshot.order.contains(&camera.id);
        listed && snapshot.cameras.get(&camera.id).is_some_and(|status| shows(status, camera, &url, now))
    };
    let mut watch = shared.board.watch();
    if timeout(FOLLOWED, watch.wait_for(follows)).await.is_ok()
        && let Some(status) = shared.board.camera(&camera.id)
    {
        return status;
    }
    Arc::new(will_be(camera, url, now))
}

fn shows(status: &CameraStatus, camera: &CameraConfig, url: &str, now: Timestamp) -> bool {
    status.name == camera.name
        && status.url == url
        && status.heartbeat_seconds == camera.heartbeat.as_secs()
        && status.paused_until == camera.pause_ends(now)
        && camera.is_paused(now) == (status.state == CameraState::Paused)
}

fn will_be(camera: &CameraConfig, url: String, now: Timestamp) -> CameraStatus {
    CameraStatus {
        id: camera.id.clone(),
        name: camera.name.clone(),
        url,
        heartbeat_seconds: camera.heartbeat.as_secs(),
        state: if camera.is_paused(now) { CameraState::Paused } else { CameraState::Unknown },
        since: now,
        last: None,
        recent: Arc::new([]),
        incident: None,
        thumbnail: None,
        failures: 0,
        next_check: None,
        paused_until: camera.pause_ends(now),
    }
}
