//! The task that watches one camera.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::board::{CameraStatus, Event, Incident, RECENT_KEPT, Recent, Report, Snapshot, State, Thumbnail};
use super::judge::{Judge, Judged};
use super::lanes::Lanes;
use super::look::{GOODBYE, Look, Reading};
use super::standing::{IncidentIds, Seen, Standing, Step};
use super::{Ask, Means};
use crate::camera::{Fault, Goodbyes, Verdict};
use crate::config::CameraConfig;

/// The golden ratio's fraction: multiples of it, modulo one, lie evenly however many there are.
const SPREAD: f64 = 0.618_033_988_749_895;
/// The first checks after a start begin this far apart.
const START_APART: Duration = Duration::from_millis(100);

/// The last good picture is no older than this (and a heartbeat) when a camera fails.
pub const THUMBNAIL_EVERY: Duration = Duration::from_secs(60);

/// How often a paused camera's task looks at the wall clock.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

pub(super) struct CameraTask {
    means: Means,
    lanes: watch::Receiver<Arc<Lanes>>,
    config: watch::Receiver<Arc<CameraConfig>>,
    orders: mpsc::Receiver<Ask>,
    stop: CancellationToken,
    camera: Arc<CameraConfig>,
    standing: Standing,
    judge: Judge,
    last: Option<Arc<Report>>,
    recent: VecDeque<Recent>,
    thumbnail: Option<Arc<Thumbnail>>,
    /// This camera's regular times are `phase + n × heartbeat`.
    phase: Instant,
    due: Instant,
    /// Whether the pause that the configuration says is carried out.
    is_paused: bool,
}

/// What is known of the camera from when the box last ran.
#[derive(Default)]
pub(super) struct Before {
    pub incident: Option<Incident>,
    pub state: Option<(State, Timestamp)>,
    pub recent: Vec<Recent>,
}

enum Woken {
    Due,
    /// A pause may be over.
    LookAtClock,
    Stop,
    Config,
    Ask(Ask),
}

/// Whether something of the configuration is shown otherwise.
fn is_set_otherwise(before: &CameraStatus, now: &CameraStatus) -> bool {
    let set = |of: &CameraStatus| (of.heartbeat_seconds, of.paused_until);
    before.name != now.name || before.url != now.url || set(before) != set(now)
}

impl CameraTask {
    pub fn new(
        means: Means,
        lanes: watch::Receiver<Arc<Lanes>>,
        config: watch::Receiver<Arc<CameraConfig>>,
        orders: mpsc::Receiver<Ask>,
        stop: CancellationToken,
        place: usize,
        (before, ids): (Before, IncidentIds),
    ) -> Self {
        let camera = config.borrow().clone();
        let now = Instant::now();
        let share = (place as f64 * SPREAD).fract();
        let phase = now + camera.heartbeat.mul_f64(share);
        let mut newest = before.recent;
        newest.drain(..newest.len().saturating_sub(RECENT_KEPT));
        let mut judge = Judge::default();
        if before.incident.is_some() && newest.last().is_some_and(|last| last.verdict == Verdict::Frozen) {
            judge.go_on_frozen();
        }
        let apart = START_APART.saturating_mul(u32::try_from(place).unwrap_or(u32::MAX));
        Self {
            standing: Standing::unknown(means.clock.now(), before.incident, ids).after(before.state),
            phase,
            // Where there are too many to begin early, the last ones begin at their regular time.
            due: if apart < camera.heartbeat { now + apart } else { phase },
            means,
            lanes,
            config,
            orders,
            stop,
            camera,
            judge,
            last: None,
            recent: newest.into(),
            thumbnail: None,
            is_paused: false,
        }
    }

    /// Watches until told to stop; it is on the board when this returns. If anything breaks down while it watches,
    /// the monitor is told so and starts anew.
    pub fn run(mut self, broken: mpsc::Sender<String>) -> impl Future<Output = ()> + Send {
        self.is_paused = self.camera.is_paused(self.means.clock.now());
        let first = if self.is_paused { self.standing.pause(self.means.clock.now()) } else { Step::default() };
        self.publish(first, None);
        async move {
            let id = self.camera.id.clone();
            if AssertUnwindSafe(self.watch()).catch_unwind().await.is_err() {
                log::error!(CAMERA = id.as_str(); "{id}: its watch broke down; it is started again");
                let _ = broken.send(id).await;
            }
        }
    }

