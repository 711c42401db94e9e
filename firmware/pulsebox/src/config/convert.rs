//! From checked values to a [`Config`]: defaults, ids, and what can only be said of several values together.

use std::collections::HashSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::check::{self, Fields, Moment};
use super::keys;
use super::machine::Machine;
use super::model::*;
use super::network;
use super::problem::{Errors, Place, Problem, Warning};
use super::{id, yaml};
use crate::camera::url::Scheme;
use crate::camera::{Codec, Transport};

/// A check's deadline where none is given.
const TIMEOUT: Duration = Duration::from_secs(15);

pub(super) fn config(text: &str, machine: Machine) -> Result<(Config, Vec<Warning>), Errors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() as u64 > super::SIZE_LIMIT {
        return Err(too_big().into());
    }
    let mut problems = Vec::new();
    let fields = match yaml::parse(text)? {
        Some(root) => check::fields(&root, &keys::FILE, &mut problems),
        None => Fields::default(),
    };
    let mut warnings = Vec::new();
    let config = file(&fields, machine, &mut problems, &mut warnings);
    warnings.sort();
    if problems.is_empty() { Ok((config, warnings)) } else { Err(Errors::new(problems)) }
}

impl Config {
    /// What an empty file means.
    pub(super) fn nothing(machine: Machine) -> Self {
        file(&Fields::default(), machine, &mut Vec::new(), &mut Vec::new())
    }
}

pub(super) fn too_big() -> Problem {
    Problem::new(
        Place { line: 1, column: 1 },
        format!("the file is larger than {} KiB", super::SIZE_LIMIT / 1024),
        "a configuration is far smaller: check that this is the right file",
    )
}

/// The id of each entry of `streams:`, in order, given or made, whatever else is wrong with the entry.
pub(super) fn stream_ids(root: &yaml::Node) -> Vec<String> {
    let fields = check::fields(root, &keys::FILE, &mut Vec::new());
    ids(fields.list("streams"), &mut Vec::new())
}

fn file(fields: &Fields, machine: Machine, problems: &mut Vec<Problem>, warnings: &mut Vec<Warning>) -> Config {
    let heartbeat = seconds(fields, "heartbeat_seconds").unwrap_or(Duration::from_secs(15));
    let timezone = fields.zone("timezone").unwrap_or(TimeZone::UTC);
    let (cameras, removed) = cameras(fields.list("streams"), (heartbeat, &timezone), problems, warnings);
    let mut leds = leds(fields.map("leds"));
    machine.wire(&mut leds, &cameras);
    let config = Config {
        heartbeat,
        timezone,
        checks_at_once: fields.u64("checks_at_once").map_or(64, whole),
        cameras,
        removed,
        mqtt: mqtt(fields.map("mqtt"), problems),
        leds,
        web: web(fields.map("web"), machine, problems),
        history: history(fields.map("history")),
        mediamtx: mediamtx(fields.list("mediamtx"), problems),
        network: network::network(fields.map("network"), fields.given("network").is_some(), problems),
    };
    lines(fields, problems);
    config
}

fn seconds(fields: &Fields, key: &str) -> Option<Duration> {
    fields.u64(key).map(Duration::from_secs)
}

/// The table's ranges fit every number; a value that would not is cut rather than wrapped.
fn whole<T: TryFrom<u64> + Bounded>(n: u64) -> T {
    T::try_from(n).unwrap_or(T::LARGEST)
}

trait Bounded {
    const LARGEST: Self;
}
macro_rules! bounded {
    ($($type:ty)*) => { $(impl Bounded for $type { const LARGEST: Self = <$type>::MAX; })* };
}
bounded!(u8 u16 u32 usize);

/// The cameras that are watched, and those that were removed.
fn cameras(
    list: &[Fields],
    file: (Duration, &TimeZone),
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Warning>,
) -> (Vec<CameraConfig>, Vec<CameraConfig>) {
    let ids = ids(list, problems);
    let mut names: Vec<(String, Place)> = Vec::new();
    let (mut cameras, mut removed) = (Vec::with_capacity(list.len()), Vec::new());
    for (fields, id) in list.iter().zip(ids) {
        let (Some(name), Some(url)) = (fields.text("name"), fields.camera("url")) else { continue };
        if is_removed(fields) {
            removed.push(camera(fields, id, name, url, file, problems));
            continue;
        }
        if let Some((_, first)) = names.iter().find(|(other, _)| *other == name) {
            let what = format!("another camera has this name, in line {}", first.line);
            warnings.push(Problem::new(fields.place("name"), what, "give them different names to tell them apart"));
        }
        names.push((name.clone(), fields.place("name")));
        let camera = camera(fields, id, name, url, file, problems);
        doubtful(fields, &camera, warnings);
        cameras.push(camera);
    }
    (cameras, removed)
}

