//! One look at a camera that nobody watches, judged at once: for `pulsebox check` and for trying a camera
//! out before it is added. What needs more than one look (`frozen`, `changed`) cannot be told.

use jiff::Timestamp;

use super::board::Report;
use super::judge::{Judge, Judged};
use super::look::{Want, look};
use crate::camera::{Goodbyes, OnRung};
use crate::config::CameraConfig;
use crate::picture::{Jpeg, Looked};

/// What one look found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The verdict and its particulars.
    pub report: Report,
    /// The picture where one was decoded and wanted, good or bad: a black picture is shown as it is.
    pub picture: Option<Jpeg>,
}

/// Looks at `camera` once, its timeout at most. `at` is the wall time for the report. The connections left
/// behind are counted in the goodbyes.
pub async fn look_once(
    camera: &CameraConfig,
    at: Timestamp,
    picture: bool,
    on_rung: Option<OnRung>,
) -> (Found, Goodbyes) {
    let goodbyes = Goodbyes::default();
    let want = Want { at, thumbnail: picture, on_rung };
    let look = look(&camera.target(), camera.timeout, want, &goodbyes).await;
    let picture = match &look.picture {
        Some(Looked::Decoded(decoded)) => decoded.thumbnail.clone(),
        _ => None,
    };
    let Judged { report, .. } = Judge::default().report(look, camera);
    (Found { report, picture }, goodbyes)
}