    async fn watch(mut self) {
        loop {
            match self.wait().await {
                Woken::Stop => break,
                Woken::Config => self.reconfigure(),
                Woken::Ask(ask) => self.obey(ask),
                Woken::LookAtClock => {
                    let step = self.follow_pause();
                    if step != Step::default() {
                        self.publish(step, None);
                    }
                }
                Woken::Due => {
                    if let Some(goodbye) = self.check().await {
                        // A camera that admits one client must be free before it is asked again.
                        tokio::select! {
                            () = goodbye.wait(GOODBYE) => {}
                            () = self.stop.cancelled() => {}
                        }
                    }
                }
            }
        }
        // Stopping the box ends no incident; a camera taken out of the configuration does.
        if self.config.has_changed().is_err() {
            let step = self.standing.leave(State::Unknown, self.means.clock.now());
            let events = step.closed.into_iter().map(Event::IncidentClosed);
            self.means.board.change(|_| (), events);
        }
    }

    async fn wait(&mut self) -> Woken {
        let now = self.means.clock.now();
        let pause_ends = self.camera.paused_until.filter(|_| self.is_paused && !self.camera.paused);
        let wake = match pause_ends {
            // The wall clock may be set while it is paused.
            Some(until) => {
                let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                Some((Instant::now() + left.min(LOOK_AT_CLOCK), Woken::LookAtClock))
            }
            None if self.is_paused => None,
            // A clock that was set back may lie before the pause's end again.
            None if self.camera.is_paused(now) => Some((Instant::now(), Woken::LookAtClock)),
            None => Some((self.due, Woken::Due)),
        };
        let sleep = async {
            match wake {
                Some((at, woken)) => {
                    sleep_until(at).await;
                    woken
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Woken::Stop,
            changed = self.config.changed() => if changed.is_ok() { Woken::Config } else { Woken::Stop },
            Some(ask) = self.orders.recv() => Woken::Ask(ask),
            woken = sleep => woken,
        }
    }

    /// Begins or ends the pause as configuration and clock say.
    fn follow_pause(&mut self) -> Step {
        let now = self.means.clock.now();
        let is_paused = self.camera.is_paused(now);
        if is_paused == self.is_paused {
            return Step::default();
        }
        self.is_paused = is_paused;
        self.due = Instant::now();
        if is_paused {
            return self.standing.pause(now);
        }
        // Who pauses a camera may have moved it.
        self.judge.forget();
        self.standing.resume(now)
    }

    fn reconfigure(&mut self) {
        let before = std::mem::replace(&mut self.camera, self.config.borrow_and_update().clone());
        let now = self.means.clock.now();
        let mut step = Step::default();
        if before.target() != self.camera.target() {
            // Another camera, as far as anyone can tell.
            self.judge.forget();
            self.thumbnail = None;
            let to = if self.is_paused { State::Paused } else { State::Unknown };
            step = self.standing.leave(to, now);
            self.due = Instant::now();
        } else if before.heartbeat != self.camera.heartbeat {
            self.phase = Instant::now();
            self.due = Instant::now();
        }
        if before.alarm != self.camera.alarm || before.expect != self.camera.expect {
            self.judge.forget();
        }
        let paused = self.follow_pause();
        if paused != Step::default() {
            // What it left first is what it left.
            step = Step { from: step.from.or(paused.from), closed: step.closed.or(paused.closed), ..paused };
        }
        self.publish(step, None);
    }

    fn obey(&mut self, ask: Ask) {
        match ask {
            Ask::Check => self.due = Instant::now(),
            Ask::ForgetPicture => {
                self.thumbnail = None;
                self.publish(Step::default(), None);
            }
        }
    }

    /// One check. None if it was broken off because the box stops, or the camera was changed or paused.
    async fn check(&mut self) -> Option<Goodbyes> {
        let lanes = self.lanes.borrow_and_update().clone();
        let doubtful = self.standing.failures > 0;
        let at = self.means.clock.now();
        let looking = look_once(self.means.clone(), self.camera.clone(), lanes, doubtful, self.wants_thumbnail(at));
        let mut looking = std::pin::pin!(looking);
        let mut changed_a_little = false;
        let (mut look, goodbye) = loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return None,
                Ok(()) = self.config.changed() => {
                    let now = self.config.borrow().clone();
                    let is_paused = now.is_paused(self.means.clock.now());
                    if now.target() != self.camera.target() || is_paused || now.timeout != self.camera.timeout {
                        self.config.mark_changed();
                        return None;
                    }
                    changed_a_little = true;
                }
                // It is being checked already.
                Some(ask) = self.orders.recv() => if ask != Ask::Check { self.obey(ask) },
                looked = &mut looking => break looked,
            }
        };
        if changed_a_little {
            self.config.mark_changed();
        }
        self.name_blindness(&mut look);
        let Judged { report, good, bad } = self.judge.report(look, &self.camera);
        let seen = Seen { good_before: self.thumbnail.clone(), bad: bad.map(Arc::new) };
        let step = self.standing.apply(&self.camera.id, &report, &self.camera.alarm, seen);
        if let Some(good) = good {
            self.thumbnail = Some(Arc::new(good));
        }
        // A device at this machine locks nobody out: a right that was missing may be there at the next check.
        let asks_on = report.verdict == Verdict::Auth && self.is_local();
        self.due = match self.standing.next_wait(&self.camera.alarm, self.camera.heartbeat) {
            Some(wait) if !asks_on => Instant::now() + wait,
            _ => self.next_regular(),
        };
        self.log(&report, &step);
        self.publish(step, Some(Arc::new(report)));
        Some(goodbye)
    }

