//! Hour and day roll-ups, made once when an hour of UTC or a day of the configured zone has ended.
//!
//! Something told late (a state that began before the threshold was passed, a clock that was set) sets the
//! mark back, and the roll-ups from there are made again.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::block;
use super::memory::time;
use super::spans;
use crate::camera::Severity;
use crate::monitor::past::StateTimes;

pub(super) const HOUR_MS: i64 = 3_600_000;
/// Roll-ups of each kind made in one transaction, so that catching up after long does not hold the writer.
const AT_ONCE: usize = 4;
/// A check that began this long before a window may have ended in it (deadline 120 s at most, and a wait).
pub(super) const SLACK_MS: i64 = 300_000;

/// Counts and values of some checks of one camera.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub checks: u32,
    pub failures: u32,
    first_packets: Vec<u32>,
    first_frames: Vec<u32>,
    fps10: Vec<u32>,
    kbps: Vec<u32>,
}

/// The figures of some checks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    /// Time to the first packet, ms: median, 95th percentile (nearest rank), maximum.
    pub latency: [Option<u32>; 3],
    /// Time to the first key frame, ms, median.
    pub first_frame_ms: Option<u32>,
    /// Frames a second times ten, median.
    pub fps10: Option<u32>,
    /// Kilobits a second, median.
    pub kbps: Option<u32>,
}

/// The value at a percentile of those given, by nearest rank.
fn percentile(values: &mut [u32], percent: usize) -> Option<u32> {
    let place = (values.len() * percent).div_ceil(100).checked_sub(1)?;
    Some(*values.select_nth_unstable(place).1)
}

impl Tally {
    pub fn add(&mut self, check: &block::Packed) {
        self.checks += 1;
        self.failures += u32::from(check.verdict.severity() == Severity::Fault);
        self.first_packets.extend(check.first_packet_ms);
        self.first_frames.extend(check.first_frame_ms);
        self.fps10.extend(check.fps10);
        self.kbps.extend(check.kbps);
    }

    /// What they come to.
    pub fn figures(&mut self) -> Figures {
        Figures {
            latency: [50, 95, 100].map(|percent| percentile(&mut self.first_packets, percent)),
            first_frame_ms: percentile(&mut self.first_frames, 50),
            fps10: percentile(&mut self.fps10, 50),
            kbps: percentile(&mut self.kbps, 50),
        }
    }
}

/// What one turn of rolling up did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Something was made or passed over: another turn may find more.
    pub moved: bool,
    /// A day was finished.
    pub day_ended: bool,
}

/// Makes the roll-ups that are due at `now` (Unix ms), a few at most.
pub(super) fn make_due(change: &Transaction<'_>, now: i64, zone: &TimeZone) -> rusqlite::Result<Turn> {
    let Some((mut hours, mut days)) = marks(change, zone)? else { return Ok(Turn::default()) };
    let before = (hours, days);
    for _ in 0..AT_ONCE {
        let end = hours + HOUR_MS;
        if end > now {
            break;
        }
        hours = match make(change, "hours", hours, end, now)? {
            true => end,
            false => next_run(change, end, now)?.map_or(floor_hour(now), floor_hour).max(end),
        };
    }
    for _ in 0..AT_ONCE {
        let end = next_midnight(days, zone);
        if end > now {
            break;
        }
        days = match make(change, "days", days, end, now)? {
            true => end,
            false => next_run(change, end, now)?.map_or(end, |run| midnight(run, zone)).max(end),
        };
    }
    if before != (hours, days) {
        change.execute(
            "INSERT INTO rolled (one, hours, days) VALUES (1, ?1, ?2)
                 ON CONFLICT (one) DO UPDATE SET hours = excluded.hours, days = excluded.days",
            [hours, days],
        )?;
    }
    Ok(Turn { moved: before != (hours, days), day_ended: before.1 != days })
}

/// What begins at `at` (Unix ms) or later is to be rolled up again.
pub(super) fn redo_from(change: &Transaction<'_>, at: i64) -> rusqlite::Result<()> {
    let rolled: Option<(i64, i64)> = change
        .prepare_cached("SELECT hours, days FROM rolled")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((hours, days)) = rolled else { return Ok(()) };
    if at >= hours && at >= days {
        return Ok(());
    }
    // The day that holds `at` begins where its row says, whatever the zone was then.
    let day: Option<i64> =
        change
            .query_row("SELECT max(began) FROM days WHERE began <= ?1 AND began + ms > ?1", [at], |row| row.get(0))?;
    let hours = hours.min(floor_hour(at));
    let days = days.min(day.unwrap_or(at));
    change.execute("DELETE FROM hours WHERE began >= ?1", [hours])?;
    change.execute("DELETE FROM days WHERE began >= ?1", [days])?;
    change.execute("UPDATE rolled SET hours = ?1, days = ?2", [hours, days])?;
    Ok(())
}

