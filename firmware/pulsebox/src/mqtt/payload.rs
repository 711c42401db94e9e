//! What is said of the box and of each camera. No payload holds a secret: URLs are masked on the board already.

mod update;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::camera::{Codec, Severity, Verdict, is_local};
use crate::monitor::appliance::{Cause, UpdateState};
use crate::monitor::board::{BoxStatus, CameraStatus, ClockState, Counts, Report, Snapshot, State, tenth};
use crate::monitor::overall::Overall;
use crate::monitor::stream_pulse;

use self::update::Update;

/// Before this, bytes a day would be a guess: a start writes more than an hour of watching.
const DAY_IS_TOLD_AFTER: Duration = Duration::from_secs(3600);
const DAY: f64 = 86_400.0;

/// `cam/<id>/state`.
#[derive(Serialize)]
struct CameraState<'a> {
    state: State,
    since: Timestamp,
    verdict: Option<Verdict>,
    title: Option<&'static str>,
    message: Option<&'a str>,
    advice: Option<&'static str>,
    connected: Option<bool>,
    problem: Option<bool>,
    paused: bool,
    paused_until: Option<Timestamp>,
    checked_at: Option<Timestamp>,
    last_good_frame: Option<Timestamp>,
    failures: u32,
    first_frame_ms: Option<f64>,
    fps: Option<f64>,
    kbps: Option<u32>,
}

/// `cam/<id>/attributes`.
#[derive(Serialize)]
struct CameraAttributes<'a> {
    name: &'a str,
    codec: Option<Codec>,
    profile: Option<&'a str>,
    width: Option<u32>,
    height: Option<u32>,
    first_packet_ms: Option<f64>,
    check_ms: Option<f64>,
    loss_percent: Option<f64>,
    heartbeat_seconds: u64,
    url: &'a str,
    rungs: BTreeMap<&'static str, f64>,
    incident: Option<OpenIncident>,
}

/// The incident that is open.
#[derive(Serialize)]
struct OpenIncident {
    from: Timestamp,
    verdict: Verdict,
}

/// `system`.
#[derive(Serialize)]
struct System<'a> {
    name: &'a str,
    version: &'static str,
    overall: Overall,
    cameras: Cameras,
    uptime_seconds: u64,
    started_at: Option<Timestamp>,
    addresses: &'a [IpAddr],
    address: Option<IpAddr>,
    cpu_percent: f64,
    load1: f64,
    temperature_c: Option<f64>,
    memory_percent: Option<f64>,
    memory_used: u64,
    memory_total: u64,
    data_free: u64,
    data_total: u64,
    data_free_percent: Option<f64>,
    bytes_written: u64,
    bytes_written_a_day: Option<u64>,
    clock_trusted: bool,
    network: bool,
    storage_fault: Option<&'a str>,
    config_fault: Option<&'a str>,
    daemon_memory: u64,
    daemon_cpu_percent: f64,
    image_version: Option<&'a str>,
    slot: Option<&'a str>,
    last_start: Option<Cause>,
    last_start_message: Option<&'a str>,
    undervoltage: Option<bool>,
    update: Option<Update<'a>>,
    update_state: Option<UpdateState>,
    update_message: Option<&'a str>,
}

/// How many cameras there are, and in each state.
#[derive(Serialize)]
struct Cameras {
    total: usize,
    #[serde(flatten)]
    by_state: Counts,
}

/// `cam/<id>/state`.
pub fn state(camera: &CameraStatus) -> Value {
    let last = camera.last.as_deref();
    let words = last.map(|report| report.verdict.row().words(is_local(&camera.url)));
    value(&CameraState {
        state: camera.state,
        since: second(camera.since),
        verdict: last.map(|report| report.verdict),
        title: words.map(|words| words.title),
        message: last.map(|report| report.message.as_str()),
        advice: words.map(|words| words.advice),
        connected: is_connected(camera),
        problem: is_problem(camera.state),
        paused: camera.state == State::Paused,
        paused_until: camera.paused_until.map(second),
        checked_at: last.map(|report| second(report.at)),
        last_good_frame: last_good(camera).map(second),
        failures: camera.failures,
        first_frame_ms: last.and_then(|report| report.first_frame_ms).map(tenth),
        fps: last.and_then(|report| report.stream.fps).map(told),
        kbps: last.and_then(|report| report.stream.kbps),
    })
}