    /// A new picture at each check while somebody looks, else once a minute; and at once when the camera
    /// was not well at the last check, or where one bad check is an incident and its picture the evidence.
    fn wants_thumbnail(&self, now: Timestamp) -> bool {
        let old = |thumbnail: &Arc<Thumbnail>| now.duration_since(thumbnail.at).unsigned_abs() >= THUMBNAIL_EVERY;
        let well = self.last.as_ref().is_some_and(|report| report.verdict == Verdict::Ok);
        let decides_alone = self.camera.alarm.failures <= 1;
        !well || decides_alone || self.thumbnail.as_ref().is_none_or(old) || self.means.board.is_looked_at()
    }

    /// What looks like a dead camera may be a box without a network.
    fn name_blindness(&self, look: &mut Look) {
        let Some(fault) = &mut look.fault else { return };
        // Whatever is no answer of the camera's own: a cable pulled while it plays looks like no media.
        use Verdict::{Dns, NoKeyframe, NoMedia, Protocol, Timeout, Tls, Unreachable};
        let network = matches!(fault.verdict, Dns | Unreachable | Timeout | Tls | Protocol | NoMedia | NoKeyframe);
        let needs_none = self.is_local() || is_loopback(self.camera.url.host());
        if network && !needs_none && !self.means.link.is_up() {
            *fault = Fault::new(Verdict::Blind, "no network interface has both a link and an address");
        }
    }

    /// Whether it is plugged into this machine.
    fn is_local(&self) -> bool {
        self.camera.url.device().is_some()
    }

