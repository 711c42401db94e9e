//! Why the box started, one row a boot; only an appliance knows.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::memory::{Batch, time};
use crate::monitor::appliance::Cause;
use crate::monitor::board::BoxStatus;
use crate::monitor::past::PastStart;

/// Boots kept on the disk: a box that starts every hour for a month.
const KEPT: i64 = 1_000;

/// One boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StartRow {
    /// When we learnt of it, Unix ms: in this process's run, so that it is moved with it.
    pub at: i64,
    /// The kernel's boot id: a daemon that is started anew in the same boot notes nothing.
    pub boot: String,
    /// [`Cause::name`].
    pub cause: &'static str,
    pub message: Option<String>,
    pub slot: Option<String>,
    pub version: Option<String>,
}

impl StartRow {
    /// Of a box that knows why it started; `boot` is the kernel's id, where the fact does not say.
    pub fn of(host: &BoxStatus, at: i64, boot: &str) -> Option<Self> {
        let appliance = host.appliance.as_ref()?;
        let start = appliance.start.as_ref()?;
        Some(Self {
            at,
            boot: start.boot.clone().unwrap_or_else(|| boot.to_owned()),
            cause: start.cause.name(),
            message: start.message.clone(),
            slot: appliance.slot.clone(),
            version: appliance.version.clone(),
        })
    }

    fn told(&self) -> Option<PastStart> {
        let Self { message, slot, version, .. } = self.clone();
        Some(PastStart { at: time(self.at), cause: Cause::named(self.cause)?, message, slot, version })
    }
}

/// Writes boots; one that the file has stays as it is. Old ones go.
pub(super) fn write(change: &Transaction<'_>, starts: &[StartRow]) -> rusqlite::Result<()> {
    for StartRow { at, boot, cause, message, slot, version } in starts {
        change
            .prepare_cached(
                "INSERT OR IGNORE INTO starts (at, boot, cause, message, slot, version)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![at, boot, cause, message, slot, version])?;
        change.execute(
            "DELETE FROM starts WHERE at <= (SELECT at FROM starts ORDER BY at DESC LIMIT 1 OFFSET ?1)",
            [KEPT],
        )?;
    }
    Ok(())
}

/// The last boots, newest first, of file and memory.
pub(super) fn read<'a>(
    db: Option<&Connection>,
    waiting: impl Iterator<Item = &'a Batch>,
    limit: usize,
) -> rusqlite::Result<Vec<PastStart>> {
    let mut found: BTreeMap<String, PastStart> = BTreeMap::new();
    for start in waiting.flat_map(|batch| &batch.starts) {
        found.extend(start.told().map(|told| (start.boot.clone(), told)));
    }
    if let Some(db) = db {
        let mut rows =
            db.prepare_cached("SELECT boot, at, cause, message, slot, version FROM starts ORDER BY at DESC LIMIT ?1")?;
        let mut rows = rows.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            // A word of a newer Pulsebox is passed over.
            let Some(cause) = Cause::named(&row.get::<_, String>(2)?) else { continue };
            let (message, slot, version) = (row.get(3)?, row.get(4)?, row.get(5)?);
            found.insert(row.get(0)?, PastStart { at: time(row.get(1)?), cause, message, slot, version });
        }
    }
    let mut found: Vec<PastStart> = found.into_values().collect();
    found.sort_by_key(|start| std::cmp::Reverse(start.at));
    found.truncate(limit);
    Ok(found)
}
