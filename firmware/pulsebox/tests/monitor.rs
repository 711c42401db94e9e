//! The monitor through its front door: when it looks, at how many at once, and what it does when told.
//!
//! Where time matters an eye reads from a script and the clock is turned; where manners matter (TEARDOWN,
//! refused passwords) simulated cameras count them on real sockets.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::daemon::PATIENCE;
use pulsebox::camera::{CameraUrl, Fault, Goodbyes, Verdict};
use pulsebox::clock::Clock;
use pulsebox::config::{CameraConfig, Config};
use pulsebox::monitor::board::{Board, CameraStatus, Event, Incident, Recent, State};
use pulsebox::monitor::look::{Eye, Later, Look, Reading, RealEye};
use pulsebox::monitor::{Ask, Before, Link, Means, Monitor, Orders};
use simcam::{Auth, Camera, Codec, Mood, Options, Protocol};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

const HEARTBEAT: Duration = Duration::from_secs(15);

struct Connected;

impl Link for Connected {
    fn is_up(&self) -> bool {
        true
    }
}

/// What a scripted look does.
enum Scene {
    /// Well after this long.
    Well(Duration),
    /// This fault after this long.
    Faulty(Duration, Verdict),
    /// The eye breaks.
    Panic,
}

/// What a look does, by the camera's id and the number of the look (from 0).
type Play = dyn Fn(&str, usize) -> Scene + Send + Sync;

/// What an eye is to do, and what it did.
struct Script {
    scene: Box<Play>,
    began: Instant,
    running: AtomicUsize,
    most: AtomicUsize,
    /// When each camera was looked at, since the start.
    looks: Mutex<BTreeMap<String, Vec<Duration>>>,
}

impl Script {
    fn new(scene: impl Fn(&str, usize) -> Scene + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            scene: Box::new(scene),
            began: Instant::now(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            looks: Mutex::default(),
        })
    }

    fn looks(&self, id: &str) -> Vec<Duration> {
        self.looks.lock().unwrap().get(id).cloned().unwrap_or_default()
    }

    /// The most looks that began within one second, of those in `[from, to)` seconds.
    fn busiest_second(&self, from: u64, to: u64) -> usize {
        let looks = self.looks.lock().unwrap();
        let mut seconds: BTreeMap<u64, usize> = BTreeMap::new();
        for at in looks.values().flatten().filter(|at| (from..to).contains(&at.as_secs())) {
            *seconds.entry(at.as_secs()).or_default() += 1;
        }
        seconds.into_values().max().unwrap_or(0)
    }
}

