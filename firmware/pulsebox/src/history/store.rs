//! The file and its one writer. Everything here blocks: call it on a blocking thread.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::block::{self, Packed};
use super::memory::{Batch, Check};
use super::schema::{self, OpenError};
use super::timeline::Run;
use super::{Error, evidence, forms, query, repair, starts};
use crate::monitor::board::Incident;

/// Checks in one row at most, when an outage of the disk let many gather.
const CHECKS_A_ROW: usize = 1000;
/// Rows deleted in one transaction.
const DELETED_AT_ONCE: i64 = 500;
/// Incidents kept at most (the oldest go): a camera that flaps for years must not fill the card.
const INCIDENTS_ON_DISK: i64 = 200_000;

/// A file, whatever its name: device and inode.
pub(super) type Identity = (u64, u64);

/// What opening found, for the one who wires memory to it.
#[derive(Debug, Default)]
pub(super) struct Opened {
    /// Unix ms: no row may be dated before it; none in an empty file.
    pub newest: Option<i64>,
    /// The file already holds the run that was asked for.
    pub knows_run: bool,
    /// Incidents without an end.
    pub open: Vec<Incident>,
    /// What was set aside, and salvaged or gone back to, for the log.
    pub repaired: Option<String>,
}

#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    file: Option<File>,
    /// Why the file at the path must be set aside before it is used again.
    damaged: Option<String>,
}

#[derive(Debug)]
struct File {
    db: Connection,
    /// A path that leads elsewhere since is another file.
    identity: Identity,
    /// The small numbers of cameras, by key.
    cameras: HashMap<Arc<str>, i64>,
}

impl Store {
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, damaged: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is open and still stands at its path.
    pub fn is_open(&self) -> bool {
        self.file.as_ref().is_some_and(|file| identity(&self.path).ok() == Some(file.identity))
    }

    /// Lets go of the file, which was found broken; it is set aside and salvaged when opened next.
    pub fn give_up(&mut self, reason: String) {
        self.file = None;
        self.damaged = Some(reason);
    }

    /// Opens the file, repaired or gone back from a newer form if need be, and closes the run that a power cut left open. `run` is the
    /// begin of the present run, Unix ms. `true_now`, Unix ms, where the clock is vouched for: runs dated
    /// after it are moved to follow the run before them.
    pub fn open(&mut self, run: i64, true_now: Option<i64>) -> Result<Opened, Error> {
        self.file = None;
        let (mut db, repaired) = self.open_file()?;
        // Repaired: not once more if something else fails below.
        self.damaged = None;
        let identity = identity(&self.path).map_err(|source| Error::Folder { path: self.path.clone(), source })?;
        let mut opened = find_newest(&mut db, run, true_now).map_err(|source| self.failed("read", source))?;
        opened.repaired = repaired;
        self.file = Some(File { db, identity, cameras: HashMap::new() });
        Ok(opened)
    }

    fn open_file(&self) -> Result<(Connection, Option<String>), Error> {
        if let Some(reason) = &self.damaged
            && self.path.exists()
        {
            return repair::set_aside_and_salvage(&self.path, reason);
        }
        match schema::open(&self.path) {
            Ok(db) => Ok((db, None)),
            Err(OpenError::Damaged(reason)) => repair::set_aside_and_salvage(&self.path, &reason),
            Err(OpenError::Newer(found, known)) => {
                let folder = |source| Error::Folder { path: self.path.clone(), source };
                let aside = forms::set_aside(&self.path, found, known).map_err(folder)?;
                let (db, repaired) = self.open_file()?;
                Ok((db, Some(repaired.map_or(aside.clone(), |repaired| format!("{aside}; {repaired}")))))
            }
            Err(OpenError::Storage(source)) => Err(self.failed("open", source)),
        }
    }

    fn failed(&self, action: &'static str, source: rusqlite::Error) -> Error {
        Error::Storage { action, path: self.path.clone(), source }
    }

    /// Writes a batch in one transaction. `durable`: returns when it is on the disk.
    pub fn write(&mut self, batch: &Batch, run: &Run, durable: bool) -> Result<(), Error> {
        self.change("write to", durable, |change, cameras| write_batch(change, cameras, batch, run))
    }

