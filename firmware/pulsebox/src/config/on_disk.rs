//! Small files that must not be lost: read within limits, replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::problem::{Errors, Place, Problem, ReadError};
use super::{SIZE_LIMIT, convert};

/// What changes when a file does: looked at instead of its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    node: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        Some(Self {
            node: (meta.dev(), meta.ino()),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    }
}

/// Reads a text file. Blocks.
pub(crate) fn read_text(path: &Path) -> Result<String, ReadError> {
    let unreadable = |source| ReadError::Unreadable { path: path.to_owned(), source };
    let bad = |problem| ReadError::Bad { path: path.to_owned(), errors: Errors::from(problem) };
    // Before opening it: opening a pipe waits for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(unreadable(io::Error::other("it is no regular file")));
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(SIZE_LIMIT + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_LIMIT {
        return Err(bad(convert::too_big()));
    }
    String::from_utf8(bytes).map_err(|error| bad(not_utf8(error.as_bytes(), error.utf8_error().valid_up_to())))
}

/// What is wrong with bytes of which so many are UTF-8.
pub(super) fn not_utf8(bytes: &[u8], valid: usize) -> Problem {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let what = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file is UTF-16 (Windows calls it Unicode)",
        _ => "here stands a character that is not UTF-8",
    };
    Problem::new(Place { line, column }, what, "save the file as UTF-8 in your editor")
}

/// A hidden neighbour of the file: `.pulsebox.yaml.last-good`.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

/// Replaces a file: whoever reads, whenever the power fails, finds the old text or the new one, whole.
/// Mode 0600, for it holds passwords. Blocks until it is on the disk.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link, and what it points to is replaced.
    put(&fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()), text, None)
}

/// As [`replace`], but a link is replaced itself: for root, in a folder that somebody else may write. `owner`: user and
/// group, where the file is not to be the writer's.
pub(super) fn put(path: &Path, text: &str, owner: Option<(u32, u32)>) -> io::Result<()> {
    let temporary = beside(path, "new");
    remove(&temporary)?;
    let written = write_new(&temporary, text, owner).and_then(|file| fs::rename(&temporary, path).map(|()| file));
    if written.is_err() {
        let _ = fs::remove_file(&temporary); // the first error is the one to tell
    }
    // On FAT only the file's own fsync writes its entry: the folder's alone frees what the old one named.
    written?.sync_all()?;
    sync_folder_of(path)
}

fn write_new(path: &Path, text: &str, owner: Option<(u32, u32)>) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some((user, group)) = owner {
        fchown(&file, Some(user), Some(group))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}

/// Has a file not be there; whether it was. Blocks for a moment.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// As [`remove`], and it is not there after a power cut either. Blocks until that is on the disk.
pub(super) fn forget(path: &Path) -> io::Result<()> {
    remove(path)?;
    sync_folder_of(path)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    sync(path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// Has a file, or a folder's list of files, be on the disk. Blocks.
pub(super) fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
