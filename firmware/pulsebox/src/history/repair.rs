//! What happens to a damaged file: it is set aside, what can be read goes into a new one.
//!
//! Salvage reads each table forwards from its first row, then backwards from its last, until SQLite meets
//! a page it cannot read. Rows between two damaged pages are not looked for; the file set aside still
//! has them.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::Error;
use super::schema::{self, OpenError, TABLES};

/// Files set aside that are kept, newest first.
const SET_ASIDE_KEPT: usize = 2;

/// Makes a new file of what can be read, and only then puts it in the place of the damaged one, which is
/// kept aside. Returns the new file, open, and a sentence for the log. A power cut at any point leaves
/// the damaged file in its place, or the new one: never an empty one.
pub(super) fn set_aside_and_salvage(path: &Path, reason: &str) -> Result<(Connection, Option<String>), Error> {
    let folder = |source| Error::Folder { path: path.into(), source };
    let new = suffixed(path, ".new");
    remove(&new); // of a salvage that a power cut ended
    let rows = salvage(path, &new)?;
    let aside = swap(path, Some(&new), "damaged").map_err(folder)?;
    forget_oldest(path);
    let sentence = format!(
        "the history was damaged ({reason}); it was set aside as {}, {rows} rows were salvaged into a new one",
        aside.display()
    );
    Ok((opened(path)?, Some(sentence)))
}

fn opened(path: &Path) -> Result<Connection, Error> {
    schema::open(path).map_err(|error| match error {
        OpenError::Storage(source) => Error::Storage { action: "make", path: path.into(), source },
        OpenError::Damaged(_) | OpenError::Newer(..) => Error::Closed { path: path.into() },
    })
}

/// Removes a database with its log; what is not there is no matter.
fn remove(file: &Path) {
    for part in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(suffixed(file, part));
    }
}

/// Puts `new`, or nothing, in the place of the file, which gets the name `….<what>-<time>`.
pub(super) fn swap(path: &Path, new: Option<&Path>, what: &str) -> std::io::Result<PathBuf> {
    let now = Timestamp::now();
    let mut aside = suffixed(path, &format!(".{what}-{}", now.strftime("%Y%m%dT%H%M%S%3f")));
    while aside.exists() {
        aside = suffixed(&aside, "x");
    }
    // A second name for it, so that the place is never empty.
    std::fs::hard_link(path, &aside)?;
    for part in ["-wal", "-shm"] {
        // They may not exist. The log must not meet the new file.
        let _ = std::fs::rename(suffixed(path, part), suffixed(&aside, part));
    }
    match new {
        Some(new) => std::fs::rename(new, path)?,
        None => std::fs::remove_file(path)?, // its second name stays
    }
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(aside)
}

pub(super) fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn forget_oldest(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let start = format!("{}.damaged-", name.to_string_lossy());
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut aside: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with(&start) && !name.ends_with("-wal") && !name.ends_with("-shm")
        })
        .map(|entry| entry.path())
        .collect();
    aside.sort(); // their names end in the time
    aside.iter().rev().skip(SET_ASIDE_KEPT).for_each(|old| remove(old));
}

/// Copies what can be read into a new file, synced; returns how many rows.
fn salvage(from: &Path, new: &Path) -> Result<usize, Error> {
    let into = opened(new)?;
    let mut rows = 0;
    let done = (|| {
        schema::set_durable(&into, true)?;
        let all_or_none = into.unchecked_transaction()?;
        if let Ok(old) = Connection::open(from) {
            // Lets SQLite read a file that is shorter than its header says.
            let _ = old.pragma_update(None, "writable_schema", true);
            for table in TABLES {
                let forwards = copy(&old, &into, table, "ASC");
                rows += forwards.0;
                if !forwards.1 {
                    rows += copy(&old, &into, table, "DESC").0;
                }
            }
        }
        all_or_none.commit()
    })();
    // Closing folds the log into the file.
    done.and_then(|()| into.close().map_err(|(_, error)| error)).map_err(|source| Error::Storage {
        action: "salvage into",
        path: new.into(),
        source,
    })?;
    let synced = std::fs::File::open(new).and_then(|file| file.sync_all());
    synced.map_err(|source| Error::Folder { path: new.into(), source })?;
    Ok(rows)
}

/// Copies a table's rows in one direction; returns how many were new, and whether it came to the end.
fn copy(old: &Connection, into: &Connection, table: &str, direction: &str) -> (usize, bool) {
    let mut copied = 0;
    let mut work = || -> rusqlite::Result<()> {
        let columns = columns(into, table)?;
        let mut keys: Vec<&(String, i64)> = columns.iter().filter(|(_, key)| *key > 0).collect();
        keys.sort_by_key(|(_, key)| *key);
        let order: Vec<String> = keys.iter().map(|(name, _)| format!("{name} {direction}")).collect();
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(", ");
        let places = vec!["?"; columns.len()].join(", ");
        let mut insert = into.prepare(&format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"))?;
        let mut select = old.prepare(&format!("SELECT {names} FROM {table} ORDER BY {}", order.join(", ")))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns.len()).map(|i| row.get(i)).collect::<rusqlite::Result<Vec<Value>>>()?;
            // A row whose values are not of their columns' types is damage, too.
            copied += insert.execute(params_from_iter(values)).unwrap_or(0);
        }
        Ok(())
    };
    let complete = work().is_ok();
    (copied, complete)
}

/// A table's columns: name, and place in the primary key (0: not in it).
fn columns(db: &Connection, table: &str) -> rusqlite::Result<Vec<(String, i64)>> {
    let mut columns = db.prepare("SELECT name, pk FROM pragma_table_info(?1)")?;
    let rows = columns.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
