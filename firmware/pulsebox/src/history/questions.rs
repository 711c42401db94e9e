//! What the history can be asked, each question on a blocking thread and with a deadline.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::query::{self, Sources, Waiting};
use super::{Broken, DAY_MS, Error, History, Inner, blocking, lock, schema, starts, store};
use crate::monitor::Before;
use crate::monitor::board::Incident;
use crate::monitor::past::{Bucket, CheckRow, PastStart, Uptime};

/// What a question may take.
const QUESTION_DEADLINE: Duration = Duration::from_secs(10);

impl History {
    /// A camera's checks that began in `[from, to)`, oldest first; where there are more than `limit`, the
    /// newest. Unknown cameras have none.
    pub async fn checks(
        &self,
        camera: &str,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<CheckRow>, Error> {
        let camera = camera.to_owned();
        self.ask(move |s| s.checks(&camera, from.as_millisecond(), to.as_millisecond(), limit)).await
    }

    /// Incidents that touch `[from, to)`, of one camera or all, oldest first; where there are more than
    /// `limit`, the newest.
    pub async fn incidents(
        &self,
        camera: Option<&str>,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Incident>, Error> {
        let camera = camera.map(str::to_owned);
        self.ask(move |s| s.incidents(camera.as_deref(), from.as_millisecond(), to.as_millisecond(), limit)).await
    }

    /// The incidents without an end, oldest first.
    pub async fn open_incidents(&self) -> Result<Vec<Incident>, Error> {
        self.ask(Sources::open_incidents).await
    }

    /// Whether this camera was ever seen, removed since or not.
    pub async fn knows(&self, camera: &str) -> Result<bool, Error> {
        if lock(&self.0.memory).states().any(|(key, ..)| **key == *camera) {
            return Ok(true);
        }
        let camera = camera.to_owned();
        self.ask(move |s| s.knows(&camera)).await
    }

    /// Why the box started, the last `limit` times, newest first; none on a machine that is no appliance.
    pub async fn starts(&self, limit: usize) -> Result<Vec<PastStart>, Error> {
        self.ask(move |s| starts::read(s.db.as_ref(), s.waiting.batches.iter().map(|batch| &**batch), limit)).await
    }

    /// What was known when the box last ran, for the monitor to go on from.
    pub async fn before(&self) -> Result<Before, Error> {
        self.ask(Sources::before).await
    }

    /// A camera's time in each state over `[from, to)`, to the millisecond.
    pub async fn uptime(&self, camera: &str, from: Timestamp, to: Timestamp) -> Result<Uptime, Error> {
        let camera = camera.to_owned();
        self.ask(move |s| s.uptime(&camera, from.as_millisecond(), to.as_millisecond())).await
    }

    /// A camera's buckets of [`History::step_used`] over `[from, to)`, [`BUCKETS_MAX`] at most.
    /// From an hour on they begin at full hours, from a day on at midnights of the configured zone, and
    /// come from roll-ups as far as those are made. The last is cut at `to`.
    pub async fn series(
        &self,
        camera: &str,
        from: Timestamp,
        to: Timestamp,
        step: Duration,
    ) -> Result<Vec<Bucket>, Error> {
        let (camera, zone) = (camera.to_owned(), lock(&self.0.settings).timezone.clone());
        let step = i64::try_from(Self::step_used(step).as_millis()).unwrap_or(i64::MAX);
        self.ask(move |s| s.series(&camera, from.as_millisecond(), to.as_millisecond(), step, &zone)).await
    }

    /// The step that [`History::series`] takes for one that is asked for: at least a second, at most ten
    /// years; from an hour on it is rounded up to whole hours, from a day on to whole days.
    pub fn step_used(step: Duration) -> Duration {
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).min(3660 * DAY_MS);
        Duration::from_millis(query::step_used(step).unsigned_abs())
    }

    /// Answers one question on a blocking thread, from a snapshot of memory and then the file: what is
    /// written between is in both, and counted once.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Sources) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let deadline = Instant::now() + QUESTION_DEADLINE;
        let turns = self.0.questions.clone();
        let turn = tokio::time::timeout_at(deadline, turns.acquire_owned()).await.map_err(|_| Error::Timeout)?;
        let turn = turn.map_err(|closed| Error::Worker(closed.to_string()))?;
        let inner = self.0.clone();
        let (interrupt_to, mut interrupt_of) = tokio::sync::oneshot::channel();
        let answer = blocking(move || {
            // Kept until the thread is free again, not only until nobody waits: a disk that hangs must not
            // take one thread after the other.
            let _turn = turn;
            inner.answer(question, interrupt_to)
        });
        match tokio::time::timeout_at(deadline, answer).await {
            Ok(answer) => answer?,
            Err(_) => {
                // There is none while the disk hangs in opening the file.
                if let Ok(interrupt) = interrupt_of.try_recv() {
                    interrupt.interrupt();
                }
                Err(Error::Timeout)
            }
        }
    }
}

/// What a question takes from memory.
struct Overlay {
    waiting: Waiting,
    is_file_ours: bool,
}

impl Inner {
    /// Answers a question. Blocks.
    fn answer<T>(
        &self,
        question: impl FnOnce(&Sources) -> rusqlite::Result<T>,
        interrupt_to: tokio::sync::oneshot::Sender<rusqlite::InterruptHandle>,
    ) -> Result<T, Error> {
        let Overlay { waiting, is_file_ours } = self.waiting();
        let path = self.path.as_deref().filter(|path| is_file_ours && path.exists());
        let file = path.and_then(|path| store::identity(path).ok());
        let db = path.and_then(|path| {
            let opened = schema::open_to_read(path);
            opened
                .inspect_err(|error| {
                    log::warn!("the history cannot be read: {error}");
                    self.note_damage(file, error);
                })
                .ok()
        });
        if let Some(db) = &db {
            let _ = interrupt_to.send(db.get_interrupt_handle());
        }
        question(&Sources { db, waiting }).map_err(|source| {
            self.note_damage(file, &source);
            Error::Storage { action: "read", path: self.path.clone().unwrap_or_default(), source }
        })
    }

    fn note_damage(&self, file: Option<store::Identity>, error: &rusqlite::Error) {
        if let Some(file) = file
            && schema::is_damage(error)
        {
            *lock(&self.broken) = Some(Broken { file, reason: error.to_string() });
        }
    }

    fn waiting(&self) -> Overlay {
        let memory = lock(&self.memory);
        let now = memory.timeline.present();
        let mut runs = vec![];
        let batches: Vec<_> = memory.unwritten().cloned().collect(); // shared, not copied
        runs.extend(batches.iter().flat_map(|b| &b.ended).map(|run| (run.began, run.until.unwrap_or(now))));
        if !runs.iter().any(|run| run.0 == memory.timeline.run.began) {
            runs.push((memory.timeline.run.began, now));
        }
        Overlay { waiting: Waiting { batches, runs, now }, is_file_ours: memory.file_is_ours }
    }
}
