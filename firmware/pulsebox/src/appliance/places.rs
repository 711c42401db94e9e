//! Where facts, asks and bundles lie.

use std::path::{Path, PathBuf};

/// The folders of one box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Facts, root's: `/run/box`.
    pub facts: PathBuf,
    /// What the daemon tells root, its own: `/run/pulsebox`.
    pub told: PathBuf,
    /// Asks, the daemon's own: `/run/pulsebox/ask`.
    pub asks: PathBuf,
    /// Where an uploaded bundle is put, below the daemon's data folder: `update`.
    pub bundles: PathBuf,
}

impl Places {
    /// The folders below `run` (`/run`) and the daemon's `data` folder.
    pub fn new(run: &Path, data: &Path) -> Self {
        let told = run.join("pulsebox");
        Self { facts: run.join("box"), asks: told.join("ask"), told, bundles: data.join("update") }
    }
}
