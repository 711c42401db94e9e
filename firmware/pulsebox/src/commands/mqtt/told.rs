//! One line for each message: when, from where, and what it means.
//!
//! Whatever a broker sends is shown printable and short: it may come from anybody who may publish there.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use pulsebox::camera::{Codec, Frame};
use pulsebox::mqtt::Heard;
use pulsebox::picture::describe;
use serde_json::Value;
use tokio::time::Instant;

/// The longest text from a message in a line, characters.
const TEXT_MAX: usize = 200;
/// The longest payload that `--raw` prints, characters.
const RAW_MAX: usize = 16 * 1024;

/// Puts messages into words.
#[derive(Debug)]
pub struct Teller {
    /// StreamPulse's topic.
    pub status: String,
    /// Home Assistant's discovery prefix.
    pub prefix: String,
    /// The one box that is watched: its id then stands in no line.
    pub box_id: Option<String>,
    /// Times are told in this zone.
    pub zone: TimeZone,
    /// Payloads as they are.
    pub raw: bool,
}

/// Where a message comes from.
#[derive(Debug, PartialEq)]
enum Source<'a> {
    Camera { of: &'a str, id: &'a str, leaf: &'a str },
    Box { of: &'a str, leaf: &'a str },
    Status,
    Device { object: &'a str },
}

impl Teller {
    /// A line for a message; none for one that is not Pulsebox's.
    pub fn line(&self, heard: &Heard, now: Timestamp) -> Option<String> {
        let source = self.source(&heard.topic)?;
        let kept = if heard.is_retained { "  (kept)" } else { "" };
        let time = now.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string();
        if self.raw {
            return Some(format!("{time}  {}  {}{kept}", text(&heard.topic), raw(&heard.payload)));
        }
        let meaning = match &heard.payload {
            nothing if nothing.is_empty() => "cleared".into(),
            payload => self.meaning(&source, payload, now),
        };
        Some(format!("{time}  {:<24}  {meaning}{kept}", self.short(&source)))
    }

    fn source<'a>(&self, topic: &'a str) -> Option<Source<'a>> {
        if topic == self.status {
            return Some(Source::Status);
        }
        if let Some(rest) = topic.strip_prefix("pulsebox/") {
            let (of, rest) = rest.split_once('/')?;
            let of_camera = rest.strip_prefix("cam/").and_then(|rest| rest.split_once('/'));
            return Some(match of_camera {
                Some((id, leaf)) => Source::Camera { of, id, leaf },
                None => Source::Box { of, leaf: rest },
            });
        }
        let device = topic.strip_prefix(&self.prefix)?.strip_prefix("/device/")?.strip_suffix("/config")?;
        let object = device.strip_prefix("pulsebox_")?;
        let is_watched = self.box_id.as_ref().is_none_or(|id| object.starts_with(id.as_str()));
        is_watched.then_some(Source::Device { object })
    }

    /// `gate`, `gate attributes`, `box system`, `status`, `device gate`; the box's id before it where there may be
    /// several.
    fn short(&self, source: &Source<'_>) -> String {
        let (of, what) = match *source {
            Source::Camera { of, id, leaf: "state" } => (of, id.to_owned()),
            Source::Camera { of, id, leaf } => (of, format!("{id} {leaf}")),
            Source::Box { of, leaf } => (of, format!("box {leaf}")),
            Source::Status => ("", "status".into()),
            Source::Device { object } => match object.split_once('_') {
                Some((of, id)) => (of, format!("device {id}")),
                None => (object, "device box".into()),
            },
        };
        match &self.box_id {
            None if !of.is_empty() => text(&format!("{of} {what}")),
            _ => text(&what),
        }
    }

    fn meaning(&self, source: &Source<'_>, payload: &Bytes, now: Timestamp) -> String {
        if let Source::Camera { leaf: "frame", .. } = source {
            return picture(payload);
        }
        let Ok(words) = std::str::from_utf8(payload) else { return size(payload.len()) };
        let Ok(json @ Value::Object(_)) = serde_json::from_str::<Value>(words) else { return text(words) };
        match source {
            Source::Camera { leaf: "state", .. } => self.state(&json, now),
            Source::Camera { leaf: "attributes", .. } => attributes(&json),
            Source::Box { leaf: "system", .. } => system(&json),
            Source::Camera { leaf: "cmd/result", .. } | Source::Box { leaf: "cmd/result", .. } => result(&json),
            Source::Status => status(&json),
            Source::Device { .. } => device(&json),
            _ => text(words),
        }
    }

    fn state(&self, json: &Value, now: Timestamp) -> String {
        let mut line = word(json, "state");
        if let Some(verdict) = json["verdict"].as_str() {
            let _ = write!(line, "  {}", text(verdict));
        }
        if let Some(message) = json["message"].as_str() {
            let _ = write!(line, "  \"{}\"", text(message));
        }
        if let Some(since) = self.time(&json["since"], now) {
            let _ = write!(line, " since {since}");
        }
        if let Some(until) = self.time(&json["paused_until"], now) {
            let _ = write!(line, " until {until}");
        }
        line
    }

    /// With the date where it is not today's.
    fn time(&self, value: &Value, now: Timestamp) -> Option<String> {
        let at: Timestamp = value.as_str()?.parse().ok()?;
        let (at, now) = (at.to_zoned(self.zone.clone()), now.to_zoned(self.zone.clone()));
        let format = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
        Some(at.strftime(format).to_string())
    }
}

