//! How the Pi's own LED was found, so that it can be given back so. Kept in the service's runtime directory as long as
//! the LED is ours: what a killed daemon leaves on it is not how it was, and the next one must not take it for that.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::config::on_disk;

/// The file in the runtime directory.
const FILE: &str = "act-before";
/// What the trigger `timer` is set by.
pub const DELAYS: [&str; 2] = ["delay_on", "delay_off"];

/// How it was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Before {
    trigger: String,
    brightness: String,
    /// Of the trigger `timer`; empty at any other.
    delays: Vec<(&'static str, String)>,
}

/// Where that is kept; nowhere where Pulsebox is run by hand.
#[derive(Clone, Debug, Default)]
pub struct Memory(Option<PathBuf>);

impl Memory {
    /// In this folder, which must outlive the daemon; none: nothing is kept.
    pub fn new(folder: Option<&Path>) -> Self {
        Self(folder.map(|folder| folder.join(FILE)))
    }

    /// What a predecessor kept and did not put back; else how the LED in `folder` is now, which is kept from here on.
    ///
    /// # Errors
    /// The LED does not say how it is.
    pub fn before(&self, folder: &Path) -> io::Result<Before> {
        let kept = self.0.as_ref().and_then(|file| Before::parse(&fs::read_to_string(file).ok()?));
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let found = Before::read(folder)?;
        if let Err(error) = self.keep(&found) {
            log::warn!("how {} was found is not kept: {error}", folder.display());
        }
        Ok(found)
    }

    /// By rename: a half of it would be worse than nothing.
    fn keep(&self, found: &Before) -> io::Result<()> {
        let Some(file) = &self.0 else { return Ok(()) };
        let new = file.with_extension("new");
        fs::write(&new, found.text())?;
        fs::rename(new, file)
    }

    /// It is as it was.
    pub fn forget(&self) {
        if let Some(file) = &self.0
            && let Err(error) = on_disk::remove(file)
        {
            log::warn!("how the Pi's own LED was found is still kept: {error}");
        }
    }
}

impl Before {
    fn read(folder: &Path) -> io::Result<Self> {
        let trigger = trigger(folder)?;
        let delays = if trigger == "timer" { &DELAYS[..] } else { &[] };
        let delays = delays.iter().filter_map(|name| Some((*name, read(folder, name).ok()?))).collect();
        Ok(Self { trigger, brightness: read(folder, "brightness")?, delays })
    }

    /// The trigger first: it sets brightness and delays of its own.
    ///
    /// # Errors
    /// The kernel refuses one of them.
    pub fn restore(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join("trigger"), &self.trigger)?;
        if self.trigger == "none" {
            fs::write(folder.join("brightness"), &self.brightness)?;
        }
        for (name, delay) in &self.delays {
            // Root's where the trigger has just made them: then the kernel's own half second has to do.
            match fs::write(folder.join(name), delay) {
                Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn text(&self) -> String {
        let delays: String = self.delays.iter().map(|(name, delay)| format!("{name} {delay}\n")).collect();
        format!("trigger {}\nbrightness {}\n{delays}", self.trigger, self.brightness)
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        let delays = DELAYS.iter().filter_map(|name| Some((*name, value(name)?.to_owned()))).collect();
        Some(Self { trigger: value("trigger")?.to_owned(), brightness: value("brightness")?.to_owned(), delays })
    }
}

/// The trigger that is chosen.
///
/// # Errors
/// The LED does not say.
pub fn trigger(folder: &Path) -> io::Result<String> {
    let triggers = read(folder, "trigger")?;
    let chosen = triggers.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    Ok(chosen.unwrap_or("none").to_owned())
}

/// An attribute of the LED without the line's end.
///
/// # Errors
/// It cannot be read.
pub fn read(folder: &Path, name: &str) -> io::Result<String> {
    Ok(fs::read_to_string(folder.join(name))?.trim().to_owned())
}
