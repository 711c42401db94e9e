//! The file on disk and the configuration in force.
//!
//! The last good configuration stays in force whatever happens to the file, and its text is kept beside
//! it (`.<name>.last-good`) for the next start; a write also keeps the text before it (`.<name>.previous`).
//! Cost: two `stat` a second; the text is read only while the file is changing. One lock, held by
//! blocking threads only, for as long as a read or a write of the file takes.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::edit::EditError;
use super::model::Config;
use super::on_disk::Stamp;
use super::problem::{Errors, ReadError, Warning};
use super::{Machine, edit, given, mask, on_disk, parse_on, trial};
use crate::camera::CameraUrl;

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
pub(super) struct Inner {
    pub(super) path: PathBuf,
    pub(super) machine: Machine,
    pub(super) current: watch::Sender<Arc<Config>>,
    fault: watch::Sender<Option<String>>,
    /// When the network's settings go back to what they were.
    pub(super) trial: watch::Sender<Option<Instant>>,
    seen: Mutex<Seen>,
    key: RandomState,
}

pub(super) struct Seen {
    /// What the file held when it was last taken, good or bad; or why it could not be read.
    taken: Result<String, String>,
    /// The text of the configuration in force.
    pub(super) good: String,
    /// A new content, seen once.
    candidate: Option<Result<String, String>>,
    stamp: Option<Stamp>,
    calm: u32,
    /// What the good text gives, once somebody asked.
    given: Option<Arc<serde_json::Map<String, serde_json::Value>>>,
}

impl Seen {
    /// What the file holds; where that cannot be read, the last good text.
    fn shown(&self) -> &str {
        self.taken.as_ref().unwrap_or(&self.good)
    }
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
    /// The file is not what it was when the text was shown, or is being changed this moment.
    #[error("the file was changed meanwhile; read it again, then make your change once more")]
    Changed,
    /// The file on disk is bad, so that nothing can be changed in it.
    #[error("the file has a mistake that must be mended first: {0}")]
    FileIsBad(String),
    /// No stream has this id.
    #[error("there is no camera `{0}`; look at the list of cameras for its id")]
    NoSuchStream(String),
    /// The text is laid out in a way that the change cannot be written into.
    #[error("this change cannot be written into the file as it is laid out; edit the file by hand")]
    TooOdd,
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
            _ => &[],
        }
    }
}

impl From<EditError> for WriteError {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Bad(errors) => Self::Bad(errors),
            EditError::NoSuchStream(id) => Self::NoSuchStream(id),
            EditError::TooOdd => Self::TooOdd,
        }
    }
}

/// The file's text as it may be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// With `***` for every secret. Of a file that cannot be read: the last good text.
    pub text: String,
    /// Another for another text, in this run of the program.
    pub version: String,
}

