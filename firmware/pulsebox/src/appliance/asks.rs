//! What the daemon asks of root's jobs: an empty file, of which systemd starts the job. The job removes it first thing.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// An ask that its job has not taken after this long is none: the job is not there.
const TAKEN_WITHIN: Duration = Duration::from_secs(60);

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Install the bundle that was uploaded, or the one that waits.
    Install,
    /// Look whether the uploaded bundle fits, and let it wait.
    Check,
    /// Restart the box.
    Restart,
    /// Put it back to how it was delivered, and restart.
    Reset,
}

impl Ask {
    /// Its file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Check => "check",
            Self::Restart => "restart",
            Self::Reset => "reset",
        }
    }
}

/// Asks, in a folder that root's jobs watch. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Asks(PathBuf);

impl Asks {
    /// In this folder, which is made with the first ask.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Asks. Blocks for a moment.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn ask(&self, ask: Ask) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        File::create(self.0.join(ask.name())).map(drop)?;
        log::info!("{} was asked for", ask.name());
        Ok(())
    }

    /// Whether its job has yet to take it. Blocks for a moment.
    pub fn is_pending(&self, ask: Ask) -> bool {
        let asked = fs::metadata(self.0.join(ask.name())).and_then(|file| file.modified());
        // A clock that was set back meanwhile has no say.
        asked.is_ok_and(|asked| asked.elapsed().is_ok_and(|age| age < TAKEN_WITHIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ask_is_an_empty_file_until_its_job_takes_it() {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path().join("pulsebox/ask");
        let asks = Asks::new(folder.clone());
        for ask in [Ask::Install, Ask::Check, Ask::Restart, Ask::Reset] {
            assert!(!asks.is_pending(ask));
            asks.ask(ask).unwrap();
            asks.ask(ask).unwrap();
            assert_eq!(fs::read(folder.join(ask.name())).unwrap(), b"");
            assert!(asks.is_pending(ask));
            fs::remove_file(folder.join(ask.name())).unwrap();
        }
    }
}
