//! Home Assistant's device-based discovery.

use serde_json::{Value, json};

use super::Names;
use crate::monitor::board::{BoxStatus, CameraStatus};

/// The box as a device. `page`: the page's address, where one is known.
pub fn box_device(_names: &Names, _host: &BoxStatus, _page: Option<&str>) -> Value {
    json!({})
}

/// A camera as a device, by way of the box.
pub fn camera_device(_names: &Names, _camera: &CameraStatus, _host: &BoxStatus, _page: Option<&str>) -> Value {
    json!({})
}
