//! The file on disk and the configuration in force.
//!
//! The last good configuration stays in force whatever happens to the file, and its text is kept beside
//! it (`.<name>.last-good`) for the next start; a write also keeps the text before it (`.<name>.previous`).
//! Cost: two `stat` a second; the text is read only while the file is changing. One lock, held by
//! blocking threads only, for as long as a read or a write of the file takes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::model::Config;
use super::on_disk::Stamp;
use super::problem::{Errors, ReadError, Warning};
use super::{mask, on_disk, parse};

/// Between two looks at the file. A change counts when two looks see the same text, so that an editor
/// that empties the file before it writes does not remove every camera: three looks at most, 1.5 s.
const LOOK: Duration = Duration::from_millis(500);

/// Looks without a change of the file's stamp after which the text is no longer read: 4 s, more than the
/// coarsest clock of a file system (FAT: 2 s).
const CALM: u32 = 8;

/// The file and the configuration in force. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    current: watch::Sender<Arc<Config>>,
    fault: watch::Sender<Option<String>>,
    seen: Mutex<Seen>,
}

struct Seen {
    /// What the file held when it was last taken, good or bad; or why it could not be read.
    taken: Result<String, String>,
    /// The text of the configuration in force.
    good: String,
    /// A new content, seen once.
    candidate: Option<Result<String, String>>,
    stamp: Option<Stamp>,
    calm: u32,
}

impl std::fmt::Debug for Seen {
    /// Without the texts: they hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seen").field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

/// Why a text was not written. The configuration in force is the old one.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The text is no good configuration; nothing was written.
    #[error("{0}")]
    Bad(Errors),
    /// The file could not be replaced; it holds its old text.
    #[error("{}: cannot be written ({source}); check that its folder can be written to and has room", path.display())]
    NotWritten {
        /// Which file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl WriteError {
    /// What is wrong with the text, place by place; empty where the text is good.
    pub fn problems(&self) -> &[super::Problem] {
        match self {
            WriteError::Bad(errors) => errors.problems(),
            WriteError::NotWritten { .. } => &[],
        }
    }
}

impl Store {
    /// Reads the file. If it is bad, the last good text beside it is used and [`Store::fault`] says why.
    /// Blocks: call it at start.
    ///
    /// # Errors
    /// Neither the file nor the last good text beside it gives a configuration; the file's own error.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref().to_owned();
        let stamp = Stamp::of(&path);
        let text = on_disk::read_text(&path);
        let taken = text.as_ref().cloned().map_err(ReadError::summary);
        let read = text.and_then(|text| match parse(&text) {
            Ok(parsed) => Ok((text, parsed)),
            Err(errors) => Err(ReadError::Bad { path: path.clone(), errors }),
        });
        let (good, config, fault) = match read {
            Ok((text, (config, warnings))) => {
                tell(&path, &warnings);
                keep_good(&path, &text);
                (text, config, None)
            }
            Err(error) => {
                let Some((text, config)) = last_good(&path) else { return Err(error) };
                log::error!("{}: the last good configuration is in force", error.summary());
                (text, config, Some(error.summary()))
            }
        };
        let seen = Seen { taken, good, candidate: None, stamp, calm: 0 };
        let (current, fault) = (watch::Sender::new(Arc::new(config)), watch::Sender::new(fault));
        Ok(Self(Arc::new(Inner { path, current, fault, seen: Mutex::new(seen) })))
    }

    /// The configuration in force.
    pub fn current(&self) -> Arc<Config> {
        self.0.current.borrow().clone()
    }

    /// Wakes at each change of the configuration in force (not of comments).
    pub fn watch(&self) -> watch::Receiver<Arc<Config>> {
        self.0.current.subscribe()
    }

    /// Why the file on disk is not the configuration in force, in one line without secrets; none if it is.
    pub fn fault(&self) -> watch::Receiver<Option<String>> {
        self.0.fault.subscribe()
    }

