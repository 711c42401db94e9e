//! The history: checks, states, incidents and roll-ups, in SQLite on the data partition.
//!
//! It listens to the board and calls nobody. Checks are gathered in memory and written once a minute in
//! one transaction; incidents are written at once and synced. Without a disk it goes on from memory,
//! bounded, and writes it all when the disk is back. Tables, what a power cut costs, and figures:
//! `docs/history.md`.
//!
//! Cost and locking: taking an event in holds one lock for microseconds. The file has one writer and each
//! question its own read-only connection; both run on blocking threads.
//!
//! What it cannot do: answer about uptime before `hours_days` ago (day roll-ups still stand then, see
//! [`History::series`]), and keep checks that do not fit the memory while the disk is away.

mod before;
mod block;
mod evidence;
mod forms;
mod memory;
mod past;
mod query;
mod questions;
mod repair;
mod rollup;
mod schema;
mod spans;
mod starts;
mod store;
mod timeline;
mod usage;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::memory::Memory;
pub use self::query::BUCKETS_MAX;
use self::store::Store;
use self::timeline::Timeline;
pub use self::usage::bytes_written;
use crate::clock::{Clock, Trust};
use crate::config::HistoryConfig;
use crate::host::disk_space;
use crate::monitor::board::{Board, Event};

/// Time between two flushes: what a power cut may cost at most.
pub const FLUSH_EVERY: Duration = Duration::from_secs(60);
/// The file's name in the data folder.
pub const FILE_NAME: &str = "history.sqlite";
/// What the last flush may take when the daemon stops.
const LAST_FLUSH_DEADLINE: Duration = Duration::from_secs(1);
/// Turns of rolling up in one minute's write; the rest is made in the next.
const ROLL_UP_TURNS: usize = 12;
const DAY_MS: i64 = 24 * rollup::HOUR_MS;