impl Store {
    /// Reads the file. If it is bad, the last good text beside it is used and [`Store::fault`] says why.
    /// Blocks: call it at start.
    ///
    /// # Errors
    /// Neither the file nor the last good text beside it gives a configuration; the file's own error.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::load_on(path, Machine::Any)
    }

    /// As [`Store::load`], with what holds on `machine` where the file says nothing. The appliance starts with nothing
    /// to watch rather than not at all: its page is where the mistake can be mended.
    ///
    /// # Errors
    /// As of [`Store::load`]; none on the appliance.
    pub fn load_on(path: impl AsRef<Path>, machine: Machine) -> Result<Self, ReadError> {
        let path = path.as_ref().to_owned();
        let stamp = Stamp::of(&path);
        let text = on_disk::read_text(&path);
        let taken = text.as_ref().cloned().map_err(ReadError::summary);
        let read = text.and_then(|text| match parse_on(&text, machine) {
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
                let (text, config) = match last_good(&path, machine) {
                    Some(kept) => {
                        log::error!("{}: the last good configuration is in force", error.summary());
                        kept
                    }
                    None if machine == Machine::Appliance => {
                        log::error!("{}: nothing is watched until that is mended", error.summary());
                        (String::new(), Config::nothing(machine))
                    }
                    None => return Err(error),
                };
                (text, config, Some(error.summary()))
            }
        };
        let seen = Seen { taken, good, candidate: None, stamp, calm: 0, given: None };
        let (current, fault) = (watch::Sender::new(Arc::new(config)), watch::Sender::new(fault));
        let trial = watch::Sender::new(trial::left_over(&path, machine));
        let (seen, key) = (Mutex::new(seen), RandomState::new());
        Ok(Self(Arc::new(Inner { path, machine, current, fault, trial, seen, key })))
    }

    /// The configuration in force.
    pub fn current(&self) -> Arc<Config> {
        self.0.current.borrow().clone()
    }

    /// Wakes at each change of the configuration in force (not of comments).
    pub fn watch(&self) -> watch::Receiver<Arc<Config>> {
        self.0.current.subscribe()
    }

    /// What the configuration is for: some defaults differ.
    pub fn machine(&self) -> Machine {
        self.0.machine
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

    /// The file's text, masked, and its version.
    pub async fn text(&self) -> Shown {
        self.blocking(|inner| {
            let seen = inner.seen();
            Ok(Shown { text: mask::masked(seen.shown()), version: inner.version(&seen) })
        })
        .await
        .unwrap_or_else(|_| Shown { text: String::new(), version: String::new() })
    }

    /// What the configuration in force gives, only what is written: numbers as numbers, secrets as `***`,
    /// each stream with its `id` and `has_credentials`.
    pub async fn given(&self) -> Arc<serde_json::Map<String, serde_json::Value>> {
        self.blocking(|inner| {
            let mut seen = inner.seen();
            let good = &seen.good;
            let given = seen.given.clone().unwrap_or_else(|| Arc::new(given::given(good)));
            seen.given = Some(given.clone());
            Ok(given)
        })
        .await
        .unwrap_or_default()
    }

    /// The text of the configuration in force, secrets and all: for a backup that is sealed, and for nothing else.
    ///
    /// # Errors
    /// The program is ending.
    pub(crate) async fn text_with_secrets(&self) -> Result<String, WriteError> {
        self.blocking(|inner| Ok(inner.seen().good.clone())).await
    }

    /// Checks a text and puts it in the place of the file's and in force. Secrets that come back as `***`
    /// keep their old value: a stream's by its id and URL, a server's by its name.
    /// With `version`, only where the file is still the one that was shown so.
    ///
    /// # Errors
    /// The text is bad, the file is another, or it cannot be replaced; then file and configuration are as
    /// before.
    pub async fn write(&self, text: String, version: Option<String>) -> Result<(), WriteError> {
        self.blocking(move |inner| {
            let mut seen = inner.seen();
            if version.is_some_and(|version| version != inner.version(&seen) || inner.differs(&seen)) {
                return Err(WriteError::Changed);
            }
            inner.write(&mut seen, &text)
        })
        .await
    }

    /// Changes the file by `edit` and puts it in force; no other change comes between reading and writing.
    /// `edit` is given the text with its secrets; what it leaves masked keeps its old value.
    ///
    /// # Errors
    /// As `edit` says; the file is bad or being changed by somebody else; it cannot be replaced. Then file
    /// and configuration are as before.
    pub async fn change<F>(&self, edit: F) -> Result<(), WriteError>
    where
        F: FnOnce(&str) -> Result<String, EditError> + Send + 'static,
    {
        self.blocking(move |inner| {
            let mut seen = inner.seen();
            let (text, _) = inner.edited(&seen, edit)?;
            inner.write(&mut seen, &text)
        })
        .await
    }

    /// The configuration that [`Store::change`] would put in force; changes nothing.
    ///
    /// # Errors
    /// As of [`Store::change`].
    pub async fn preview<F>(&self, edit: F) -> Result<Config, WriteError>
    where
        F: FnOnce(&str) -> Result<String, EditError> + Send + 'static,
    {
        self.blocking(move |inner| Ok(inner.edited(&inner.seen(), edit)?.1)).await
    }

    /// Whether a text would be taken by [`Store::write`], and how many cameras it has; changes nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn check(&self, text: String) -> Result<usize, WriteError> {
        self.blocking(move |inner| {
            let text = inner.restored(&inner.seen(), &text);
            let (config, _) = parse_on(&text, inner.machine).map_err(WriteError::Bad)?;
            Ok(config.cameras.len())
        })
        .await
    }

    /// A URL of the stream `id` that came back masked, with the secrets that the stream has now. One of another
    /// host stays as it is, and so does what has no secrets: a password is not told to whoever names a host.
    pub async fn url_with_secrets(&self, id: String, url: String) -> String {
        let given = url.clone();
        let found = self.blocking(move |inner| {
            let old = edit::stream_url(&inner.seen().good, &id);
            let host = |url: &str| CameraUrl::parse(url).map(|url| url.host().to_ascii_lowercase()).ok();
            let same_host = old.filter(|old| host(old).is_some_and(|old| host(&url) == Some(old)));
            Ok(same_host.and_then(|old| mask::with_old_secrets(&url, &old)))
        });
        found.await.ok().flatten().unwrap_or(given)
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Runs what takes the lock, or the disk, on a thread for it.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, WriteError> + Send + 'static,
    ) -> Result<T, WriteError> {
        let inner = self.0.clone();
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|stopped| Err(self.0.not_written(io::Error::other(stopped))))
    }
}

