//! What was known when the box last ran, for the monitor to go on from.
//!
//! A camera's state reaches back over restarts, also over the moments in which it was not known yet, but not
//! over a time in which nobody watched for longer than [`GAP_MS`]: nobody knows what it was meanwhile.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::Result;

use super::block::Packed;
use super::memory::time;
use super::query::Sources;
use super::rollup::{self, HOUR_MS};
use super::spans::state_of;
use crate::monitor::Before;
use crate::monitor::board::{RECENT_KEPT, Recent, State, latency_ms};

/// The longest time off that a state reaches over: a restart or an update.
const GAP_MS: i64 = 15 * 60_000;
/// Runs and changes of a camera's state that are looked at: more is no stretch but a flapping.
const LOOKED_AT: i64 = 1_000;
/// The last checks are looked for this long before the newest.
const CHECKS_MS: i64 = 2 * HOUR_MS;
/// Older checks than this are no news.
const NEWS_MS: i64 = 24 * HOUR_MS;
/// A row of checks holds at most this many of one camera, so that the newest are never lost to older ones.
const A_ROW: usize = 100;

impl Sources {
    /// What the file knows of the time before now.
    pub fn before(&self) -> Result<Before> {
        let open_incidents = self.open_incidents()?;
        Ok(Before { open_incidents, states: self.standing_states()?, recent: self.recent_checks()? })
    }

    /// The begin of the time over which states reach, Unix ms.
    fn unbroken_from(&self) -> Result<i64> {
        let now = self.waiting.now;
        let mut runs: BTreeMap<i64, i64> = self.waiting.runs.iter().copied().collect();
        if let Some(db) = &self.db {
            let mut select = db.prepare("SELECT began, coalesce(until, ?1) FROM runs ORDER BY began DESC LIMIT ?2")?;
            for run in select.query_map([now, LOOKED_AT], |row| Ok((row.get(0)?, row.get(1)?)))? {
                let (began, until) = run?;
                runs.entry(began).or_insert(until);
            }
        }
        let mut from = now;
        for (began, until) in runs.into_iter().rev() {
            if from - until > GAP_MS {
                break;
            }
            from = from.min(began);
        }
        Ok(from)
    }

    /// What each camera that is not removed was last, and since when.
    fn standing_states(&self) -> Result<BTreeMap<String, (State, Timestamp)>> {
        let Some(db) = &self.db else { return Ok(BTreeMap::new()) };
        let from = self.unbroken_from()?;
        let mut cameras = db.prepare("SELECT id, key FROM cameras WHERE removed IS NULL")?;
        let mut states = db.prepare(
            "SELECT state, began FROM states WHERE camera = ?1 AND began >= ?2 ORDER BY began DESC LIMIT ?3",
        )?;
        let mut found = BTreeMap::new();
        for camera in cameras.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))? {
            let (number, key) = camera?;
            let mut last: Option<(State, i64)> = None;
            // When what is newer than the unknown stretch at hand began.
            let mut known_from = self.waiting.now;
            for change in states.query_map([number, from, LOOKED_AT], |row| Ok((row.get(0)?, row.get(1)?)))? {
                let (state, began): (u8, i64) = change?;
                match (state_of(state), last) {
                    (Some(State::Unknown), _) if known_from - began > GAP_MS => break,
                    (Some(State::Unknown), _) => continue,
                    (Some(state), None) => last = Some((state, began)),
                    (Some(state), Some((is, _))) if state == is => last = Some((is, began)),
                    _ => break,
                }
                known_from = began;
            }
            found.extend(last.map(|(state, began)| (key, (state, time(began)))));
        }
        Ok(found)
    }

    /// Each camera's last checks, oldest first.
    fn recent_checks(&self) -> Result<BTreeMap<String, Vec<Recent>>> {
        let Some(db) = &self.db else { return Ok(BTreeMap::new()) };
        let newest: Option<i64> = db.query_row("SELECT max(id + ms) FROM checks", [], |row| row.get(0))?;
        let Some(newest) = newest else { return Ok(BTreeMap::new()) };
        let from = (newest - CHECKS_MS).max(self.waiting.now - NEWS_MS);
        let mut found: BTreeMap<i64, Vec<Packed>> = BTreeMap::new();
        rollup::each_check(db, from, self.waiting.now, |check| {
            let of_camera = found.entry(check.camera).or_default();
            // The newest row comes first.
            if of_camera.len() < RECENT_KEPT + A_ROW {
                of_camera.push(check);
            }
            true
        })?;
        let mut name = db.prepare("SELECT key FROM cameras WHERE id = ?1")?;
        let mut recent = BTreeMap::new();
        for (camera, mut checks) in found {
            checks.sort_by_key(|check| check.at_ms);
            let newest = checks.split_off(checks.len().saturating_sub(RECENT_KEPT));
            let key: String = name.query_row([camera], |row| row.get(0))?;
            recent.insert(key, newest.iter().map(bar).collect());
        }
        Ok(recent)
    }
}

fn bar(check: &Packed) -> Recent {
    let ms = latency_ms(check.verdict, check.first_packet_ms.map(f64::from), f64::from(check.ms));
    Recent { at: time(check.at_ms), verdict: check.verdict, ms }
}
