//! What is not on the disk yet, and what each camera is now.
//!
//! Cost: one lock, held for microseconds an event and never over an await or a disk access. Bounded:
//! [`CHECKS_KEPT`] checks, [`STATES_KEPT`] state changes, [`INCIDENTS_KEPT`] incidents and the evidence of
//! [`PROOFS_KEPT`]; beyond that the oldest go, and their number is told (not that of evidence). That is a day and a half of ten cameras without a disk.

mod moved;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::evidence::{Budget, Proof};
use super::starts::StartRow;
use super::timeline::{Run, Timeline};
use crate::camera::Verdict;
use crate::monitor::board::{Event, Incident, Report, Snapshot, State};

pub(super) const CHECKS_KEPT: usize = 20_000;
pub(super) const STATES_KEPT: usize = 20_000;
pub(super) const INCIDENTS_KEPT: usize = 1_000;
/// Incidents whose evidence waits for the disk: a few megabytes.
pub(super) const PROOFS_KEPT: usize = 50;
const RUNS_KEPT: usize = 1_000;

/// The stored number for "not watched": the camera was removed. Others are [`State`]'s.
pub(super) const UNWATCHED: u8 = 5;

#[derive(Clone, Debug)]
pub(super) struct Check {
    pub camera: Arc<str>,
    /// When it ended, Unix ms: rises from one to the next.
    pub ended: i64,
    /// When it began, Unix ms.
    pub at: i64,
    pub verdict: Verdict,
    pub state: State,
    pub ms: u32,
    pub first_packet_ms: Option<u32>,
    pub first_frame_ms: Option<u32>,
    pub fps10: Option<u32>,
    pub kbps: Option<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct StateChange {
    pub camera: Arc<str>,
    pub began: i64,
    /// [`State`]'s number, or [`UNWATCHED`].
    pub state: u8,
}

#[derive(Clone, Debug)]
pub(super) struct CameraRow {
    pub key: Arc<str>,
    pub name: String,
    pub seen: i64,
    pub removed: Option<i64>,
}

/// What goes to the disk in one transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub cameras: Vec<CameraRow>,
    /// Ended runs, oldest first.
    pub ended: Vec<Run>,
    pub checks: VecDeque<Check>,
    pub states: VecDeque<StateChange>,
    pub incidents: VecDeque<Incident>,
    pub proofs: VecDeque<Proof>,
    /// Of this boot, once: why the box started.
    pub starts: Vec<StartRow>,
    /// The stretches of watching that `checks` cover, Unix ms, oldest first; a check belongs to the first
    /// one that it did not end after.
    pub windows: Vec<(i64, i64)>,
}

#[derive(Debug)]
struct Live {
    name: String,
    state: Option<(u8, i64)>,
    removed: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Memory {
    pub timeline: Timeline,
    /// The end of the newest run before this process, Unix ms, once the file told it.
    floor: Option<i64>,
    /// Provisional runs of this process that have ended, for re-stamping.
    pub untrusted: Vec<Run>,
    /// Incidents that an earlier process left open, by id: when they began, Unix ms.
    carried: BTreeMap<i64, i64>,
    /// Those of them of which the board has said nothing yet.
    unheard: BTreeSet<i64>,
    /// When the last run before this process ended, Unix ms: the end of incidents nobody takes up again.
    carried_end: i64,
    /// The board is listened to: what it does not know now was not handed to the monitor.
    pub listens: bool,
    /// Shared with a question while one is answered; then copied at the first change.
    pending: Arc<Batch>,
    /// What a writer has in hand; readers still see it.
    writing: Option<Arc<Batch>>,
    live: HashMap<Arc<str>, Live>,
    open: BTreeMap<i64, Incident>,
    window_began: i64,
    pictures: Budget,
    /// Why the box started, once that is known.
    start: Option<StartRow>,
    /// Rows that found no room, and events missed.
    pub lost: u64,
    /// The file at the path was opened by us and may be read.
    pub file_is_ours: bool,
}

impl Memory {
    pub fn new(timeline: Timeline) -> Self {
        let window_began = timeline.run.began;
        Self {
            timeline,
            floor: None,
            untrusted: Vec::new(),
            carried: BTreeMap::new(),
            unheard: BTreeSet::new(),
            carried_end: i64::MIN,
            listens: false,
            pending: Arc::default(),
            writing: None,
            live: HashMap::new(),
            open: BTreeMap::new(),
            window_began,
            pictures: Budget::default(),
            start: None,
            lost: 0,
            file_is_ours: false,
        }
    }

