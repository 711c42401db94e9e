//! Files of another form: before a file is brought to a newer form, a copy of the old one is kept beside it. Where an
//! update is taken back, the former system cannot read the newer file: it sets that aside, deletes nothing, and goes on
//! with the copy.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::repair::{self, suffixed};
use crate::host::disk_space;

/// Larger files are not copied: a card needs half a minute for this much, and the box waits for it at its start.
const COPIED_BYTES: u64 = 192 << 20;
/// This much of the disk stays free beside the copy, bytes.
const ROOM_KEPT: u64 = 32 << 20;

/// Keeps a copy of the file, which nobody has open and whose form is `form`, as `….form-N`; older copies are removed
/// then. A power cut leaves the former copies, or this one whole.
///
/// # Errors
/// There is no room, it is too large, or the disk refuses; there is none then.
pub(super) fn keep_copy(path: &Path, form: usize) -> io::Result<()> {
    let new = suffixed(path, ".form-new");
    let _ = fs::remove_file(&new); // of a power cut
    let bytes = fs::metadata(path)?.len();
    if fs::metadata(suffixed(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(io::Error::other("its log cannot be folded into it"));
    }
    if bytes > COPIED_BYTES {
        return Err(io::Error::other(format!("it is larger than {} MiB", COPIED_BYTES >> 20)));
    }
    let folder = path.parent().unwrap_or(path);
    if disk_space(folder)?.free < bytes + ROOM_KEPT {
        return Err(io::Error::other("the disk has no room for it"));
    }
    let done = fs::copy(path, &new)
        .and_then(|_| File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, copy_of(path, form)))
        .and_then(|()| File::open(folder)?.sync_all());
    if done.is_err() {
        let _ = fs::remove_file(&new);
        return done;
    }
    for (_, older) in copies(path).into_iter().filter(|(its, _)| *its != form) {
        let _ = fs::remove_file(older);
    }
    Ok(())
}

/// Sets a file of the form `found` aside as `….newer-<time>`; in its place comes the newest copy that a system which
/// knows forms up to `known` can read, or nothing. Returns a sentence for the log. A power cut leaves the one or the
/// other in its place.
///
/// # Errors
/// The folder cannot be changed.
pub(super) fn set_aside(path: &Path, found: usize, known: usize) -> io::Result<String> {
    let copy = copies(path).into_iter().filter(|(form, _)| *form <= known).max();
    let aside = repair::swap(path, copy.as_ref().map(|(_, file)| file.as_path()), "newer")?;
    let then = match copy {
        Some(_) => "the copy from before it was brought to that form goes on",
        None => "there is no copy of an older form: a new one begins",
    };
    Ok(format!(
        "the history was written by a newer Pulsebox (form {found}, this one knows {known}); it was set aside as {}, \
         {then}",
        aside.display()
    ))
}

fn copy_of(path: &Path, form: usize) -> PathBuf {
    suffixed(path, &format!(".form-{form}"))
}

/// The copies that there are, with their forms.
fn copies(path: &Path) -> Vec<(usize, PathBuf)> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let start = format!("{}.form-", name.to_string_lossy());
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let form = |entry: &fs::DirEntry| entry.file_name().to_str()?.strip_prefix(&start)?.parse().ok();
    entries.flatten().filter_map(|entry| Some((form(&entry)?, entry.path()))).collect()
}
