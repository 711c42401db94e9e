//! How much room a disk has.

use std::io;
use std::path::Path;

/// Room of a partition, bytes.
#[derive(Clone, Copy, Debug)]
pub struct Space {
    /// All of it.
    pub size: u64,
    /// What who is not root may still write.
    pub free: u64,
}

/// Room of the partition that holds `folder`, statvfs(3). Blocks.
///
/// # Errors
/// The folder is not there, or the disk does not answer.
pub fn disk_space(folder: &Path) -> io::Result<Space> {
    let disk = rustix::fs::statvfs(folder)?;
    let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
    Ok(Space { size: bytes(disk.f_blocks), free: bytes(disk.f_bavail) })
}
