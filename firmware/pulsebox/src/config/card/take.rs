//! Puts the card's configuration into the data folder and clears it off the card, so that the power may go at any
//! instant: what is on the card is removed only after it is kept, and a removal that was begun is ended at the next
//! start.
//!
//! Runs as root in a folder that the daemon may write: it follows no links there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use super::super::on_disk::{self, beside, sync};
use super::super::problem::{Errors, ReadError};
use super::super::{Config, SIZE_LIMIT, convert, mask, parse, trial};
use super::find::{self, ERASE, Found, TAKEN, find};
use super::{Import, State, Told, mend};

/// The configuration in the data folder.
const NAME: &str = "pulsebox.yaml";
/// What the daemon finds where nobody has written anything yet.
const STARTER: &str = "\
# The settings of this box. The page changes them as well; docs/configuration.md lists all there are.
#
# streams:
#   - name: Front door
#     url: rtsp://user:password@192.168.1.20:554/stream1
#
# network:
#   wifi: { ssid: My network, password: its password, country: DE }
";

/// What stands above the settings that are left on the card.
const HEADER: &str = "\
# The box has taken these settings. Their passwords are in the box alone.
# What was changed on the page since then is not in here.
# To change something: write only that into a new file pulsebox.yaml, without `streams:`, and start the box with it. Or
# edit this file and call it pulsebox.yaml: then it replaces all settings. What says *** stays as it was.
";

/// Takes the card's file, if there is one and it is good. Whatever comes of it, there is a configuration in the data
/// folder afterwards where that can be written. Blocks: at most two files of 1 MiB are read and written.
pub fn import(job: &Import) -> Told {
    let mut card = Card { folder: &job.from, is_read_only: false };
    let mut told = match take(job, &mut card) {
        Ok((state, file, message)) => Told { state, file, message, is_card_read_only: false },
        Err((file, message)) => Told { state: State::Refused, file, message, is_card_read_only: false },
    };
    told.is_card_read_only = card.is_read_only;
    if let Err(error) = start_with_something(&job.into) {
        told.message = format!("{}{}settings cannot be kept: {error}", told.message, separator(&told.message));
    }
    told
}

fn separator(before: &str) -> &'static str {
    if before.is_empty() { "" } else { "; " }
}

/// The state, the file and what to say; or the file and why it is refused.
fn take(job: &Import, card: &mut Card<'_>) -> Result<(State, String, String), (String, String)> {
    if !job.keep {
        card.end_removal();
    }
    let name = match find(card.folder) {
        Err(error) => return Ok((State::None, String::new(), format!("the boot partition cannot be read: {error}"))),
        Ok(Found::Nothing) => {
            // Off the card, and the power went before that was noted: the same file on the card anew is meant. Where
            // the card is not there at all, nor is what is left on it of a file that was taken.
            if !job.keep
                && card.folder.join(TAKEN).exists()
                && let Ok(data) = Data::open(&job.into)
                && data.marker.exists()
                && let Err(error) = on_disk::forget(&data.marker)
            {
                log::warn!("{} cannot be removed: {error}", data.marker.display());
            }
            return Ok((State::None, String::new(), String::new()));
        }
        Ok(Found::Misnamed(name)) => {
            return Err((name.clone(), format!("{name} is not read by this name; {}", find::rename_it())));
        }
        Ok(Found::Several(names)) => {
            let all = names.join(" and ");
            return Err((names[0].clone(), format!("{all} may each be meant; delete all but one")));
        }
        Ok(Found::One(name)) => name,
    };
    let refused = |message: String| (name.clone(), message);
    let bad = |errors: Errors| refused(ReadError::Bad { path: PathBuf::from(&name), errors }.summary());
    let bytes = read(&card.folder.join(&name)).map_err(|error| {
        let unreadable = || refused(format!("{name} cannot be read ({error}); copy it onto the card again"));
        if error.kind() == io::ErrorKind::FileTooLarge { bad(convert::too_big().into()) } else { unreadable() }
    })?;
    let data = Data::open(&job.into).map_err(|error| refused(format!("{name} cannot be kept: {error}")))?;
    let print = fingerprint(&bytes);
    let part = format!("{print} part");
    let taken = text(&data.marker).unwrap_or_default();
    let (cameras, is_part) = if taken == print || taken == part {
        // Taken already; the card could not be cleared then.
        (parse(&data.configuration()).map_or(0, |(config, _)| config.cameras.len()), taken == part)
    } else {
        let old = data.good();
        let text = mend::decoded(bytes).map_err(|problem| bad(problem.into()))?;
        let (text, config): (String, Config) = mend::understood(&text, &old).map_err(bad)?;
        let (text, config, is_part) = mend::joined(text, config, &old).map_err(|why| {
            refused(format!(
                "{name} has no `streams`, and what it has does not fit what the box has: {why}; write all your settings into it"
            ))
        })?;
        let print = if is_part { &part } else { &print };
        let kept = data.keep(&text).and_then(|()| data.put(&data.marker, print));
        kept.map_err(|error| refused(format!("{name} cannot be kept ({error}); the card may be full or worn")))?;
        (config.cameras.len(), is_part)
    };
    let which = if is_part { " as before, for it has no `streams`" } else { "" };
    let counted = format!("{name} is in force, with {cameras} camera{}{which}", if cameras == 1 { "" } else { "s" });
    if job.keep {
        return Ok((State::Taken, name, format!("{counted}; it stays on the card, for nothing else keeps it")));
    }
    let masked = mask::masked(&data.configuration());
    let message = match card.clear(&name, &masked).and_then(|()| on_disk::forget(&data.marker)) {
        Ok(()) => counted,
        Err(error) => {
            card.is_read_only |= error.kind() == io::ErrorKind::ReadOnlyFilesystem;
            format!("{counted}; it is still on the card, with its passwords ({error}): delete it with a PC")
        }
    };
    Ok((State::Taken, name, message))
}

