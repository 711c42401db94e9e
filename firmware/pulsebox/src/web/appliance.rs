//! What only an appliance can: take an update, restart, be put back to how it was delivered.
//!
//! The daemon has no rights to any of it: it asks root's jobs ([`crate::appliance`]), and what becomes of it is told
//! by `host.appliance` in `/api/system` and by the event `host`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::BodyDataStream;
use axum::extract::{RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Shared;
use super::body::JsonBody;
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use crate::appliance::upload::{Refused, Upload};
use crate::appliance::{Ask, NotAsked, Room};

/// How long a bundle may take in all: nobody may hold the one place for uploads for ever.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(2 * 3600);
/// How long its next piece may take.
const PIECE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the card may take to swallow one, or the last ones.
const DISK_DEADLINE: Duration = Duration::from_secs(120);
/// What has to be typed before everything is wiped.
const CONFIRM: &str = "reset";

fn room(shared: &Shared) -> Result<&Room, ApiError> {
    let advice = "Only the Pulsebox image can do this. Here, use the system's own tools: its packages for updates, \
                  `systemctl restart pulsebox`.";
    shared.appliance.as_ref().ok_or_else(|| ApiError::not_found("this machine is not a Pulsebox appliance", advice))
}

fn not_asked(why: NotAsked) -> ApiError {
    match why {
        NotAsked::Busy(why) => conflict(why),
        NotAsked::NothingWaits => ApiError::conflict(why.to_string(), "Upload one with POST /api/update."),
        NotAsked::Unheard { .. } => {
            log::error!("{why}");
            ApiError::busy(
                "the box's own jobs cannot be asked now",
                "Try again in a minute; else cut the power and start it again.",
                60,
            )
        }
    }
}

fn conflict(why: &str) -> ApiError {
    ApiError::conflict(why, "Wait until it has ended: `host.appliance.update` in GET /api/system says how it is.")
}

/// What came of an upload.
#[derive(Serialize, ToSchema)]
pub(super) struct Uploaded {
    /// Bytes that came.
    bytes: u64,
    /// Whether it is installed, once it is found to fit; else it waits for POST /api/update/install.
    install: bool,
}

/// Takes an update bundle, and installs it once its signature, board and data schema are found to fit; the box then
/// restarts into it. With `install=false` it is only looked at, and waits. How it goes is told by
/// `host.appliance.update`.
#[utoipa::path(
    post, path = "/api/update", tag = "box",
    params(("install" = Option<bool>, Query, description = "Install it; true")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The bundle, `pulsebox-….raucb`, 300 MiB at most"),
    responses(
        (status = 202, description = "It is here and will be looked at", body = Uploaded),
        (status = 404, description = "This machine is no appliance", body = ErrorBody),
        (status = 409, description = "Another update goes on", body = ErrorBody),
        (status = 507, description = "The data partition has no room for it", body = ErrorBody),
    )
)]
pub(super) async fn upload(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Result<(StatusCode, Json<Uploaded>), ApiError> {
    let install = Params::read(query.as_deref(), &["install"])?.flag("install")?.unwrap_or(true);
    let room = room(&shared)?;
    let place = room.upload_place().ok_or_else(|| conflict("another update is being uploaded"))?;
    if let Some(why) = room.busy() {
        return Err(conflict(why));
    }
    must_be_bytes(request.headers())?;
    let told = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let upload = within_disk(Upload::begin(room.bundles(), told)).await?;
    let received = timeout(UPLOAD_DEADLINE, receive(upload, request.into_body().into_data_stream())).await;
    let bytes = received.unwrap_or_else(|_| Err(late(UPLOAD_DEADLINE)))?;
    log::info!("an update of {bytes} bytes was uploaded");
    room.ask(if install { Ask::Install } else { Ask::Check }).await.map_err(not_asked)?;
    drop(place);
    Ok((StatusCode::ACCEPTED, Json(Uploaded { bytes, install })))
}

fn must_be_bytes(headers: &HeaderMap) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.trim().eq_ignore_ascii_case("application/octet-stream") {
        return Ok(());
    }
    let what = "the body has another type than this call takes";
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what, "Send `Content-Type: application/octet-stream`."))
}