    /// Runs one transaction on the file.
    pub fn change<T>(
        &mut self,
        action: &'static str,
        durable: bool,
        work: impl FnOnce(&Transaction<'_>, &mut HashMap<Arc<str>, i64>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let Some(file) = &mut self.file else { return Err(Error::Closed { path: self.path.clone() }) };
        let done = || {
            schema::set_durable(&file.db, durable)?;
            let change = file.db.transaction()?;
            let value = work(&change, &mut file.cameras)?;
            change.commit()?;
            Ok(value)
        };
        let result = done();
        result.map_err(|source| {
            file.cameras.clear(); // numbers given in a transaction that failed do not exist
            Error::Storage { action, path: self.path.clone(), source }
        })
    }

    /// Deletes what is older than it is kept, in small transactions, with `between` after each. Times are
    /// Unix ms.
    pub fn delete_old(
        &mut self,
        checks_before: i64,
        hours_before: i64,
        mut between: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            between(self)?;
            let deleted = self.change("delete old rows from", false, |change, _| {
                change.execute(
                    "DELETE FROM checks WHERE id IN (SELECT id FROM checks WHERE id < ?1 - ms ORDER BY id LIMIT ?2)",
                    params![checks_before, DELETED_AT_ONCE],
                )
            })?;
            if (deleted as i64) < DELETED_AT_ONCE {
                break;
            }
        }
        self.change("delete old rows from", false, |change, _| {
            change.execute("DELETE FROM hours WHERE began < ?1", [hours_before])?;
            // The state that held at the cut is kept: it may hold still.
            change.execute(
                "DELETE FROM states WHERE began < (SELECT max(began) FROM states AS later
                     WHERE later.camera = states.camera AND later.began <= ?1)",
                [hours_before],
            )?;
            change.execute("DELETE FROM runs WHERE until < ?1", [hours_before])?;
            change.execute(
                "DELETE FROM incidents WHERE until IS NOT NULL
                     AND id <= (SELECT id FROM incidents ORDER BY id DESC LIMIT 1 OFFSET ?1)",
                [INCIDENTS_ON_DISK],
            )?;
            Ok(())
        })
    }
}

/// Which file stands at the path.
pub(super) fn identity(path: &Path) -> std::io::Result<Identity> {
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

/// Closes the run that a power cut left open, takes back what a wrong clock dated into the future, and
/// looks what is newest then and which incidents are open.
fn find_newest(db: &mut Connection, run: i64, true_now: Option<i64>) -> rusqlite::Result<Opened> {
    let knows_run = close_last_run(db, run)?;
    if let Some(now) = true_now.filter(|_| !knows_run) {
        let change = db.transaction()?;
        take_back(&change, now, i64::MAX)?;
        change.commit()?;
    }
    let newest = db.query_row("SELECT max(until) FROM runs WHERE began <> ?1", [run], |row| row.get(0))?;
    Ok(Opened { newest, knows_run, open: query::open_in(db)?, repaired: None })
}

/// Runs that began in `(now, before)`, Unix ms, were dated by a clock that was ahead: each is moved to
/// follow the one before it. Returns the newest time before `before` then.
pub(super) fn take_back(change: &Transaction<'_>, now: i64, before: i64) -> rusqlite::Result<Option<i64>> {
    let ahead: Vec<(i64, i64)> = change
        .prepare("SELECT began, coalesce(until, began) FROM runs WHERE began > ?1 AND began < ?2 ORDER BY began")?
        .query_map([now, before], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (began, until) in ahead {
        let previous: Option<i64> =
            change.query_row("SELECT max(until) FROM runs WHERE began < ?1", [began], |row| row.get(0))?;
        let to = previous.map_or_else(|| now.saturating_sub(until - began + 1), |previous| previous + 1);
        if to < began {
            move_run(change, began, to - began)?;
        }
    }
    change.query_row("SELECT max(until) FROM runs WHERE began < ?1", [before], |row| row.get(0))
}

/// After a power cut the last run has no end: it is the end of the newest row, whatever its kind. True
/// where the file holds the run that began at `run` already.
fn close_last_run(db: &Connection, run: i64) -> rusqlite::Result<bool> {
    let knows_run = db.query_row("SELECT 1 FROM runs WHERE began = ?1", [run], |_| Ok(())).optional()?.is_some();
    if !knows_run {
        db.execute(
            "UPDATE runs SET until = max(began,
                 coalesce((SELECT id + ms FROM checks ORDER BY id DESC LIMIT 1), began),
                 coalesce((SELECT max(began) FROM states), began),
                 coalesce((SELECT max(at) FROM starts), began),
                 coalesce((SELECT max(coalesce(until, began)) FROM (SELECT * FROM incidents ORDER BY id DESC LIMIT 100)), began))
             WHERE until IS NULL",
            [],
        )?;
    }
    Ok(knows_run)
}

fn write_batch(
    change: &Transaction<'_>,
    cameras: &mut HashMap<Arc<str>, i64>,
    batch: &Batch,
    run: &Run,
) -> rusqlite::Result<()> {
    for camera in &batch.cameras {
        change
            .prepare_cached(
                "INSERT INTO cameras (key, name, first_seen, removed) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (key) DO UPDATE SET name = excluded.name, removed = excluded.removed",
            )?
            .execute(params![&*camera.key, camera.name, camera.seen, camera.removed])?;
    }
    for run in batch.ended.iter().chain([run]) {
        change
            .prepare_cached(
                "INSERT INTO runs (began, until, monotonic, boot, trusted) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (began) DO UPDATE SET until = coalesce(excluded.until, until)
                     WHERE until IS NULL AND excluded.until IS NOT NULL",
            )?
            .execute(params![run.began, run.until, run.monotonic, run.boot, run.trusted])?;
    }
    for state in &batch.states {
        let camera = number(change, cameras, &state.camera, state.began)?;
        // A state that is told late may begin before one told earlier: it overrides it.
        change
            .prepare_cached("DELETE FROM states WHERE camera = ?1 AND began >= ?2")?
            .execute([camera, state.began])?;
        change.prepare_cached("INSERT INTO states (camera, began, state) VALUES (?1, ?2, ?3)")?.execute(params![
            camera,
            state.began,
            state.state
        ])?;
        super::rollup::redo_from(change, state.began)?;
    }
    for incident in &batch.incidents {
        let camera = number(change, cameras, &incident.camera, incident.from.as_millisecond())?;
        change
            .prepare_cached(
                "INSERT INTO incidents (id, camera, state, verdict, message, began, until)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (id) DO UPDATE SET state = excluded.state, verdict = excluded.verdict,
                         message = excluded.message, until = excluded.until",
            )?
            .execute(params![
                incident.id,
                camera,
                incident.state as u8,
                incident.verdict as u8,
                incident.message,
                incident.from.as_millisecond(),
                incident.to.map(Timestamp::as_millisecond),
            ])?;
    }
    evidence::write(change, &batch.proofs)?;
    starts::write(change, &batch.starts)?;
    write_checks(change, cameras, batch)
}

/// One row a window, or several where a window holds very many checks.
fn write_checks(change: &Transaction<'_>, cameras: &mut HashMap<Arc<str>, i64>, batch: &Batch) -> rusqlite::Result<()> {
    let mut checks = batch.checks.iter().peekable();
    for (place, &(mut began, until)) in batch.windows.iter().enumerate() {
        let last_window = place + 1 == batch.windows.len();
        loop {
            let mut packed = Vec::new();
            let mut ended = began;
            while packed.len() < CHECKS_A_ROW
                && let Some(check) = checks.next_if(|check| last_window || check.ended <= until)
            {
                ended = check.ended;
                packed.push(pack(check, number(change, cameras, &check.camera, check.at)?));
            }
            let more = checks.peek().is_some_and(|check| last_window || check.ended <= until);
            // A row's key is its start, so each must be at least a millisecond long.
            let end = if more { ended.clamp(began + 1, until.max(began + 1)) } else { until.max(began + 1) };
            change
                .prepare_cached("INSERT OR REPLACE INTO checks (id, ms, n, packed) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![
                    began,
                    end - began,
                    i64::try_from(packed.len()).unwrap_or(i64::MAX),
                    block::encode(began, &packed)
                ])?;
            began = end;
            if !more {
                break;
            }
        }
    }
    Ok(())
}