/// `cam/<id>/attributes`.
pub fn attributes(camera: &CameraStatus) -> Value {
    let last = camera.last.as_deref();
    let stream = last.map(|report| &report.stream);
    value(&CameraAttributes {
        name: &camera.name,
        codec: stream.and_then(|stream| stream.codec),
        profile: stream.and_then(|stream| stream.profile.as_deref()),
        width: stream.and_then(|stream| stream.width),
        height: stream.and_then(|stream| stream.height),
        first_packet_ms: last.and_then(|report| report.first_packet_ms).map(tenth),
        check_ms: last.map(|report| tenth(report.ms)),
        loss_percent: stream.and_then(|stream| stream.loss_percent).map(told),
        heartbeat_seconds: camera.heartbeat_seconds,
        url: &camera.url,
        rungs: last.map(rungs).unwrap_or_default(),
        incident: camera.incident.as_ref().map(|open| OpenIncident { from: second(open.from), verdict: open.verdict }),
    })
}

/// `system`. `running`: since this process started, for what it writes a day.
pub fn system(snapshot: &Snapshot, running: Duration) -> Value {
    let host = &snapshot.host;
    let appliance = host.appliance.as_ref();
    let start = appliance.and_then(|appliance| appliance.start.as_ref());
    let update = appliance.and_then(|appliance| appliance.update.as_ref());
    value(&System {
        name: &host.name,
        version: host.version,
        overall: Overall::of(snapshot),
        cameras: Cameras { total: snapshot.cameras.len(), by_state: Counts::of(snapshot) },
        uptime_seconds: host.uptime_seconds,
        started_at: host.started_at,
        addresses: &host.addresses,
        address: host.addresses.first().copied(),
        cpu_percent: told(host.cpu_percent),
        load1: hundredth(host.load1),
        temperature_c: host.temperature_c.map(told),
        memory_percent: percent(host.memory_used, host.memory_total),
        memory_used: host.memory_used,
        memory_total: host.memory_total,
        data_free: host.data_free,
        data_total: host.data_total,
        data_free_percent: percent(host.data_free, host.data_total),
        bytes_written: host.bytes_written,
        bytes_written_a_day: a_day(host, running),
        clock_trusted: host.clock == ClockState::Trusted,
        network: host.network,
        storage_fault: host.storage_fault.as_deref(),
        config_fault: host.config_fault.as_deref(),
        daemon_memory: host.daemon_memory,
        daemon_cpu_percent: told(host.daemon_cpu_percent),
        image_version: appliance.and_then(|appliance| appliance.version.as_deref()),
        slot: appliance.and_then(|appliance| appliance.slot.as_deref()),
        last_start: start.map(|start| start.cause),
        last_start_message: start.and_then(|start| start.message.as_deref()),
        undervoltage: start.and_then(|start| start.undervoltage),
        update: appliance.map(|appliance| Update::of(appliance, host.version)),
        update_state: update.map(|update| update.state),
        update_message: update.and_then(|update| update.message.as_deref()),
    })
}

/// StreamPulse's status.
pub fn status(snapshot: &Snapshot) -> Value {
    Value::Object(stream_pulse::status(snapshot))
}

/// When a living picture was last seen: pictures are kept more seldom than they are seen.
fn last_good(camera: &CameraStatus) -> Option<Timestamp> {
    let seen = camera.recent.iter().rev().find(|check| check.verdict.severity() != Severity::Fault);
    seen.map(|check| check.at).max(camera.thumbnail.as_deref().map(|thumbnail| thumbnail.at))
}

/// A dead camera is off; one that sends a black, frozen or covered picture answers all the same.
fn is_connected(camera: &CameraStatus) -> Option<bool> {
    match camera.state {
        State::Up | State::Degraded => Some(true),
        State::Down => {
            // Before the first check of this run, the incident that the last run left open is all there is.
            let last = camera.last.as_ref().map(|report| report.verdict);
            let verdict = last.or_else(|| camera.incident.as_ref().map(|open| open.verdict));
            Some(verdict.is_some_and(|verdict| verdict.row().part == "picture"))
        }
        State::Unknown | State::Paused => None,
    }
}