/// How far hours and days are made, Unix ms; none while there was no run yet.
fn marks(db: &Connection, zone: &TimeZone) -> rusqlite::Result<Option<(i64, i64)>> {
    let rolled = db.query_row("SELECT hours, days FROM rolled", [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if rolled.is_some() {
        return Ok(rolled);
    }
    let first: Option<i64> = db.query_row("SELECT min(began) FROM runs", [], |row| row.get(0))?;
    Ok(first.map(|first| (floor_hour(first), midnight(first, zone))))
}

fn next_run(db: &Connection, from: i64, now: i64) -> rusqlite::Result<Option<i64>> {
    db.query_row("SELECT min(max(began, ?1)) FROM runs WHERE coalesce(until, ?2) > ?1", [from, now], |row| row.get(0))
}

pub(super) fn floor_hour(at: i64) -> i64 {
    at - at.rem_euclid(HOUR_MS)
}

/// The last midnight at or before `at`.
pub(super) fn midnight(at: i64, zone: &TimeZone) -> i64 {
    time(at).to_zoned(zone.clone()).start_of_day().map_or(at, |day| day.timestamp().as_millisecond())
}

/// The first midnight after `at`.
pub(super) fn next_midnight(at: i64, zone: &TimeZone) -> i64 {
    let next = |day: Zoned| day.checked_add(1.day())?.start_of_day();
    next(time(at).to_zoned(zone.clone())).map_or(at + 24 * HOUR_MS, |day| day.timestamp().as_millisecond())
}

/// Makes one period's rows; false where the box did not watch in it at all.
fn make(change: &Transaction<'_>, table: &str, began: i64, end: i64, now: i64) -> rusqlite::Result<bool> {
    let runs = spans::read_runs(change, began, end, now)?;
    if runs.is_empty() {
        return Ok(false);
    }
    let mut tallies: HashMap<i64, Tally> = HashMap::new();
    each_check(change, began, end, |check| {
        tallies.entry(check.camera).or_default().add(&check);
        true
    })?;
    let cameras: Vec<i64> = change
        .prepare_cached("SELECT id FROM cameras WHERE removed IS NULL OR removed >= ?1")?
        .query_map([began], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for camera in cameras {
        let states = spans::read_states(change, camera, began, end)?;
        let times = spans::times(&runs, &states, began, end);
        let mut tally = tallies.remove(&camera).unwrap_or_default();
        if times.unwatched < end - began || tally.checks > 0 {
            insert(change, table, camera, (began, end), &times, &mut tally)?;
        }
    }
    Ok(true)
}

fn insert(
    change: &Transaction<'_>,
    table: &str,
    camera: i64,
    (began, end): (i64, i64),
    times: &StateTimes,
    tally: &mut Tally,
) -> rusqlite::Result<()> {
    let Figures { latency: [p50, p95, max], first_frame_ms, fps10, kbps } = tally.figures();
    change
        .prepare_cached(&format!(
            "INSERT OR REPLACE INTO {table} (began, camera, ms, up, degraded, down, unknown, paused, unwatched,
                 checks, failures, p50, p95, max, first_frame, fps10, kbps)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)"
        ))?
        .execute(params![
            began,
            camera,
            end - began,
            times.up,
            times.degraded,
            times.down,
            times.unknown,
            times.paused,
            times.unwatched,
            tally.checks,
            tally.failures,
            p50,
            p95,
            max,
            first_frame_ms,
            fps10,
            kbps,
        ])?;
    Ok(())
}

/// Reads the checks that began in `[from, to)`, newest row first, until `take` returns false. Found by
/// key alone: rows lie in order of time.
pub(super) fn each_check(
    db: &Connection,
    from: i64,
    to: i64,
    mut take: impl FnMut(block::Packed) -> bool,
) -> rusqlite::Result<()> {
    let mut select = db.prepare_cached(
        "SELECT id, packed FROM checks WHERE id <= ?2 AND id >=
             coalesce((SELECT max(id) FROM checks WHERE id < ?1), ?1) ORDER BY id DESC",
    )?;
    let mut rows = select.query([from, to.saturating_add(SLACK_MS)])?;
    while let Some(row) = rows.next()? {
        let (start, packed): (i64, &[u8]) = (row.get(0)?, row.get_ref(1)?.as_blob()?);
        for check in block::decode(start, packed) {
            if check.at_ms >= from && check.at_ms < to && !take(check) {
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_ends_at_the_zones_midnight_also_when_the_clocks_change() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let begin: jiff::Timestamp = "2026-10-24T22:00:00Z".parse().unwrap(); // midnight in summer time
        let end = next_midnight(begin.as_millisecond(), &zone);
        assert_eq!(end - begin.as_millisecond(), 25 * HOUR_MS);
        assert_eq!(midnight(end - 1, &zone), begin.as_millisecond());
    }
}