    fn next_regular(&mut self) -> Instant {
        let now = Instant::now();
        let heartbeat = self.camera.heartbeat.max(Duration::from_millis(1));
        if self.phase <= now {
            let behind = now.duration_since(self.phase).as_nanos() / heartbeat.as_nanos();
            self.phase += heartbeat.saturating_mul(u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1));
        }
        // The first regular time after an early first check may be too near to be worth it.
        if self.phase.duration_since(now) < heartbeat / 2 && self.last.is_none() {
            self.phase += heartbeat;
        }
        self.phase
    }

    fn publish(&mut self, step: Step, report: Option<Arc<Report>>) {
        let board = &self.means.board;
        let mut events = Vec::with_capacity(4);
        if let Some(report) = &report {
            if self.recent.len() == RECENT_KEPT {
                self.recent.pop_front();
            }
            let ms = report.latency_ms();
            self.recent.push_back(Recent { at: report.at, verdict: report.verdict, ms });
            self.last = Some(report.clone());
            events.push(Event::Checked {
                camera: self.camera.id.clone(),
                report: report.clone(),
                state: self.standing.state,
            });
        }
        let on_board = board.now().cameras.get(&self.camera.id).cloned();
        let status = Arc::new(self.status());
        let is_new = on_board.is_none();
        // A change of state is told by its own event, and with all the rest.
        let is_reset = step.from.is_none() && on_board.as_ref().is_some_and(|shown| is_set_otherwise(shown, &status));
        if on_board.is_none_or(|shown| shown.name != status.name) {
            // From here and not from the monitor: whoever hears it finds the camera, by this name.
            events.push(Event::CamerasChanged);
        }
        if is_reset {
            events.push(Event::SettingsChanged { camera: self.camera.id.clone() });
        }
        if step.from.is_some() || is_new {
            events.push(Event::StateChanged {
                camera: self.camera.id.clone(),
                from: step.from.unwrap_or(State::Unknown),
                to: self.standing.state,
                at: self.standing.since,
            });
        }
        events.extend(step.closed.map(Event::IncidentClosed));
        events.extend(step.opened.map(Event::IncidentOpened));
        let checked = report.is_some();
        let put = |snapshot: &mut Snapshot| {
            snapshot.cameras.insert(status.id.clone(), status);
            if checked {
                snapshot.last_check = Instant::now();
            }
        };
        board.change(put, events);
    }

    fn status(&self) -> CameraStatus {
        let now = self.means.clock.now();
        let next_check = (!self.is_paused).then(|| {
            let wait = self.due.saturating_duration_since(Instant::now());
            now.checked_add(wait).unwrap_or(Timestamp::MAX)
        });
        CameraStatus {
            id: self.camera.id.clone(),
            name: self.camera.name.clone(),
            url: self.camera.url.to_string(),
            heartbeat_seconds: self.camera.heartbeat.as_secs(),
            state: self.standing.state,
            since: self.standing.shown_since(),
            last: self.last.clone(),
            recent: self.recent.iter().copied().collect(),
            incident: self.standing.incident.clone(),
            thumbnail: self.thumbnail.clone(),
            failures: self.standing.failures,
            paused_until: self.camera.pause_ends(now),
            next_check,
        }
    }

    /// Changes of state are logged, single checks only for those who ask (debug).
    fn log(&self, report: &Report, step: &Step) {
        let (camera, fault) = (self.camera.id.as_str(), report.verdict.name());
        match step.from {
            Some(from) if self.standing.state == State::Down => {
                log::warn!(CAMERA = camera, FAULT = fault, STATE = "down"; "{camera}: {} → down: {}", from.name(), report.message);
            }
            Some(from) => {
                let to = self.standing.state.name();
                log::info!(CAMERA = camera, FAULT = fault, STATE = to; "{camera}: {} → {to}: {}", from.name(), report.message);
            }
            None => log::debug!(CAMERA = camera, FAULT = fault; "{camera}: {}", report.message),
        }
    }
}

/// Waits for a place and looks, in a task of its own: a panic there is this check's fault and nobody else's.
async fn look_once(
    means: Means,
    camera: Arc<CameraConfig>,
    lanes: Arc<Lanes>,
    doubtful: bool,
    thumbnail: bool,
) -> (Look, Goodbyes) {
    let _place = lanes.enter(doubtful).await;
    let at = means.clock.now();
    let started = Instant::now();
    if let Some(looked) = AbortOnDrop(tokio::spawn(means.eye.look(camera, at, thumbnail))).join().await {
        return looked;
    }
    let fault = Fault::new(Verdict::Protocol, "the check broke down over what the camera sent");
    let look = Look {
        at,
        ms: started.elapsed().as_micros() as f64 / 1e3,
        rungs: Vec::new(),
        reading: Reading::Own,
        first_packet_ms: None,
        first_frame_ms: None,
        stream: Default::default(),
        picture: None,
        fault: Some(fault),
    };
    (look, Goodbyes::default())
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A task that ends with its owner.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    /// What it gave; none if it panicked.
    async fn join(mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
