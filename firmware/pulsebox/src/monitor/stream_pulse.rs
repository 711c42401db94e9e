//! The status as StreamPulse 2.2 tells it: one object by camera name. Its `/api/status` and its MQTT topic carry
//! the same text, and its dashboards read it.

use serde_json::{Map, Value, json};

use super::board::{CameraStatus, Snapshot, State};

/// Every camera by name, in no order. Of cameras of one name the last in the configuration is told.
pub fn status(snapshot: &Snapshot) -> Map<String, Value> {
    snapshot.in_order().map(|camera| (camera.name.clone(), one(camera))).collect()
}

/// One camera as StreamPulse's monitor.py tells it: `ts` in ISO 8601, `status` `ok` or `fail`, `latency` in whole
/// ms; empty strings and null where there is nothing yet.
fn one(camera: &CameraStatus) -> Value {
    let status = match camera.state {
        State::Up | State::Degraded => "ok",
        State::Down => "fail",
        State::Unknown | State::Paused => "",
    };
    match camera.last.as_deref() {
        Some(report) => json!({
            "ts": report.at.to_string(),
            "status": status,
            "latency": report.latency_ms().map(|ms| ms.round() as i64),
            "message": report.message,
        }),
        None => json!({ "ts": "", "status": status, "latency": null, "message": "no data yet" }),
    }
}
