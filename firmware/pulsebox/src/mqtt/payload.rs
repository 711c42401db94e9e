//! What is said of the box and of each camera.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::monitor::board::{CameraStatus, Snapshot};

/// `cam/<id>/state`.
pub fn state(camera: &CameraStatus, _now: Timestamp) -> Value {
    json!({ "state": camera.state })
}

/// `cam/<id>/attributes`.
pub fn attributes(_camera: &CameraStatus) -> Value {
    json!({})
}

/// `system`.
pub fn system(_snapshot: &Snapshot, _now: Timestamp) -> Value {
    json!({})
}

/// StreamPulse's status.
pub fn status(_snapshot: &Snapshot) -> Value {
    json!({})
}