fn is_removed(fields: &Fields) -> bool {
    fields.bool("removed").unwrap_or(false)
}

/// A day and time, in the file's time zone where it says no offset. One that the zone's clocks pass over
/// or strike twice is the one that jiff finds compatible: the later, then the earlier.
fn moment(fields: &Fields, key: &str, zone: &TimeZone) -> Option<Timestamp> {
    match fields.moment(key)? {
        Moment::At(at) => Some(at),
        Moment::Local(local) => zone.to_timestamp(local).ok(),
    }
}

/// Given ids first, so that a made one never takes a given one's place.
fn ids(list: &[Fields], problems: &mut Vec<Problem>) -> Vec<String> {
    let mut taken: HashSet<String> = HashSet::new();
    for fields in list {
        if let Some(id) = fields.text("id")
            && !taken.insert(id.clone())
        {
            let what = format!("another camera has the id `{id}`");
            problems.push(Problem::new(fields.place("id"), what, "give each camera its own"));
        }
    }
    let mut made = Vec::with_capacity(list.len());
    for (n, fields) in list.iter().enumerate() {
        let id = fields.text("id").unwrap_or_else(|| {
            let name = fields.text("name").unwrap_or_default();
            id::free_id(&name, n + 1, |id| taken.contains(id))
        });
        taken.insert(id.clone());
        made.push(id);
    }
    made
}

fn camera(
    fields: &Fields,
    id: String,
    name: String,
    url: crate::camera::CameraUrl,
    (heartbeat, zone): (Duration, &TimeZone),
    problems: &mut Vec<Problem>,
) -> CameraConfig {
    CameraConfig {
        id,
        name,
        sub_url: fields.camera("sub_url").map(|sub| sub.with_credentials_of(&url)),
        url,
        transport: match fields.text("transport").as_deref() {
            Some("udp") => Transport::Udp,
            _ => Transport::Tcp,
        },
        tls_insecure: fields.bool("tls_insecure").unwrap_or(false),
        heartbeat: seconds(fields, "heartbeat_seconds").unwrap_or(heartbeat),
        timeout: seconds(fields, "timeout_seconds").unwrap_or(TIMEOUT),
        expect: expect(fields.map("expect")),
        alarm: alarm(fields.map("alarm"), problems),
        led: fields.u64("led").map(whole),
        paused: fields.bool("paused").unwrap_or(false),
        paused_until: moment(fields, "paused_until", zone),
    }
}

fn expect(fields: &Fields) -> Expect {
    let codec = fields.text("codec");
    Expect {
        min_fps: fields.f64("min_fps").map(|fps| fps as f32),
        codec: [Codec::H264, Codec::H265, Codec::Mjpeg, Codec::Raw]
            .into_iter()
            .find(|known| codec.as_deref() == Some(known.name())),
        width: fields.u64("width").map(whole),
        height: fields.u64("height").map(whole),
    }
}

fn alarm(fields: &Fields, problems: &mut Vec<Problem>) -> Alarm {
    let default = Alarm::default();
    let decimal = |key, default: f32| fields.f64(key).map_or(default, |n| n as f32);
    if fields.u64("frozen_checks") == Some(1) {
        let what = "`frozen_checks` is `1`, and one picture alone cannot be the same";
        problems.push(Problem::new(fields.place("frozen_checks"), what, "write 2 or more, or 0 to judge no freeze"));
    }
    Alarm {
        failures: fields.u64("failures").map_or(default.failures, whole),
        frozen_checks: fields.u64("frozen_checks").map_or(default.frozen_checks, whole),
        frozen_for: fields.u64("frozen_seconds").map_or(default.frozen_for, Duration::from_secs),
        frozen_area_percent: decimal("frozen_area_percent", default.frozen_area_percent),
        black: fields.bool("black").unwrap_or(default.black),
        black_luma: fields.u64("black_luma").map_or(default.black_luma, whole),
        covered: fields.bool("covered").unwrap_or(default.covered),
        covered_detail: decimal("covered_detail", default.covered_detail),
        slow: fields.f64("slow_seconds").map_or(default.slow, Duration::from_secs_f64),
        loss_percent: decimal("loss_percent", default.loss_percent),
        changed: fields.bool("changed").unwrap_or(default.changed),
    }
}

