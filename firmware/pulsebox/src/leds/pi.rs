//! Which Raspberry Pi this is, if it is one.

use std::fs;

use rppal::system::DeviceInfo;

/// Where the firmware writes model and revision (`Raspberry Pi 4 Model B Rev 1.4`).
const MODEL: &str = "/proc/device-tree/model";

/// Whether this machine is a Raspberry Pi.
pub fn is_one() -> bool {
    DeviceInfo::new().is_ok()
}

/// Model and revision of a Raspberry Pi; none on any other machine.
pub fn model() -> Option<String> {
    let known = DeviceInfo::new().ok()?.model();
    let written = fs::read_to_string(MODEL).unwrap_or_default();
    let written = written.trim_end_matches('\0').trim();
    Some(if written.starts_with("Raspberry Pi") { written.to_owned() } else { known.to_string() })
}
