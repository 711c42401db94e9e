//! The board: what is known of every camera and of the box now, and what just happened.
//!
//! One `watch` channel holds "what is" ([`Snapshot`]), one `broadcast` channel tells "what just
//! happened" ([`Event`]). The monitor is the only writer for cameras; `host` writes the box's part.
//! History, web and all later rooms only read. Cost: changing one camera replaces one `Arc` under the
//! watch's lock, held for microseconds; a reader that lags loses events (it is told how many) and
//! recovers from the snapshot.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::appliance::Appliance;
use super::broker::BrokerView;
use crate::camera::{Rung, RungTime, Severity, StreamInfo, Verdict};

/// Events kept for readers that are behind.
pub const EVENTS_KEPT: usize = 4096;

/// Pictures are made at every check for this long after somebody asked for one.
pub const WATCHED_FOR: Duration = Duration::from_secs(180);
/// How long the box shows itself when somebody asks which one it is.
pub const IDENTIFY: Duration = Duration::from_secs(10);

/// How many checks a camera's status remembers for the bars on the page.
pub const RECENT_KEPT: usize = 50;

/// What one check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When the check began.
    pub at: Timestamp,
    /// What it says.
    pub verdict: Verdict,
    /// One sentence for a person, no credentials: what happened, then what to do.
    pub message: String,
    /// The rungs reached, in climbing order, each with its own time.
    pub rungs: Vec<RungTime>,
    /// Milliseconds the whole check took.
    pub ms: f64,
    /// Milliseconds from the start to the first packet, where one came.
    pub first_packet_ms: Option<f64>,
    /// Milliseconds from the start to the first key frame, where one came.
    pub first_frame_ms: Option<f64>,
    /// What is sent.
    pub stream: StreamInfo,
    /// What the camera answered, where that is the fault's reason: see [`crate::camera::Fault::answer`].
    /// Shown by the API apart.
    #[serde(skip)]
    pub answer: Option<Arc<str>>,
    /// False where the picture was not decoded (H.265, interlaced H.264) and so not judged for black
    /// and covered.
    pub decoded: bool,
}

impl Report {
    /// Milliseconds until the camera answered with video, or the whole check's where it did not; none where the
    /// camera answered before the check began (a live view was open).
    pub fn latency_ms(&self) -> Option<f64> {
        latency_ms(self.verdict, self.first_packet_ms, self.ms)
    }
}

/// [`Report::latency_ms`] of a check of which only this is known; `ms` is the whole check's.
pub fn latency_ms(verdict: Verdict, first_packet_ms: Option<f64>, ms: f64) -> Option<f64> {
    let row = verdict.row();
    let came_to_nothing = match row.rung {
        Some(rung) => rung <= Rung::FirstPacket,
        None => row.severity == Severity::Unknown,
    };
    first_packet_ms.or_else(|| came_to_nothing.then_some(ms))
}

/// To a tenth, for measured figures that are told: more would only look exact.
pub fn tenth(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// A camera's state: verdicts after thresholds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[allow(missing_docs)]
pub enum State {
    // The numbers are stored in the history: never reuse or renumber one.
    Up = 0,
    Degraded = 1,
    Down = 2,
    #[default]
    Unknown = 3,
    Paused = 4,
}

impl State {
    /// All, at their numbers.
    pub const ALL: [State; 5] = [State::Up, State::Degraded, State::Down, State::Unknown, State::Paused];

    /// `up`, `degraded`, `down`, `unknown` or `paused`.
    pub fn name(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Degraded => "degraded",
            State::Down => "down",
            State::Unknown => "unknown",
            State::Paused => "paused",
        }
    }
}

