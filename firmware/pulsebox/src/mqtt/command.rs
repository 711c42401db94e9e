//! Orders that come over the broker, checked and carried out as if they came from the page.
//!
//! A payload is a bare word (`check`; Home Assistant's switch says `ON` and `OFF`) or a JSON object. Whatever it
//! is, there is one answer for `cmd/result`, and nothing that came is quoted in it but shortened and printable.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout};

use super::Means;
use crate::appliance::{NotAsked, Room};
use crate::config::edit::{self, Change, set_stream_keys};
use crate::monitor::Ask;
use crate::monitor::board::State;

/// The largest payload, bytes.
pub(super) const PAYLOAD_MAX: usize = 4096;
/// The longest `id`, characters.
const ID_MAX: usize = 64;
/// How long a pause may be told to last, seconds: a minute to a year.
const PAUSE_SECONDS: std::ops::RangeInclusive<i64> = 60..=31_536_000;
/// An order is carried out within this time, or it has failed: a disk may hang.
const DEADLINE: Duration = Duration::from_secs(10);
/// How much of what came is quoted, characters.
const QUOTED: usize = 40;

/// Does what a message to a `cmd` topic asks; the answer for `cmd/result`. `camera` none: the box's topic.
/// Takes 10 s at most. Never fails: what cannot be understood or done is answered with `ok: false` and why, with the
/// `command` and the `id` that it came with, where they can be read.
pub async fn obey(means: &Means, camera: Option<&str>, payload: &[u8], is_retained: bool) -> Value {
    if payload.len() > PAYLOAD_MAX {
        return too_large(payload.len());
    }
    let Read { command, id, order } = Read::of(payload);
    let done = match order {
        Err(why) => Err(why),
        Ok(_) if is_retained => {
            Err("this message is retained, and so would be carried out at every connection; clear \
                                     it (an empty retained message to this topic) and send it without `retain`"
                .into())
        }
        Ok(order) => timeout(DEADLINE, carry_out(means, camera, &order)).await.unwrap_or_else(|_| {
            Err(format!("not done within {} s; look at the box's load and disk, then try again", DEADLINE.as_secs()))
        }),
    };
    answer(command.as_deref(), &id, done)
}

/// The answer to an order of more than [`PAYLOAD_MAX`] bytes.
pub(super) fn too_large(bytes: usize) -> Value {
    answer(None, &Value::Null, Err(format!("the message has {bytes} bytes; send {PAYLOAD_MAX} at most")))
}

