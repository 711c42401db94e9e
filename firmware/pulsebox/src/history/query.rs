//! What the history answers: the file's rows and, over them, those that wait in memory.
//!
//! Reads go through their own read-only connection, so that a long one never delays a write.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::block::{self, Packed};
use super::evidence::{self, Proof, Still};
use super::memory::{Batch, Check, time};
use super::rollup::{self, Figures, HOUR_MS, Tally};
use super::spans::{self, state_of};
use crate::camera::Verdict;
use crate::monitor::board::{Incident, State};
use crate::monitor::past::{Bucket, CheckRow, EvidencePicture, PastIncident, StateTimes, Uptime};

/// Buckets a series may have.
pub const BUCKETS_MAX: usize = 2_000;

/// What memory holds of what was asked: the overlay.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub batches: Vec<Arc<Batch>>,
    /// The run that goes on and those ended, (began, until).
    pub runs: Vec<(i64, i64)>,
    /// The present, Unix ms.
    pub now: i64,
}

/// One question's sources. `db` is none while there is no file.
pub(super) struct Sources {
    pub db: Option<Connection>,
    pub waiting: Waiting,
}

type Result<T> = rusqlite::Result<T>;

impl Sources {
    fn number(&self, camera: &str) -> Result<Option<i64>> {
        let Some(db) = &self.db else { return Ok(None) };
        db.query_row("SELECT id FROM cameras WHERE key = ?1", [camera], |row| row.get(0)).optional()
    }

    /// Checks that began in `[from, to)`, keyed by begin; the newest `limit`.
    fn packed(&self, camera: &str, from: i64, to: i64, limit: usize) -> Result<BTreeMap<i64, Packed>> {
        let mut found = BTreeMap::new();
        let waiting = self.waiting.batches.iter().flat_map(|b| &b.checks).filter(|c| *c.camera == *camera);
        for check in waiting.filter(|c| c.at >= from && c.at < to) {
            found.insert(check.at, of(check));
        }
        if let (Some(db), Some(number)) = (&self.db, self.number(camera)?) {
            // Rows lie in the order in which checks ended; a camera's checks end in the order they began.
            let mut taken = 0;
            rollup::each_check(db, from, to, |check| {
                if check.camera == number {
                    taken += usize::from(found.insert(check.at_ms, check).is_none());
                }
                // Within a row they come oldest first, so a whole row more is read than the limit says.
                taken < limit.saturating_add(2_000)
            })?;
        }
        while found.len() > limit {
            found.pop_first();
        }
        Ok(found)
    }

    /// Every check of a camera that began in `[from, to)`, each once, in no order: counted as they are read,
    /// since a fortnight of them is a hundred thousand.
    fn each_check(&self, camera: &str, from: i64, to: i64, mut take: impl FnMut(Packed)) -> Result<()> {
        let mut waiting: HashSet<i64> = HashSet::new();
        for check in self.waiting.batches.iter().flat_map(|b| &b.checks).filter(|c| *c.camera == *camera) {
            // What was written since memory was asked is in both.
            if check.at >= from && check.at < to && waiting.insert(check.at) {
                take(of(check));
            }
        }
        if let (Some(db), Some(number)) = (&self.db, self.number(camera)?) {
            rollup::each_check(db, from, to, |check| {
                if check.camera == number && !waiting.contains(&check.at_ms) {
                    take(check);
                }
                true
            })?;
        }
        Ok(())
    }

    pub fn checks(&self, camera: &str, from: i64, to: i64, limit: usize) -> Result<Vec<CheckRow>> {
        Ok(self.packed(camera, from, to, limit)?.into_values().map(row_of).collect())
    }

    pub fn incidents(&self, camera: Option<&str>, from: i64, to: i64, limit: usize) -> Result<Vec<Incident>> {
        let mut found: BTreeMap<i64, Incident> = BTreeMap::new();
        if let Some(db) = &self.db {
            let sql = format!(
                "{INCIDENT} WHERE i.began < ?2 AND coalesce(i.until, ?2) >= ?1 AND (?3 IS NULL OR c.key = ?3)
                     ORDER BY i.id DESC LIMIT ?4"
            );
            let mut select = db.prepare(&sql)?;
            let rows =
                select.query_map(params![from, to, camera, i64::try_from(limit).unwrap_or(i64::MAX)], incident)?;
            for row in rows {
                let row = row?;
                found.insert(row.id, row);
            }
        }
        for waiting in self.waiting.batches.iter().flat_map(|b| &b.incidents) {
            let ends = waiting.to.map_or(to, Timestamp::as_millisecond);
            let touches = waiting.from.as_millisecond() < to && ends >= from;
            if touches && camera.is_none_or(|camera| camera == waiting.camera) {
                found.insert(waiting.id, waiting.clone());
            } else {
                found.remove(&waiting.id);
            }
        }
        while found.len() > limit {
            found.pop_first();
        }
        Ok(found.into_values().collect())
    }

