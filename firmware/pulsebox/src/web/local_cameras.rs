//! `/api/local-cameras`: what is plugged in at this machine.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Shared;
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use crate::camera::v4l2::devices::{LocalCamera, plugged_in};
use crate::config::Config;

/// The devices have 2 s among them; the rest is for a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(5);
/// Lists that are made at once: each opens every device.
static LISTING: Semaphore = Semaphore::const_new(1);

/// A camera at this machine, and which of the configured ones it is.
#[derive(Serialize, ToSchema)]
struct PluggedIn {
    #[serde(flatten)]
    device: LocalCamera,
    /// The id of the configured camera that has this URL or node.
    camera: Option<String>,
}

/// The cameras that are plugged in now, by node.
#[derive(Serialize, ToSchema)]
pub(super) struct LocalCameras {
    cameras: Vec<PluggedIn>,
}

/// The cameras that are plugged in at this machine: USB and CSI.
///
/// Each device is opened for a moment and none is started. One that hangs is listed with its `problem` and holds up
/// none of the others.
#[utoipa::path(
    get, path = "/api/local-cameras", tag = "cameras",
    responses(
        (status = 200, description = "Plugged in now", body = LocalCameras),
        (status = 503, description = "The devices do not answer; Retry-After says when to try again", body = ErrorBody),
    )
)]
pub(super) async fn local_cameras(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<LocalCameras>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let config = shared.config.current();
    let listed = async {
        let turn = LISTING.acquire().await;
        spawn_blocking(move || {
            let cameras = plugged_in().into_iter().map(|device| known(device, &config)).collect();
            drop(turn);
            cameras
        })
        .await
    };
    match timeout(DEADLINE, listed).await {
        Ok(Ok(cameras)) => Ok(Json(LocalCameras { cameras })),
        _ => Err(ApiError::busy(
            "the cameras' devices do not answer",
            "Unplug the camera that was plugged in last, and try again.",
            10,
        )),
    }
}

fn known(device: LocalCamera, config: &Config) -> PluggedIn {
    let node = |path: &Path| fs::canonicalize(path).ok();
    let at = node(Path::new(&device.node));
    let is_it = |path: &Path| path == Path::new(&device.node) || (at.is_some() && node(path) == at);
    let camera = config.cameras.iter().find(|camera| {
        let urls = [Some(&camera.url), camera.sub_url.as_ref()];
        urls.into_iter().flatten().filter_map(|url| url.device()).any(|path| is_it(&path))
    });
    PluggedIn { camera: camera.map(|camera| camera.id.clone()), device }
}
