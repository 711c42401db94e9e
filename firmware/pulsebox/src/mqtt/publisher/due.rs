//! What becomes due when something happens.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Publisher;
use super::say::gist;
use crate::monitor::board::Event;
use crate::mqtt::outbox::Due;

/// A picture may be sent this much before a heartbeat has passed: checks are never on time to the millisecond.
const EARLY: Duration = Duration::from_secs(1);

impl Publisher<'_> {
    /// Everything.
    pub(super) fn note_all(&mut self) {
        let host = self.means.board.now().host.clone();
        self.face = self.face_of(&host);
        self.note_devices();
        self.outbox.add(Due::System);
        self.outbox.add(Due::Status);
        for id in self.known.clone() {
            self.note_camera(&id);
            self.outbox.add(Due::Frame(id));
        }
    }

    /// What is said of a camera that is there.
    fn note_camera(&mut self, id: &str) {
        self.outbox.add(Due::State(id.into()));
        self.outbox.add(Due::Attributes(id.into()));
    }

    /// All devices, and all that there is of cameras that came or went.
    fn note_devices(&mut self) {
        let there: BTreeSet<String> = self.means.board.now().cameras.keys().cloned().collect();
        for gone in self.known.difference(&there) {
            self.outbox.add(Due::Forget(gone.clone()));
        }
        let new: Vec<String> = there.difference(&self.known).cloned().collect();
        for id in new {
            self.note_camera(&id);
            self.outbox.add(Due::CameraDiscovery(id));
        }
        self.pictures.retain(|id, _| there.contains(id));
        if self.mqtt.home_assistant.enabled {
            self.outbox.add(Due::BoxDiscovery);
            self.outbox.extend(there.iter().cloned().map(Due::CameraDiscovery));
        }
        self.known = there;
    }

    pub(super) fn note(&mut self, event: Event) {
        match event {
            Event::Checked { camera, .. } => {
                if self.is_picture_due(&camera) {
                    self.outbox.add(Due::Frame(camera.clone()));
                }
                self.note_camera(&camera);
            }
            Event::StateChanged { camera, .. } => {
                self.note_camera(&camera);
                self.note_system();
            }
            Event::IncidentOpened(incident) | Event::IncidentClosed(incident) => {
                self.outbox.add(Due::Attributes(incident.camera.clone()));
            }
            Event::CamerasChanged => {
                self.note_devices();
                self.note_system();
            }
            Event::SettingsChanged { camera } => self.note_camera(&camera),
            Event::HostChanged => {
                let host = self.means.board.now().host.clone();
                let face = self.face_of(&host);
                if face != self.face {
                    self.face = face;
                    self.note_devices();
                }
                self.note_system();
            }
        }
    }

    fn note_system(&mut self) {
        if gist(&self.system()) != self.gist {
            self.outbox.add(Due::System);
        }
    }

    /// Whether there is a picture that was not sent, and the last one is a heartbeat old.
    fn is_picture_due(&self, id: &str) -> bool {
        let Some(camera) = self.means.board.camera(id) else { return false };
        let Some(picture) = &camera.thumbnail else { return false };
        self.pictures.get(id).is_none_or(|(etag, at)| {
            *etag != picture.etag && at.elapsed() + EARLY >= Duration::from_secs(camera.heartbeat_seconds)
        })
    }
}