    /// Takes an event in; true where it must be on the disk at once.
    pub fn take_in(&mut self, event: &Event, snapshot: impl Fn() -> Snapshot) -> bool {
        self.follow_clock();
        match event {
            Event::Checked { camera, report, state } => self.checked(camera, report, *state),
            Event::StateChanged { camera, to, at, .. } => self.state_changed(camera, *to as u8, *at),
            Event::IncidentOpened(incident) | Event::IncidentClosed(incident) => {
                self.incident(incident);
                return true;
            }
            Event::CamerasChanged => self.cameras_changed(&snapshot()),
            Event::HostChanged if self.start.is_none() => {
                if self.note_start(&snapshot()) {
                    return true;
                }
            }
            Event::SettingsChanged { .. } | Event::HostChanged => {}
        }
        !self.unheard.is_empty() && self.end_unclaimed(&snapshot())
    }

    /// Brings cameras, states and open incidents in line with the board: at the start, and after events
    /// were missed.
    pub fn resync(&mut self, snapshot: &Snapshot, missed: u64) {
        self.lost += missed;
        self.follow_clock();
        self.cameras_changed(snapshot);
        self.note_start(snapshot);
        for status in snapshot.cameras.values() {
            if self.live.get(status.id.as_str()).and_then(|l| l.state).map(|s| s.0) != Some(status.state as u8) {
                self.state_changed(&status.id, status.state as u8, status.since);
            }
        }
        let on_board: BTreeMap<i64, _> =
            snapshot.cameras.values().filter_map(|c| c.incident.clone()).map(|i| (i.id, i)).collect();
        self.end_unclaimed(snapshot);
        let now = self.timeline.now();
        // Those whose camera is not on the board yet are the monitor's still.
        let is_over = |i: &&Incident| !on_board.contains_key(&i.id) && !self.unheard.contains(&i.id);
        let ended: Vec<Incident> = self.open.values().filter(is_over).cloned().collect();
        for mut incident in ended {
            // Its end was missed; the camera's state since then tells when, or now at the latest.
            let since = self.live.get(incident.camera.as_str()).and_then(|l| l.state).map_or(now, |s| s.1);
            incident.to = Some(time(since.max(incident.from.as_millisecond())));
            self.keep_incident(incident);
        }
        for incident in on_board.into_values() {
            if !self.open.contains_key(&incident.id) {
                self.incident(&incident);
            }
        }
    }

    /// Notes why the box started, once that is known; true where it has just become so.
    fn note_start(&mut self, snapshot: &Snapshot) -> bool {
        if self.start.is_some() {
            return false;
        }
        let (at, boot) = (self.timeline.now(), self.timeline.run.boot.clone());
        self.start = StartRow::of(&snapshot.host, at, &boot);
        Arc::make_mut(&mut self.pending).starts.extend(self.start.clone());
        self.start.is_some()
    }

    fn checked(&mut self, camera: &str, report: &Report, state: State) {
        let ended = self.timeline.now();
        let check = Check {
            camera: self.key(camera),
            ended,
            at: self.timeline.stamp(report.at).min(ended),
            verdict: report.verdict,
            state,
            ms: whole(report.ms),
            first_packet_ms: report.first_packet_ms.map(whole),
            first_frame_ms: report.first_frame_ms.map(whole),
            fps10: report.stream.fps.map(|fps| whole(f64::from(fps) * 10.0)),
            kbps: report.stream.kbps,
        };
        Arc::make_mut(&mut self.pending).checks.push_back(check);
        self.keep_bounds();
    }

    fn state_changed(&mut self, camera: &str, state: u8, at: Timestamp) {
        let began = self.timeline.stamp(at);
        self.put_state(camera, state, began);
    }