/// One stretch of `down` or `degraded`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Incident {
    /// Unique on this box for ever: the opening time in microseconds since 1970, made unique by adding one.
    pub id: i64,
    /// The camera's id.
    pub camera: String,
    /// `down` or `degraded`.
    pub state: State,
    /// The first verdict of the stretch.
    pub verdict: Verdict,
    /// The first report's message.
    pub message: String,
    /// When the first failed check of the stretch began (not when the threshold was passed).
    pub from: Timestamp,
    /// When the first good check began; none while open.
    pub to: Option<Timestamp>,
    /// What its cause looked like: told as it opens, kept by the history, and asked of that later
    /// ([`super::past`]).
    #[serde(skip)]
    pub evidence: Option<Arc<Evidence>>,
}

/// What the cause of an incident looked like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The first bad answer, masked: see [`crate::camera::Fault::answer`].
    pub answer: Option<Arc<str>>,
    /// The last good picture before it, a minute old at most where checks are that frequent.
    pub good: Option<Arc<Thumbnail>>,
    /// The first bad picture, where one was decoded and its looks are what is wrong with it.
    pub bad: Option<Arc<Thumbnail>>,
}

/// A picture of the camera's, small.
#[derive(Clone, Debug, PartialEq)]
pub struct Thumbnail {
    /// A JPEG, 640 px wide at most.
    pub jpeg: Bytes,
    /// When it was taken.
    pub at: Timestamp,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Distinct for distinct pictures.
    pub etag: u64,
}

/// One bar on the page.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Recent {
    /// When the check began.
    pub at: Timestamp,
    /// What it said.
    pub verdict: Verdict,
    /// Milliseconds to the first packet, or the whole check's where none came; none where a check read along with
    /// an open live view: it waited for no first packet.
    pub ms: Option<f64>,
}

/// All that is known of one camera.
#[derive(Clone, Debug)]
pub struct CameraStatus {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its URL, masked.
    pub url: String,
    /// Seconds between checks.
    pub heartbeat_seconds: u64,
    /// What it is now.
    pub state: State,
    /// Since when it is that.
    pub since: Timestamp,
    /// The last check.
    pub last: Option<Arc<Report>>,
    /// The last 50 checks, oldest first.
    pub recent: Arc<[Recent]>,
    /// The open incident.
    pub incident: Option<Arc<Incident>>,
    /// The last good picture.
    pub thumbnail: Option<Arc<Thumbnail>>,
    /// Failed checks in a row.
    pub failures: u32,
    /// Paused until then, where the configuration says a time that has not come.
    pub paused_until: Option<Timestamp>,
    /// When the next check is due.
    pub next_check: Option<Timestamp>,
}

#[cfg(test)]
impl CameraStatus {
    /// For tests: a camera called by its id that was never looked at, in this state since 1970.
    pub(crate) fn unseen(id: impl Into<String>, state: State) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            url: String::new(),
            heartbeat_seconds: 15,
            state,
            since: Timestamp::UNIX_EPOCH,
            last: None,
            recent: Arc::new([]),
            incident: None,
            thumbnail: None,
            failures: 0,
            paused_until: None,
            next_check: None,
        }
    }
}

/// Whether the wall clock can be believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockState {
    /// Time synchronisation vouches for it, or nothing speaks against it.
    Trusted,
    /// It may not have been set since the boot.
    #[default]
    Untrusted,
}

/// Whether the box is on its broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrokerState {
    /// MQTT is not enabled.
    #[default]
    Off,
    /// The first connection since the start or since the settings changed is being made.
    Connecting,
    /// The broker has taken us in.
    Connected,
    /// There is no connection, for `verdict` and `message`; it is tried again.
    Lost,
}

/// The box and its broker; written by `mqtt`. Told with the words of its verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(into = "BrokerView")]
pub struct BrokerStatus {
    /// Now.
    pub state: BrokerState,
    /// Since when; none where it was never enabled.
    pub since: Option<Timestamp>,
    /// Why the connection is lost.
    pub verdict: Option<Verdict>,
    /// The same for a person.
    pub message: Option<String>,
}