fn late(deadline: Duration) -> ApiError {
    let what = format!("the update did not come on within {} s", deadline.as_secs());
    ApiError::new(StatusCode::REQUEST_TIMEOUT, what, "Send it again, from nearer by or over a cable.")
}

/// Takes all pieces in; gives the bytes.
async fn receive(mut upload: Upload, mut body: BodyDataStream) -> Result<u64, ApiError> {
    let mut is_empty = true;
    loop {
        let piece = timeout(PIECE_DEADLINE, body.next()).await.map_err(|_| late(PIECE_DEADLINE))?;
        match piece {
            None if is_empty => {
                return Err(ApiError::unfit("the file is empty", "Choose the update's file, pulsebox-….raucb."));
            }
            None => return within_disk(upload.finish()).await,
            Some(Ok(piece)) => {
                is_empty &= piece.is_empty();
                within_disk(upload.write(&piece)).await?;
            }
            Some(Err(_)) => return Err(ApiError::bad_request("the upload ended early", "Send it again.")),
        }
    }
}

async fn within_disk<T>(work: impl Future<Output = Result<T, Refused>>) -> Result<T, ApiError> {
    match timeout(DISK_DEADLINE, work).await {
        Ok(done) => done.map_err(refused),
        Err(_) => {
            let what = format!("the card did not take it within {} s", DISK_DEADLINE.as_secs());
            Err(ApiError::busy(what, "Restart the box and try again; if it stays so, change the SD card.", 60))
        }
    }
}

fn refused(why: Refused) -> ApiError {
    match why {
        Refused::TooLarge => {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, why.to_string(), "Choose the update's file, pulsebox-….raucb.")
        }
        Refused::NoRoom => ApiError::new(
            StatusCode::INSUFFICIENT_STORAGE,
            why.to_string(),
            "Use a larger SD card, keep checks for fewer days (`history: checks_days`), or flash the new image to the card.",
        ),
        Refused::Disk(ref error) => {
            log::error!("an update cannot be taken: {error}");
            ApiError::busy(
                "the update cannot be written to the data partition",
                "Look at the box's storage on the page.",
                60,
            )
        }
    }
}

/// Installs the bundle that waits; the box then restarts into it.
#[utoipa::path(
    post, path = "/api/update/install", tag = "box",
    responses(
        (status = 202, description = "It will be installed"),
        (status = 404, description = "This machine is no appliance", body = ErrorBody),
        (status = 409, description = "None waits, or one goes on", body = ErrorBody),
    )
)]
pub(super) async fn install(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    Params::read(query.as_deref(), &[])?;
    room(&shared)?.install().await.map_err(not_asked)?;
    Ok(StatusCode::ACCEPTED)
}

/// Restarts the box. It watches again within a minute.
#[utoipa::path(
    post, path = "/api/restart", tag = "box",
    responses(
        (status = 202, description = "It will restart"),
        (status = 404, description = "This machine is no appliance", body = ErrorBody),
        (status = 409, description = "An update is being written", body = ErrorBody),
    )
)]
pub(super) async fn restart(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    Params::read(query.as_deref(), &[])?;
    room(&shared)?.restart().await.map_err(not_asked)?;
    Ok(StatusCode::ACCEPTED)
}

/// What shows that it is meant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    /// The word `reset`.
    #[schema(pattern = "^reset$")]
    confirm: String,
}

/// Wipes cameras, passwords, settings and history, and restarts the box as it was delivered.
#[utoipa::path(
    post, path = "/api/reset", tag = "box", request_body = Reset,
    responses(
        (status = 202, description = "It will wipe itself and restart"),
        (status = 404, description = "This machine is no appliance", body = ErrorBody),
        (status = 409, description = "An update is being written, or is on trial", body = ErrorBody),
    )
)]
pub(super) async fn reset(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    JsonBody(Reset { confirm }): JsonBody<Reset>,
) -> Result<StatusCode, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let room = room(&shared)?;
    if confirm != CONFIRM {
        let advice = format!("Send {{\"confirm\":\"{CONFIRM}\"}}; everything on the box is wiped then.");
        return Err(ApiError::unfit("a factory reset has to be confirmed", advice));
    }
    room.reset().await.map_err(not_asked)?;
    Ok(StatusCode::ACCEPTED)
}
