//! `pulsebox run`: wires the rooms together and keeps them until told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use pulsebox::appliance::{self, Places, status};
use pulsebox::camera::Sessions;
use pulsebox::camera::sessions::Limits;
use pulsebox::clock::{Clock, Trust};
use pulsebox::config::{Config, Machine, Mqtt, Network, ReadError, Store};
use pulsebox::history::{History, HistorySettings};
use pulsebox::host::{Interfaces, box_id, clock_trust, watch_box, watch_network};
use pulsebox::live::Live;
use pulsebox::monitor::board::Board;
use pulsebox::monitor::look::RealEye;
use pulsebox::monitor::pulse::standstill;
use pulsebox::monitor::{Before, Means, Monitor};
use pulsebox::web::{Access, BrokerTry, Port, Web};
use pulsebox::{leds, mqtt, service};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{fail, runtime};

/// Everything must have ended this long after SIGTERM. The history's last write is the last to end.
const STOP: Duration = Duration::from_millis(1800);
/// What was known before is read within this time, or not at all.
const RESUME: Duration = Duration::from_secs(10);
/// The count of bytes written is looked up this often.
const COUNT_WRITES: Duration = Duration::from_secs(60);
/// Whether the clock was set is looked up this often.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(5);

/// A port that cannot be opened is tried again after this long.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// Runs the daemon. Exit 0 after SIGTERM or SIGINT, 1 where it could not start.
/// `appliance`: on the image for a Raspberry Pi, where root's services tell facts and take orders.
/// There they lie in `run`.
pub fn run(config: &Path, data: &Path, appliance: bool, run: &Path) -> ExitCode {
    service::start_logging();
    let machine = Machine::of(appliance);
    let store = match Store::load_on(config, machine) {
        Ok(store) => Arc::new(store),
        Err(error) => return fail(1, &unstartable(&error)),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(code) => return code,
    };
    let ended = runtime.block_on(daemon(store, data, machine, run));
    // A thread that hangs in the system's resolver must not hold the exit back.
    runtime.shutdown_timeout(Duration::from_millis(50));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(1, &problem),
    }
}

/// Why there is nothing to start with. A file that is not there is a newcomer's first mistake.
fn unstartable(error: &ReadError) -> String {
    match error {
        ReadError::Unreadable { path, source } if source.kind() == std::io::ErrorKind::NotFound => format!(
            "{}: there is no such file; write your cameras into it (docs/configuration.md; an empty file will do for \
             a start), or say where it is with --config FILE",
            path.display()
        ),
        _ => error.to_string(),
    }
}