/// What is allowed and yet hardly meant.
fn doubtful(fields: &Fields, camera: &CameraConfig, warnings: &mut Vec<Warning>) {
    let mut warn = |place: Option<Place>, what: String, advice: &str| {
        if let Some(place) = place {
            warnings.push(Problem::new(place, what, advice));
        }
    };
    if camera.timeout > 4 * camera.heartbeat {
        let what = format!(
            "a check may take {} s, more than four heartbeats of {} s: while the camera hangs it is looked at that seldom",
            camera.timeout.as_secs(),
            camera.heartbeat.as_secs()
        );
        warn(fields.given("timeout_seconds"), what, "shorten `timeout_seconds`, unless the camera needs it");
    }
    let slow = fields.map("alarm").given("slow_seconds");
    if camera.alarm.slow >= camera.timeout {
        let what = format!("a check ends after {} s, so that nothing is ever `slow`", camera.timeout.as_secs());
        warn(slow, what, "shorten `slow_seconds` or raise `timeout_seconds`");
    }
    if !matches!(camera.url.scheme(), Scheme::Rtsp | Scheme::Rtsps) {
        warn(fields.given("transport"), "`transport` is for RTSP cameras only".into(), "remove it");
    }
    if !camera.url.scheme().is_tls() && camera.tls_insecure {
        let what = "`tls_insecure` does nothing: this URL is not encrypted".into();
        warn(fields.given("tls_insecure"), what, "remove it, or write rtsps:// or https://");
    }
}

fn mqtt(fields: &Fields, problems: &mut Vec<Problem>) -> Mqtt {
    let default = Mqtt::default();
    let text = |key, default: String| fields.text(key).unwrap_or(default);
    let flag = |key, default| fields.bool(key).unwrap_or(default);
    let port = |key, default| fields.u64(key).map_or(default, whole);
    let home_assistant = fields.map("home_assistant");
    for (fields, key) in [(fields, "topic"), (home_assistant, "discovery_prefix")] {
        if fields.text(key).is_some_and(|topic| topic.contains(['+', '#'])) {
            let what = format!("`{key}` holds a wildcard (`+` or `#`), and nothing can be sent to one");
            problems.push(Problem::new(fields.place(key), what, "write a topic such as streampulse/status"));
        }
    }
    let mqtt = Mqtt {
        enabled: flag("enabled", default.enabled),
        host: text("host", default.host),
        port: port("port", default.port),
        ws_port: port("ws_port", default.ws_port),
        tls_port: port("tls_port", default.tls_port),
        tls_ws_port: port("tls_ws_port", default.tls_ws_port),
        use_tls: flag("use_tls", default.use_tls),
        use_websocket: flag("use_websocket", default.use_websocket),
        tls_insecure: flag("tls_insecure", default.tls_insecure),
        ca_file: text("ca_file", default.ca_file),
        client_certificate: text("client_certificate", default.client_certificate),
        client_key: text("client_key", default.client_key),
        username: text("username", default.username),
        password: text("password", default.password),
        client_id: text("client_id", default.client_id),
        topic: text("topic", default.topic),
        qos: fields.u64("qos").map_or(default.qos, whole),
        retain: flag("retain", default.retain),
        interval: seconds(fields, "interval_seconds").unwrap_or(default.interval),
        pictures: flag("pictures", default.pictures),
        commands: flag("commands", default.commands),
        home_assistant: HomeAssistant {
            enabled: home_assistant.bool("enabled").unwrap_or(default.home_assistant.enabled),
            discovery_prefix: home_assistant
                .text("discovery_prefix")
                .unwrap_or(default.home_assistant.discovery_prefix),
        },
    };
    for (there, missing) in [("client_certificate", "client_key"), ("client_key", "client_certificate")] {
        let is_empty = |key| fields.text(key).is_none_or(|path| path.is_empty());
        if !is_empty(there) && is_empty(missing) {
            let what = format!("`{there}` is given without `{missing}`, and each is of no use without the other");
            problems.push(Problem::new(fields.place(there), what, format!("give `{missing}` too, or neither")));
        }
    }
    let refused = fields.given("host").is_some() && fields.text("host").is_none();
    if mqtt.enabled && mqtt.host.is_empty() && !refused {
        let what = "MQTT is enabled, and its `host` is missing";
        problems.push(Problem::new(fields.place("enabled"), what, "write the broker's name or address into `host`"));
    }
    mqtt
}

fn leds(fields: &Fields) -> Leds {
    let default = Leds::default();
    Leds {
        green: fields.u64("green").map(whole),
        red: fields.u64("red").map(whole),
        act: fields.bool("act").unwrap_or(default.act),
        chip: fields.text("chip"),
        active_low: fields.bool("active_low").unwrap_or(default.active_low),
        brightness: fields.u64("brightness").map_or(default.brightness, whole),
        quiet_hours: fields.hours("quiet_hours"),
    }
}