/// Which file it was, in a form that says nothing of what is in it.
fn fingerprint(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A regular file of at most [`SIZE_LIMIT`] bytes; no link.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > SIZE_LIMIT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

fn text(path: &Path) -> Option<String> {
    String::from_utf8(read(path).ok()?).ok()
}

/// The data folder.
struct Data {
    owner: (u32, u32),
    /// The configuration.
    file: PathBuf,
    /// Says which file of the card is kept, until that is off the card.
    marker: PathBuf,
}

impl Data {
    fn open(folder: &Path) -> io::Result<Self> {
        let meta = fs::metadata(folder)?;
        let file = folder.join(NAME);
        let marker = beside(&file, "taken");
        Ok(Self { owner: (meta.uid(), meta.gid()), file, marker })
    }

    fn put(&self, path: &Path, text: &str) -> io::Result<()> {
        on_disk::put(path, text, Some(self.owner))
    }

    /// The configuration; empty where there is none.
    fn configuration(&self) -> String {
        text(&self.file).unwrap_or_default()
    }

    /// What a change begins from: the configuration, or the last good one where it has a mistake, with the network that
    /// is confirmed. Empty where there is none.
    fn good(&self) -> String {
        let kept = self.configuration();
        let is_good = kept.is_empty() || parse(&kept).is_ok();
        let good = if is_good { kept } else { self.last_good().unwrap_or(kept) };
        trial::confirmed(&self.file, good)
    }

    /// The last good one, if it is good for this version.
    fn last_good(&self) -> Option<String> {
        text(&beside(&self.file, "last-good")).filter(|text| parse(text).is_ok())
    }

    /// The new configuration, and the one before it.
    fn keep(&self, new: &str) -> io::Result<()> {
        let old = self.configuration();
        if old != new {
            if !old.is_empty() {
                self.put(&beside(&self.file, "previous"), &old)?;
            }
            self.put(&self.file, new)?;
        }
        // The card's word holds: nothing of it is on trial.
        on_disk::forget(&trial::file(&self.file))
    }
}

/// Sees to it that the daemon finds a configuration: the last good one, or one that watches nothing.
fn start_with_something(folder: &Path) -> io::Result<()> {
    let data = Data::open(folder)?;
    if data.file.exists() {
        return Ok(());
    }
    data.put(&data.file, data.last_good().as_deref().unwrap_or(STARTER))
}

/// The boot partition.
struct Card<'a> {
    folder: &'a Path,
    is_read_only: bool,
}

impl Card<'_> {
    /// Leaves the settings without their secrets, then overwrites the file and removes it.
    fn clear(&self, name: &str, masked: &str) -> io::Result<()> {
        // Once, however often this file goes to and fro.
        let taken = format!("{HEADER}{}", masked.strip_prefix(HEADER).unwrap_or(masked));
        on_disk::put(&self.folder.join(TAKEN), &taken, None)?;
        // Renamed first: half overwritten, it must not be taken for a configuration.
        fs::rename(self.folder.join(name), self.folder.join(ERASE))?;
        sync(&self.folder.join(ERASE))?;
        sync(self.folder)?;
        self.erase(ERASE)
    }

    /// Overwrites all that the file takes up, its last block's rest too, and removes it.
    fn erase(&self, name: &str) -> io::Result<()> {
        let path = self.folder.join(name);
        let mut file = OpenOptions::new().write(true).open(&path)?;
        let meta = file.metadata()?;
        let room = meta.len().max(meta.blocks().saturating_mul(512)).min(2 * SIZE_LIMIT);
        io::copy(&mut io::repeat(0).take(room), &mut file)?;
        file.flush()?;
        file.sync_all()?;
        fs::remove_file(&path)?;
        sync(self.folder)
    }

    /// Ends a removal that the power cut. A rename that was cut may have left two names for the same blocks.
    fn end_removal(&mut self) {
        let Ok(erased) = read(&self.folder.join(ERASE)) else { return };
        let ended = (|| {
            if let Ok(Found::One(name)) = find(self.folder) {
                let bytes = read(&self.folder.join(&name))?;
                if bytes == erased || bytes.iter().all(|byte| *byte == 0) {
                    self.erase(&name)?;
                }
            }
            self.erase(ERASE)
        })();
        if let Err(error) = ended {
            self.is_read_only |= error.kind() == io::ErrorKind::ReadOnlyFilesystem;
        }
    }
}