fn answer(command: Option<&str>, id: &Value, done: Result<(), String>) -> Value {
    match done {
        Ok(()) => json!({ "command": command, "id": id, "ok": true }),
        Err(why) => json!({ "command": command, "id": id, "ok": false, "error": why }),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Check,
    Pause,
    Resume,
    Identify,
    Install,
    Restart,
}

impl Wish {
    fn named(word: &str) -> Option<Self> {
        match word {
            "check" => Some(Self::Check),
            "pause" | "ON" => Some(Self::Pause),
            "resume" | "OFF" => Some(Self::Resume),
            "identify" => Some(Self::Identify),
            "install" => Some(Self::Install),
            "restart" => Some(Self::Restart),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Identify => "identify",
            Self::Install => "install",
            Self::Restart => "restart",
        }
    }
}

/// A payload, as far as it is understood.
#[derive(Debug, PartialEq)]
struct Read {
    /// Its command by its name; one that there is not, short and printable.
    command: Option<String>,
    /// As it came: text, or a number; null where it has none.
    id: Value,
    order: Result<Order, String>,
}

/// A payload that is understood.
#[derive(Debug, PartialEq)]
struct Order {
    wish: Wish,
    /// How long a pause lasts; none: until it is ended.
    seconds: Option<i64>,
}

impl Read {
    fn of(payload: &[u8]) -> Self {
        match parsed(payload) {
            Ok(Payload::Word(word)) => {
                let order = wish(&word).map(|wish| Order { wish, seconds: None });
                Self { command: Some(spelt(&word)), id: Value::Null, order }
            }
            Ok(Payload::Object(object)) => {
                let id = id(&object);
                Self {
                    command: object.get("command").and_then(Value::as_str).map(spelt),
                    id: id.clone().unwrap_or_default(),
                    order: id.and_then(|_| Order::of(&object)),
                }
            }
            Err(why) => Self { command: None, id: Value::Null, order: Err(why) },
        }
    }
}

enum Payload {
    Word(String),
    Object(Map<String, Value>),
}

fn parsed(payload: &[u8]) -> Result<Payload, String> {
    let text = std::str::from_utf8(payload)
        .map_err(|_| "the message is not text in UTF-8; send a word like `check`, or JSON".to_owned())?
        .trim();
    if text.is_empty() {
        return Err("the message is empty; send a word like `check`, or JSON".into());
    }
    if !text.starts_with('{') {
        return Ok(Payload::Word(text.to_owned()));
    }
    let object = serde_json::from_str(text)
        .map_err(|error| format!("the message is not JSON ({error}); send {{\"command\":\"check\"}}"))?;
    Ok(Payload::Object(object))
}

fn id(object: &Map<String, Value>) -> Result<Value, String> {
    match object.get("id") {
        None => Ok(Value::Null),
        Some(id @ (Value::Null | Value::Number(_))) => Ok(id.clone()),
        Some(Value::String(id)) if id.chars().count() <= ID_MAX => Ok(id.as_str().into()),
        Some(_) => {
            let what = "`id` is neither a number nor text";
            Err(format!("{what} of at most {ID_MAX} characters; shorten it or leave it out"))
        }
    }
}

impl Order {
    fn of(object: &Map<String, Value>) -> Result<Self, String> {
        if let Some(unknown) = object.keys().find(|key| !["command", "seconds", "id"].contains(&key.as_str())) {
            return Err(format!("`{}` is not known; there are `command`, `seconds` and `id`", quoted(unknown)));
        }
        let wish = match object.get("command") {
            Some(Value::String(word)) => wish(word)?,
            Some(_) => return Err("`command` is not text; write a word like \"check\"".into()),
            None => return Err("`command` is missing; send {\"command\":\"check\"}".into()),
        };
        let seconds = match object.get("seconds") {
            None | Some(Value::Null) => None,
            Some(_) if wish != Wish::Pause => return Err("`seconds` is for `pause`; leave it out".into()),
            Some(seconds) => Some(seconds.as_i64().filter(|s| PAUSE_SECONDS.contains(s)).ok_or_else(|| {
                let (least, most) = (PAUSE_SECONDS.start(), PAUSE_SECONDS.end());
                format!("`seconds` is not a whole number from {least} to {most}; leave it out to pause without an end")
            })?),
        };
        Ok(Self { wish, seconds })
    }
}

/// `ON` is told as `pause`.
fn spelt(word: &str) -> String {
    Wish::named(word).map_or_else(|| quoted(word), |wish| wish.name().to_owned())
}

fn wish(word: &str) -> Result<Wish, String> {
    Wish::named(word).ok_or_else(|| {
        format!(
            "`{}` is not a command; a camera knows check, pause and resume, the box identify and check, an appliance \
             install and restart",
            quoted(word)
        )
    })
}

/// A piece of what came, short and printable.
fn quoted(text: &str) -> String {
    text.chars().take(QUOTED).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

async fn carry_out(means: &Means, camera: Option<&str>, order: &Order) -> Result<(), String> {
    match (order.wish, camera) {
        (Wish::Identify, None) => {
            means.board.identify(means.clock.now());
            Ok(())
        }
        (Wish::Identify | Wish::Install | Wish::Restart, Some(_)) => {
            Err(format!("`{}` is for the box; send it to pulsebox/{}/cmd", order.wish.name(), means.box_id))
        }
        (Wish::Install, None) => appliance(means)?.install().await.map_err(not_asked),
        (Wish::Restart, None) => appliance(means)?.restart().await.map_err(not_asked),
        (Wish::Check, None) => check_all(means).await,
        (Wish::Check, Some(id)) => check(means, id),
        (Wish::Pause, Some(id)) => {
            let until = order.seconds.and_then(|seconds| ends(means.clock.now(), seconds));
            set(means, id, edit::pause(until.as_deref())).await?;
            let end = until.map(|until| format!(" until {until}")).unwrap_or_default();
            log::info!("camera {id} is paused{end}, as ordered over MQTT");
            Ok(())
        }
        (Wish::Resume, Some(id)) => {
            set(means, id, edit::resume()).await?;
            log::info!("camera {id} is resumed, as ordered over MQTT");
            Ok(())
        }
        (Wish::Pause | Wish::Resume, None) => {
            Err(format!("`{}` is for a camera; send it to pulsebox/{}/cam/<id>/cmd", order.wish.name(), means.box_id))
        }
    }
}

fn appliance(means: &Means) -> Result<&Room, String> {
    means.appliance.as_ref().ok_or_else(|| "this machine is no Pulsebox appliance; use the system's own tools".into())
}

fn not_asked(why: NotAsked) -> String {
    match why {
        NotAsked::Busy(why) => format!("{why}; wait until it has ended"),
        NotAsked::NothingWaits => format!("{why}; upload one on the page"),
        NotAsked::Unheard { source, .. } => {
            format!("the box's own jobs cannot be asked ({source}); try again in a minute")
        }
    }
}

/// When a pause of so many seconds ends, to the second, as the file writes it.
fn ends(now: Timestamp, seconds: i64) -> Option<String> {
    let until = now.checked_add(SignedDuration::from_secs(seconds)).ok()?;
    Some(Timestamp::from_second(until.as_second()).ok()?.to_string())
}

fn check(means: &Means, id: &str) -> Result<(), String> {
    let camera = means.board.camera(id).ok_or_else(|| unknown(id))?;
    if camera.state == State::Paused {
        return Err(format!("`{id}` is paused; send `resume` first"));
    }
    let busy = || "the monitor has too much to do; try again in a moment".to_owned();
    means.orders.ask(id, Ask::Check).then_some(()).ok_or_else(busy)
}

/// Every camera that is not paused; there may be more of them than orders may wait.
async fn check_all(means: &Means) -> Result<(), String> {
    let until = Instant::now() + DEADLINE / 2;
    let ids: Vec<String> = {
        let now = means.board.now();
        now.in_order().filter(|camera| camera.state != State::Paused).map(|camera| camera.id.clone()).collect()
    };
    for (asked, id) in ids.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        if !means.orders.ask_within(id, Ask::Check, left).await {
            let all = ids.len();
            return Err(format!(
                "the monitor has too much to do and checks {asked} of {all} cameras; try again in a moment"
            ));
        }
    }
    Ok(())
}

/// Changes the file, as the page does when it pauses a camera; not where nothing would be another: cards wear.
async fn set(means: &Means, id: &str, keys: [(&'static str, Value); 2]) -> Result<(), String> {
    let config = means.config.current();
    let camera = config.camera(id).ok_or_else(|| unknown(id))?;
    let is_so = |(key, value): &(&str, Value)| match *key {
        "paused" => value.as_bool().unwrap_or_default() == camera.paused,
        _ => value.is_null() && camera.paused_until.is_none(),
    };
    if keys.iter().all(is_so) {
        return Ok(());
    }
    let (of, changes) = (id.to_owned(), keys.map(|(key, value)| Change::new(key, value)));
    means.config.change(move |text| set_stream_keys(text, &of, &changes)).await.map_err(|error| error.to_string())
}

fn unknown(id: &str) -> String {
    format!("there is no camera `{}`; look at the list of cameras for its id", quoted(id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use tokio_util::sync::{CancellationToken, DropGuard};
    use tokio_util::task::AbortOnDropHandle;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Store;
    use crate::host::Interfaces;
    use crate::monitor::board::{Board, Event, Snapshot};
    use crate::monitor::look::RealEye;
    use crate::monitor::{Before, Monitor};

    const PATIENCE: Duration = Duration::from_secs(20);

    /// A box of three cameras behind closed ports, whose monitor runs.
    struct Running {
        means: Means,
        folder: tempfile::TempDir,
        _monitor: AbortOnDropHandle<()>,
        _stop: DropGuard,
    }

    impl Running {
        async fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("pulsebox.yaml");
            let stream = |id: &str| {
                let url = format!("rtsp://u:geheim@127.0.0.1:1/{id}");
                format!("  - {{ name: {id}, url: \"{url}\", alarm: {{ failures: 1 }} }}   # mine\n")
            };
            let text = format!("heartbeat_seconds: 86400\nstreams:\n{}{}{}", stream("a"), stream("b"), stream("c"));
            std::fs::write(&file, text).unwrap();
            let config = Arc::new(Store::load(&file).unwrap());
            let (board, clock) = (Board::default(), Clock::turned("2026-11-21T06:00:00.5Z".parse().unwrap()));
            board.change_host(|host| host.network = true);
            let monitors = crate::monitor::Means {
                board: board.clone(),
                clock: clock.clone(),
                eye: Arc::new(RealEye::default()),
                link: Arc::new(Interfaces::default()),
            };
            let (monitor, orders) = Monitor::new(monitors, Before::default());
            let stop = CancellationToken::new();
            let task = tokio::spawn(monitor.run(config.watch(), stop.clone()));
            let mut watch = board.watch();
            // Down at the first check, and the next one is a day away: what is checked now was asked for.
            let down = |now: &Snapshot| {
                now.cameras.len() == 3 && now.cameras.values().all(|camera| camera.state == State::Down)
            };
            timeout(PATIENCE, watch.wait_for(down)).await.unwrap().unwrap();
            let means = Means { board, config, orders, clock, box_id: "0123abcd".into(), appliance: None };
            Self { means, folder, _monitor: AbortOnDropHandle::new(task), _stop: stop.drop_guard() }
        }

        async fn send(&self, camera: Option<&str>, payload: impl AsRef<[u8]>) -> Value {
            obey(&self.means, camera, payload.as_ref(), false).await
        }

        /// Waits until the board shows the camera so.
        async fn shown(&self, id: &str, is_so: impl Fn(State, Option<Timestamp>) -> bool) {
            let mut watch = self.means.board.watch();
            let so = watch.wait_for(|now| is_so(now.cameras[id].state, now.cameras[id].paused_until));
            timeout(PATIENCE, so).await.unwrap().unwrap();
        }

        fn file(&self) -> String {
            std::fs::read_to_string(self.folder.path().join("pulsebox.yaml")).unwrap()
        }
    }

    /// The same box as an appliance, with a fact of its update; and where its asks are made.
    fn as_appliance(running: &mut Running, update: &str) -> std::path::PathBuf {
        let run = running.folder.path().join("run");
        std::fs::create_dir_all(run.join("box")).unwrap();
        std::fs::write(run.join("box/update"), update).unwrap();
        let Means { board, config, .. } = &running.means;
        let places = crate::appliance::Places::new(&run, running.folder.path());
        let means = crate::appliance::Means { board: board.clone(), config: config.watch(), places };
        running.means.appliance = Some(Room::open(means));
        run.join("pulsebox/ask")
    }

    #[tokio::test]
    async fn an_appliance_installs_the_update_that_waits_and_restarts() {
        let mut running = Running::start().await;
        for order in ["install", "restart"] {
            let told = running.send(None, order).await;
            assert!(refused(&told).contains("no Pulsebox appliance"), "{told}");
        }
        let asks = as_appliance(&mut running, "state=none\n");
        assert!(refused(&running.send(None, "install").await).contains("no update waits"));
        assert!(refused(&running.send(Some("a"), "restart").await).contains("pulsebox/0123abcd/cmd"));
        assert!(!asks.exists());
        assert_eq!(running.send(None, "restart").await, json!({ "command": "restart", "id": null, "ok": true }));
        assert!(asks.join("restart").exists());
        as_appliance(&mut running, "state=writing\npercent=3\n");
        for order in ["install", "restart"] {
            assert!(refused(&running.send(None, order).await).contains("being written"));
        }
        as_appliance(&mut running, "state=waiting\nversion=2\n");
        assert_eq!(running.send(None, "install").await["ok"], true);
        assert!(asks.join("install").exists());
    }

    fn refused(answer: &Value) -> &str {
        assert_eq!(answer["ok"], false, "{answer}");
        let why = answer["error"].as_str().unwrap();
        assert!(why.contains("; ") && why.len() < 300, "what, and what to do: {why}");
        why
    }

    #[tokio::test]
    async fn a_camera_is_checked_now() {
        let running = Running::start().await;
        let mut events = running.means.board.events();
        let told = running.send(Some("b"), "check").await;
        assert_eq!(told, json!({ "command": "check", "id": null, "ok": true }));
        let checked = async {
            loop {
                if let Event::Checked { camera, .. } = events.recv().await.unwrap()
                    && camera == "b"
                {
                    return;
                }
            }
        };
        timeout(PATIENCE, checked).await.unwrap();
    }

    #[tokio::test]
    async fn the_box_checks_every_camera_but_paused_ones() {
        let running = Running::start().await;
        assert_eq!(running.send(Some("c"), "pause").await["ok"], true);
        running.shown("c", |state, _| state == State::Paused).await;
        let mut events = running.means.board.events();
        assert_eq!(running.send(None, "check").await, json!({ "command": "check", "id": null, "ok": true }));
        let mut checked = BTreeSet::new();
        while checked.len() < 2 {
            if let Event::Checked { camera, .. } = timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
                checked.insert(camera);
            }
        }
        assert_eq!(checked, ["a".to_owned(), "b".to_owned()].into());
        assert!(refused(&running.send(Some("c"), "check").await).contains("`c` is paused"));
    }

    #[tokio::test]
    async fn a_pause_is_a_change_of_the_file_and_ends_as_it_began() {
        let running = Running::start().await;
        let before = running.file();
        let told = running.send(Some("a"), r#"{"command":"pause","seconds":3600,"id":"x1"}"#).await;
        assert_eq!(told, json!({ "command": "pause", "id": "x1", "ok": true }));
        assert!(running.file().contains("paused_until: \"2026-11-21T07:00:0"), "{}", running.file());
        running.shown("a", |state, until| state == State::Paused && until.is_some()).await;
        // The last word counts: from an hour to no end, and back.
        assert_eq!(running.send(Some("a"), "ON").await["command"], "pause");
        running.shown("a", |state, until| state == State::Paused && until.is_none()).await;
        running.send(Some("a"), r#"{"command":"pause","seconds":60}"#).await;
        running.shown("a", |state, until| state == State::Paused && until.is_some()).await;
        assert_eq!(running.send(Some("a"), "OFF").await, json!({ "command": "resume", "id": null, "ok": true }));
        running.shown("a", |state, _| state != State::Paused).await;
        assert_eq!(running.file(), before, "comments, secrets and layout are as they were");
    }

    #[tokio::test]
    async fn what_is_so_already_writes_nothing() {
        let running = Running::start().await;
        running.send(Some("a"), "pause").await;
        let file = running.folder.path().join("pulsebox.yaml");
        let written = || std::fs::metadata(&file).map(|data| std::os::unix::fs::MetadataExt::ino(&data)).unwrap();
        let first = written();
        // After each: two writes may end on the first file's number again.
        assert_eq!(running.send(Some("a"), "pause").await["ok"], true);
        assert_eq!(written(), first);
        assert_eq!(running.send(Some("b"), "resume").await["ok"], true);
        assert_eq!(written(), first);
        running.send(Some("a"), "resume").await;
        assert_ne!(written(), first);
    }

    #[tokio::test]
    async fn the_box_shows_itself() {
        let running = Running::start().await;
        assert_eq!(running.send(None, " identify\n").await, json!({ "command": "identify", "id": null, "ok": true }));
        assert!(running.means.board.now().host.identify_until.is_some());
    }

    #[tokio::test]
    async fn a_retained_order_is_refused_and_not_carried_out() {
        let running = Running::start().await;
        let told = obey(&running.means, None, br#"{"command":"identify","id":"7"}"#, true).await;
        assert_eq!((&told["command"], &told["id"]), (&json!("identify"), &json!("7")));
        assert!(refused(&told).contains("retained"));
        assert!(running.means.board.now().host.identify_until.is_none());
    }

    #[tokio::test]
    async fn bad_orders_are_told_what_is_wrong_and_what_to_do() {
        let running = Running::start().await;
        let camera = Some("a");
        let long = format!(r#"{{"command":"check","id":"{}"}}"#, "x".repeat(65));
        let cases: [(Option<&str>, &[u8], &str); 20] = [
            (camera, b"", "empty"),
            (camera, b"\xff\xfe", "UTF-8"),
            (camera, &[b' '; 4097], "4097 bytes"),
            (camera, b"reboot", "`reboot` is not a command"),
            (camera, b"Check", "`Check` is not a command"),
            (camera, b"\x1b[2J\x07", "`\u{fffd}[2J\u{fffd}`"),
            (camera, b"{\"command\":", "not JSON"),
            (camera, b"{}", "`command` is missing"),
            (camera, b"{\"command\":7}", "`command` is not text"),
            (camera, b"{\"command\":\"check\",\"when\":1}", "`when` is not known"),
            (camera, b"{\"command\":\"check\",\"seconds\":60}", "`seconds` is for `pause`"),
            (camera, b"{\"command\":\"pause\",\"seconds\":59}", "from 60 to 31536000"),
            (camera, b"{\"command\":\"pause\",\"seconds\":1.5}", "whole number"),
            (camera, b"{\"command\":\"pause\",\"seconds\":1e30}", "whole number"),
            (camera, long.as_bytes(), "`id` is neither a number nor text of at most 64"),
            (camera, b"identify", "pulsebox/0123abcd/cmd"),
            (None, b"pause", "pulsebox/0123abcd/cam/<id>/cmd"),
            (None, b"OFF", "is for a camera"),
            (Some("nobody"), b"pause", "there is no camera `nobody`"),
            (Some("nobody"), b"check", "there is no camera `nobody`"),
        ];
        let before = running.file();
        for (camera, payload, expected) in cases {
            let answer = running.send(camera, payload).await;
            let why = refused(&answer);
            assert!(why.contains(expected), "{why} instead of {expected}");
            assert!(!why.contains(char::is_control), "{why:?}");
        }
        assert_eq!(running.file(), before);
    }

    #[tokio::test]
    async fn a_refused_order_is_known_by_its_command_and_id() {
        let running = Running::start().await;
        for (payload, command, id) in [
            (r#"{"command":"reboot","id":"7"}"#, json!("reboot"), json!("7")),
            (r#"{"command":"pause","seconds":1,"id":42}"#, json!("pause"), json!(42)),
            (r#"{"command":"check","when":1,"id":-1.5}"#, json!("check"), json!(-1.5)),
            (r#"{"command":"check","id":["x"]}"#, json!("check"), Value::Null),
            (r#"{"command":7,"id":"a"}"#, Value::Null, json!("a")),
            (r#"{"id":0}"#, Value::Null, json!(0)),
            ("identify", json!("identify"), Value::Null),
            ("Check\u{7}!", json!("Check\u{fffd}!"), Value::Null),
        ] {
            let told = running.send(Some("a"), payload).await;
            refused(&told);
            assert_eq!((&told["command"], &told["id"]), (&command, &id), "{told}");
        }
        let told = running.send(Some("a"), r#"{"command":"check","id":42}"#).await;
        assert_eq!(told, json!({ "command": "check", "id": 42, "ok": true }));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_changed_is_told_without_its_secrets() {
        let running = Running::start().await;
        std::fs::write(running.folder.path().join("pulsebox.yaml"), "streams: [ { name: a, url: 'rtsp://u:geheim@'")
            .unwrap();
        let told = running.send(Some("a"), "pause").await;
        let why = told["error"].as_str().unwrap();
        assert!(told["ok"] == false && why.contains("changed") && !why.contains("geheim"), "{told}");
    }
}