fn is_problem(state: State) -> Option<bool> {
    match state {
        State::Down | State::Degraded => Some(true),
        State::Up => Some(false),
        State::Unknown | State::Paused => None,
    }
}

fn rungs(report: &Report) -> BTreeMap<&'static str, f64> {
    report.rungs.iter().map(|time| (time.rung.name(), tenth(time.ms))).collect()
}

/// To the second, all of one form: the same time before and after a restart, which keeps milliseconds only, is the
/// same text.
fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn told(figure: f32) -> f64 {
    tenth(f64::from(figure))
}

fn hundredth(figure: f32) -> f64 {
    (f64::from(figure) * 100.0).round() / 100.0
}

/// None of what has not been sampled.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| tenth(part as f64 / whole as f64 * 100.0))
}

fn a_day(host: &BoxStatus, running: Duration) -> Option<u64> {
    (running >= DAY_IS_TOLD_AFTER).then(|| (host.bytes_written as f64 / running.as_secs_f64() * DAY) as u64)
}

/// These shapes have nothing that JSON cannot say.
fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use serde_json::json;

    use super::*;
    use crate::camera::{Rung, RungTime, StreamInfo};
    use crate::monitor::appliance::{self, Appliance, Start};
    use crate::monitor::board::{Incident, Thumbnail};

    fn at(second: i8) -> Timestamp {
        format!("2026-11-21T06:00:{second:02}Z").parse().unwrap()
    }

    fn report(verdict: Verdict) -> Report {
        Report {
            at: at(30),
            verdict,
            message: "said".into(),
            rungs: vec![RungTime { rung: Rung::Resolve, ms: 0.24 }, RungTime { rung: Rung::FirstPacket, ms: 41.66 }],
            ms: 231.04,
            first_packet_ms: Some(41.5),
            first_frame_ms: Some(184.02),
            stream: StreamInfo {
                codec: Some(Codec::H264),
                profile: Some("High 3.1".into()),
                width: Some(1280),
                height: Some(720),
                fps: Some(24.97),
                kbps: Some(2048),
                loss_percent: Some(0.1),
            },
            answer: Some("RTSP/1.0 200 OK".into()),
            decoded: true,
        }
    }

    fn camera(state: State, verdict: Verdict) -> CameraStatus {
        CameraStatus {
            id: "gate".into(),
            name: "Gate".into(),
            url: "rtsp://***:***@192.168.1.20:554/live".into(),
            heartbeat_seconds: 15,
            state,
            since: at(10),
            last: Some(Arc::new(report(verdict))),
            recent: Arc::new([]),
            incident: None,
            thumbnail: Some(Arc::new(Thumbnail {
                jpeg: Bytes::from_static(b"\xff\xd8"),
                at: at(29),
                width: 640,
                height: 360,
                etag: 1,
            })),
            failures: 0,
            paused_until: None,
            next_check: None,
        }
    }

    fn unseen(state: State) -> CameraStatus {
        CameraStatus { last: None, thumbnail: None, ..camera(state, Verdict::Ok) }
    }

    fn snapshot(cameras: impl IntoIterator<Item = CameraStatus>) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let cameras: Vec<_> = cameras.into_iter().map(Arc::new).collect();
        snapshot.order = cameras.iter().map(|camera| camera.id.clone()).collect();
        snapshot.cameras = cameras.into_iter().map(|camera| (camera.id.clone(), camera)).collect();
        snapshot
    }

    #[test]
    fn times_are_whole_seconds() {
        let since = "2026-11-21T06:00:10.987654321Z".parse().unwrap();
        let told = state(&CameraStatus { since, ..camera(State::Up, Verdict::Ok) });
        assert_eq!(told["since"], "2026-11-21T06:00:10Z");
    }

    #[test]
    fn a_living_cameras_state_says_all_that_is_known() {
        let row = Verdict::Ok.row();
        assert_eq!(
            state(&camera(State::Up, Verdict::Ok)),
            json!({
                "state": "up", "since": "2026-11-21T06:00:10Z", "verdict": "ok", "title": row.title,
                "message": "said", "advice": row.advice, "connected": true, "problem": false, "paused": false,
                "paused_until": null, "checked_at": "2026-11-21T06:00:30Z", "last_good_frame": "2026-11-21T06:00:29Z",
                "failures": 0, "first_frame_ms": 184.0, "fps": 25.0, "kbps": 2048,
            })
        );
    }

    #[test]
    fn of_a_camera_that_nobody_has_looked_at_all_else_is_null() {
        let told = state(&unseen(State::Unknown));
        let known: Vec<&String> =
            told.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key).collect();
        assert_eq!(known, ["failures", "paused", "since", "state"]);
        assert_eq!(told.as_object().unwrap().len(), 16);
    }

    #[test]
    fn a_dead_camera_is_not_connected_and_one_with_a_bad_picture_is() {
        let of = |state: State, verdict| {
            let told = super::state(&camera(state, verdict));
            (told["connected"].clone(), told["problem"].clone())
        };
        let (yes, no, unknown) = (json!(true), json!(false), Value::Null);
        for verdict in crate::camera::LADDER.map(|row| row.verdict) {
            let answers = matches!(verdict, Verdict::Black | Verdict::Frozen | Verdict::Covered);
            assert_eq!(of(State::Down, verdict), (json!(answers), yes.clone()), "{verdict}");
        }
        assert_eq!(of(State::Degraded, Verdict::Slow), (yes.clone(), yes.clone()));
        // One failed check alone does not take a camera down.
        assert_eq!(of(State::Up, Verdict::NoMedia), (yes, no));
        assert_eq!(of(State::Unknown, Verdict::Blind), (unknown.clone(), unknown.clone()));
        assert_eq!(of(State::Paused, Verdict::NoMedia), (unknown.clone(), unknown));
    }

    #[test]
    fn a_camera_that_was_down_when_the_box_stopped_is_told_by_its_open_incident() {
        let of = |verdict| {
            let incident = Incident {
                id: 7,
                camera: "gate".into(),
                state: State::Down,
                verdict,
                message: String::new(),
                from: at(5),
                to: None,
                evidence: None,
            };
            CameraStatus { incident: Some(Arc::new(incident)), ..unseen(State::Down) }
        };
        assert_eq!(state(&of(Verdict::Black))["connected"], true);
        assert_eq!(state(&of(Verdict::NoMedia))["connected"], false);
        assert_eq!(
            attributes(&of(Verdict::Black))["incident"],
            json!({ "from": "2026-11-21T06:00:05Z", "verdict": "black" })
        );
    }

    #[test]
    fn a_pause_is_told_with_its_end() {
        let paused = CameraStatus { paused_until: Some(at(59)), ..camera(State::Paused, Verdict::Ok) };
        let told = state(&paused);
        assert_eq!((&told["paused"], &told["paused_until"]), (&json!(true), &json!("2026-11-21T06:00:59Z")));
    }

    #[test]
    fn attributes_say_what_the_camera_sends_and_how_long_each_rung_took() {
        assert_eq!(
            attributes(&camera(State::Up, Verdict::Ok)),
            json!({
                "name": "Gate", "codec": "h264", "profile": "High 3.1", "width": 1280, "height": 720,
                "first_packet_ms": 41.5, "check_ms": 231.0, "loss_percent": 0.1, "heartbeat_seconds": 15,
                "url": "rtsp://***:***@192.168.1.20:554/live", "rungs": { "resolve": 0.2, "first_packet": 41.7 },
                "incident": null,
            })
        );
        let unseen = attributes(&unseen(State::Unknown));
        assert_eq!((&unseen["codec"], &unseen["rungs"], &unseen["check_ms"]), (&Value::Null, &json!({}), &Value::Null));
    }

    #[test]
    fn the_boxs_figures_are_told_with_their_shares() {
        let mut all = snapshot([
            camera(State::Up, Verdict::Ok),
            CameraStatus { id: "yard".into(), ..camera(State::Paused, Verdict::Ok) },
        ]);
        all.host = BoxStatus {
            name: "pulsebox".into(),
            version: "1.0.0",
            uptime_seconds: 90,
            started_at: Some(at(1)),
            addresses: vec!["192.168.1.5".parse().unwrap(), "fd00::5".parse().unwrap()],
            cpu_percent: 12.34,
            load1: 0.07,
            memory_total: 1000,
            memory_used: 250,
            temperature_c: Some(48.312),
            data_total: 3000,
            data_free: 1000,
            clock: ClockState::Trusted,
            daemon_memory: 40,
            daemon_cpu_percent: 3.3,
            network: true,
            bytes_written: 1_000_000,
            appliance: Some(Appliance {
                slot: Some("B".into()),
                version: Some("1.2.0".into()),
                start: Some(Start {
                    cause: Cause::Rollback,
                    message: Some("It was put back.".into()),
                    undervoltage: Some(true),
                    boot: None,
                }),
                update: Some(appliance::Update {
                    state: UpdateState::RolledBack,
                    percent: None,
                    version: Some("1.3.0".into()),
                    message: Some("gate was missing".into()),
                }),
                ..Appliance::default()
            }),
            ..BoxStatus::default()
        };
        let told = system(&all, Duration::from_secs(2 * 3600));
        assert_eq!(
            told,
            json!({
                "name": "pulsebox", "version": "1.0.0", "overall": "all_up",
                "cameras": { "total": 2, "up": 1, "degraded": 0, "down": 0, "unknown": 0, "paused": 1 },
                "uptime_seconds": 90, "started_at": "2026-11-21T06:00:01Z", "addresses": ["192.168.1.5", "fd00::5"], "address": "192.168.1.5",
                "cpu_percent": 12.3, "load1": 0.07, "temperature_c": 48.3, "memory_percent": 25.0,
                "memory_used": 250, "memory_total": 1000, "data_free": 1000, "data_total": 3000,
                "data_free_percent": 33.3, "bytes_written": 1_000_000, "bytes_written_a_day": 12_000_000,
                "clock_trusted": true, "network": true, "storage_fault": null, "config_fault": null,
                "daemon_memory": 40, "daemon_cpu_percent": 3.3, "image_version": "1.2.0", "slot": "B",
                "last_start": "rollback", "last_start_message": "It was put back.", "undervoltage": true,
                "update": {
                    "title": "Pulsebox", "installed_version": "1.2.0", "latest_version": "1.2.0", "in_progress": false,
                    "update_percentage": null, "release_summary": "gate was missing",
                },
                "update_state": "rolled_back", "update_message": "gate was missing",
            })
        );
    }

    #[test]
    fn what_is_not_sampled_or_known_yet_is_null_and_not_nought() {
        let told = system(&snapshot([]), Duration::from_secs(3599));
        for key in ["address", "temperature_c", "memory_percent", "data_free_percent", "bytes_written_a_day"] {
            assert_eq!(told[key], Value::Null, "{key}");
        }
        assert_eq!((&told["overall"], &told["clock_trusted"]), (&json!("no_network"), &json!(false)));
    }

    #[test]
    fn streampulses_status_is_by_name_and_holds_nothing_of_ours() {
        let down = CameraStatus { id: "b".into(), name: "Höf \"1\"".into(), ..camera(State::Down, Verdict::NoMedia) };
        let new = CameraStatus { id: "c".into(), name: "New".into(), ..unseen(State::Unknown) };
        assert_eq!(
            status(&snapshot([camera(State::Up, Verdict::Ok), down, new])),
            json!({
                "Gate": { "ts": "2026-11-21T06:00:30Z", "status": "ok", "latency": 42, "message": "said" },
                "Höf \"1\"": { "ts": "2026-11-21T06:00:30Z", "status": "fail", "latency": 42, "message": "said" },
                "New": { "ts": "", "status": "", "latency": null, "message": "no data yet" },
            })
        );
    }

    /// The JSON after a topic in the documentation.
    fn example(topic: &str) -> Value {
        let docs = include_str!("../../../../docs/mqtt.md");
        let (_, rest) = docs.split_once(&format!("\n`{topic}`\n\n```json\n")).unwrap_or_else(|| panic!("no {topic}"));
        serde_json::from_str(rest.split("```").next().unwrap()).unwrap()
    }

    #[test]
    fn the_documentations_examples_are_shaped_like_what_is_sent() {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let camera = camera(State::Up, Verdict::Ok);
        assert_eq!(keys(&example("pulsebox/<box>/cam/<id>/state")), keys(&state(&camera)));
        assert_eq!(keys(&example("pulsebox/<box>/cam/<id>/attributes")), keys(&attributes(&camera)));
        let (told, system) = (example("pulsebox/<box>/system"), system(&snapshot([camera]), Duration::ZERO));
        assert_eq!(keys(&told), keys(&system));
        assert_eq!(keys(&told["cameras"]), keys(&system["cameras"]));
    }
}