fn attributes(json: &Value) -> String {
    let mut parts = Vec::new();
    if json["codec"].is_string() {
        let profile = json["profile"].as_str().map(|profile| format!(" {}", text(profile))).unwrap_or_default();
        parts.push(format!("{}{profile}", word(json, "codec")));
    }
    if let (Some(width), Some(height)) = (json["width"].as_u64(), json["height"].as_u64()) {
        parts.push(format!("{width}×{height}"));
    }
    for (key, what) in [("first_packet_ms", "first packet"), ("check_ms", "check")] {
        parts.extend(json[key].as_f64().map(|ms| format!("{what} {ms} ms")));
    }
    parts.extend(json["loss_percent"].as_f64().filter(|loss| *loss > 0.0).map(|loss| format!("{loss} % lost")));
    if parts.is_empty() { "nothing known yet".into() } else { parts.join(", ") }
}

fn system(json: &Value) -> String {
    let count = |state: &str| json["cameras"][state].as_u64().unwrap_or(0);
    let mut line = format!("{}  {}", word(json, "overall"), number(count("total"), "camera", "cameras"));
    let mut joint = ": ";
    for state in ["up", "degraded", "down", "unknown", "paused"] {
        if count(state) > 0 {
            let _ = write!(line, "{joint}{} {state}", count(state));
            joint = ", ";
        }
    }
    for (key, what, unit) in
        [("cpu_percent", "CPU ", " %"), ("memory_percent", "memory ", " %"), ("temperature_c", "", " °C")]
    {
        if let Some(figure) = json[key].as_f64() {
            let _ = write!(line, "; {what}{figure}{unit}");
        }
    }
    if let Some(address) = json["address"].as_str() {
        let _ = write!(line, "; {}", text(address));
    }
    line
}

fn result(json: &Value) -> String {
    let command = word(json, "command");
    let id = json["id"].as_str().map(|id| format!(" ({})", text(id))).unwrap_or_default();
    match json["ok"].as_bool() {
        Some(true) => format!("{command}{id}: done"),
        _ => format!("{command}{id}: refused: {}", word(json, "error")),
    }
}

fn status(json: &Value) -> String {
    let cameras = json.as_object().map_or(0, |cameras| cameras.len());
    let fails = json.as_object().into_iter().flat_map(|cameras| cameras.values());
    let fails = fails.filter(|camera| camera["status"] == "fail").count();
    format!("StreamPulse: {}, {fails} fail", number(cameras as u64, "camera", "cameras"))
}

/// Its keys may be Home Assistant's short ones.
fn device(json: &Value) -> String {
    let either = |json: &Value, long: &str, short: &str| {
        let value = &json[long];
        if value.is_null() { json[short].clone() } else { value.clone() }
    };
    let name = either(json, "device", "dev")["name"].as_str().map(text).unwrap_or_default();
    let entities = either(json, "components", "cmps").as_object().map_or(0, |entities| entities.len());
    format!("device \"{name}\", {}", number(entities as u64, "entity", "entities"))
}