    fn put_state(&mut self, camera: &str, state: u8, began: i64) {
        let camera = self.key(camera);
        if let Some(live) = self.live.get_mut(&camera) {
            live.state = Some((state, began));
        }
        Arc::make_mut(&mut self.pending).states.push_back(StateChange { camera, began, state });
        self.keep_bounds();
    }

    fn incident(&mut self, incident: &Incident) {
        self.key(&incident.camera);
        let mut incident = incident.clone();
        if let Some(evidence) = incident.evidence.take() {
            let began = incident.from.as_millisecond();
            let now = self.timeline.now();
            let proof = Proof::new(incident.id, began, &evidence, &mut self.pictures, now);
            Arc::make_mut(&mut self.pending).proofs.push_back(proof);
        }
        match self.open.get(&incident.id) {
            Some(open) => incident.from = open.from, // may have been re-stamped
            None => {
                // Its begin may be by the clock before it was set, which says nothing now.
                let carried = self.carried.get(&incident.id).copied();
                incident.from = time(carried.unwrap_or_else(|| self.timeline.stamp(incident.from)));
            }
        }
        self.unheard.remove(&incident.id);
        incident.to = incident.to.map(|to| time(self.timeline.stamp(to)).max(incident.from));
        self.keep_incident(incident);
    }

    /// Takes over what the file holds open: `ended`, Unix ms, is when its last run before this process did.
    /// Once the board is listened to, only what it knows goes on: the rest was not handed to the monitor,
    /// which would never close it.
    pub fn carry_over(&mut self, open_in_file: Vec<Incident>, ended: i64) {
        self.carried_end = self.carried_end.max(ended);
        for incident in open_in_file {
            let ours = self.open.contains_key(&incident.id)
                || self.unwritten().any(|batch| batch.incidents.iter().any(|waiting| waiting.id == incident.id));
            if ours {
                continue;
            }
            if self.listens {
                self.end_at_cut(incident);
                continue;
            }
            self.carried.insert(incident.id, incident.from.as_millisecond());
            self.unheard.insert(incident.id);
            self.open.insert(incident.id, incident);
        }
    }

    /// Ends what was carried over of cameras that are on the board without it; true if there was any.
    fn end_unclaimed(&mut self, snapshot: &Snapshot) -> bool {
        let mut unclaimed = Vec::new();
        for id in self.unheard.clone() {
            let Some(incident) = self.open.get(&id) else {
                self.unheard.remove(&id);
                continue;
            };
            let Some(camera) = snapshot.cameras.get(&incident.camera) else { continue };
            if camera.incident.as_ref().is_none_or(|on_board| on_board.id != id) {
                unclaimed.push(incident.clone());
            }
            self.unheard.remove(&id);
        }
        let any = !unclaimed.is_empty();
        unclaimed.into_iter().for_each(|incident| self.end_at_cut(incident));
        any
    }

    /// Ends an incident when watching ended: nobody knows more of it.
    fn end_at_cut(&mut self, mut incident: Incident) {
        incident.to = Some(time(self.carried_end).max(incident.from));
        self.keep_incident(incident);
    }

    fn keep_incident(&mut self, incident: Incident) {
        if incident.to.is_some() {
            self.open.remove(&incident.id);
        } else {
            self.open.insert(incident.id, incident.clone());
            while self.open.len() > INCIDENTS_KEPT {
                self.open.pop_first();
            }
        }
        Arc::make_mut(&mut self.pending).incidents.push_back(incident);
        self.keep_bounds();
    }