fn pack(check: &Check, camera: i64) -> Packed {
    let Check { at, verdict, state, ms, first_packet_ms, first_frame_ms, fps10, kbps, .. } = *check;
    Packed { camera, at_ms: at, verdict, state, ms, first_packet_ms, first_frame_ms, fps10, kbps }
}

/// A camera's small number; one that the file does not know is entered.
fn number(
    change: &Transaction<'_>,
    cameras: &mut HashMap<Arc<str>, i64>,
    key: &str,
    seen: i64,
) -> rusqlite::Result<i64> {
    if let Some(&number) = cameras.get(key) {
        return Ok(number);
    }
    change
        .prepare_cached("INSERT OR IGNORE INTO cameras (key, name, first_seen) VALUES (?1, ?1, ?2)")?
        .execute(params![key, seen])?;
    let number = change.prepare_cached("SELECT id FROM cameras WHERE key = ?1")?.query_row([key], |row| row.get(0))?;
    cameras.insert(key.into(), number);
    Ok(number)
}

/// Moves the run that began at `began` and all its rows by `by` ms.
pub(super) fn move_run(change: &Transaction<'_>, began: i64, by: i64) -> rusqlite::Result<()> {
    let next: i64 = change.query_row(
        "SELECT coalesce(min(began), 9223372036854775807) FROM runs WHERE began > ?1",
        [began],
        |row| row.get(0),
    )?;
    super::rollup::redo_from(change, began.min(began.saturating_add(by)))?;
    // By way of negative keys: row by row, a moved key could meet one that has not moved yet.
    for (table, key) in [("checks", "id"), ("states", "began"), ("starts", "at")] {
        change.execute(
            &format!("UPDATE {table} SET {key} = -{key} - ?3 WHERE {key} >= ?1 AND {key} < ?2"),
            [began, next, by],
        )?;
        change.execute(&format!("UPDATE {table} SET {key} = -{key} WHERE {key} < 0"), [])?;
    }
    for column in ["began", "until"] {
        change.execute(
            &format!("UPDATE incidents SET {column} = {column} + ?3 WHERE {column} >= ?1 AND {column} < ?2"),
            [began, next, by],
        )?;
    }
    change
        .execute("UPDATE runs SET began = began + ?2, until = until + ?2, trusted = 1 WHERE began = ?1", [began, by])?;
    Ok(())
}
