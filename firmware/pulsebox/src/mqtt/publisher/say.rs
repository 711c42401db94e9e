//! What is said on each topic, made from the board in the moment it is sent.

use std::net::SocketAddr;
use std::time::Duration;

use rumqttc::PublishOptions;
use serde_json::Value;
use tokio::time::Instant;

use super::{Message, Publisher};
use crate::config::{Web, WebTls};
use crate::monitor::board::{BoxStatus, CameraStatus};
use crate::monitor::overall::Overall;
use crate::mqtt::connect::qos;
use crate::mqtt::outbox::Due;
use crate::mqtt::{home_assistant, payload};

impl Publisher<'_> {
    pub(super) fn message(&self, topic: String, payload: Vec<u8>, retain: bool) -> Message {
        Message { topic, payload, how: PublishOptions::new(qos(self.mqtt.qos)).retain(retain) }
    }

    /// What there is to say now; none: nothing.
    pub(super) fn make(&mut self, due: &Due) -> Option<Message> {
        match due {
            Due::BoxDiscovery => {
                let host = self.means.board.now().host.clone();
                let device = home_assistant::box_device(&self.names, self.mqtt, &host, self.face.1.as_deref());
                let is_on = self.mqtt.home_assistant.enabled;
                is_on.then(|| self.message(self.names.box_discovery(), device.to_string().into_bytes(), true))
            }
            Due::CameraDiscovery(id) => {
                let (names, host) = (self.names.clone(), self.means.board.now().host.clone());
                let (page, is_on) = (self.face.1.clone(), self.mqtt.home_assistant.enabled);
                self.of_camera(id, names.camera_discovery(id), |camera| {
                    is_on.then(|| home_assistant::camera_device(&names, self.mqtt, camera, &host, page.as_deref()))
                })
            }
            Due::State(id) => self.of_camera(id, self.names.camera(id, "state"), |camera| Some(payload::state(camera))),
            Due::Attributes(id) => {
                self.of_camera(id, self.names.camera(id, "attributes"), |camera| Some(payload::attributes(camera)))
            }
            Due::System => {
                let running = Duration::from_millis(self.means.clock.monotonic_ms().try_into().unwrap_or(0));
                // A copy: whoever writes to the board must not wait while JSON is made.
                let snapshot = self.means.board.now().clone();
                self.overall = Some(Overall::of(&snapshot));
                let system = payload::system(&snapshot, running).to_string();
                Some(self.message(self.names.system(), system.into_bytes(), true))
            }
            Due::Status => {
                let snapshot = self.means.board.now().clone();
                let status = payload::status(&snapshot).to_string().into_bytes();
                Some(self.message(self.names.status().to_owned(), status, self.mqtt.retain))
            }
            Due::Frame(id) => self.picture(id),
        }
    }

    /// What is said of a camera; of one that is neither on the board nor in the configuration: nothing, for ever.
    fn of_camera(&self, id: &str, topic: String, say: impl FnOnce(&CameraStatus) -> Option<Value>) -> Option<Message> {
        let payload = match self.means.board.camera(id) {
            Some(camera) => say(&camera)?.to_string().into_bytes(),
            None if self.means.config.current().cameras.iter().any(|camera| camera.id == id) => return None,
            None => Vec::new(),
        };
        Some(self.message(topic, payload, true))
    }

    fn picture(&mut self, id: &str) -> Option<Message> {
        if !self.mqtt.pictures {
            return None;
        }
        let picture = self.means.board.camera(id)?.thumbnail.clone()?;
        self.pictures.insert(id.to_owned(), (picture.etag, Instant::now()));
        let how = PublishOptions::at_most_once();
        Some(Message { topic: self.names.camera(id, "frame"), payload: picture.jpeg.to_vec(), how })
    }

    /// The box's name, version and page.
    pub(super) fn face_of(&self, host: &BoxStatus) -> (String, Option<String>) {
        (format!("{} {}", host.name, host.version), page(&self.means.config.current().web, host))
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