    fn cameras_changed(&mut self, snapshot: &Snapshot) {
        let now = self.timeline.now();
        for status in snapshot.cameras.values() {
            let key = self.key(&status.id);
            if let Some(live) = self.live.get_mut(&key)
                && (live.name != status.name || live.removed.is_some())
            {
                live.name.clone_from(&status.name);
                live.removed = None;
                Arc::make_mut(&mut self.pending).cameras.push(CameraRow {
                    key,
                    name: status.name.clone(),
                    seen: now,
                    removed: None,
                });
            }
        }
        let gone: Vec<Arc<str>> = self
            .live
            .iter()
            .filter(|(key, live)| live.removed.is_none() && !snapshot.cameras.contains_key(&***key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let Some(live) = self.live.get_mut(&key) else { continue };
            live.removed = Some(now);
            let name = live.name.clone();
            Arc::make_mut(&mut self.pending).cameras.push(CameraRow {
                key: key.clone(),
                name,
                seen: now,
                removed: Some(now),
            });
            self.put_state(&key, UNWATCHED, now);
            let ended: Vec<Incident> = self.open.values().filter(|i| *i.camera == *key).cloned().collect();
            for mut incident in ended {
                incident.to = Some(time(now).max(incident.from));
                self.keep_incident(incident);
            }
        }
    }

    /// The camera's key, shared; a camera never seen is entered.
    fn key(&mut self, camera: &str) -> Arc<str> {
        if let Some((key, _)) = self.live.get_key_value(camera) {
            return key.clone();
        }
        let key: Arc<str> = camera.into();
        let seen = self.timeline.now();
        let live = Live { name: camera.into(), state: None, removed: None };
        self.live.insert(key.clone(), live);
        Arc::make_mut(&mut self.pending).cameras.push(CameraRow {
            key: key.clone(),
            name: camera.into(),
            seen,
            removed: None,
        });
        key
    }

    /// A step of the clock begins a run, in which every camera is what it was.
    pub fn follow_clock(&mut self) {
        if let Some(ended) = self.timeline.follow_clock() {
            self.run_ended(ended);
        }
    }

    pub fn run_ended(&mut self, ended: Run) {
        self.window_ends(ended.until.unwrap_or(ended.began));
        self.window_began = self.timeline.run.began;
        if !ended.trusted {
            self.untrusted.push(ended.clone());
        } else if self.untrusted.is_empty() {
            // What follows and turns out to have been misdated may not be moved into this.
            self.floor = self.floor.max(ended.until);
        }
        Arc::make_mut(&mut self.pending).ended.push(ended);
        let began = self.timeline.run.began;
        let now: Vec<(Arc<str>, u8)> =
            self.live.iter().filter_map(|(key, live)| Some((key.clone(), live.state?.0))).collect();
        for (key, state) in now {
            self.put_state(&key, state, began);
        }
    }

    /// Ends the run for good: the daemon stops.
    pub fn finish(&mut self) {
        let until = self.timeline.present();
        Arc::make_mut(&mut self.pending).ended.push(Run { until: Some(until), ..self.timeline.run.clone() });
    }

    /// What waits, for a writer; `with_checks` false leaves the checks for the minute's flush. The
    /// writer gives it back with [`Memory::written`] or [`Memory::not_written`].
    pub fn hand_out(&mut self, with_checks: bool) -> (Arc<Batch>, Run, i64) {
        self.follow_clock();
        let now = self.timeline.now();
        if with_checks {
            self.window_ends(now);
        }
        let mut batch = Arc::unwrap_or_clone(std::mem::take(&mut self.pending));
        if !with_checks {
            let pending = Arc::make_mut(&mut self.pending);
            pending.checks = std::mem::take(&mut batch.checks);
            pending.windows = std::mem::take(&mut batch.windows);
        }
        let batch = Arc::new(batch);
        self.writing = Some(batch.clone());
        (batch, self.timeline.run.clone(), now)
    }

    /// Closes the window of watching at `until`, where there is anything to watch, and begins the next.
    fn window_ends(&mut self, until: i64) {
        // Checks are stored by window: where some wait, there must be one.
        let least = self.window_began + i64::from(!self.pending.checks.is_empty());
        let until = until.max(least);
        self.timeline.reached(until);
        if until > self.window_began {
            if !self.live.is_empty() {
                join(&mut Arc::make_mut(&mut self.pending).windows, (self.window_began, until));
            }
            self.window_began = until;
        }
    }

    pub fn written(&mut self) {
        self.writing = None;
    }

    /// An incident waits, or why the box started.
    pub fn is_urgent(&self) -> bool {
        !self.pending.incidents.is_empty() || !self.pending.starts.is_empty()
    }

    /// Puts back what a writer could not write.
    pub fn not_written(&mut self) {
        let Some(batch) = self.writing.take() else { return };
        let mut back = Arc::unwrap_or_clone(batch);
        let mut pending = Arc::unwrap_or_clone(std::mem::take(&mut self.pending));
        back.cameras.append(&mut pending.cameras);
        back.ended.append(&mut pending.ended);
        back.checks.append(&mut pending.checks);
        for window in std::mem::take(&mut pending.windows) {
            join(&mut back.windows, window);
        }
        back.states.append(&mut pending.states);
        back.incidents.append(&mut pending.incidents);
        back.proofs.append(&mut pending.proofs);
        back.starts.append(&mut pending.starts);
        self.pending = Arc::new(back);
        self.keep_bounds();
    }

    fn keep_bounds(&mut self) {
        let mut lost = 0;
        let pending = Arc::make_mut(&mut self.pending);
        lost += shorten(&mut pending.checks, CHECKS_KEPT);
        lost += shorten(&mut pending.states, STATES_KEPT);
        lost += shorten(&mut pending.incidents, INCIDENTS_KEPT);
        shorten(&mut pending.proofs, PROOFS_KEPT);
        let runs = pending.ended.len().saturating_sub(RUNS_KEPT);
        pending.ended.drain(..runs);
        self.untrusted.drain(..self.untrusted.len().saturating_sub(RUNS_KEPT));
        self.lost += lost;
    }

    /// A file that knows nothing of this run gets cameras, states and open incidents told anew.
    pub fn tell_all(&mut self) {
        let began = self.timeline.run.began;
        let mut cameras = Vec::new();
        let mut states = VecDeque::new();
        for (key, live) in &self.live {
            cameras.push(CameraRow { key: key.clone(), name: live.name.clone(), seen: began, removed: live.removed });
            if let Some((state, since)) = live.state {
                states.push_back(StateChange { camera: key.clone(), began: since.max(began), state });
            }
        }
        let pending = Arc::make_mut(&mut self.pending);
        pending.starts = self.start.iter().cloned().collect();
        // In front: what waits is newer.
        cameras.append(&mut pending.cameras);
        pending.cameras = cameras;
        let waiting = std::mem::take(&mut pending.states);
        states.retain(|s| !waiting.iter().any(|w| w.camera == s.camera));
        states.extend(waiting);
        pending.states = states;
        let waiting = std::mem::take(&mut pending.incidents);
        let told = |id: i64| waiting.iter().any(|incident| incident.id == id);
        let mut incidents: VecDeque<_> = self.open.values().filter(|open| !told(open.id)).cloned().collect();
        incidents.extend(waiting);
        pending.incidents = incidents;
        self.keep_bounds();
    }

    /// The batches that are not on the disk, oldest first, and the run they belong to.
    pub fn unwritten(&self) -> impl Iterator<Item = &Arc<Batch>> {
        self.writing.iter().chain([&self.pending])
    }

    /// Every camera's key, number of last state and since when.
    pub fn states(&self) -> impl Iterator<Item = (&Arc<str>, &str, Option<(u8, i64)>)> {
        self.live.iter().filter(|(_, l)| l.removed.is_none()).map(|(key, l)| (key, l.name.as_str(), l.state))
    }
}

/// Adds a window; one that follows without a gap lengthens the last, so that their number is bounded.
fn join(windows: &mut Vec<(i64, i64)>, window: (i64, i64)) {
    match windows.last_mut() {
        Some(last) if last.1 == window.0 => last.1 = window.1,
        _ => windows.push(window),
    }
    windows.drain(..windows.len().saturating_sub(RUNS_KEPT));
}

fn shorten<T>(queue: &mut VecDeque<T>, kept: usize) -> u64 {
    let over = queue.len().saturating_sub(kept);
    queue.drain(..over);
    over as u64
}

/// Unix ms as a time; what lies outside jiff's range (it cannot, from a clock) becomes its edge.
pub(super) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Milliseconds (or tenths) without a fraction; `as` saturates and makes NaN 0.
fn whole(value: f64) -> u32 {
    value.round() as u32
}