async fn daemon(store: Arc<Store>, data: &Path, machine: Machine, run: &Path) -> Result<(), String> {
    let signals = |e: std::io::Error| format!("cannot listen for signals: {e}");
    let mut terminate = signal(SignalKind::terminate()).map_err(signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signals)?;

    let config = store.current();
    let clock = Clock::system();
    let board = Board::default();
    let appliance = (machine == Machine::Appliance).then(|| {
        let places = Places::new(run, data);
        appliance::Room::open(appliance::Means { board: board.clone(), config: store.watch(), places })
    });
    let history = {
        let mut settings = HistorySettings::new(&config.history, config.timezone.clone(), clock.clone());
        settings.clock_trust = clock_trust(clock.now());
        let dir = Some(data.to_owned());
        tokio::task::spawn_blocking(move || History::open(dir, settings)).await.map_err(|e| e.to_string())?
    };
    let data_folder = data.to_owned();
    let box_id = tokio::task::spawn_blocking(move || box_id(&data_folder)).await.map_err(|e| e.to_string())?;
    let before = match timeout(RESUME, history.before()).await {
        Ok(Ok(before)) => before,
        Ok(Err(e)) => {
            log::warn!("what was known before is not known now: {e}");
            Before::default()
        }
        Err(_) => {
            log::warn!("what was known before is not known now: the disk did not answer in time");
            Before::default()
        }
    };

    let sessions = Sessions::new(TaskTracker::new(), Limits::default());
    let live = Live::new(sessions.clone());
    let eye = Arc::new(RealEye::new(sessions));
    let means =
        Means { board: board.clone(), clock: clock.clone(), eye: eye.clone(), link: Arc::new(Interfaces::default()) };
    let (monitor, orders) = Monitor::new(means, before);
    let web = Web {
        board: board.clone(),
        past: Arc::new(history.clone()),
        clock: clock.clone(),
        orders: orders.clone(),
        config: store.clone(),
        live: live.clone(),
        access: Access::open(Some(data), clock.clone()),
        try_broker: Arc::new(|settings| Box::pin(try_broker(settings))),
        appliance: appliance.clone(),
    };

    // Two tokens: the history must hear what the monitor says last.
    let (stop, stop_last) = (CancellationToken::new(), CancellationToken::new());
    let mut last = JoinSet::new();
    last.spawn(history.clone().run(board.clone(), stop_last.clone()));
    let mut rooms = JoinSet::new();
    // The history listens from its call on, and hears what the monitor says in this one.
    let mut watching = tokio::spawn(monitor.run(store.watch(), stop.clone()));
    let publishing = mqtt::Means {
        board: board.clone(),
        config: store.clone(),
        orders: orders.clone(),
        clock: clock.clone(),
        box_id,
        appliance: appliance.clone(),
    };
    rooms.spawn(mqtt::run(publishing, stop.clone()));
    rooms.spawn(live.follow(store.watch(), stop.clone()));
    rooms.spawn(serve_page(web, store.clone(), data.to_owned(), stop.clone()));
    rooms.spawn(watch_network(board.clone(), stop.clone()));
    rooms.spawn(watch_box(board.clone(), data.to_owned(), clock.clone(), stop.clone()));
    let lit = leds::Means {
        board: board.clone(),
        config: store.watch(),
        clock: clock.clone(),
        wiring: Arc::new(leds::wiring::Kernel::default()),
    };
    rooms.spawn(leds::run(lit, stop.clone()));
    rooms.spawn(store.clone().follow(stop.clone()));
    rooms.spawn(store.clone().follow_trial(stop.clone()));
    let data_fault = appliance.as_ref().map_or_else(|| watch::channel(None).1, appliance::Room::data_fault);
    let faults =
        Faults { storage: history.fault(), repaired: history.repaired(), data: data_fault, config: store.fault() };
    // Before anybody judges this system by the board.
    faults.tell(&board);
    rooms.spawn(tell_faults(board.clone(), faults, stop.clone()));
    if let Some(appliance) = appliance {
        rooms.spawn(appliance.run(stop.clone()));
        let (board, clock, places) = (board.clone(), clock.clone(), Places::new(run, data));
        let means = status::Means { board, config: store.watch(), places, clock };
        rooms.spawn(status::keep_status(means, stop.clone()));
    }
    rooms.spawn(follow_clock(history.clone(), clock.clone(), stop.clone()));
    rooms.spawn(follow_settings(history, store.watch(), stop.clone()));
    let (watched, now) = (board.clone(), clock.clone());
    // A monitor that has ended or stands still is what the watchdog is for.
    let well = move || orders.is_heard() && standstill(&watched.now(), now.now()).is_none();
    rooms.spawn(service::keep_systemd_informed(board, well, stop.clone()));
    if machine == Machine::Any && config.network != Network::default() {
        log::warn!("`network:` does nothing here: this machine's own system sets its name and connections");
    }
    service::ready();
    log::info!("watching {} cameras", config.cameras.len());

    // A part that ends by itself has broken down. Half a Pulsebox is not to be trusted: systemd starts it anew.
    let broken = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        ended = &mut watching => Some(("the monitor", ended)),
        Some(ended) = rooms.join_next() => Some(("a part of the daemon", ended)),
        Some(ended) = last.join_next() => Some(("the history", ended)),
    };
    let is_monitor_there = !matches!(broken, Some(("the monitor", _)));
    service::stopping();
    let ended = timeout(STOP, async {
        stop.cancel();
        // The history waits for the monitor's last word, and for no camera's goodbye.
        let remembering = async {
            if is_monitor_there {
                let _ = watching.await;
            }
            stop_last.cancel();
            drain(&mut last).await;
        };
        tokio::join!(remembering, drain(&mut rooms), eye.close());
    });
    if ended.await.is_err() {
        log::warn!("not everything ended within {} ms", STOP.as_millis());
    }
    match broken {
        None => Ok(()),
        Some((part, Ok(()))) => Err(format!("{part} ended by itself; report this with the log before it")),
        Some((part, Err(e))) => Err(format!("{part} broke down ({e}); report this with the log before it")),
    }
}

