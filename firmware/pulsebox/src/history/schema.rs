//! The tables, and how a file is opened and brought to the newest form.
//!
//! Times are Unix milliseconds by the box's clock. A time belongs to the run it falls in (`runs`), and
//! through it to a boot and to the monotonic clock.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::forms;

/// Each entry brings the file one version forward; `PRAGMA user_version` is how many were applied.
/// Never change one that was released.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE cameras (              -- every camera that ever was
    id          INTEGER PRIMARY KEY, -- small number, used by all other tables
    key         TEXT NOT NULL UNIQUE, -- the id in pulsebox.yaml
    name        TEXT NOT NULL,       -- as people call it, last known
    first_seen  INTEGER NOT NULL,    -- Unix ms
    removed     INTEGER              -- Unix ms, NULL while configured
) STRICT;
CREATE TABLE runs (                 -- stretches of watching under one steady clock; between them the box was off
    began       INTEGER PRIMARY KEY, -- Unix ms; all rows from here to the next run belong to this one
    until       INTEGER,             -- Unix ms; NULL while it goes on
    monotonic   INTEGER NOT NULL,    -- ms of the monotonic clock at `began`
    boot        TEXT NOT NULL,       -- the kernel's boot id
    trusted     INTEGER NOT NULL     -- 1: the clock was set by then; 0: times are provisional, re-stamped later
) STRICT;
CREATE TABLE checks (               -- one row each flush, appended; windows never overlap
    id          INTEGER PRIMARY KEY, -- Unix ms, start of the window
    ms          INTEGER NOT NULL,    -- length of the window; the box was watching all of it
    n           INTEGER NOT NULL,    -- checks that ended in it
    packed      BLOB NOT NULL        -- the checks, see history/block.rs
) STRICT;
CREATE TABLE states (               -- what a camera was from a time on, within the same run
    camera      INTEGER NOT NULL,    -- cameras.id
    began       INTEGER NOT NULL,    -- Unix ms
    state       INTEGER NOT NULL,    -- board::State's number; 5: not watched (removed)
    PRIMARY KEY (camera, began)
) STRICT, WITHOUT ROWID;
CREATE TABLE incidents (            -- stretches of down or degraded
    id          INTEGER PRIMARY KEY, -- the board's: opening time in Unix microseconds, made unique
    camera      INTEGER NOT NULL,    -- cameras.id
    state       INTEGER NOT NULL,    -- board::State's number
    verdict     INTEGER NOT NULL,    -- Verdict's number, the first of the stretch
    message     TEXT NOT NULL,       -- the first report's, no credentials
    began       INTEGER NOT NULL,    -- Unix ms
    until       INTEGER              -- Unix ms, NULL while open
) STRICT;
CREATE INDEX incidents_by_camera ON incidents (camera, began);
CREATE INDEX incidents_open ON incidents (id) WHERE until IS NULL;
CREATE TABLE hours (                -- one camera's finished hour; no row: not watched at all
    began       INTEGER NOT NULL,    -- Unix ms, a full hour of UTC
    camera      INTEGER NOT NULL,    -- cameras.id
    ms          INTEGER NOT NULL,    -- length of the period
    up          INTEGER NOT NULL,    -- ms in this state, and so on
    degraded    INTEGER NOT NULL,
    down        INTEGER NOT NULL,
    unknown     INTEGER NOT NULL,
    paused      INTEGER NOT NULL,
    unwatched   INTEGER NOT NULL,    -- ms the box was off or did not have the camera
    checks      INTEGER NOT NULL,    -- how many
    failures    INTEGER NOT NULL,    -- how many of them were faults
    p50         INTEGER,             -- ms to the first packet, median; NULL: none came
    p95         INTEGER,             -- the same, 95th percentile
    max         INTEGER,             -- the same, slowest
    PRIMARY KEY (began, camera)
) STRICT, WITHOUT ROWID;
CREATE TABLE days (                 -- the same for a day of the configured time zone (23 to 25 hours)
    began INTEGER NOT NULL, camera INTEGER NOT NULL, ms INTEGER NOT NULL,
    up INTEGER NOT NULL, degraded INTEGER NOT NULL, down INTEGER NOT NULL,
    unknown INTEGER NOT NULL, paused INTEGER NOT NULL, unwatched INTEGER NOT NULL,
    checks INTEGER NOT NULL, failures INTEGER NOT NULL, p50 INTEGER, p95 INTEGER, max INTEGER,
    PRIMARY KEY (began, camera)
) STRICT, WITHOUT ROWID;
CREATE TABLE rolled (               -- how far the roll-ups are made
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    hours       INTEGER NOT NULL,    -- Unix ms, end of the last finished hour
    days        INTEGER NOT NULL     -- Unix ms, end of the last finished day
) STRICT;
",
    "
