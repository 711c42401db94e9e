//! The Pi's own LED, through the kernel's LED class (Documentation/leds/leds-class.rst).
//!
//! Its trigger (on a Pi usually the SD card's activity) is taken away while the LED is ours, and put back after.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::pattern::ON_FROM;
use super::player::Lamp;
use super::wiring::NotTaken;

/// Where the kernel shows its LEDs.
pub const CLASS: &str = "/sys/class/leds";
/// Today's name, and that of older kernels.
const NAMES: [&str; 2] = ["ACT", "led0"];
/// What the trigger `timer` is set by.
const DELAYS: [&str; 2] = ["delay_on", "delay_off"];

/// The Pi's own LED, while it is ours.
pub struct Act {
    folder: PathBuf,
    /// `max_brightness`, as text.
    full: String,
    before: Before,
}

/// How it was found.
struct Before {
    trigger: String,
    brightness: String,
    /// Of the trigger `timer`; empty at any other.
    delays: Vec<(&'static str, String)>,
}

impl Act {
    /// Takes it from a folder such as [`CLASS`], and says where it is; none where there is none and none is
    /// `expected`. Blocks.
    pub fn take(class: &Path, expected: bool) -> Result<Option<(Self, String)>, NotTaken> {
        let Some(folder) = NAMES.iter().map(|name| class.join(name)).find(|folder| folder.exists()) else {
            let at = class.join(NAMES[0]).display().to_string();
            let problem = "this Raspberry Pi shows no LED of its own there; write `act: false` under `leds:`".into();
            return if expected { Err(NotTaken { at, problem }) } else { Ok(None) };
        };
        let at = folder.display().to_string();
        let taken = (|| {
            let before = Before::read(&folder)?;
            let full = read(&folder, "max_brightness").unwrap_or_else(|_| "255".into());
            fs::write(folder.join("trigger"), "none")?;
            fs::write(folder.join("brightness"), "0")?;
            Ok(Self { folder, full, before })
        })();
        match taken {
            Ok(act) => Ok(Some((act, at))),
            Err(error) => Err(NotTaken { problem: refused(&error), at }),
        }
    }
}

/// Why, and what to do.
fn refused(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "no permission to write `trigger` and `brightness` there; give Pulsebox's user \
             that permission by a udev rule (docs/leds.md), or write `act: false` under `leds:`"
            .into(),
        ErrorKind::ReadOnlyFilesystem => "/sys is read-only for Pulsebox; allow that folder in its systemd unit \
             (docs/leds.md), or write `act: false` under `leds:`"
            .into(),
        _ => format!("the kernel refuses it ({error}); write `act: false` under `leds:` to do without"),
    }
}

impl Before {
    fn read(folder: &Path) -> io::Result<Self> {
        let triggers = read(folder, "trigger")?;
        let chosen = triggers.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
        let trigger = chosen.unwrap_or("none").to_owned();
        let delays = if trigger == "timer" { &DELAYS[..] } else { &[] };
        let delays = delays.iter().filter_map(|name| Some((*name, read(folder, name).ok()?))).collect();
        Ok(Self { trigger, brightness: read(folder, "brightness")?, delays })
    }

    /// The trigger first: it sets brightness and delays of its own.
    fn restore(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("trigger"), &self.trigger)?;
        for (name, delay) in &self.delays {
            fs::write(folder.join(name), delay)?;
        }
        if self.trigger == "none" {
            fs::write(folder.join("brightness"), &self.brightness)?;
        }
        Ok(())
    }
}

fn read(folder: &Path, name: &str) -> io::Result<String> {
    Ok(fs::read_to_string(folder.join(name))?.trim().to_owned())
}

impl Lamp for Act {
    fn set(&mut self, level: u8) -> Result<(), String> {
        let brightness = if level >= ON_FROM { &self.full } else { "0" };
        fs::write(self.folder.join("brightness"), brightness)
            .map_err(|error| format!("it no longer lights ({error}); it is tried again every 10 s"))
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        if let Err(error) = self.before.restore(&self.folder) {
            log::debug!("{} is not as it was: {error}", self.folder.display());
        }
    }
}
