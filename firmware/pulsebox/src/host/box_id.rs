//! What this box is called where names must stay: MQTT topics and Home Assistant's ids.

use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::config::on_disk;

/// The file in the data folder.
const FILE: &str = "box-id";
const LENGTH: usize = 8;

/// This box's id, 8 lower-case hex digits: made at the first start, kept in the data folder, and the same after
/// renames and restarts. Where the folder cannot be written it is made from the machine's id instead, which
/// is also the same after each start. Blocks for the disk.
pub fn box_id(data: &Path) -> String {
    let path = data.join(FILE);
    if let Ok(text) = fs::read_to_string(&path) {
        let id = text.trim();
        if is_box_id(id) {
            return id.into();
        }
        log::warn!("{} holds no id of {LENGTH} hex digits; a new one is made", path.display());
    }
    let mut random = [0; LENGTH / 2];
    if SystemRandom::new().fill(&mut random).is_ok() {
        let id = hex(&random);
        let _ = fs::create_dir(data);
        match on_disk::replace(&path, &format!("{id}\n")) {
            Ok(()) => return id,
            Err(error) => log::warn!("the box's id cannot be kept in {}: {error}", path.display()),
        }
    }
    // systemd asks that a machine's id is not shown as it is (machine-id(5)).
    let machine = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let hash = digest(&SHA256, format!("pulsebox {}", machine.trim()).as_bytes());
    hex(hash.as_ref().get(..LENGTH / 2).unwrap_or_default())
}

/// Whether `text` may be a box's id: 8 lower-case hex digits.
pub fn is_box_id(text: &str) -> bool {
    text.len() == LENGTH && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_keeps_its_id_over_restarts_and_two_boxes_differ() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = box_id(one.path());
        assert_eq!(id.len(), LENGTH);
        assert_eq!(box_id(one.path()), id);
        assert_ne!(box_id(other.path()), id);
    }

    #[test]
    fn without_a_folder_to_write_to_the_id_is_the_same_at_each_start() {
        let nowhere = Path::new("/proc/nowhere");
        assert_eq!(box_id(nowhere), box_id(nowhere));
    }
}
