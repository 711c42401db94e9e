//! Looks at each camera when its time has come and keeps the board.
//!
//! One task a camera; [`look`] is one look, [`judge`] says what it means, [`standing`] turns verdicts
//! into states and incidents, [`board`] holds what is known. The checks of all cameras are spread evenly
//! over the heartbeat, and [`lanes`] bounds how many run at once.

pub mod appliance;
pub mod board;
pub mod broker;
mod camera;
pub mod judge;
mod lanes;
pub mod look;
pub mod one_off;
pub mod overall;
pub mod past;
pub mod pulse;
pub mod standing;
pub mod stream_pulse;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::board::{Board, Event, Incident, Recent, State};
use self::camera::CameraTask;
pub use self::camera::THUMBNAIL_EVERY;
use self::lanes::Lanes;
use self::look::Eye;
use self::standing::IncidentIds;
use crate::clock::Clock;
use crate::config::{CameraConfig, Config};

/// Orders waiting to be carried out; more are refused.
const ORDERS_WAITING: usize = 256;

/// A camera whose task broke down is watched again after this long.
const RESTART: Duration = Duration::from_secs(1);

/// Tells whether the box itself has a network.
pub trait Link: Send + Sync + 'static {
    /// Whether any link is up with an address, loopback apart.
    fn is_up(&self) -> bool;
}

/// What the monitor works with.
#[derive(Clone)]
pub struct Means {
    /// Where it writes.
    pub board: Board,
    /// What time it is.
    pub clock: Clock,
    /// What looks.
    pub eye: Arc<dyn Eye>,
    /// Whether the box is blind.
    pub link: Arc<dyn Link>,
}

/// What a person asks of the monitor. (Pausing is the configuration's: `paused`, `paused_until`.)
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Check now.
    Check,
    /// Forget the last good picture; the next check makes a new one.
    ForgetPicture,
}

/// Passes orders to a running monitor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orders(mpsc::Sender<(String, Ask)>);

impl Orders {
    /// Asks for `ask` of the camera `id`. False if the monitor has stopped or has too much to do.
    pub fn ask(&self, id: &str, ask: Ask) -> bool {
        self.0.try_send((id.to_owned(), ask)).is_ok()
    }

    /// The same, and waits for room where there is too much to do: for `deadline` at most.
    pub async fn ask_within(&self, id: &str, ask: Ask, deadline: Duration) -> bool {
        self.0.send_timeout((id.to_owned(), ask), deadline).await.is_ok()
    }

    /// Has the last good picture of the camera `id` forgotten; the next check makes a new one. False as with
    /// [`Orders::ask`].
    pub fn forget_picture(&self, id: &str) -> bool {
        self.ask(id, Ask::ForgetPicture)
    }

    /// Whether the monitor still runs.
    pub fn is_heard(&self) -> bool {
        !self.0.is_closed()
    }
}

/// What was known when the box last ran, to go on from.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// Incidents that were open.
    pub open_incidents: Vec<Incident>,
    /// What each camera was, by id, and since when.
    pub states: BTreeMap<String, (State, Timestamp)>,
    /// Each camera's last checks, by id, oldest first; of more than [`board::RECENT_KEPT`] the newest count.
    pub recent: BTreeMap<String, Vec<Recent>>,
}

/// Watches the cameras of a configuration.
pub struct Monitor {
    means: Means,
    ids: IncidentIds,
    lanes: watch::Sender<Arc<Lanes>>,
    at_once: usize,
    cameras: BTreeMap<String, Watched>,
    /// Incidents that were open when the box last ran, by camera.
    resumed: BTreeMap<String, Incident>,
    /// What cameras were then, and their last checks.
    states: BTreeMap<String, (State, Timestamp)>,
    recent: BTreeMap<String, Vec<Recent>>,
    orders: mpsc::Receiver<(String, Ask)>,
    /// Cameras whose task broke down.
    broken: (mpsc::Sender<String>, mpsc::Receiver<String>),
}

