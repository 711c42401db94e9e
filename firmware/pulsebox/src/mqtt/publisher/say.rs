//! What is said on each topic, made from the board in the moment it is sent.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::QoS;
use serde_json::Value;
use tokio::time::Instant;

use super::{Message, Publisher};
use crate::config::{Web, WebTls};
use crate::monitor::board::BoxStatus;
use crate::mqtt::connect::qos;
use crate::mqtt::outbox::Due;
use crate::mqtt::{home_assistant, payload};

/// What of `system` is told as soon as it differs; its figures wait for the interval.
const AT_ONCE: [&str; 11] = [
    "overall",
    "cameras",
    "addresses",
    "clock_trusted",
    "network",
    "storage_fault",
    "config_fault",
    "slot",
    "last_start",
    "update",
    "update_state",
];

/// What of `system` is told at once.
pub(super) fn gist(system: &Value) -> Vec<Value> {
    AT_ONCE.iter().map(|key| system[*key].clone()).collect()
}

impl Publisher<'_> {
    pub(super) fn message(&self, topic: String, payload: Vec<u8>, retain: bool) -> Message {
        Message { topic, payload, qos: qos(self.mqtt.qos), retain }
    }

    /// What there is to say now; none: nothing.
    pub(super) fn make(&mut self, due: &Due) -> Option<Message> {
        match due {
            Due::BoxDiscovery => {
                let host = self.means.board.now().host.clone();
                let device = home_assistant::box_device(&self.names, self.mqtt, &host, self.face.1.as_deref());
                Some(self.message(self.names.box_discovery(), self.device(&device), true))
            }
            Due::CameraDiscovery(id) => {
                let (names, host) = (self.names.clone(), self.means.board.now().host.clone());
                let camera = self.means.board.camera(id)?;
                let device = home_assistant::camera_device(&names, self.mqtt, &camera, &host, self.face.1.as_deref());
                Some(self.message(names.camera_discovery(id), self.device(&device), true))
            }
            Due::State(id) => {
                let state = payload::state(&*self.means.board.camera(id)?).to_string();
                Some(self.message(self.names.camera(id, "state"), state.into_bytes(), true))
            }
            Due::Attributes(id) => {
                let attributes = payload::attributes(&*self.means.board.camera(id)?).to_string();
                Some(self.message(self.names.camera(id, "attributes"), attributes.into_bytes(), true))
            }
            // Two messages in one: see `forget`.
            Due::Forget(_) => None,
            Due::ForgetState(id) => {
                let topic = self.names.camera(id, "state");
                self.is_gone(id).then(|| self.message(topic, Vec::new(), true))
            }
            Due::System => {
                let system = self.system();
                self.gist = gist(&system);
                Some(self.message(self.names.system(), system.to_string().into_bytes(), true))
            }
            Due::Status => {
                let snapshot = self.means.board.now().clone();
                let status = payload::status(&snapshot).to_string().into_bytes();
                Some(self.message(self.names.status().to_owned(), status, self.mqtt.retain))
            }
            Due::Frame(id) => self.picture(id),
        }
    }

    /// What Home Assistant is told of a device; nothing, which takes away what it was told before, where it is off.
    fn device(&self, device: &Value) -> Vec<u8> {
        if self.mqtt.home_assistant.enabled { device.to_string().into_bytes() } else { Vec::new() }
    }

    /// Whether this is none of our cameras, or no longer. One that is configured and not yet on the board is ours.
    pub(super) fn is_gone(&self, id: &str) -> bool {
        self.means.board.camera(id).is_none() && self.means.config.current().camera(id).is_none()
    }

    pub(super) fn system(&self) -> Value {
        let running = Duration::from_millis(self.means.clock.monotonic_ms().try_into().unwrap_or(0));
        // A copy: whoever writes to the board must not wait while JSON is made.
        let snapshot = self.means.board.now().clone();
        payload::system(&snapshot, running)
    }

    fn picture(&mut self, id: &str) -> Option<Message> {
        if !self.mqtt.pictures {
            return None;
        }
        let picture = self.means.board.camera(id)?.thumbnail.clone()?;
        self.pictures.insert(id.to_owned(), (picture.etag, Instant::now()));
        Some(Message {
            topic: self.names.camera(id, "frame"),
            payload: picture.jpeg.to_vec(),
            qos: QoS::AtMostOnce,
            retain: false,
        })
    }

    /// The box's name, version, whether it is an appliance, and its page.
    pub(super) fn face_of(&self, host: &BoxStatus) -> (String, Option<String>) {
        (
            format!("{} {} {}", host.name, host.version, host.appliance.is_some()),
            page(&self.means.config.current().web, host),
        )
    }
}

/// Where the page is, as others in the network reach it.
fn page(web: &Web, host: &BoxStatus) -> Option<String> {
    let scheme = match web.tls {
        Some(WebTls::SelfMade | WebTls::Files { .. }) => "https",
        None => "http",
    };
    let ip = if web.listen.ip().is_unspecified() { *host.addresses.first()? } else { web.listen.ip() };
    let port = web.listen.port();
    (port != 0).then(|| format!("{scheme}://{}/", SocketAddr::new(ip, port)))
}