fn picture(payload: &Bytes) -> String {
    let frame = Frame {
        codec: Codec::Mjpeg,
        key: true,
        data: payload.clone(),
        at: Duration::ZERO,
        arrived: Instant::now(),
        raw: None,
    };
    let looks = describe(&frame);
    match (looks.width, looks.height) {
        (Some(width), Some(height)) => format!("JPEG {width}×{height}, {}", size(payload.len())),
        _ => format!("no JPEG, {}", size(payload.len())),
    }
}

/// Rounded up: nothing is 0 kB.
fn size(bytes: usize) -> String {
    if bytes < 1000 { format!("{bytes} bytes") } else { format!("{} kB", bytes.div_ceil(1000)) }
}

fn number(n: u64, one: &str, more: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { more })
}

fn word(json: &Value, key: &str) -> String {
    json[key].as_str().map_or_else(|| "?".into(), text)
}

fn raw(payload: &[u8]) -> String {
    std::str::from_utf8(payload).map_or_else(|_| size(payload.len()), |words| printable(words, RAW_MAX))
}

fn text(words: &str) -> String {
    printable(words, TEXT_MAX)
}

/// At most so many characters, and none that moves the cursor or turns the direction of writing.
fn printable(words: &str, most: usize) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown: String = words.chars().take(most).map(|c| if hidden(c) { '\u{fffd}' } else { c }).collect();
    if words.chars().nth(most).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:05:00Z".parse().unwrap()
    }

    fn teller(box_id: Option<&str>) -> Teller {
        Teller {
            status: "streampulse/status".into(),
            prefix: "homeassistant".into(),
            box_id: box_id.map(str::to_owned),
            zone: TimeZone::UTC,
            raw: false,
        }
    }

    fn heard(topic: &str, payload: impl AsRef<[u8]>) -> Heard {
        Heard { topic: topic.into(), payload: Bytes::copy_from_slice(payload.as_ref()), is_retained: false }
    }

    /// Without the time, and blanks as one.
    fn told(topic: &str, payload: impl AsRef<[u8]>) -> String {
        let line = teller(Some("0123abcd")).line(&heard(topic, payload), now()).unwrap();
        let rest = line.strip_prefix("12:05:00  ").unwrap();
        let (subject, meaning) = rest.split_at(rest.char_indices().nth(24).unwrap().0);
        format!("{} | {}", subject.trim_end(), meaning.trim_start())
    }

    #[test]
    fn each_topic_is_told_in_its_own_words() {
        let cases: [(&str, &str, &str); 14] = [
            ("pulsebox/0123abcd/availability", "online", "box availability | online"),
            (
                "pulsebox/0123abcd/cam/gate/state",
                r#"{"state":"down","verdict":"no_media","message":"Sends nothing.","since":"2026-11-21T12:03:11Z"}"#,
                "gate | down  no_media  \"Sends nothing.\" since 12:03:11",
            ),
            (
                "pulsebox/0123abcd/cam/gate/state",
                r#"{"state":"paused","verdict":null,"since":"2026-11-20T12:03:11Z","paused_until":"2026-11-21T13:00:00Z"}"#,
                "gate | paused since 2026-11-20 12:03 until 13:00:00",
            ),
            (
                "pulsebox/0123abcd/cam/gate/attributes",
                r#"{"codec":"h264","profile":"High 3.1","width":1280,"height":720,"first_packet_ms":41.5,"check_ms":231.0,"loss_percent":0.0}"#,
                "gate attributes | h264 High 3.1, 1280×720, first packet 41.5 ms, check 231 ms",
            ),
            ("pulsebox/0123abcd/cam/new/attributes", r#"{"codec":null}"#, "new attributes | nothing known yet"),
            (
                "pulsebox/0123abcd/system",
                r#"{"overall":"camera_down","cameras":{"total":3,"up":2,"down":1},"cpu_percent":12.3,"memory_percent":25.0,"temperature_c":null,"address":"192.168.1.5"}"#,
                "box system | camera_down  3 cameras: 2 up, 1 down; CPU 12.3 %; memory 25 %; 192.168.1.5",
            ),
            ("pulsebox/0123abcd/cam/gate/cmd", "ON", "gate cmd | ON"),
            (
                "pulsebox/0123abcd/cam/gate/cmd/result",
                r#"{"command":"pause","id":"7","ok":true}"#,
                "gate cmd/result | pause (7): done",
            ),
            (
                "pulsebox/0123abcd/cmd/result",
                r#"{"command":null,"id":null,"ok":false,"error":"what; what to do"}"#,
                "box cmd/result | ?: refused: what; what to do",
            ),
            (
                "streampulse/status",
                r#"{"Gate":{"status":"ok"},"Yard":{"status":"fail"}}"#,
                "status | StreamPulse: 2 cameras, 1 fail",
            ),
            (
                "homeassistant/device/pulsebox_0123abcd_gate/config",
                r#"{"dev":{"name":"Gate"},"cmps":{"a":{},"b":{}}}"#,
                "device gate | device \"Gate\", 2 entities",
            ),
            (
                "homeassistant/device/pulsebox_0123abcd/config",
                r#"{"device":{"name":"Box"},"components":{"a":{}}}"#,
                "device box | device \"Box\", 1 entity",
            ),
            ("homeassistant/device/pulsebox_0123abcd_gate/config", "", "device gate | cleared"),
            ("pulsebox/0123abcd/else", "what comes later", "box else | what comes later"),
        ];
        for (topic, payload, expected) in cases {
            assert_eq!(told(topic, payload), expected);
        }
    }

    #[test]
    fn a_picture_is_told_by_its_size_and_junk_by_its_bytes() {
        let jpeg = simcam_jpeg();
        let line = told("pulsebox/0123abcd/cam/gate/frame", &jpeg);
        assert_eq!(line, format!("gate frame | JPEG 64×48, {}", size(jpeg.len())));
        assert_eq!(told("pulsebox/0123abcd/cam/gate/frame", [0xff; 1500]), "gate frame | no JPEG, 2 kB");
        assert_eq!(told("pulsebox/0123abcd/cam/gate/state", [0xff; 15]), "gate | 15 bytes");
    }

    fn simcam_jpeg() -> Vec<u8> {
        let mut jpeg = Vec::new();
        let encoder = jpeg_encoder::Encoder::new(&mut jpeg, 80);
        encoder.encode(&[90; 64 * 48], 64, 48, jpeg_encoder::ColorType::Luma).unwrap();
        jpeg
    }

    #[test]
    fn nothing_that_comes_reaches_the_terminal_as_more_than_text() {
        let evil = "\u{1b}]0;mine\u{7}\r\n\u{9b}2J\u{202e}";
        let state = serde_json::json!({ "state": evil, "verdict": evil, "message": evil.repeat(1000), "since": evil });
        for (topic, payload) in [
            ("pulsebox/0123abcd/cam/gate/state", state.to_string()),
            ("pulsebox/0123abcd/availability", evil.repeat(1000)),
            (&format!("pulsebox/{evil}/cam/{evil}/state"), evil.into()),
            (
                "homeassistant/device/pulsebox_0123abcd/config",
                serde_json::json!({ "dev": { "name": evil } }).to_string(),
            ),
        ] {
            for raw in [false, true] {
                let teller = Teller { raw, ..teller(None) };
                let line = teller.line(&heard(topic, &payload), now()).unwrap();
                assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{line:?}");
                assert!(line.chars().count() < if raw { RAW_MAX + 300 } else { 4 * TEXT_MAX }, "{}", line.len());
            }
        }
    }

    #[test]
    fn devices_of_others_are_left_out_and_of_several_boxes_each_is_named() {
        let other = heard("homeassistant/device/pulsebox_9999ffff/config", "{}");
        assert_eq!(teller(Some("0123abcd")).line(&other, now()), None);
        assert_eq!(teller(None).line(&heard("homeassistant/device/zigbee/config", "{}"), now()), None);
        let line = teller(None).line(&heard("pulsebox/9999ffff/cam/gate/cmd", "check"), now()).unwrap();
        assert_eq!(line, "12:05:00  9999ffff gate cmd         check");
    }

    #[test]
    fn raw_is_the_topic_and_the_payload_and_says_what_was_kept() {
        let teller = Teller { raw: true, ..teller(Some("0123abcd")) };
        let mut message = heard("pulsebox/0123abcd/availability", "online");
        message.is_retained = true;
        assert_eq!(teller.line(&message, now()).unwrap(), "12:05:00  pulsebox/0123abcd/availability  online  (kept)");
    }
}