/// One GPIO line drives one LED.
fn lines(fields: &Fields, problems: &mut Vec<Problem>) {
    let mut used: Vec<(u64, Place)> = Vec::new();
    let leds = fields.map("leds");
    let streams = fields.list("streams").iter().filter(|stream| !is_removed(stream)).map(|stream| (stream, "led"));
    let all = [(leds, "green"), (leds, "red")].into_iter().chain(streams);
    let mut all: Vec<(u64, Place)> = all.filter_map(|(f, key)| Some((f.u64(key)?, f.place(key)))).collect();
    all.sort_by_key(|(_, place)| *place);
    for (line, place) in all {
        match used.iter().find(|(other, _)| *other == line) {
            Some((_, first)) => {
                let what = format!("GPIO line {line} has another LED already, in line {} of this file", first.line);
                problems.push(Problem::new(place, what, "choose another GPIO line"));
            }
            None => used.push((line, place)),
        }
    }
}

fn web(fields: &Fields, machine: Machine, problems: &mut Vec<Problem>) -> Web {
    let default = Web::default();
    Web {
        listen: fields.address("listen").unwrap_or(machine.listen()),
        hosts: fields.texts("hosts").to_vec(),
        cors_origins: fields.texts("cors_origins").to_vec(),
        tls: tls(fields.map("tls"), problems),
        session_days: fields.u64("session_days").map_or(default.session_days, whole),
        event_streams: fields.u64("event_streams").map_or(default.event_streams, whole),
        sockets: fields.u64("sockets").map_or(default.sockets, whole),
        mjpeg_streams: fields.u64("mjpeg_streams").map_or(default.mjpeg_streams, whole),
    }
}

fn tls(fields: &Fields, problems: &mut Vec<Problem>) -> Option<WebTls> {
    let self_made = fields.bool("self_made").unwrap_or(false);
    match (fields.text("certificate"), fields.text("key")) {
        (None, None) => self_made.then_some(WebTls::SelfMade),
        (Some(_), Some(_)) if self_made => {
            let what = "a certificate is given, and one shall be made as well";
            problems.push(Problem::new(fields.place("self_made"), what, "remove one of the two"));
            None
        }
        (Some(certificate), Some(key)) => Some(WebTls::Files { certificate: certificate.into(), key: key.into() }),
        (certificate, _) => {
            let (there, missing) = if certificate.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            let what = format!("`{there}` is given without `{missing}`");
            problems.push(Problem::new(fields.place(there), what, format!("add `{missing}: FILE`")));
            None
        }
    }
}

fn history(fields: &Fields) -> HistoryConfig {
    let default = HistoryConfig::default();
    HistoryConfig {
        checks_days: fields.u64("checks_days").map_or(default.checks_days, whole),
        hours_days: fields.u64("hours_days").map_or(default.hours_days, whole),
    }
}

fn mediamtx(list: &[Fields], problems: &mut Vec<Problem>) -> Vec<MediaMtx> {
    let mut servers: Vec<MediaMtx> = Vec::with_capacity(list.len());
    for fields in list {
        let (Some(name), Some(url)) = (fields.text("name"), fields.web("url")) else { continue };
        if servers.iter().any(|other| other.name == name) {
            let place = fields.place("name");
            problems.push(Problem::new(place, "another MediaMTX server has this name", "give each its own"));
        }
        let interval = seconds(fields, "interval_seconds").unwrap_or(Duration::from_secs(2));
        servers.push(MediaMtx { name, url, interval });
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::keys::Absent;
    use super::*;

    /// A file that writes every default of the table out, for the test that holds table and code together.
    fn written_defaults(section: &keys::Section, indent: &str) -> String {
        let mut out = String::new();
        for key in section.keys {
            match (key.absent, key.kind) {
                (Absent::Is(value), _) => out += &format!("{indent}{}: {value}\n", key.name),
                (Absent::Required, _) => {
                    let value = match key.name {
                        "url" => "http://10.0.0.1/",
                        "address" => "10.0.0.2/8",
                        _ => "x",
                    };
                    out += &format!("{indent}{}: {value}\n", key.name);
                }
                (_, keys::Kind::Map(inner)) => {
                    let inner_text = written_defaults(inner, &format!("{indent}  "));
                    if inner_text.lines().any(|l| l.contains(": ")) {
                        out += &format!("{indent}{}:\n{inner_text}", key.name);
                    }
                }
                (_, keys::Kind::List(inner, _)) => {
                    let inner_text = written_defaults(inner, &format!("{indent}    "));
                    out += &format!("{indent}{}:\n{indent}  -\n{inner_text}", key.name);
                }
                _ => {}
            }
        }
        out
    }

    #[test]
    fn the_tables_defaults_are_the_ones_in_force() {
        let (written, _) = config(&written_defaults(&keys::FILE, ""), Machine::Any).unwrap();
        let short = "streams: [{ name: x, url: 'http://10.0.0.1/' }]\nmediamtx: [{ name: x, url: 'http://10.0.0.1/' }]\n\
                     network: { wifi: { ssid: x }, ethernet: { address: 10.0.0.2/8 } }";
        assert_eq!(written, config(short, Machine::Any).unwrap().0);
    }
}