/// Counts a look as running for as long as it lives.
struct Running(Arc<Script>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The eye that reads the script.
struct Reader(Arc<Script>);

impl Eye for Reader {
    fn look(&self, camera: Arc<CameraConfig>, at: jiff::Timestamp, _thumbnail: bool) -> Later<(Look, Goodbyes)> {
        let script = self.0.clone();
        Box::pin(async move {
            let began = Instant::now();
            let nth = {
                let mut looks = script.looks.lock().unwrap();
                let looks = looks.entry(camera.id.clone()).or_default();
                looks.push(script.began.elapsed());
                looks.len() - 1
            };
            let now = script.running.fetch_add(1, Ordering::Relaxed) + 1;
            script.most.fetch_max(now, Ordering::Relaxed);
            let running = Running(script.clone());
            let fault = match (script.scene)(&camera.id, nth) {
                Scene::Well(lasts) => {
                    sleep(lasts).await;
                    None
                }
                Scene::Faulty(lasts, verdict) => {
                    sleep(lasts).await;
                    Some(Fault::new(verdict, "as the script says"))
                }
                Scene::Panic => panic!("as the script says"),
            };
            drop(running);
            let look = Look {
                at,
                ms: began.elapsed().as_secs_f64() * 1e3,
                rungs: Vec::new(),
                reading: Reading::Own,
                first_packet_ms: None,
                first_frame_ms: None,
                stream: Default::default(),
                picture: None,
                fault,
            };
            (look, Goodbyes::default())
        })
    }
}

fn camera(id: &str) -> CameraConfig {
    CameraConfig::new(id, CameraUrl::parse("rtsp://192.0.2.1/").unwrap())
}

/// A monitor at work; stopped when dropped.
struct Watch {
    board: Board,
    orders: Orders,
    config: watch::Sender<Arc<Config>>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
    _stop: DropGuard,
}

impl Watch {
    fn start(eye: Arc<dyn Eye>, at_once: usize, cameras: Vec<CameraConfig>) -> Self {
        Self::resume(eye, at_once, cameras, Before::default())
    }

    /// Goes on from what was known before.
    fn resume(eye: Arc<dyn Eye>, at_once: usize, cameras: Vec<CameraConfig>, before: Before) -> Self {
        let (mut config, _) = pulsebox::config::parse("").unwrap();
        (config.checks_at_once, config.cameras) = (at_once, cameras);
        let board = Board::default();
        let clock = Clock::turned("2026-11-21T00:00:00Z".parse().unwrap());
        let means = Means { board: board.clone(), clock, eye, link: Arc::new(Connected) };
        let (monitor, orders) = Monitor::new(means, before);
        let config = watch::Sender::new(Arc::new(config));
        let stop = CancellationToken::new();
        let running = tokio::spawn(monitor.run(config.subscribe(), stop.clone()));
        Self { board, orders, config, running, _stop: stop.clone().drop_guard(), stop }
    }

    /// Waits until a camera's status satisfies `condition`.
    async fn until(&self, id: &str, condition: impl Fn(&CameraStatus) -> bool) -> Arc<CameraStatus> {
        let mut board = self.board.watch();
        let fits = board.wait_for(|now| now.cameras.get(id).is_some_and(|camera| condition(camera)));
        // Turned time may run for an hour; real time must not.
        let limit = if self.is_turned() { Duration::from_secs(3600) } else { PATIENCE };
        let found = timeout(limit, fits).await;
        match found {
            Ok(Ok(now)) => now.cameras[id].clone(),
            _ => panic!("{id}: {:?}", self.board.camera(id)),
        }
    }

    /// Changes a camera's configuration.
    fn set(&self, id: &str, change: impl FnOnce(&mut CameraConfig)) {
        self.config.send_modify(|config| {
            let cameras = &mut Arc::make_mut(config).cameras;
            change(cameras.iter_mut().find(|camera| camera.id == id).unwrap());
        });
    }

    fn is_turned(&self) -> bool {
        // Only the tests with sockets use several threads.
        tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::CurrentThread
    }

    async fn until_state(&self, id: &str, state: State) -> Arc<CameraStatus> {
        self.until(id, |camera| camera.state == state).await
    }

    fn state(&self, id: &str) -> State {
        self.board.camera(id).unwrap().state
    }

    /// Stops it and waits for its end.
    async fn end(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(5), self.running).await.expect("it ends at once").unwrap();
    }
}

/// Longest time between two looks.
fn longest_gap(looks: &[Duration]) -> Duration {
    looks.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn hanging_cameras_neither_delay_a_healthy_one_nor_pass_the_limit_of_looks_at_once() {
    let script = Script::new(|id, _| match id {
        "healthy" => Scene::Well(Duration::from_millis(1200)),
        _ => Scene::Faulty(Duration::from_secs(15), Verdict::Timeout),
    });
    let mut cameras: Vec<_> = (0..8).map(|n| camera(&format!("hangs{n}"))).collect();
    cameras.insert(0, camera("healthy"));
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, cameras);
    sleep(Duration::from_secs(600)).await;
    assert!(script.most.load(Ordering::Relaxed) <= 4, "{} looks at once", script.most.load(Ordering::Relaxed));
    // Until the eight have hung once, nobody knows that they do.
    let known: Vec<_> = script.looks("healthy").into_iter().filter(|at| at.as_secs() > 45).collect();
    assert!(known.len() >= 36, "{known:?}");
    assert!(longest_gap(&known) <= HEARTBEAT + Duration::from_millis(100), "{:?}", longest_gap(&known));
    for n in 0..8 {
        assert!(script.looks(&format!("hangs{n}")).len() >= 8, "hangs{n} is not forgotten");
        assert_eq!(watch.state(&format!("hangs{n}")), State::Down);
    }
    assert_eq!(watch.state("healthy"), State::Up);
}

#[tokio::test(start_paused = true)]
async fn nobody_sees_a_box_that_has_begun_to_watch_without_its_cameras() {
    let script = Script::new(|_, _| Scene::Well(Duration::from_millis(100)));
    let paused = CameraConfig { paused: true, ..camera("paused") };
    let watch = Watch::start(Arc::new(Reader(script)), 4, vec![camera("b"), camera("a"), paused]);
    // Nothing was awaited: no task has run.
    let states: Vec<_> = watch.board.now().order.iter().map(|id| (id.clone(), watch.state(id))).collect();
    let expected = [("b", State::Unknown), ("a", State::Unknown), ("paused", State::Paused)];
    assert_eq!(states, expected.map(|(id, state)| (id.to_owned(), state)));
}