struct Watched {
    config: watch::Sender<Arc<CameraConfig>>,
    orders: mpsc::Sender<Ask>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Monitor {
    /// A monitor that goes on from what was known before.
    pub fn new(means: Means, before: Before) -> (Self, Orders) {
        let (to_monitor, orders) = mpsc::channel(ORDERS_WAITING);
        let at_once = 1;
        let monitor = Self {
            means,
            ids: IncidentIds::default(),
            lanes: watch::Sender::new(Arc::new(Lanes::new(at_once))),
            at_once,
            cameras: BTreeMap::new(),
            resumed: before.open_incidents.into_iter().map(|i| (i.camera.clone(), i)).collect(),
            states: before.states,
            recent: before.recent,
            orders,
            broken: mpsc::channel(ORDERS_WAITING),
        };
        (monitor, Orders(to_monitor))
    }

    /// Runs until `stop`; follows the configuration, touching only the cameras that changed. The first ones are on
    /// the board when this returns, before anything is awaited: nobody is to see a box without its cameras.
    ///
    /// # Panics
    /// Outside a runtime.
    pub fn run(
        mut self,
        mut config: watch::Receiver<Arc<Config>>,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send {
        let first = config.borrow_and_update().clone();
        self.watch(&first);
        self.go_on(config, stop)
    }

    async fn go_on(mut self, mut config: watch::Receiver<Arc<Config>>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = config.changed() => {
                    if changed.is_err() {
                        stop.cancelled().await;
                        break;
                    }
                    let now = config.borrow_and_update().clone();
                    self.follow(&now).await;
                }
                Some(id) = self.broken.1.recv() => {
                    // Not at once, lest what breaks it at the start keeps the box busy.
                    tokio::time::sleep(RESTART).await;
                    if let Some(broken) = self.cameras.remove(&id) {
                        let camera = broken.config.borrow().clone();
                        let watched = self.start(0, &camera);
                        self.cameras.insert(id, watched);
                    }
                }
                Some((id, ask)) = self.orders.recv() => {
                    if let Some(camera) = self.cameras.get(&id) {
                        // A camera with a full queue has been asked the same already.
                        let _ = camera.orders.try_send(ask);
                    }
                }
            }
        }
        let cameras = std::mem::take(&mut self.cameras);
        for camera in cameras.values() {
            camera.stop.cancel();
        }
        for camera in cameras.into_values() {
            let _ = camera.task.await;
        }
    }

    async fn follow(&mut self, config: &Config) {
        let gone: Vec<String> = self.cameras.keys().filter(|id| config.camera(id).is_none()).cloned().collect();
        for id in gone {
            if let Some(Watched { config, stop, task, .. }) = self.cameras.remove(&id) {
                drop(config); // tells the task that this is for good
                stop.cancel();
                let _ = task.await; // at once: it waits for no camera
            }
            let mut status = None;
            self.means.board.change(|snapshot| status = snapshot.cameras.remove(&id), []);
            // One that was removed and can be restored comes back with its last checks.
            if let Some(status) = status.filter(|_| config.removed.iter().any(|camera| camera.id == id)) {
                self.recent.insert(id, status.recent.to_vec());
            }
        }
        self.watch(config);
    }

    /// Watches all cameras of `config` as it says.
    fn watch(&mut self, config: &Config) {
        if self.at_once != config.checks_at_once {
            self.at_once = config.checks_at_once;
            self.lanes.send_replace(Arc::new(Lanes::new(self.at_once)));
        }
        self.recent.retain(|id, _| config.cameras.iter().chain(&config.removed).any(|camera| camera.id == *id));
        // What was open of cameras that are no longer configured ends now.
        for (_, incident) in std::mem::take(&mut self.resumed) {
            if config.camera(&incident.camera).is_some() {
                self.resumed.insert(incident.camera.clone(), incident);
            } else {
                let to = Some(self.means.clock.now().max(incident.from));
                self.means.board.change(|_| (), [Event::IncidentClosed(Arc::new(Incident { to, ..incident }))]);
            }
        }
        for (place, camera) in config.cameras.iter().enumerate() {
            match self.cameras.get(&camera.id) {
                Some(watched) => {
                    watched.config.send_if_modified(|now| {
                        let differs = **now != *camera;
                        if differs {
                            *now = Arc::new(camera.clone());
                        }
                        differs
                    });
                }
                None => {
                    let watched = self.start(place, camera);
                    self.cameras.insert(camera.id.clone(), watched);
                }
            }
        }
        let order: Arc<[String]> = config.cameras.iter().map(|c| c.id.clone()).collect();
        let is_changed = *self.means.board.now().order != *order;
        if is_changed {
            self.means.board.change(|snapshot| snapshot.order = order, [Event::CamerasChanged]);
        }
    }

    fn start(&mut self, place: usize, camera: &CameraConfig) -> Watched {
        let (config, config_rx) = watch::channel(Arc::new(camera.clone()));
        let (orders, orders_rx) = mpsc::channel(8);
        let stop = CancellationToken::new();
        let task = CameraTask::new(
            self.means.clone(),
            self.lanes.subscribe(),
            config_rx,
            orders_rx,
            stop.clone(),
            place,
            (
                camera::Before {
                    incident: self.resumed.remove(&camera.id),
                    state: self.states.remove(&camera.id),
                    recent: self.recent.remove(&camera.id).unwrap_or_default(),
                },
                self.ids.clone(),
            ),
        );
        Watched { config, orders, stop, task: tokio::spawn(task.run(self.broken.0.clone())) }
    }
}