/// What the box knows of itself; sampled by `host`, all 0 and empty before the first sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct BoxStatus {
    /// The host name.
    pub name: String,
    /// Pulsebox's version.
    pub version: &'static str,
    /// Seconds since the box was started.
    pub uptime_seconds: u64,
    /// When the box was started, to the second; it moves only where the clock was set by more than a minute.
    pub started_at: Option<Timestamp>,
    /// IP addresses under which the box may be reached, loopback and link-local ones apart.
    #[schema(value_type = Vec<String>)]
    pub addresses: Vec<IpAddr>,
    /// Share of all cores that was busy since the last sample, 0 to 100.
    pub cpu_percent: f32,
    /// Load average of the last minute.
    pub load1: f32,
    /// Bytes of memory.
    pub memory_total: u64,
    /// Bytes of memory that are not available to a new program.
    pub memory_used: u64,
    /// Degrees Celsius of the processor, where a sensor tells.
    pub temperature_c: Option<f32>,
    /// Bytes of the data partition.
    pub data_total: u64,
    /// Bytes of it that are free for Pulsebox.
    pub data_free: u64,
    /// Whether the wall clock can be believed.
    pub clock: ClockState,
    /// Bytes of memory that Pulsebox itself has (resident).
    pub daemon_memory: u64,
    /// Processor time of Pulsebox since the last sample, percent of one core.
    pub daemon_cpu_percent: f32,
    /// False while no link or no address: cameras are then `blind`.
    pub network: bool,
    /// Why the history is not written to disk, if so; checks go on from memory.
    pub storage_fault: Option<String>,
    /// What of the history was last set aside since the start, damaged or of a newer form, and what came in its place.
    pub history_repaired: Option<String>,
    /// Why the file on disk is not the configuration in force, if so.
    pub config_fault: Option<String>,
    /// Bytes that this process caused to be written to disk since it started.
    pub bytes_written: u64,
    /// The broker.
    #[schema(value_type = BrokerView)]
    pub broker: BrokerStatus,
    /// Somebody wants to know which box this is, until then.
    pub identify_until: Option<Timestamp>,
    /// The LEDs.
    pub leds: LedsStatus,
    /// The box's own system, where this is an appliance; none on another machine.
    pub appliance: Option<Appliance>,
}

/// The LEDs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LedsStatus {
    /// The row of the LED card that is shown, `camera_down`; none where all is dark: no LED, or quiet hours.
    pub shows: Option<&'static str>,
    /// Blinks of a row that counts, else 0.
    pub count: usize,
    /// Quiet hours: only `identify` is shown.
    pub is_quiet: bool,
    /// Each LED that is configured.
    pub lamps: Vec<LampStatus>,
    /// Model and revision of the Raspberry Pi; none on another machine.
    pub machine: Option<String>,
}

/// One LED.
#[derive(Clone, Debug, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct LampStatus {
    /// `green`, `red`, `act` or a camera's id.
    pub lamp: String,
    /// Where it is: `line 27 of pinctrl-bcm2711`, `/sys/class/leds/ACT`.
    pub at: String,
    /// Whether it can be dimmed.
    pub dims: bool,
    /// Why it does not light, and what to do about it.
    pub problem: Option<String>,
}

/// What is.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// By id, in the configuration's order through `order`.
    pub cameras: BTreeMap<String, Arc<CameraStatus>>,
    /// Ids as the configuration lists them.
    pub order: Arc<[String]>,
    /// The box.
    pub host: BoxStatus,
    /// When any camera's check last ended; before the first, when the board was made.
    pub last_check: Instant,
}

impl Default for Snapshot {
    fn default() -> Self {
        Self { cameras: BTreeMap::new(), order: Arc::from([]), host: BoxStatus::default(), last_check: Instant::now() }
    }
}

impl Snapshot {
    /// The cameras in the configuration's order.
    pub fn in_order(&self) -> impl Iterator<Item = &Arc<CameraStatus>> {
        self.order.iter().filter_map(|id| self.cameras.get(id))
    }
}

/// Cameras by state.
#[derive(Clone, Copy, Debug, Default, Serialize, utoipa::ToSchema)]
#[allow(missing_docs)] // named after the states
pub struct Counts {
    pub up: usize,
    pub degraded: usize,
    pub down: usize,
    pub unknown: usize,
    pub paused: usize,
}

