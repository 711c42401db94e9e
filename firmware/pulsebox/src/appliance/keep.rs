//! Files that the daemon keeps for root's jobs in `/run/pulsebox`: `up` and `wellness`.

use std::path::{Path, PathBuf};

use super::facts::word;
use super::wellness::{Wellness, is_living};
use crate::config::on_disk;
use crate::monitor::board::{Snapshot, State};

/// Ids in `up`, bytes: they come back in a fact, which has an end.
const IDS_MAX: usize = 6 << 10;

/// A file whose text is written when it is another.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    /// As it was last written, or not there; none: nobody knows.
    written: Option<Option<String>>,
    is_told: bool,
}

impl Kept {
    pub fn new(folder: &Path, name: &str) -> Self {
        Self { path: folder.join(name), written: None, is_told: false }
    }

    /// Has the file hold this text; none: has it not be there. Blocks for a moment.
    pub fn keep(&mut self, text: Option<String>) {
        if self.written.as_ref() == Some(&text) {
            return;
        }
        let done = match &text {
            Some(text) => on_disk::replace(&self.path, text),
            None => on_disk::remove(&self.path).map(|_| ()),
        };
        match done {
            Ok(()) => (self.written, self.is_told) = (Some(text), false),
            Err(error) if !self.is_told => {
                log::warn!("{} cannot be written: {error}; it is tried again every second", self.path.display());
                self.is_told = true;
            }
            Err(_) => {}
        }
    }
}

/// `up`: ids of the cameras that give a living picture, with commas; then whether there is a network, and whether every
/// camera has been looked at since the start.
pub(super) fn up(snapshot: &Snapshot) -> String {
    let mut ids = String::new();
    for camera in snapshot.in_order().filter(|camera| is_living(camera)) {
        if ids.len() + camera.id.len() >= IDS_MAX {
            break;
        }
        if !ids.is_empty() {
            ids.push(',');
        }
        ids += &camera.id;
    }
    let is_looked_at = snapshot.cameras.values().all(|camera| camera.state == State::Paused || camera.last.is_some());
    format!("{ids}\nnetwork={}\nlooked={}\n", word(snapshot.host.network), word(is_looked_at))
}

/// `wellness`, as a fact.
pub(super) fn wellness(told: &Wellness) -> String {
    let state = if told.is_well { "well" } else { "not-yet" };
    let message: String = told.message.chars().filter(|c| !c.is_control()).collect();
    format!("state={state}\nmessage={message}\n")
}
