//! The history through its front door: events on a board in, questions out, and the file between.

mod clocks;
mod damage;
mod disk;
mod figures;
mod killed;
mod starts;
mod weighing;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{FILE_NAME, History, HistorySettings};
use crate::camera::{StreamInfo, Verdict};
use crate::clock::Clock;
use crate::config::HistoryConfig;
use crate::monitor::board::{Board, CameraStatus, Event, Incident, Report, State};

/// A Wednesday's begin in UTC.
pub(super) fn start() -> Timestamp {
    "2026-11-18T00:00:00Z".parse().unwrap()
}

pub(super) fn settings(clock: &Clock) -> HistorySettings {
    HistorySettings::new(&HistoryConfig::default(), TimeZone::UTC, clock.clone())
}

/// A box with its history running.
pub(super) struct Scene {
    pub board: Board,
    pub clock: Clock,
    pub history: History,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Scene {
    pub fn begin(folder: Option<&Path>, clock: Clock) -> Self {
        Self::with(folder, settings(&clock))
    }

    pub fn with(folder: Option<&Path>, settings: HistorySettings) -> Self {
        let (board, stop) = (Board::default(), CancellationToken::new());
        let clock = settings.clock.clone();
        let history = History::open(folder.map(Path::to_owned), settings);
        let task = tokio::spawn(history.clone().run(board.clone(), stop.clone()));
        Self { board, clock, history, stop, task }
    }

    /// Stops as the daemon does.
    pub async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// Ends as a power cut does: nothing more is written.
    pub fn cut(self) {
        self.task.abort();
    }

    /// Puts a camera on the board, or changes its state.
    pub async fn state(&self, camera: &str, to: State) {
        self.state_since(camera, to, self.clock.now()).await;
    }

    pub async fn state_since(&self, camera: &str, to: State, at: Timestamp) {
        let known = self.board.camera(camera);
        let from = known.as_ref().map_or(State::Unknown, |known| known.state);
        let status = CameraStatus { state: to, since: at, ..known.map_or_else(|| status(camera), |k| (*k).clone()) };
        let new = self.board.camera(camera).is_none();
        let changed = Event::StateChanged { camera: camera.into(), from, to, at };
        let events = new.then_some(Event::CamerasChanged).into_iter().chain([changed]);
        self.board.change(|now| drop(now.cameras.insert(camera.into(), Arc::new(status))), events);
        settle().await;
    }

    pub async fn remove(&self, camera: &str) {
        self.board.change(|now| drop(now.cameras.remove(camera)), [Event::CamerasChanged]);
        settle().await;
    }

    pub async fn check(&self, camera: &str, verdict: Verdict) {
        let state = self.board.camera(camera).map_or(State::Unknown, |camera| camera.state);
        let report = Arc::new(report(self.clock.now(), verdict));
        self.board.change(|_| (), [Event::Checked { camera: camera.into(), report, state }]);
        settle().await;
    }

    /// Opens an incident and waits until it is stored.
    pub async fn open_incident(&self, camera: &str) -> Incident {
        let incident = incident(camera, self.clock.now());
        self.tell_open(&incident);
        self.until_stored(incident.id).await;
        incident
    }

    pub fn tell_open(&self, incident: &Incident) {
        let told = Arc::new(incident.clone());
        let known = self.board.camera(&incident.camera).map_or_else(|| status(&incident.camera), |k| (*k).clone());
        let status = CameraStatus { incident: Some(told.clone()), ..known };
        let put = |now: &mut crate::monitor::board::Snapshot| {
            now.cameras.insert(incident.camera.clone(), Arc::new(status));
        };
        self.board.change(put, [Event::IncidentOpened(told)]);
    }

    pub async fn close_incident(&self, incident: &Incident) -> Incident {
        let closed = Incident { to: Some(self.clock.now()), ..incident.clone() };
        let clear = |now: &mut crate::monitor::board::Snapshot| {
            if let Some(camera) = now.cameras.get_mut(&incident.camera) {
                Arc::make_mut(camera).incident = None;
            }
        };
        self.board.change(clear, [Event::IncidentClosed(Arc::new(closed.clone()))]);
        self.until_stored(incident.id).await;
        closed
    }

    pub async fn until_stored(&self, id: i64) {
        let mut stored = self.history.stored();
        stored.wait_for(|stored| *stored == Some(id)).await.unwrap();
    }
}

/// Lets the history take in what was told.
pub(super) async fn settle() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
    settle().await;
}

pub(super) const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn incident(camera: &str, from: Timestamp) -> Incident {
    Incident {
        id: from.as_microsecond(),
        camera: camera.into(),
        state: State::Down,
        verdict: Verdict::Refused,
        message: "nothing listens on port 554".into(),
        from,
        to: None,
        evidence: None,
    }
}

pub(super) fn report(at: Timestamp, verdict: Verdict) -> Report {
    let stream = StreamInfo { fps: Some(25.0), kbps: Some(2048), ..StreamInfo::default() };
    Report {
        at,
        verdict,
        message: String::new(),
        rungs: vec![],
        ms: 230.4,
        first_packet_ms: (verdict == Verdict::Ok).then_some(41.0),
        first_frame_ms: None,
        stream,
        answer: None,
        decoded: true,
    }
}

pub(super) fn status(camera: &str) -> CameraStatus {
    CameraStatus { name: camera.to_uppercase(), since: start(), ..CameraStatus::unseen(camera, State::Unknown) }
}

/// Everything readable from all of time.
pub(super) fn ever() -> (Timestamp, Timestamp) {
    ("1970-01-01T00:00:00Z".parse().unwrap(), "2100-01-01T00:00:00Z".parse().unwrap())
}

/// All incidents ever, by id.
pub(super) async fn all_incidents(history: &History) -> BTreeMap<i64, Incident> {
    let (from, to) = ever();
    let all = history.incidents(None, from, to, 100_000).await.unwrap();
    all.into_iter().map(|incident| (incident.id, incident)).collect()
}

pub(super) async fn all_checks(history: &History, camera: &str) -> Vec<crate::monitor::past::CheckRow> {
    let (from, to) = ever();
    history.checks(camera, from, to, 100_000).await.unwrap()
}

/// Looks into the file past the history.
pub(super) fn look(folder: &Path, sql: &str) -> i64 {
    rusqlite::Connection::open(folder.join(FILE_NAME)).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}