impl Counts {
    /// How many cameras are in each state now.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut counts = Self::default();
        for camera in snapshot.cameras.values() {
            *match camera.state {
                State::Up => &mut counts.up,
                State::Degraded => &mut counts.degraded,
                State::Down => &mut counts.down,
                State::Unknown => &mut counts.unknown,
                State::Paused => &mut counts.paused,
            } += 1;
        }
        counts
    }
}

/// What just happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A check ended.
    Checked {
        /// Which camera.
        camera: String,
        /// What it found.
        report: Arc<Report>,
        /// The camera's state after this check.
        state: State,
    },
    /// A camera's state changed. Also sent once as each camera is first put on the board.
    StateChanged {
        /// Which camera.
        camera: String,
        /// From.
        from: State,
        /// To.
        to: State,
        /// When the new state began.
        at: Timestamp,
    },
    /// An incident began.
    IncidentOpened(Arc<Incident>),
    /// An incident ended; `to` is set.
    IncidentClosed(Arc<Incident>),
    /// The list of cameras changed: one is added or renamed and on the board as such, one is removed, or their
    /// order is another.
    CamerasChanged,
    /// A camera's settings changed though its state did not: its name, masked URL, heartbeat or the end of its pause
    /// is another on the board.
    SettingsChanged {
        /// Which camera.
        camera: String,
    },
    /// The box's own status changed.
    HostChanged,
}

/// The board itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Board {
    what_is: Arc<watch::Sender<Snapshot>>,
    happened: broadcast::Sender<Event>,
    /// When somebody last asked for a picture.
    looked_at: Arc<watch::Sender<Option<Instant>>>,
}

impl Default for Board {
    fn default() -> Self {
        Self {
            what_is: Arc::new(watch::Sender::new(Snapshot::default())),
            happened: broadcast::Sender::new(EVENTS_KEPT),
            looked_at: Arc::new(watch::Sender::new(None)),
        }
    }
}

impl Board {
    /// What is, borrowed: do not hold it across an await.
    pub fn now(&self) -> watch::Ref<'_, Snapshot> {
        self.what_is.borrow()
    }

    /// Wakes at each change of what is.
    pub fn watch(&self) -> watch::Receiver<Snapshot> {
        self.what_is.subscribe()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.happened.subscribe()
    }

    /// Somebody asked for a picture: for [`WATCHED_FOR`], every check makes a new one.
    pub fn look_at(&self) {
        self.looked_at.send_replace(Some(Instant::now()));
    }

    /// Whether somebody asked for a picture lately.
    pub fn is_looked_at(&self) -> bool {
        self.looked_at.borrow().is_some_and(|at| at.elapsed() < WATCHED_FOR)
    }

    /// One camera's status.
    pub fn camera(&self, id: &str) -> Option<Arc<CameraStatus>> {
        self.now().cameras.get(id).cloned()
    }

    /// Changes what is, then tells what happened. For the monitor (cameras) and `host` (the box) only.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Snapshot), events: impl IntoIterator<Item = Event>) {
        self.what_is.send_modify(change);
        for event in events {
            // No reader is no failure.
            let _ = self.happened.send(event);
        }
    }

    /// Somebody wants to know which box this is: it shows itself for [`IDENTIFY`] from `now` on.
    pub fn identify(&self, now: Timestamp) {
        self.change_host(|host| host.identify_until = now.checked_add(IDENTIFY).ok());
    }

    /// Changes the box's own status; tells it only where it differs.
    pub fn change_host(&self, change: impl FnOnce(&mut BoxStatus)) {
        let changed = self.what_is.send_if_modified(|snapshot| {
            let before = snapshot.host.clone();
            change(&mut snapshot.host);
            before != snapshot.host
        });
        if changed {
            let _ = self.happened.send(Event::HostChanged);
        }
    }
}