    /// Picks up changes of the file within 2 s until `stop`. A bad file is logged once, and the last good
    /// configuration stays in force.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(looks.tick()).await.is_some() {
            let inner = self.0.clone();
            match tokio::task::spawn_blocking(move || inner.look()).await {
                Err(error) if error.is_panic() => log::error!("reading the configuration failed, a bug: {error}"),
                Err(_) => return, // the runtime is going down
                Ok(()) => {}
            }
        }
    }

    /// The file's text with `***` for every secret. Of a file that cannot be read: the last good text.
    pub fn text(&self) -> String {
        let seen = self.0.seen();
        mask::masked(seen.taken.as_ref().unwrap_or(&seen.good))
    }

    #[allow(dead_code)] // the backup comes next
    /// The text of the configuration in force, secrets and all: for a backup that is sealed, and for nothing else.
    pub(crate) fn text_with_secrets(&self) -> String {
        self.0.seen().good.clone()
    }

    /// Checks a text and puts it in the place of the file's and in force. Secrets that come back as `***`
    /// keep their old value: a stream's by its id (of a renamed one by its URL), a server's by its name.
    ///
    /// # Errors
    /// The text is bad, or the file cannot be replaced; then file and configuration are as before.
    pub async fn write(&self, text: String) -> Result<(), WriteError> {
        let inner = self.0.clone();
        let written = tokio::task::spawn_blocking(move || inner.write(&text)).await;
        written.unwrap_or_else(|stopped| Err(self.0.not_written(io::Error::other(stopped))))
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic in between leaves texts that are whole.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_written(&self, source: io::Error) -> WriteError {
        WriteError::NotWritten { path: self.path.clone(), source }
    }

    /// One look at the file.
    fn look(&self) {
        let mut seen = self.seen();
        let stamp = Stamp::of(&self.path);
        seen.calm = if stamp == seen.stamp { seen.calm.saturating_add(1) } else { 0 };
        seen.stamp = stamp;
        if seen.calm > CALM {
            return;
        }
        let now = on_disk::read_text(&self.path).map_err(|error| error.summary());
        if now == seen.taken {
            seen.candidate = None;
        } else if seen.candidate.as_ref() == Some(&now) {
            seen.candidate = None;
            self.take(&mut seen, now);
        } else {
            seen.candidate = Some(now);
        }
    }

    /// Takes what the file holds now.
    fn take(&self, seen: &mut Seen, now: Result<String, String>) {
        let parsed = now.clone().and_then(|text| {
            let bad = |errors| ReadError::Bad { path: self.path.clone(), errors }.summary();
            parse(&text).map(|parsed| (text, parsed)).map_err(bad)
        });
        seen.taken = now;
        match parsed {
            Ok((text, (config, warnings))) => {
                tell(&self.path, &warnings);
                keep_good(&self.path, &text);
                log::info!("{}: changes are in force", self.path.display());
                self.put_in_force(seen, text, config);
            }
            Err(fault) => {
                log::error!("{fault}: the last good configuration stays in force");
                self.fault.send_replace(Some(fault));
            }
        }
    }

    fn put_in_force(&self, seen: &mut Seen, text: String, config: Config) {
        seen.good = text;
        self.current.send_if_modified(|current| {
            let differs = **current != config;
            if differs {
                *current = Arc::new(config);
            }
            differs
        });
        self.fault.send_if_modified(|fault| fault.take().is_some());
    }

    fn write(&self, text: &str) -> Result<(), WriteError> {
        let mut seen = self.seen();
        // What was shown is the file's text; where that is bad, its secrets may only be in the good one.
        let shown = seen.taken.as_ref().unwrap_or(&seen.good);
        let text = mask::restored(&mask::restored(text, shown), &seen.good);
        let (config, warnings) = parse(&text).map_err(WriteError::Bad)?;
        if text != seen.good {
            on_disk::replace(&on_disk::beside(&self.path, "previous"), &seen.good).map_err(|e| self.not_written(e))?;
        }
        on_disk::replace(&self.path, &text).map_err(|source| self.not_written(source))?;
        tell(&self.path, &warnings);
        keep_good(&self.path, &text);
        seen.taken = Ok(text.clone());
        seen.candidate = None;
        self.put_in_force(&mut seen, text, config);
        Ok(())
    }
}

fn tell(path: &Path, warnings: &[Warning]) {
    for warning in warnings {
        log::warn!("{}:{warning}", path.display());
    }
}

/// Keeps a good text for the next start. Written only where it differs: cards wear. A folder that cannot
/// be written to costs the safety net and nothing else.
fn keep_good(path: &Path, text: &str) {
    let backup = on_disk::beside(path, "last-good");
    if on_disk::read_text(&backup).is_ok_and(|kept| kept == text) {
        return;
    }
    if let Err(error) = on_disk::replace(&backup, text) {
        log::warn!("{}: the last good configuration cannot be kept ({error})", backup.display());
    }
}

fn last_good(path: &Path) -> Option<(String, Config)> {
    let text = on_disk::read_text(&on_disk::beside(path, "last-good")).ok()?;
    let (config, _) = parse(&text).ok()?;
    Some((text, config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ONE: &str = "streams:\n  - { name: A, url: 'rtsp://10.0.0.5/' }\n";

    #[test]
    fn an_editor_that_empties_the_file_before_it_writes_removes_no_camera() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pulsebox.yaml");
        fs::write(&file, ONE).unwrap();
        let store = Store::load(&file).unwrap();
        let mut current = store.watch();

        fs::write(&file, "").unwrap();
        store.0.look();
        fs::write(&file, ONE.replace("A", "B")).unwrap();
        store.0.look();
        assert!(!current.has_changed().unwrap());
        store.0.look();
        assert_eq!(current.borrow_and_update().cameras[0].name, "B");

        // Emptied for good.
        fs::write(&file, "").unwrap();
        store.0.look();
        store.0.look();
        assert!(current.borrow_and_update().cameras.is_empty());
    }

    #[test]
    fn a_calm_file_is_not_read_again_and_a_change_is_still_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pulsebox.yaml");
        fs::write(&file, ONE).unwrap();
        let store = Store::load(&file).unwrap();
        for _ in 0..=2 * CALM {
            store.0.look();
        }
        assert!(store.0.seen().calm > CALM);
        fs::write(&file, ONE.replace("A", "B")).unwrap();
        store.0.look();
        store.0.look();
        assert_eq!(store.current().cameras[0].name, "B");
    }
}