impl Inner {
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
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
            parse_on(&text, self.machine).map(|parsed| (text, parsed)).map_err(bad)
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
        seen.given = None;
        self.current.send_if_modified(|current| {
            let differs = **current != config;
            if differs {
                *current = Arc::new(config);
            }
            differs
        });
        self.fault.send_if_modified(|fault| fault.take().is_some());
    }

    /// Keyed anew at each start: it tells nothing about the secrets that are in the text.
    fn version(&self, seen: &Seen) -> String {
        format!("{:016x}", self.key.hash_one(seen.shown()))
    }

    /// Whether the file holds what has not been taken yet: somebody is writing it.
    fn differs(&self, seen: &Seen) -> bool {
        on_disk::read_text(&self.path).map_err(|error| error.summary()) != seen.taken
    }

    /// The text after `edit`, secrets in it, and what it means.
    pub(super) fn edited(
        &self,
        seen: &Seen,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<(String, Config), WriteError> {
        if self.differs(seen) {
            return Err(WriteError::Changed);
        }
        if let Some(fault) = &*self.fault.borrow() {
            return Err(WriteError::FileIsBad(fault.clone()));
        }
        let text = mask::restored(&edit(&seen.good)?, &seen.good);
        let (config, _) = parse_on(&text, self.machine).map_err(WriteError::Bad)?;
        Ok((text, config))
    }

    /// The text with its masked secrets put back. What was shown is the file's text; where that is bad, its
    /// secrets may only be in the good one.
    fn restored(&self, seen: &Seen, text: &str) -> String {
        mask::restored(&mask::restored(text, seen.shown()), &seen.good)
    }

    fn write(&self, seen: &mut Seen, text: &str) -> Result<(), WriteError> {
        let text = self.restored(seen, text);
        let (config, _) = parse_on(&text, self.machine).map_err(WriteError::Bad)?;
        let step = self.before_write(seen, &config).map_err(|source| self.not_written(source))?;
        let written = self.put(seen, &text);
        if written.is_ok() {
            self.after_write(step);
        }
        written
    }

    /// Puts a text with its secrets in the file's place and in force.
    pub(super) fn put(&self, seen: &mut Seen, text: &str) -> Result<(), WriteError> {
        let text = text.to_owned();
        let (config, warnings) = parse_on(&text, self.machine).map_err(WriteError::Bad)?;
        if text != seen.good {
            on_disk::replace(&on_disk::beside(&self.path, "previous"), &seen.good).map_err(|e| self.not_written(e))?;
        }
        on_disk::replace(&self.path, &text).map_err(|source| self.not_written(source))?;
        tell(&self.path, &warnings);
        keep_good(&self.path, &text);
        seen.taken = Ok(text.clone());
        seen.candidate = None;
        self.put_in_force(seen, text, config);
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

/// The configuration that the daemon would have in force: the file's, the last good one, or else one with nothing to
/// watch; and why it is not the file's. Blocks.
pub fn read_in_force(path: &Path, machine: Machine) -> (Config, Option<String>) {
    let fault = match super::read_on(path, machine) {
        Ok((config, _)) => return (config, None),
        Err(error) => error.summary(),
    };
    let kept = last_good(path, machine).map(|(_, config)| config);
    (kept.unwrap_or_else(|| Config::nothing(machine)), Some(fault))
}

fn last_good(path: &Path, machine: Machine) -> Option<(String, Config)> {
    let text = on_disk::read_text(&on_disk::beside(path, "last-good")).ok()?;
    let (config, _) = parse_on(&text, machine).ok()?;
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
    fn the_appliance_starts_without_a_good_file_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pulsebox.yaml");
        let store = Store::load_on(&file, Machine::Appliance).unwrap();
        assert!(store.fault().borrow().as_ref().unwrap().contains("pulsebox.yaml"));
        assert_eq!(store.current().web.listen.port(), 80);
        fs::write(&file, "nonsense: [").unwrap();
        let store = Store::load_on(&file, Machine::Appliance).unwrap();
        let fault = store.fault().borrow().clone().unwrap();
        assert!(fault.contains("pulsebox.yaml:2:1: this is no YAML"), "{fault}");
        assert!(Store::load(&file).is_err(), "elsewhere a person stands beside it");
        fs::write(&file, ONE).unwrap();
        store.0.look();
        store.0.look();
        assert_eq!((store.current().cameras.len(), store.fault().borrow().is_some()), (1, false));
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
