//! Home Assistant's device-based discovery: the box, and each camera by way of it.
//!
//! One retained message a device. Home Assistant is strict at its root: an unknown key there and the whole device
//! is refused. What people wrote (names) goes in as JSON text only, never into a template.

mod entities;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

pub use self::entities::{
    APPLIANCE, APPLIANCE_DETAILS, BOX, BOX_DETAILS, CAMERA, CAMERA_DETAILS, Details, Entity, Kind, Source,
};

use self::entities::Wiring;
use super::Names;
use crate::config::Mqtt;
use crate::monitor::board::{BoxStatus, CameraStatus};

/// The box as a device; without buttons where `mqtt` lets no orders in. `page`: the page's address (`http://…`), where
/// one is known.
pub fn box_device(names: &Names, mqtt: &Mqtt, host: &BoxStatus, page: Option<&str>) -> Value {
    let id = box_identifier(names);
    let name = if host.name.trim().is_empty() { "Pulsebox" } else { host.name.as_str() };
    let mut device = json!({
        "identifiers": [id],
        "name": name,
        "manufacturer": "Pulsebox",
        "model": "Pulsebox",
        "serial_number": names.box_id(),
        "sw_version": host.version,
    });
    if let Some(page) = page {
        device["configuration_url"] = json!(page);
    }
    let wiring = Wiring {
        topic: &|_| names.system(),
        command: mqtt.commands.then(|| names.command()),
        frame: None,
        unique: format!("{id}_"),
        entity: "pulsebox_".into(),
    };
    let mut all = components(BOX, BOX_DETAILS, &wiring);
    if host.appliance.is_some() {
        all.extend(components(APPLIANCE, APPLIANCE_DETAILS, &wiring));
    }
    message(names, host, page, device, all)
}

/// A camera as a device, by way of the box; without a picture, or without buttons and switch, where `mqtt` says so.
pub fn camera_device(names: &Names, mqtt: &Mqtt, camera: &CameraStatus, host: &BoxStatus, page: Option<&str>) -> Value {
    let by_way_of = box_identifier(names);
    let id = format!("{by_way_of}_{}", camera.id);
    let mut device = json!({
        "identifiers": [id],
        "name": camera.name,
        "manufacturer": "Pulsebox",
        "model": "Watched camera",
        "via_device": by_way_of,
    });
    if let Some(page) = page {
        device["configuration_url"] = json!(format!("{}/#/camera/{}", page.trim_end_matches('/'), camera.id));
    }
    let topic = |source| match source {
        Source::Attributes => names.camera(&camera.id, "attributes"),
        Source::State | Source::System => names.camera(&camera.id, "state"),
    };
    let wiring = Wiring {
        topic: &topic,
        command: mqtt.commands.then(|| names.camera(&camera.id, "cmd")),
        frame: mqtt.pictures.then(|| names.camera(&camera.id, "frame")),
        unique: format!("{id}_"),
        entity: format!("{}_", camera.id.replace('-', "_")),
    };
    message(names, host, page, device, components(CAMERA, CAMERA_DETAILS, &wiring))
}

fn box_identifier(names: &Names) -> String {
    format!("pulsebox_{}", names.box_id())
}

fn components(entities: &[Entity], details: &[Details], wiring: &Wiring<'_>) -> Map<String, Value> {
    entities.iter().map(|entity| (entity.key.to_owned(), entity.component(details, wiring))).collect()
}

// Availability is the box's alone: a camera that is dead is known to be, and so is not unavailable.
fn message(
    names: &Names,
    host: &BoxStatus,
    page: Option<&str>,
    device: Value,
    components: Map<String, Value>,
) -> Value {
    let mut origin = json!({ "name": "Pulsebox", "sw_version": host.version });
    if let Some(page) = page {
        origin["support_url"] = json!(page);
    }
    json!({
        "device": device,
        "origin": origin,
        "availability_topic": names.availability(),
        "payload_available": "online",
        "payload_not_available": "offline",
        "qos": 1,
        "components": components,
    })
}
