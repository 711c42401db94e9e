//! A bundle on its way in: written beside its place, and put there when it is whole and on the disk. What is left of
//! one that broke off, or that a power cut ended, is written over by the next.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use crate::config::on_disk;
use crate::host::disk_space;

/// The largest bundle, bytes.
pub const BUNDLE_MAX: u64 = 300 << 20;
/// This much of the data partition stays free for the history, bytes.
pub const ROOM_KEPT: u64 = 32 << 20;
/// What may wait in memory for a slow card, bytes.
const SYNC_EVERY: u64 = 8 << 20;
/// Its name once it is whole, and before.
const BUNDLE: &str = "update.raucb";
const PART: &str = "update.raucb.part";

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is larger than any bundle.
    #[error("the bundle is larger than {} MiB", BUNDLE_MAX >> 20)]
    TooLarge,
    /// The data partition has no room for it.
    #[error("the data partition has no room for it")]
    NoRoom,
    /// The disk refuses.
    #[error("it cannot be written: {0}")]
    Disk(#[from] io::Error),
}

/// One upload. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    file: File,
    folder: PathBuf,
    written: u64,
    unsynced: u64,
    /// Bytes for which there is room.
    room: u64,
    is_done: bool,
}

impl Upload {
    /// Begins one in `folder`, which is made. `bytes`: its length, where the sender told it.
    ///
    /// # Errors
    /// It is too large, there is no room, or the disk refuses.
    pub async fn begin(folder: PathBuf, bytes: Option<u64>) -> Result<Self, Refused> {
        let bytes = bytes.unwrap_or(0);
        if bytes > BUNDLE_MAX {
            return Err(Refused::TooLarge);
        }
        let (file, folder, room) = spawn_blocking(move || {
            fs::create_dir_all(&folder)?;
            // Before the room is measured: what a broken upload left is free again.
            let file = fs::File::create(folder.join(PART))?;
            let room = disk_space(&folder)?.free.saturating_sub(ROOM_KEPT);
            Ok::<_, io::Error>((file, folder, room))
        })
        .await
        .map_err(io::Error::other)??;
        let upload = Self { file: File::from_std(file), folder, written: 0, unsynced: 0, room, is_done: false };
        if bytes > room {
            return Err(Refused::NoRoom);
        }
        Ok(upload)
    }

    /// Takes its next piece.
    ///
    /// # Errors
    /// As [`Upload::begin`].
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Refused> {
        self.written += piece.len() as u64;
        self.unsynced += piece.len() as u64;
        if self.written > BUNDLE_MAX {
            return Err(Refused::TooLarge);
        }
        if self.written > self.room {
            return Err(Refused::NoRoom);
        }
        self.file.write_all(piece).await.map_err(disk)?;
        if self.unsynced >= SYNC_EVERY {
            self.sync().await?;
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), Refused> {
        self.unsynced = 0;
        self.file.flush().await.map_err(disk)?;
        self.file.sync_data().await.map_err(disk)
    }

    /// Puts it in its place, once it is on the disk; gives its bytes.
    ///
    /// # Errors
    /// The disk refuses.
    pub async fn finish(mut self) -> Result<u64, Refused> {
        self.sync().await?;
        let folder = self.folder.clone();
        let placed = spawn_blocking(move || place(&folder)).await.map_err(io::Error::other)?;
        placed?;
        self.is_done = true;
        Ok(self.written)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(self.folder.join(PART));
        }
    }
}

/// Removes what uploads left in `folder`; whether one of them was whole. Blocks for a moment.
///
/// # Errors
/// The disk refuses.
pub fn clear(folder: &Path) -> io::Result<bool> {
    let mut was_there = [false; 2];
    for (is_there, name) in was_there.iter_mut().zip([BUNDLE, PART]) {
        *is_there = on_disk::remove(&folder.join(name))?;
    }
    Ok(was_there[0])
}

fn place(folder: &Path) -> io::Result<()> {
    fs::rename(folder.join(PART), folder.join(BUNDLE))?;
    fs::File::open(folder)?.sync_all()
}

/// A disk that fills up while it is written says so itself.
fn disk(error: io::Error) -> Refused {
    if error.kind() == io::ErrorKind::StorageFull { Refused::NoRoom } else { Refused::Disk(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[tokio::test]
    async fn a_bundle_is_in_its_place_only_once_it_is_whole() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("update");
        let mut upload = Upload::begin(folder.clone(), Some(6)).await.unwrap();
        upload.write(b"abc").await.unwrap();
        assert_eq!(names(&folder), [PART]);
        upload.write(b"def").await.unwrap();
        assert_eq!(upload.finish().await.unwrap(), 6);
        assert_eq!(fs::read(folder.join(BUNDLE)).unwrap(), b"abcdef");
        assert_eq!(names(&folder), [BUNDLE]);
    }

    #[tokio::test]
    async fn one_that_breaks_off_leaves_nothing_and_the_former_one_alone() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().to_owned();
        fs::write(folder.join(BUNDLE), "former").unwrap();
        let mut upload = Upload::begin(folder.clone(), None).await.unwrap();
        upload.write(b"abc").await.unwrap();
        drop(upload);
        assert_eq!(names(&folder), [BUNDLE]);
        assert_eq!(fs::read(folder.join(BUNDLE)).unwrap(), b"former");
    }

    #[tokio::test]
    async fn what_is_too_large_is_refused_before_and_while_it_comes() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().to_owned();
        let refused = Upload::begin(folder.clone(), Some(BUNDLE_MAX + 1)).await.unwrap_err();
        assert!(matches!(refused, Refused::TooLarge), "{refused}");
        let mut upload = Upload::begin(folder.clone(), None).await.unwrap();
        upload.room = 5;
        upload.write(b"abc").await.unwrap();
        assert!(matches!(upload.write(b"def").await.unwrap_err(), Refused::NoRoom));
        upload.written = BUNDLE_MAX;
        assert!(matches!(upload.write(b"d").await.unwrap_err(), Refused::TooLarge));
        drop(upload);
        assert_eq!(names(&folder), Vec::<String>::new());
    }
}
