//! The Pi's own LED, through the kernel's LED class (Documentation/leds/leds-class.rst).
//!
//! Its trigger (on a Pi usually the SD card's activity) is taken away while the LED is ours, and put back after. Where
//! nobody is there to light it, the kernel blinks it by itself: [`blink`].

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::before::{Before, DELAYS, Memory, read, trigger};
use super::card::Sign;
use super::pattern::ON_FROM;
use super::player::Lamp;
use super::wiring::NotTaken;

/// Where the kernel shows its LEDs.
pub const CLASS: &str = "/sys/class/leds";
/// Today's name, and that of older kernels.
const NAMES: [&str; 2] = ["ACT", "led0"];
/// udev gives us the delays of a trigger that was just set within this time, or not at all.
const RIGHTS: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The Pi's own LED, while it is ours.
pub struct Act {
    folder: PathBuf,
    /// `max_brightness`, as text.
    full: String,
    before: Before,
    memory: Memory,
    /// Two Pulseboxes would write into each other's patterns, and the later one would take the earlier one's for how
    /// it was.
    _lock: File,
}

impl Act {
    /// Takes it from a folder such as [`CLASS`], and says where it is; none where there is none and none is
    /// `expected`. Blocks.
    ///
    /// # Errors
    /// It is missing, another Pulsebox has it, or we may not write there.
    pub fn take(class: &Path, memory: &Memory, expected: bool) -> Result<Option<(Self, String)>, NotTaken> {
        let Some(folder) = find(class) else {
            let at = class.join(NAMES[0]).display().to_string();
            let problem = "this Raspberry Pi shows no LED of its own there; write `act: false` under `leds:`".into();
            return if expected { Err(NotTaken { at, problem }) } else { Ok(None) };
        };
        let at = folder.display().to_string();
        match Self::take_from(folder, memory.clone()) {
            Ok(act) => Ok(Some((act, at))),
            Err(problem) => Err(NotTaken { at, problem }),
        }
    }

    fn take_from(folder: PathBuf, memory: Memory) -> Result<Self, String> {
        let lock = lock(&folder)?;
        let taken = (|| {
            // Before anything is kept of an LED that we may not change.
            drop(File::options().write(true).open(folder.join("trigger"))?);
            let before = memory.before(&folder)?;
            let full = read(&folder, "max_brightness").unwrap_or_else(|_| "255".into());
            fs::write(folder.join("trigger"), "none")?;
            fs::write(folder.join("brightness"), "0")?;
            Ok((before, full))
        })();
        let (before, full) = taken.map_err(|error| refused(&error))?;
        Ok(Self { folder, full, before, memory, _lock: lock })
    }
}

/// Has the kernel blink it as the card's row "booting, or Pulsebox is not running", and says where it is; none where
/// there is none. How it was before is kept for the next daemon. Blocks for two seconds at most.
///
/// # Errors
/// Another Pulsebox has it, or the kernel refuses.
pub fn blink(class: &Path, memory: &Memory) -> Result<Option<String>, NotTaken> {
    let Some(folder) = find(class) else { return Ok(None) };
    let at = folder.display().to_string();
    let blinks = lock(&folder)
        .and_then(|_lock| memory.before(&folder).and_then(|_| by_timer(&folder)).map_err(|error| refused(&error)));
    blinks.map(|()| Some(at.clone())).map_err(|problem| NotTaken { at, problem })
}

fn by_timer(folder: &Path) -> io::Result<()> {
    if trigger(folder)? != "timer" {
        fs::write(folder.join("trigger"), "timer")?;
    }
    let end = Instant::now() + RIGHTS;
    for (name, step) in DELAYS.into_iter().zip(Sign::Booting.row().steps(0)) {
        let (file, delay) = (folder.join(name), step.ms.to_string());
        while let Err(error) = fs::write(&file, &delay) {
            if error.kind() != ErrorKind::PermissionDenied || Instant::now() > end {
                return Err(error);
            }
            sleep(LOOK_AGAIN);
        }
    }
    Ok(())
}

fn find(class: &Path) -> Option<PathBuf> {
    NAMES.iter().map(|name| class.join(name)).find(|folder| folder.exists())
}

fn lock(folder: &Path) -> Result<File, String> {
    let file = File::open(folder).map_err(|error| refused(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err("another Pulsebox has this LED; stop it (`systemctl stop pulsebox`), or write `act: false` under \
                 `leds:`"
                .into())
        }
        Err(TryLockError::Error(error)) => Err(refused(&error)),
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

impl Lamp for Act {
    fn set(&mut self, level: u8) -> Result<(), String> {
        let brightness = if level >= ON_FROM { &self.full } else { "0" };
        fs::write(self.folder.join("brightness"), brightness)
            .map_err(|error| format!("it no longer lights ({error}); it is tried again every 10 s"))
    }
}

impl Drop for Act {
    fn drop(&mut self) {
        match self.before.restore(&self.folder) {
            Ok(()) => self.memory.forget(),
            Err(error) => log::debug!("{} is not as it was: {error}", self.folder.display()),
        }
    }
}