/// Why the history could not be written or read. The text is for a person.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each is explained by its text
pub enum Error {
    #[error("no data folder was given: the history is kept in memory only; start with --data DIR to keep it")]
    NoFolder,
    #[error("cannot reach {}: {source}; check the data folder and its disk", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot {action} {}: {}", path.display(), advise(source, path))]
    Storage { action: &'static str, path: PathBuf, source: rusqlite::Error },
    #[error("{} is not open", path.display())]
    Closed { path: PathBuf },
    #[error("the history did not answer in time; ask for a shorter period")]
    Timeout,
    #[error("the history's worker ended early: {0}")]
    Worker(String),
}

/// SQLite's error with what to do.
fn advise(error: &rusqlite::Error, path: &Path) -> String {
    use rusqlite::ErrorCode as Code;
    let advice = match error.sqlite_error_code() {
        // SQLite calls it an I/O error where the index of its log does not fit (SQLITE_IOERR_SHMSIZE).
        Some(Code::SystemIoFailure) if is_full(path) => "; free some space on the data partition",
        Some(Code::DiskFull) => "; free some space on the data partition",
        Some(Code::ReadOnly | Code::CannotOpen) if is_read_only(path) => {
            "; the disk is read-only: an SD card that wears out becomes so"
        }
        Some(Code::ReadOnly) => "; the file or its folder is read-only: Pulsebox must own both",
        Some(Code::CannotOpen) => "; check that the data folder exists and may be written",
        Some(Code::SystemIoFailure) => "; the disk fails: check the SD card",
        _ => "",
    };
    format!("{error}{advice}")
}

/// Whether the disk of this file has no room for the smallest database and its log.
fn is_full(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    disk_space(folder).is_ok_and(|space| space.free < 64 << 10)
}

fn is_read_only(path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    rustix::fs::statvfs(folder).is_ok_and(|disk| disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// What the history needs to know.
#[derive(Clone, Debug)]
pub struct HistorySettings {
    /// Days each single check is kept.
    pub checks_days: u32,
    /// Days hour roll-ups and state changes are kept.
    pub hours_days: u32,
    /// Days end at its midnight.
    pub timezone: TimeZone,
    /// Tells the time.
    pub clock: Clock,
    /// How far the clock can be believed at the start; [`History::clock_trusted`] tells when it is known to
    /// be right.
    pub clock_trust: Trust,
}

impl HistorySettings {
    /// Settings from the configuration, with a clock that is taken as it is.
    pub fn new(config: &HistoryConfig, timezone: TimeZone, clock: Clock) -> Self {
        let HistoryConfig { checks_days, hours_days } = *config;
        Self { checks_days, hours_days, timezone, clock, clock_trust: Trust::Taken }
    }
}

/// The history. Cheap to clone; clones are one.
#[derive(Clone, Debug)]
pub struct History(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Held for microseconds, never over an await or a disk access.
    memory: Mutex<Memory>,
    /// Locked on blocking threads only; none without a data folder.
    store: Option<Mutex<Store>>,
    path: Option<PathBuf>,
    settings: Mutex<HistorySettings>,
    fault: watch::Sender<Option<String>>,
    repaired: watch::Sender<Option<String>>,
    stored: watch::Sender<Option<i64>>,
    /// An incident waits.
    urgent: Notify,
    /// One question at a time: they read whole ranges, and the box has four small cores.
    questions: Arc<Semaphore>,
    /// What a question found broken, for the next write to act on.
    broken: Mutex<Option<Broken>>,
}

/// A file that a question found damaged.
#[derive(Debug)]
struct Broken {
    /// The damaged file, which may have been replaced since.
    file: store::Identity,
    reason: String,
}

/// How much a write takes along, and how sure it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// Incidents and states, synced.
    Incidents,
    /// Everything; also roll-ups and retention where due.
    Minute,
    /// Everything, synced.
    Everything,
}

impl History {
    /// Opens or makes `history.sqlite` in `dir`, repaired if need be; never fails: where the file cannot
    /// be used, [`History::fault`] says why, memory serves, and the file is tried again each minute.
    /// `dir` none: memory only. Blocks for the disk, a few seconds at most; must run inside a tokio
    /// runtime only where the clock is turned.
    pub fn open(dir: Option<PathBuf>, settings: HistorySettings) -> Self {
        if let Some(dir) = &dir {
            // The folder itself, not those above it: they would hide that a disk is not mounted.
            let _ = std::fs::create_dir(dir);
        }
        let path = dir.map(|dir| dir.join(FILE_NAME));
        let timeline = Timeline::start(settings.clock.clone(), settings.clock_trust);
        let history = Self(Arc::new(Inner {
            memory: Mutex::new(Memory::new(timeline)),
            store: path.clone().map(|path| Mutex::new(Store::new(path))),
            path,
            settings: Mutex::new(settings),
            fault: watch::Sender::new(None),
            repaired: watch::Sender::new(None),
            stored: watch::Sender::new(None),
            urgent: Notify::new(),
            questions: Arc::new(Semaphore::new(1)),
            broken: Mutex::new(None),
        }));
        let opened = history.0.write(Write::Everything);
        history.0.tell_fault(opened.as_ref().err());
        history
    }

    /// Why nothing is written to disk, a sentence; none while all is well.
    pub fn fault(&self) -> watch::Receiver<Option<String>> {
        self.0.fault.subscribe()
    }

    /// What was last set aside since the start, damaged or of a newer form, and what came in its place; a sentence.
    pub fn repaired(&self) -> watch::Receiver<Option<String>> {
        self.0.repaired.subscribe()
    }

    /// The id of the incident that was last opened or closed, once that is synced to the disk.
    pub fn stored(&self) -> watch::Receiver<Option<i64>> {
        self.0.stored.subscribe()
    }

    /// Checks, state changes and incidents that found no room in memory, and events that were missed,
    /// since the start.
    pub fn lost(&self) -> u64 {
        lock(&self.0.memory).lost
    }

    /// Takes new settings from a reloaded configuration; retention follows at the next day's end.
    pub fn set_settings(&self, config: &HistoryConfig, timezone: TimeZone) {
        let mut settings = lock(&self.0.settings);
        (settings.checks_days, settings.hours_days) = (config.checks_days, config.hours_days);
        settings.timezone = timezone;
    }

    /// Listens to the board, from this call on and not only from the first poll, until `stop`; then
    /// writes what is left, within a second.
    pub fn run(self, board: Board, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let events = board.events();
        self.listen_and_write(board, events, stop)
    }

    async fn listen_and_write(self, board: Board, mut events: broadcast::Receiver<Event>, stop: CancellationToken) {
        let snapshot = board.now().clone();
        {
            let mut memory = lock(&self.0.memory);
            memory.listens = true;
            memory.resync(&snapshot, 0);
            if memory.is_urgent() {
                self.0.urgent.notify_one();
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.listen(&board, &mut events) => {}
            () = self.keep_writing() => {}
        }
        // What was told before the stop still counts.
        loop {
            match events.try_recv() {
                Ok(event) => self.take_in(&board, &event),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => {
                    let snapshot = board.now().clone();
                    lock(&self.0.memory).resync(&snapshot, missed);
                }
                Err(_) => break,
            }
        }
        lock(&self.0.memory).finish();
        match tokio::time::timeout(LAST_FLUSH_DEADLINE, self.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => log::warn!("the last minute of the history is lost: {error}"),
            Err(_) => log::warn!("the last minute of the history is lost: the disk did not answer within a second"),
        }
    }

    async fn listen(&self, board: &Board, events: &mut broadcast::Receiver<Event>) {
        loop {
            match events.recv().await {
                Ok(event) => self.take_in(board, &event),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    log::warn!("the history missed {missed} events; states and incidents are taken from the board");
                    let snapshot = board.now().clone();
                    lock(&self.0.memory).resync(&snapshot, missed);
                    self.0.urgent.notify_one();
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn take_in(&self, board: &Board, event: &Event) {
        if lock(&self.0.memory).take_in(event, || board.now().clone()) {
            self.0.urgent.notify_one();
        }
    }

    async fn keep_writing(&self) {
        let mut minute = tokio::time::interval_at(Instant::now() + FLUSH_EVERY, FLUSH_EVERY);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lost_before = 0;
        loop {
            let write = tokio::select! {
                _ = minute.tick() => Write::Minute,
                () = self.0.urgent.notified() => Write::Incidents,
            };
            // With the disk away, incidents wait for the minute's try too.
            if write == Write::Minute || self.0.fault.borrow().is_none() {
                let _ = self.write(write).await; // told through `fault`
            }
            let lost = self.lost();
            if write == Write::Minute && lost > lost_before {
                log::warn!("the history lost {} entries: there was no room for them in memory", lost - lost_before);
                lost_before = lost;
            }
        }
    }

    /// Writes everything that waits and syncs it to the disk.
    pub async fn flush(&self) -> Result<(), Error> {
        self.write(Write::Everything).await
    }

    async fn write(&self, write: Write) -> Result<(), Error> {
        let inner = self.0.clone();
        let written = blocking(move || inner.write(write)).await.and_then(|written| written);
        self.0.tell_fault(written.as_ref().err());
        written
    }

    /// Tells that the clock is right from now on: `wall` is the true time at `monotonic_ms` of the clock
    /// in the settings. Rows of this process that were dated before are moved to their true times, but
    /// never before the newest row of an earlier run.
    pub async fn clock_trusted(&self, wall: Timestamp, monotonic_ms: i64) -> Result<(), Error> {
        let inner = self.0.clone();
        let offset = wall.as_millisecond().saturating_sub(monotonic_ms);
        let done = blocking(move || inner.clock_trusted(offset)).await.and_then(|done| done);
        self.0.tell_fault(done.as_ref().err());
        done
    }

    /// Whether time synchronisation vouches for the clock; false again after a clock that it vouched for
    /// was set back. While it is false, [`History::clock_trusted`] is worth calling.
    pub fn is_clock_vouched_for(&self) -> bool {
        lock(&self.0.memory).timeline.synchronised_now().is_some()
    }
}

impl Inner {
    /// Writes what waits. Blocks.
    fn write(&self, write: Write) -> Result<(), Error> {
        let Some(store) = &self.store else { return Err(Error::NoFolder) };
        let mut store = lock(store);
        let broken = lock(&self.broken).take();
        if let Some(Broken { file, reason }) = broken
            && store::identity(store.path()).ok() == Some(file)
        {
            log::error!("the history is damaged: {reason}");
            store.give_up(reason);
        }
        let written = self.write_once(&mut store, write);
        match written {
            // Found broken in the middle: set aside, salvaged, and once more.
            Err(Error::Storage { source, .. }) if schema::is_damage(&source) => {
                log::error!("the history is damaged: {source}");
                store.give_up(source.to_string());
                self.write_once(&mut store, write)
            }
            other => other,
        }
    }

    fn write_once(&self, store: &mut Store, write: Write) -> Result<(), Error> {
        if !store.is_open() {
            self.attach(store)?;
        }
        let now = self.write_waiting(store, write)?;
        if write == Write::Incidents { Ok(()) } else { self.roll_up(store, now) }
    }

    /// Writes what waits; returns the present, Unix ms.
    fn write_waiting(&self, store: &mut Store, write: Write) -> Result<i64, Error> {
        let (batch, run, now) = lock(&self.memory).hand_out(write != Write::Incidents);
        let newest_incident = batch.incidents.back().map(|incident| incident.id);
        let durable = write != Write::Minute || newest_incident.is_some();
        let written = store.write(&batch, &run, durable);
        drop(batch);
        match written {
            Ok(()) => {
                lock(&self.memory).written();
                if newest_incident.is_some() {
                    self.stored.send_replace(newest_incident);
                }
            }
            Err(error) => {
                lock(&self.memory).not_written();
                return Err(error);
            }
        }
        Ok(now)
    }

    /// Between two pieces of the minute's work: an incident does not wait for the rest.
    fn write_urgent(&self, store: &mut Store) -> Result<(), Error> {
        if lock(&self.memory).is_urgent() {
            self.write_waiting(store, Write::Incidents)?;
        }
        Ok(())
    }

    /// Opens the file and brings memory and file in line.
    fn attach(&self, store: &mut Store) -> Result<(), Error> {
        lock(&self.memory).file_is_ours = false;
        let (began, true_now) = {
            let memory = lock(&self.memory);
            (memory.timeline.run.began, memory.timeline.synchronised_now())
        };
        let opened = store.open(began, true_now)?;
        if let Some(repaired) = opened.repaired {
            log::warn!("{repaired}");
            self.repaired.send_replace(Some(repaired));
        }
        let mut memory = lock(&self.memory);
        if !opened.knows_run {
            if let Some(newest) = opened.newest {
                memory.not_before(newest + 1);
            }
            memory.tell_all();
        }
        memory.carry_over(opened.open, opened.newest.unwrap_or(began));
        memory.file_is_ours = true;
        log::info!("the history is kept in {}", store.path().display());
        Ok(())
    }

    fn roll_up(&self, store: &mut Store, now: i64) -> Result<(), Error> {
        let settings = lock(&self.settings).clone();
        let run_trusted = lock(&self.memory).timeline.run.trusted;
        let mut day_ended = false;
        for _ in 0..ROLL_UP_TURNS {
            let turn = store.change("roll up", false, |change, _| rollup::make_due(change, now, &settings.timezone))?;
            day_ended |= turn.day_ended;
            self.write_urgent(store)?;
            if !turn.moved {
                break;
            }
        }
        // A clock that was not set yet may lie years ahead: nothing is old by it.
        if day_ended && run_trusted {
            let before = |days: u32| now.saturating_sub(i64::from(days) * DAY_MS);
            let urgent = |store: &mut Store| self.write_urgent(store);
            store.delete_old(before(settings.checks_days), before(settings.hours_days), urgent)?;
        }
        Ok(())
    }

    /// `offset`: true wall time minus monotonic, ms. Blocks.
    fn clock_trusted(&self, offset: i64) -> Result<(), Error> {
        // What waits is written first, so that file and memory are moved alike; without a disk there is
        // only memory.
        let written = self.write(Write::Everything);
        let mut store = self.store.as_ref().map(lock);
        let first = lock(&self.memory).first_untrusted();
        if written.is_ok()
            && let Some(store) = &mut store
            && let Some((began, monotonic)) = first
        {
            // An earlier process may have dated its rows after what is now known to be the time.
            let newest = store.change("re-stamp", true, |change, _| {
                store::take_back(change, monotonic.saturating_add(offset), began)
            })?;
            lock(&self.memory).lower_floor(newest);
        }
        let moves = lock(&self.memory).true_times(offset);
        let mut moved = Ok(());
        if written.is_ok()
            && let Some(store) = &mut store
        {
            moved = store.change("re-stamp", true, |change, _| {
                // In an order in which no run is moved into another that has yet to move.
                let later = moves.iter().rev().filter(|(.., by)| *by > 0);
                let earlier = moves.iter().filter(|(.., by)| *by <= 0);
                later.chain(earlier).try_for_each(|&(began, _, by)| store::move_run(change, began, by))
            });
        }
        if moved.is_ok() {
            lock(&self.memory).trust(&moves);
        }
        drop(store);
        moved?;
        self.write(Write::Everything)
    }

    fn tell_fault(&self, error: Option<&Error>) {
        let text = error.map(ToString::to_string);
        let changed = self.fault.send_if_modified(|fault| {
            let changed = *fault != text;
            fault.clone_from(&text);
            changed
        });
        match text {
            Some(text) if changed => log::error!("the history is kept in memory: {text}"),
            None if changed => log::info!("the history is written to disk again"),
            _ => {}
        }
    }
}

/// A poisoned lock means that a thread panicked with it; what it guards is plain data and still serves.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::Worker(error.to_string()))
}