#[tokio::test(start_paused = true)]
async fn the_checks_of_many_cameras_are_spread_over_the_heartbeat() {
    for (cameras, first_at_most) in [(100, 20), (500, 50)] {
        let script = Script::new(|_, _| Scene::Well(Duration::from_millis(100)));
        let all = (0..cameras).map(|n| camera(&format!("c{n}"))).collect();
        let watch = Watch::start(Arc::new(Reader(script.clone())), 500, all);
        sleep(Duration::from_secs(70)).await;
        let share = cameras / 15;
        let first = script.busiest_second(0, 15);
        assert!(first <= first_at_most, "{cameras} cameras: {first} first looks in one second");
        let regular = script.busiest_second(30, 60);
        assert!(regular <= 2 * share, "{cameras} cameras: {regular} looks in one second, {share} is the share");
        for n in 0..cameras {
            let looks = script.looks(&format!("c{n}"));
            let regular: Vec<_> = looks.into_iter().filter(|at| at.as_secs() >= 30).collect();
            assert!(
                regular.len() >= 2 && longest_gap(&regular) < HEARTBEAT + Duration::from_millis(200),
                "{regular:?}"
            );
        }
        watch.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_once_in_the_first_minute() {
    let script = Script::new(|_, _| Scene::Faulty(Duration::from_millis(50), Verdict::Auth));
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, vec![camera("cam")]);
    watch.until_state("cam", State::Down).await;
    sleep(Duration::from_secs(59)).await;
    assert_eq!(script.looks("cam").len(), 1);
    sleep(Duration::from_secs(3600)).await;
    // 1, 2, 4, 8, then every 15 minutes.
    assert_eq!(
        script.looks("cam").iter().map(Duration::as_secs).collect::<Vec<_>>(),
        [0, 60, 180, 420, 900, 1800, 2700, 3600]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_check_is_repeated_quickly_and_one_success_is_up() {
    let script = Script::new(|_, nth| match nth {
        1..=3 => Scene::Faulty(Duration::from_millis(10), Verdict::NoMedia),
        _ => Scene::Well(Duration::from_millis(10)),
    });
    let mut cam = camera("cam");
    cam.alarm.failures = 3;
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, vec![cam]);
    watch.until_state("cam", State::Up).await;
    let down = watch.until_state("cam", State::Down).await;
    let looks = script.looks("cam");
    let apart: Vec<u64> = looks.windows(2).map(|two| (two[1] - two[0]).as_secs()).collect();
    assert_eq!(apart[1..], [1, 2], "{looks:?}");
    assert_eq!(down.incident.as_ref().unwrap().verdict, Verdict::NoMedia);
    let up = watch.until_state("cam", State::Up).await;
    assert!(up.incident.is_none());
    assert_eq!(script.looks("cam").len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_paused_camera_is_not_looked_at_until_resumed_or_until_its_time() {
    let script = Script::new(|_, _| Scene::Well(Duration::from_millis(10)));
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, vec![camera("cam"), camera("other")]);
    let seen = watch.until_state("cam", State::Up).await;

    watch.set("cam", |camera| camera.paused = true);
    assert_eq!(watch.until_state("cam", State::Paused).await.next_check, None);
    let looks = script.looks("cam").len();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(script.looks("cam").len(), looks);
    assert!(script.looks("other").len() >= 20, "the other is looked at as before");
    assert!(watch.orders.ask("cam", Ask::Check), "a paused camera takes no notice");
    sleep(Duration::from_secs(60)).await;
    assert_eq!(script.looks("cam").len(), looks);

    watch.set("cam", |camera| camera.paused = false);
    watch.until_state("cam", State::Up).await;
    assert_eq!(script.looks("cam").len(), looks + 1, "looked at at once");

    let until = seen.since + jiff::SignedDuration::from_secs(1000);
    watch.set("cam", |camera| camera.paused_until = Some(until));
    let paused = watch.until_state("cam", State::Paused).await;
    assert_eq!((paused.paused_until, paused.next_check), (Some(until), None));
    let looks = script.looks("cam").len();
    let up = watch.until_state("cam", State::Up).await;
    let late = up.last.as_ref().unwrap().at.duration_since(until);
    assert!((0..=1).contains(&late.as_secs()) && !late.is_negative(), "{late} after its time");
    assert_eq!((script.looks("cam").len(), up.paused_until), (looks + 1, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_set_for_a_paused_camera_is_told_though_its_state_stays() {
    let script = Script::new(|_, _| Scene::Well(Duration::from_millis(10)));
    let watch = Watch::start(Arc::new(Reader(script)), 4, vec![camera("cam")]);
    let seen = watch.until_state("cam", State::Up).await;
    watch.set("cam", |camera| camera.paused_until = Some(seen.since + jiff::SignedDuration::from_hours(1)));
    watch.until_state("cam", State::Paused).await;

    let mut events = watch.board.events();
    let changes: [fn(&mut CameraConfig); 3] =
        [|camera| camera.paused = true, |camera| camera.heartbeat *= 2, |camera| camera.name = "Gate".into()];
    for change in changes {
        watch.set("cam", change);
        let told = async {
            loop {
                match events.recv().await.unwrap() {
                    Event::SettingsChanged { camera } => return camera,
                    Event::CamerasChanged => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        assert_eq!(timeout(PATIENCE, told).await.expect("nothing is told"), "cam");
    }
    let told = watch.board.camera("cam").unwrap();
    assert_eq!((told.paused_until, told.heartbeat_seconds, told.name.as_str()), (None, 30, "Gate"));
    // A check tells nothing of the kind.
    watch.set("cam", |camera| camera.paused = false);
    watch.set("cam", |camera| camera.paused_until = None);
    watch.until_state("cam", State::Up).await;
    let mut events = watch.board.events();
    for _ in 0..3 {
        assert!(matches!(events.recv().await.unwrap(), Event::Checked { .. }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_until_a_time_is_over_when_the_file_says_so_earlier() {
    let script = Script::new(|_, _| Scene::Well(Duration::from_millis(10)));
    let mut cam = camera("cam");
    cam.paused_until = Some("2027-01-01T00:00:00Z".parse().unwrap());
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, vec![cam]);
    watch.until_state("cam", State::Paused).await;
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(script.looks("cam").len(), 0);
    watch.set("cam", |camera| camera.paused_until = None);
    watch.until_state("cam", State::Up).await;
}

#[tokio::test(start_paused = true)]
async fn pausing_in_the_file_ends_the_incident_and_leaves_the_others_alone() {
    let script = Script::new(|id, _| match id {
        "bad" => Scene::Faulty(Duration::from_millis(10), Verdict::Refused),
        _ => Scene::Well(Duration::from_millis(10)),
    });
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, vec![camera("bad"), camera("good")]);
    watch.until_state("bad", State::Down).await;
    let good = watch.until_state("good", State::Up).await;
    let mut events = watch.board.events();
    watch.config.send_modify(|config| Arc::make_mut(config).cameras[0].paused = true);
    assert!(watch.until_state("bad", State::Paused).await.incident.is_none());
    let mut closed = false;
    while let Ok(event) = events.try_recv() {
        closed |= matches!(event, Event::IncidentClosed(incident) if incident.camera == "bad");
    }
    assert!(closed, "nobody claims that it lasts");
    let looks = script.looks("bad").len();
    sleep(Duration::from_secs(120)).await;
    assert_eq!(script.looks("bad").len(), looks);
    let still = watch.board.camera("good").unwrap();
    assert_eq!((still.since, still.recent[0]), (good.since, good.recent[0]));
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_was_removed_is_restored_with_its_last_checks_and_a_forgotten_one_begins_anew() {
    let script = Script::new(|_, _| Scene::Well(Duration::from_millis(10)));
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, vec![camera("cam"), camera("other")]);
    let before = watch.until("cam", |camera| camera.recent.len() == 3).await;
    let move_to = |removed: bool| {
        watch.config.send_modify(|config| {
            let config = Arc::make_mut(config);
            let (from, to) = match removed {
                true => (&mut config.cameras, &mut config.removed),
                false => (&mut config.removed, &mut config.cameras),
            };
            let at = from.iter().position(|camera| camera.id == "cam").unwrap();
            to.push(from.remove(at));
        });
    };
    let gone = || async {
        let mut board = watch.board.watch();
        board.wait_for(|now| !now.cameras.contains_key("cam")).await.map(drop).unwrap();
    };
    move_to(true);
    gone().await;
    move_to(false);
    let back = watch.until("cam", |camera| !camera.recent.is_empty()).await;
    assert_eq!(back.recent[..3], before.recent[..]);

    move_to(true);
    gone().await;
    watch.config.send_modify(|config| Arc::make_mut(config).removed.clear());
    sleep(Duration::from_secs(1)).await;
    watch.config.send_modify(|config| Arc::make_mut(config).cameras.push(camera("cam")));
    let anew = watch.until("cam", |camera| !camera.recent.is_empty()).await;
    assert_eq!(anew.recent.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn check_now_looks_at_once() {
    let script = Script::new(|_, _| Scene::Well(Duration::from_millis(10)));
    let mut cam = camera("cam");
    cam.heartbeat = Duration::from_secs(3600);
    let watch = Watch::start(Arc::new(Reader(script.clone())), 4, vec![cam]);
    watch.until_state("cam", State::Up).await;
    let before = script.looks("cam").len();
    assert!(watch.orders.ask("cam", Ask::Check));
    watch.until("cam", |camera| camera.recent.len() > before).await;
    assert!(script.looks("cam")[before] < Duration::from_secs(1), "{:?}", script.looks("cam"));
    assert!(watch.orders.ask("nobody", Ask::Check), "an unknown camera is no failure");
}

#[tokio::test(start_paused = true)]
async fn an_eye_that_breaks_is_that_cameras_fault_alone_and_passes() {
    let script = Script::new(|id, nth| match (id, nth) {
        ("breaks", 1..=4) => Scene::Panic,
        _ => Scene::Well(Duration::from_millis(10)),
    });
    let watch = Watch::start(Arc::new(Reader(script.clone())), 1, vec![camera("breaks"), camera("good")]);
    watch.until_state("breaks", State::Up).await;
    let down = watch.until_state("breaks", State::Down).await;
    assert_eq!(down.incident.as_ref().unwrap().verdict, Verdict::Protocol);
    watch.until_state("breaks", State::Up).await;
    assert_eq!(watch.state("good"), State::Up);
    assert!(longest_gap(&script.looks("good")) <= HEARTBEAT + HEARTBEAT / 2, "{:?}", script.looks("good"));
    assert_eq!(script.running.load(Ordering::Relaxed), 0);
}

/// A simulated camera that admits one client, and its configuration with a heartbeat of half a second.
async fn real(id: &str, mood: Mood) -> (Camera, CameraConfig) {
    let options = Options { mood, max_sessions: Some(1), width: 320, height: 180, ..Options::default() };
    let camera = Camera::start(options).await.unwrap();
    let mut config = CameraConfig::new(id, CameraUrl::parse(&camera.url()).unwrap());
    (config.heartbeat, config.timeout) = (Duration::from_millis(500), Duration::from_secs(2));
    (camera, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_ends_with_teardown_so_that_one_client_cameras_are_never_busy() {
    let moods = [Mood::Healthy, Mood::HangPlay, Mood::NoMedia, Mood::Undecodable, Mood::Vanish];
    let (mut cameras, mut configs) = (Vec::new(), Vec::new());
    for mood in moods {
        let (camera, config) = real(mood.name(), mood).await;
        cameras.push(camera);
        configs.push(config);
    }
    let eye = Arc::new(RealEye::default());
    let watch = Watch::start(eye.clone(), 32, configs);
    for mood in moods {
        let status = watch.until(mood.name(), |camera| camera.recent.len() >= 3).await;
        let busy = status.recent.iter().any(|check| check.verdict == Verdict::Busy);
        assert!(!busy, "{mood}: {:?}", status.recent);
    }
    watch.end().await;
    eye.close().await;
    for (camera, mood) in cameras.iter().zip(moods) {
        timeout(PATIENCE, camera.until(|stats| stats.connections_open == 0)).await.unwrap();
        let stats = camera.stats();
        assert!(stats.sessions_open == 0 && stats.sessions_total >= 3, "{mood}: {stats:?}");
        // Who has hung up cannot be told goodbye.
        if mood != Mood::Vanish {
            assert_eq!(stats.teardowns, stats.sessions_total, "{mood}: {stats:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_refuses_the_password_is_asked_with_it_once() {
    let (camera, mut config) = real("cam", Mood::WrongPassword).await;
    config.url = CameraUrl::parse(&camera.url().replace("://", "://admin:wrong@")).unwrap();
    let (_other, other) = real("other", Mood::Healthy).await;
    let watch = Watch::start(Arc::new(RealEye::default()), 4, vec![config, other]);
    watch.until_state("cam", State::Down).await;
    watch.until("other", |camera| camera.recent.len() >= 3).await;
    assert_eq!(camera.stats().auth_failures, 1, "{:?}", camera.stats());
    let wait = watch.board.camera("cam").unwrap().next_check.unwrap();
    let last = watch.board.camera("cam").unwrap().last.as_ref().unwrap().at;
    assert!(wait.duration_since(last).as_secs() >= 60, "{wait}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_shows_the_last_good_picture_the_first_bad_one_and_what_the_camera_answered() {
    let (black, black_config) = real("black", Mood::Healthy).await;
    let (gone, gone_config) = real("gone", Mood::NotFound).await;
    let (mut locked, config) = (Vec::new(), real("lock", Mood::Healthy).await.1);
    for (id, protocol, codec) in [("rtsp", Protocol::Rtsp, Codec::H264), ("http", Protocol::HttpMjpeg, Codec::Mjpeg)] {
        let options = Options { protocol, codec, mood: Mood::WrongPassword, auth: Auth::Digest, ..Options::default() };
        let camera = Camera::start(options).await.unwrap();
        let url = camera.url_without_credentials().replace("://", "://gatekeeper:s3cret-word@");
        locked.push((camera, CameraConfig { url: CameraUrl::parse(&url).unwrap(), id: id.into(), ..config.clone() }));
    }
    let mut configs = vec![black_config, gone_config];
    configs.extend(locked.iter().map(|(_, config)| config.clone()));
    let watch = Watch::start(Arc::new(RealEye::default()), 8, configs);

    for id in ["rtsp", "http"] {
        let down = watch.until_state(id, State::Down).await;
        let incident = down.incident.clone().unwrap();
        let answer = incident.evidence.clone().unwrap().answer.clone().unwrap();
        let challenge =
            answer.lines().find(|line| line.to_lowercase().starts_with("www-authenticate: digest")).unwrap();
        assert!(answer.lines().next().unwrap().contains("401 Unauthorized"), "{answer}");
        assert!(challenge.contains("nonce=\"***\"") && challenge.contains("realm=\"***\""), "{answer}");
        for secret in ["gatekeeper", "s3cret"] {
            assert!(!answer.contains(secret) && !format!("{down:?}").contains(secret), "{id}: {answer}");
        }
    }
    let down = watch.until_state("gone", State::Down).await;
    let evidence = down.incident.as_ref().unwrap().evidence.clone().unwrap();
    assert!(evidence.answer.as_ref().unwrap().starts_with("RTSP/1.0 404 "), "{evidence:?}");
    assert_eq!((evidence.good.clone(), evidence.bad.clone()), (None, None));

    let good = watch.until("black", |camera| camera.thumbnail.is_some()).await.thumbnail.clone().unwrap();
    black.set_mood(Mood::Black).await;
    let down = watch.until_state("black", State::Down).await;
    let evidence = down.incident.as_ref().unwrap().evidence.clone().unwrap();
    assert_eq!(evidence.good, Some(good));
    let bad = evidence.bad.clone().unwrap();
    assert!(bad.jpeg.starts_with(&[0xff, 0xd8]) && bad.at >= evidence.good.as_ref().unwrap().at);
    assert_eq!(evidence.answer, None);
    drop((black, gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_camera_stays_down_over_a_restart_until_it_lives_again() {
    let (camera, config) = real("cam", Mood::Frozen).await;
    let from = "2026-11-20T22:00:00Z".parse().unwrap();
    let incident = Incident {
        id: 7,
        camera: "cam".into(),
        state: State::Down,
        verdict: Verdict::Frozen,
        message: String::new(),
        from,
        to: None,
        evidence: None,
    };
    let before = Before {
        open_incidents: vec![incident],
        states: BTreeMap::from([("cam".to_owned(), (State::Down, from))]),
        recent: BTreeMap::from([("cam".to_owned(), vec![Recent { at: from, verdict: Verdict::Frozen, ms: None }])]),
    };
    let watch = Watch::resume(Arc::new(RealEye::default()), 4, vec![config], before);
    let mut events = watch.board.events();
    let frozen = watch.until("cam", |camera| camera.recent.len() >= 4).await;
    assert_eq!(frozen.incident.as_ref().map(|open| open.id), Some(7), "{frozen:?}");
    assert!(frozen.recent.iter().all(|check| check.verdict == Verdict::Frozen), "{:?}", frozen.recent);
    camera.set_mood(Mood::Healthy).await;
    watch.until_state("cam", State::Up).await;
    let closed = timeout(PATIENCE, async {
        loop {
            if let Event::IncidentClosed(incident) = events.recv().await.unwrap() {
                return incident;
            }
        }
    });
    assert_eq!(closed.await.unwrap().id, 7);
}