CREATE TABLE evidence (             -- what the cause of an incident looked like
    incident    INTEGER PRIMARY KEY, -- incidents.id
    good_after  INTEGER,             -- when the good picture was taken, ms after the incident began (negative)
    bad_after   INTEGER,             -- the same of the bad one
    answer      TEXT,                -- what the camera answered, secrets masked
    good        BLOB,                -- the last good picture, JPEG
    bad         BLOB                 -- the first bad picture, JPEG
) STRICT;
ALTER TABLE hours ADD COLUMN first_frame INTEGER; -- ms to the first key frame, median
ALTER TABLE hours ADD COLUMN fps10 INTEGER;       -- frames a second times ten, median
ALTER TABLE hours ADD COLUMN kbps INTEGER;        -- kilobits a second, median
ALTER TABLE days ADD COLUMN first_frame INTEGER;
ALTER TABLE days ADD COLUMN fps10 INTEGER;
ALTER TABLE days ADD COLUMN kbps INTEGER;
",
    "
CREATE TABLE starts (               -- why the box started, one row a boot; only of an appliance
    at          INTEGER PRIMARY KEY, -- Unix ms, when Pulsebox learnt of it
    boot        TEXT NOT NULL UNIQUE, -- the kernel's boot id
    cause       TEXT NOT NULL,       -- appliance::Cause's name
    message     TEXT,                -- for a person
    slot        TEXT,                -- the system that ran: A or B
    version     TEXT                 -- the image's
) STRICT;
",
];

/// Every table's name, in an order in which they can be filled.
pub(super) const TABLES: [&str; 10] =
    ["cameras", "runs", "incidents", "evidence", "starts", "days", "hours", "states", "rolled", "checks"];

/// Small pages: a flush of ten cameras is half a kilobyte, and the whole page is written each time.
const PAGE_BYTES: u32 = 1024;
/// The write-ahead log is folded into the file at this many pages, so that a page which grew over many
/// flushes is written to the file once.
const CHECKPOINT_PAGES: u32 = 2048;
/// The log is cut back to this after it had to be longer.
const LOG_BYTES: u32 = 4 * 1024 * 1024;
/// Files up to this size are read through at opening, which takes a card a few seconds at most. In
/// larger ones damage is found when it is met.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;
/// SQLite's way to a file that one process uses: the log's index lies in memory. As a file it would be
/// dirtied at every flush, and cost the card more than the checks do. Other processes are kept out.
const ONE_PROCESS: &str = "unix-excl";

/// Why a file cannot be used as it is.
#[derive(Debug)]
pub(super) enum OpenError {
    /// Written by a newer Pulsebox: (its version, ours).
    Newer(usize, usize),
    /// Not a database, or its pages contradict each other.
    Damaged(String),
    /// The disk, the folder or its rights.
    Storage(rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Storage(error) }
    }
}

/// Whether SQLite says that the file itself is broken.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Opens or makes the file for writing and brings it to the newest form; as it was, it is kept beside
/// ([`forms::keep_copy`]). A file of a newer form is left as it is.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    open_with(path, MIGRATIONS)
}

pub(super) fn open_with(path: &Path, migrations: &[&str]) -> Result<Connection, OpenError> {
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    let mut db = connect(path)?;
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = usize::try_from(version).map_err(|_| OpenError::Damaged(format!("form {version}")))?;
    if version > migrations.len() {
        return Err(OpenError::Newer(version, migrations.len()));
    }
    if size > 0 && size <= CHECKED_BYTES {
        let found: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(OpenError::Damaged(found));
        }
    }
    if (1..migrations.len()).contains(&version) {
        // Closing folds the log into the file: the copy is one file.
        db.close().map_err(|(_, error)| error)?;
        if let Err(error) = forms::keep_copy(path, version) {
            log::warn!("no copy of the history is kept as it was before the update: {error}");
        }
        db = connect(path)?;
    }
    db.pragma_update(None, "page_size", PAGE_BYTES)?; // only a new file takes it
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    db.pragma_update(None, "cache_size", -1024)?; // 1 MiB
    set_durable(&db, false)?;
    if version < migrations.len() {
        let change = db.transaction()?;
        for migration in &migrations[version..] {
            change.execute_batch(migration)?;
        }
        change.pragma_update(None, "user_version", i64::try_from(migrations.len()).unwrap_or(i64::MAX))?;
        change.commit()?;
    }
    Ok(db)
}

fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let db = Connection::open_with_flags_and_vfs(path, OpenFlags::default(), ONE_PROCESS)?;
    db.busy_timeout(Duration::from_secs(2))?;
    Ok(db)
}

/// Opens the file for reading beside the writer.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags_and_vfs(path, flags, ONE_PROCESS)?;
    db.busy_timeout(Duration::from_secs(2))?;
    Ok(db)
}

/// True: a commit returns when it is on the disk. False: it may take until the kernel writes, or the next
/// durable commit; the file stays whole in both cases.
pub(super) fn set_durable(db: &Connection, durable: bool) -> Result<(), rusqlite::Error> {
    db.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" })
}