    /// The same with what is kept as their evidence.
    pub fn told_incidents(&self, camera: &str, from: i64, to: i64, limit: usize) -> Result<Vec<PastIncident>> {
        let incidents = self.incidents(Some(camera), from, to, limit)?;
        incidents.into_iter().map(|incident| self.with_evidence(incident)).collect()
    }

    fn with_evidence(&self, incident: Incident) -> Result<PastIncident> {
        let began = incident.from.as_millisecond();
        if let Some(Proof { answer, good, bad, .. }) = self.proof(incident.id) {
            let after = |still: &Option<Still>| still.as_ref().map(|still| still.after);
            let answer = answer.as_deref().map(str::to_owned);
            let evidence = evidence::kept(began, answer, after(good), after(bad));
            return Ok(PastIncident { incident, evidence });
        }
        let Some(db) = &self.db else { return Ok(PastIncident { incident, evidence: None }) };
        let evidence = db
            .prepare_cached("SELECT answer, good_after, bad_after FROM evidence WHERE incident = ?1")?
            .query_row([incident.id], |row| Ok(evidence::kept(began, row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        Ok(PastIncident { incident, evidence: evidence.flatten() })
    }

    /// Evidence that waits for the disk.
    fn proof(&self, incident: i64) -> Option<&Proof> {
        self.waiting.batches.iter().flat_map(|b| &b.proofs).find(|proof| proof.incident == incident)
    }

    pub fn evidence_picture(&self, camera: &str, incident: i64, which: EvidencePicture) -> Result<Option<Bytes>> {
        let is_its = |waiting: &Incident| waiting.id == incident && waiting.camera == camera;
        if let Some(proof) = self.proof(incident) {
            let told = self.waiting.batches.iter().flat_map(|b| &b.incidents).any(is_its);
            return Ok(proof.picture(which).filter(|_| told).cloned());
        }
        match &self.db {
            Some(db) => evidence::read_picture(db, camera, incident, which),
            None => Ok(None),
        }
    }

    pub fn open_incidents(&self) -> Result<Vec<Incident>> {
        let mut found: BTreeMap<i64, Incident> = BTreeMap::new();
        if let Some(db) = &self.db {
            found.extend(open_in(db)?.into_iter().map(|incident| (incident.id, incident)));
        }
        for waiting in self.waiting.batches.iter().flat_map(|b| &b.incidents) {
            found.insert(waiting.id, waiting.clone());
        }
        found.retain(|_, incident| incident.to.is_none());
        Ok(found.into_values().collect())
    }

    /// Whether the file has ever heard of the camera.
    pub fn knows(&self, camera: &str) -> Result<bool> {
        // One that is seen and removed within a minute waits to be written.
        let waits = self.waiting.batches.iter().flat_map(|b| &b.cameras).any(|row| *row.key == *camera);
        Ok(waits || self.number(camera)?.is_some())
    }

    /// Runs and states over `[from, to)`, file and memory together.
    fn runs_and_states(&self, camera: &str, from: i64, to: i64) -> Result<Spans> {
        let now = self.waiting.now;
        let (mut runs, mut states) = (BTreeMap::new(), Vec::new());
        if let Some(db) = &self.db {
            runs.extend(spans::read_runs(db, from, to, now)?);
            if let Some(number) = self.number(camera)? {
                states = spans::read_states(db, number, from, to)?;
            }
        }
        runs.extend(self.waiting.runs.iter().copied());
        for change in self.waiting.batches.iter().flat_map(|b| &b.states).filter(|c| *c.camera == *camera) {
            spans::put_state(&mut states, change.began, change.state);
        }
        Ok(Spans { runs: runs.into_iter().collect(), states })
    }

    pub fn uptime(&self, camera: &str, from: i64, to: i64) -> Result<Uptime> {
        let to = to.min(self.waiting.now).max(from);
        Ok(self.runs_and_states(camera, from, to)?.times(from, to).into())
    }

    /// Buckets of `step` ms ([`step_used`]) over `[from, to)`. Below an hour they are made from single
    /// checks, from an hour on from roll-ups, and what is not rolled up yet or does not lie wholly inside
    /// one bucket from single checks again.
    pub fn series(&self, camera: &str, from: i64, to: i64, step: i64, zone: &TimeZone) -> Result<Vec<Bucket>> {
        let mut buckets = empty_buckets(from, to, step, zone);
        let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return Ok(buckets) };
        let (from, to) = (first.from.as_millisecond(), last.to.as_millisecond());
        let starts: Vec<i64> = buckets.iter().map(|bucket| bucket.from.as_millisecond()).collect();
        let place = |at: i64| starts.partition_point(|start| *start <= at).checked_sub(1);
        let table = if step >= DAY_MS { "days" } else { "hours" };
        let mut rest = from;
        if step >= HOUR_MS
            && let (Some(db), Some(number)) = (&self.db, self.number(camera)?)
        {
            // The last bucket may be cut: of the period that it cuts, no roll-up tells.
            let whole = if step >= DAY_MS { rollup::midnight(to, zone) } else { rollup::floor_hour(to) };
            rest = rolled_until(db, table)?.min(whole).clamp(from, to);
            for piece in read_rolled(db, table, number, from, rest)? {
                if let Some(bucket) = place(piece.from.as_millisecond()).and_then(|i| buckets.get_mut(i)) {
                    merge(bucket, &piece);
                }
            }
        }
        let spans = self.runs_and_states(camera, rest, to)?;
        let mut tallies: Vec<Tally> = buckets.iter().map(|_| Tally::default()).collect();
        self.each_check(camera, rest, to, |check| {
            if let Some(tally) = place(check.at_ms).and_then(|i| tallies.get_mut(i)) {
                tally.add(&check);
            }
        })?;
        for (bucket, mut tally) in buckets.iter_mut().zip(tallies) {
            let (begin, end) = (bucket.from.as_millisecond().max(rest), bucket.to.as_millisecond());
            if end > begin {
                let Figures { latency: [p50_ms, p95_ms, max_ms], first_frame_ms, fps10, kbps } = tally.figures();
                let piece = Bucket {
                    times_ms: spans.times(begin, end.min(self.waiting.now).max(begin)),
                    checks: tally.checks,
                    failures: tally.failures,
                    p50_ms,
                    p95_ms,
                    max_ms,
                    first_frame_ms,
                    fps: fps10.map(tenths),
                    kbps,
                    ..bucket.clone()
                };
                merge(bucket, &piece);
            }
        }
        for bucket in &mut buckets {
            let passed = bucket.to.as_millisecond().min(self.waiting.now) - bucket.from.as_millisecond();
            let told = bucket.times_ms.watched() + bucket.times_ms.unknown + bucket.times_ms.paused;
            bucket.times_ms.unwatched = (passed - told).max(0);
        }
        Ok(buckets)
    }
}

/// The step that a series really has, ms: at least a second; from an hour on whole hours, from a day on
/// whole days, rounded up, since roll-ups know no less.
pub(super) fn step_used(step: i64) -> i64 {
    let whole = if step > 23 * HOUR_MS {
        DAY_MS
    } else if step > HOUR_MS {
        HOUR_MS
    } else {
        1
    };
    let step = step.max(1_000);
    step.saturating_add(whole - 1) / whole * whole
}

/// Buckets over `[from, to)`, [`BUCKETS_MAX`] at most. From an hour on they begin at full hours, from a
/// day on at the zone's midnights, so that no roll-up is cut.
fn empty_buckets(from: i64, to: i64, step: i64, zone: &TimeZone) -> Vec<Bucket> {
    let days = step / DAY_MS;
    let mut begin = match step {
        _ if days > 0 => rollup::midnight(from, zone),
        HOUR_MS.. => rollup::floor_hour(from),
        _ => from,
    };
    let mut buckets = Vec::new();
    while begin < to && buckets.len() < BUCKETS_MAX {
        let end = match days {
            0 => begin + step,
            _ => (0..days).fold(begin, |at, _| rollup::next_midnight(at, zone)),
        };
        buckets.push(Bucket {
            from: time(begin),
            to: time(end.min(to)),
            times_ms: StateTimes::default(),
            checks: 0,
            failures: 0,
            p50_ms: None,
            p95_ms: None,
            max_ms: None,
            first_frame_ms: None,
            fps: None,
            kbps: None,
        });
        begin = end;
    }
    buckets
}

struct Spans {
    runs: Vec<(i64, i64)>,
    states: Vec<(i64, u8)>,
}

impl Spans {
    fn times(&self, from: i64, to: i64) -> StateTimes {
        spans::times(&self.runs, &self.states, from, to)
    }
}

const DAY_MS: i64 = 24 * HOUR_MS;

const INCIDENT: &str = "SELECT i.id, c.key, i.state, i.verdict, i.message, i.began, i.until
    FROM incidents AS i JOIN cameras AS c ON c.id = i.camera";

/// The incidents without an end in the file.
pub(super) fn open_in(db: &Connection) -> Result<Vec<Incident>> {
    db.prepare(&format!("{INCIDENT} WHERE i.until IS NULL"))?.query_map([], incident)?.collect()
}

fn incident(row: &Row<'_>) -> Result<Incident> {
    Ok(Incident {
        id: row.get(0)?,
        camera: row.get(1)?,
        state: state_of(row.get(2)?).unwrap_or(State::Down),
        verdict: Verdict::from_number(row.get(3)?).unwrap_or(Verdict::Protocol),
        message: row.get(4)?,
        from: time(row.get(5)?),
        to: row.get::<_, Option<i64>>(6)?.map(time),
        evidence: None,
    })
}

fn rolled_until(db: &Connection, table: &str) -> Result<i64> {
    Ok(db.query_row(&format!("SELECT {table} FROM rolled"), [], |row| row.get(0)).optional()?.unwrap_or(i64::MIN))
}

fn read_rolled(db: &Connection, table: &str, camera: i64, from: i64, to: i64) -> Result<Vec<Bucket>> {
    db.prepare(&format!(
        "SELECT began, ms, up, degraded, down, unknown, paused, unwatched, checks, failures, p50, p95, max,
             first_frame, fps10, kbps
             FROM {table} WHERE camera = ?1 AND began >= ?2 AND began < ?3 ORDER BY began"
    ))?
    .query_map([camera, from, to], |row| {
        let began: i64 = row.get(0)?;
        Ok(Bucket {
            from: time(began),
            to: time(began + row.get::<_, i64>(1)?),
            times_ms: StateTimes {
                up: row.get(2)?,
                degraded: row.get(3)?,
                down: row.get(4)?,
                unknown: row.get(5)?,
                paused: row.get(6)?,
                unwatched: row.get(7)?,
            },
            checks: row.get(8)?,
            failures: row.get(9)?,
            p50_ms: row.get(10)?,
            p95_ms: row.get(11)?,
            max_ms: row.get(12)?,
            first_frame_ms: row.get(13)?,
            fps: row.get::<_, Option<u32>>(14)?.map(tenths),
            kbps: row.get(15)?,
        })
    })?
    .collect()
}

fn merge(into: &mut Bucket, piece: &Bucket) {
    into.times_ms = into.times_ms.plus(&piece.times_ms);
    let weights = (into.checks, piece.checks);
    into.p50_ms = mean(into.p50_ms, piece.p50_ms, weights);
    into.first_frame_ms = mean(into.first_frame_ms, piece.first_frame_ms, weights);
    into.fps = mean(into.fps.map(whole_tenths), piece.fps.map(whole_tenths), weights).map(tenths);
    into.kbps = mean(into.kbps, piece.kbps, weights);
    into.p95_ms = into.p95_ms.max(piece.p95_ms);
    into.max_ms = into.max_ms.max(piece.max_ms);
    into.checks += piece.checks;
    into.failures += piece.failures;
}

/// The mean of two medians by how many checks stand behind each, or the one there is.
fn mean(one: Option<u32>, other: Option<u32>, (n, m): (u32, u32)) -> Option<u32> {
    let (Some(a), Some(b)) = (one, other) else { return one.or(other) };
    let (n, m) = (u64::from(n), u64::from(m));
    u32::try_from((u64::from(a) * n + u64::from(b) * m) / (n + m).max(1)).ok()
}

fn tenths(fps10: u32) -> f32 {
    fps10 as f32 / 10.0
}

fn whole_tenths(fps: f32) -> u32 {
    (fps * 10.0).round() as u32
}

fn of(check: &Check) -> Packed {
    let Check { at, verdict, state, ms, first_packet_ms, first_frame_ms, fps10, kbps, .. } = *check;
    Packed { camera: 0, at_ms: at, verdict, state, ms, first_packet_ms, first_frame_ms, fps10, kbps }
}

fn row_of(check: block::Packed) -> CheckRow {
    CheckRow {
        at: time(check.at_ms),
        verdict: check.verdict,
        severity: check.verdict.severity(),
        state: check.state,
        ms: check.ms,
        first_packet_ms: check.first_packet_ms,
        first_frame_ms: check.first_frame_ms,
        fps: check.fps10.map(tenths),
        kbps: check.kbps,
    }
}