/// [`mqtt::try_it`] as the page asks for it.
async fn try_broker(settings: Mqtt) -> BrokerTry {
    match mqtt::try_it(&settings).await {
        Ok(mqtt::Tried { rungs, ms }) => BrokerTry { rungs, ms, fault: None },
        Err(mqtt::Failed { fault, rungs, ms }) => BrokerTry { rungs, ms, fault: Some(fault) },
    }
}

/// Opens the page's port and serves until `stop`. A port that cannot be opened ends nothing: an address may not be
/// given yet, a certificate be wrong, and the cameras must be watched all the same. It is tried again every 5 s and
/// whenever the configuration changes; never unencrypted where encryption was asked for.
async fn serve_page(web: Web, store: Arc<Store>, data: PathBuf, stop: CancellationToken) {
    let mut config = store.watch();
    let mut told = String::new();
    let port = loop {
        let wanted = config.borrow_and_update().web.clone();
        match stop.run_until_cancelled(Port::open(&wanted, &data)).await {
            Some(Ok(port)) => break port,
            Some(Err(why)) if why != told => {
                log::error!("there is no page for now: {why}");
                told = why;
            }
            Some(Err(_)) => {}
            None => return,
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(OPEN_AGAIN) => {}
            Ok(()) = config.changed() => {}
        }
    };
    if let Ok(address) = port.local_addr() {
        log::info!("the page is at {}", page_at(address, port.scheme()));
    }
    web.serve_on(port, stop).await;
}

/// Where a person finds the page.
fn page_at(address: SocketAddr, scheme: &str) -> String {
    let port = address.port();
    if !address.ip().is_unspecified() {
        return format!("{scheme}://{address}/");
    }
    format!("{scheme}://localhost:{port}/ and, from the network, at this machine's address with :{port}")
}

async fn drain(rooms: &mut JoinSet<()>) {
    while let Some(ended) = rooms.join_next().await {
        if let Err(e) = ended {
            log::error!("a part of Pulsebox broke down: {e}");
        }
    }
}

/// What may be wrong with storage and configuration.
struct Faults {
    /// The history is not written.
    storage: watch::Receiver<Option<String>>,
    /// It is, but what was there before was set aside.
    repaired: watch::Receiver<Option<String>>,
    /// It is written, and yet nothing stays: an appliance's data partition.
    data: watch::Receiver<Option<String>>,
    /// The file is not what is in force.
    config: watch::Receiver<Option<String>>,
}

impl Faults {
    fn tell(&self, board: &Board) {
        // The history knows more of its own fault.
        let storage_fault = self.storage.borrow().clone().or_else(|| self.data.borrow().clone());
        let history_repaired = self.repaired.borrow().clone();
        let config_fault = self.config.borrow().clone();
        let bytes_written = pulsebox::history::bytes_written();
        board.change_host(|host| {
            host.storage_fault = storage_fault;
            host.history_repaired = history_repaired;
            host.config_fault = config_fault;
            host.bytes_written = bytes_written;
        });
    }
}

/// Puts on the board what is wrong with storage and configuration, and how much was written.
async fn tell_faults(board: Board, mut faults: Faults, stop: CancellationToken) {
    let mut ticks = interval(COUNT_WRITES);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        faults.storage.mark_unchanged();
        faults.repaired.mark_unchanged();
        faults.data.mark_unchanged();
        faults.config.mark_unchanged();
        faults.tell(&board);
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = faults.storage.changed() => {}
            Ok(()) = faults.repaired.changed() => {}
            Ok(()) = faults.data.changed() => {}
            Ok(()) = faults.config.changed() => {}
            _ = ticks.tick() => {}
        }
    }
}

/// Tells the history when the clock is known to be right.
async fn follow_clock(history: History, clock: Clock, stop: CancellationToken) {
    let mut ticks = interval(LOOK_AT_CLOCK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if !history.is_clock_vouched_for() && clock_trust(clock.now()) == Trust::Synchronised {
            match history.clock_trusted(clock.now(), clock.monotonic_ms()).await {
                Ok(()) => log::info!("the clock is set; the history has moved to its true time"),
                Err(error) => log::debug!("the history does not follow the clock yet: {error}"),
            }
        }
    }
}

/// Passes on the settings of the history as the configuration changes.
async fn follow_settings(history: History, mut config: watch::Receiver<Arc<Config>>, stop: CancellationToken) {
    loop {
        let now = config.borrow_and_update().clone();
        history.set_settings(&now.history, now.timezone.clone());
        tokio::select! {
            () = stop.cancelled() => return,
            changed = config.changed() => if changed.is_err() { return },
        }
    }
}
