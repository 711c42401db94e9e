//! The API as a program speaks it, over real sockets: a monitor that watches simulated cameras, a file on disk.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::daemon::PATIENCE;
use futures::{SinkExt, StreamExt};
use pulsebox::clock::Clock;
use pulsebox::config::{HistoryConfig, Store};
use pulsebox::history::{History, HistorySettings};
use pulsebox::host::Interfaces;
use pulsebox::live::Live;
use pulsebox::monitor::board::Board;
use pulsebox::monitor::look::RealEye;
use pulsebox::monitor::{Before, Means, Monitor};
use pulsebox::web::{Access, Scope, Web, bind};
use serde_json::{Value, json};
use simcam::{Camera, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Server {
    address: SocketAddr,
    admin: String,
    reader: String,
    folder: tempfile::TempDir,
    _stop: DropGuard,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.head, self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Server {
    async fn start(yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pulsebox.yaml");
        std::fs::write(&file, yaml).unwrap();
        let store = Arc::new(Store::load(&file).unwrap());
        let (board, clock) = (Board::default(), Clock::system());
        let means = Means {
            board: board.clone(),
            clock: clock.clone(),
            eye: Arc::new(RealEye::default()),
            link: Arc::new(Interfaces::default()),
        };
        let (monitor, orders) = Monitor::new(means, Before::default());
        let settings = HistorySettings::new(&HistoryConfig::default(), jiff::tz::TimeZone::UTC, clock.clone());
        let access = Access::open(None, clock.clone());
        let admin = access.make_token("admin", Scope::Admin).await.unwrap().token;
        let reader = access.make_token("reader", Scope::Read).await.unwrap().token;
        let web = Web {
            board,
            past: Arc::new(History::open(None, settings)),
            access,
            clock,
            orders,
            config: store.clone(),
            live: Live::default(),
            try_broker: common::page::broker_that_refuses(),
            appliance: None,
        };
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(web.serve_on(listener, stop.clone()));
        tokio::spawn(monitor.run(store.watch(), stop.clone()));
        Self { address, admin, reader, folder, _stop: stop.drop_guard() }
    }

    fn file(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pulsebox.yaml")).unwrap()
    }

    async fn send(&self, call: &str, headers: &str, body: &str) -> Answer {
        self.send_as(&self.admin, call, headers, body).await
    }

    async fn send_as(&self, token: &str, call: &str, headers: &str, body: &str) -> Answer {
        let asked = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let head = format!(
                "{call} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
                 Content-Length: {}\r\n{headers}\r\n",
                body.len()
            );
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            let all = String::from_utf8_lossy(&all).into_owned();
            let (head, body) = all.split_once("\r\n\r\n").unwrap();
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            Answer { status, head: head.to_owned(), body: body.to_owned() }
        };
        timeout(PATIENCE, asked).await.expect("an answer in time")
    }

    async fn call(&self, call: &str) -> Answer {
        self.send(call, "", "").await
    }

    async fn json(&self, call: &str, body: Value) -> Answer {
        self.send(call, "Content-Type: application/json\r\n", &body.to_string()).await
    }

    async fn socket(&self, token: &str) -> tokio_tungstenite::WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = "ws://localhost/api/ws".into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        client_async(request, stream).await.unwrap().0
    }
}

async fn camera() -> Camera {
    Camera::start(Options::default()).await.unwrap()
}

const FILE: &str = "# mine\nheartbeat_seconds: 30   # calm\nmqtt:\n  password: geheim\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_comes_is_changed_goes_and_comes_back() {
    let (server, cam) = (Server::start(FILE).await, camera().await);
    let new = json!({ "name": "Front <door>", "url": cam.url(), "alarm": { "failures": 3 } });
    let added = server.json("POST /api/streams", new).await;
    assert_eq!((added.status, added.header("location")), (201, Some("/api/streams/front-door")), "{}", added.body);
    assert_eq!(added.json()["heartbeat_seconds"], 30);
    assert!(server.file().starts_with("# mine\nheartbeat_seconds: 30   # calm\n"), "{}", server.file());

    let renamed =
        server.json("PATCH /api/streams/front-door", json!({ "name": "Gate", "alarm": { "black": false } })).await;
    let renamed = renamed.json();
    assert_eq!(
        (&renamed["id"], &renamed["name"]),
        (&json!("front-door"), &json!("Gate")),
        "the history hangs on the id"
    );
    assert_eq!(renamed["settings"]["alarm"], json!({ "failures": 3, "black": false }));
    let whole = json!({ "name": "Gate", "url": cam.url(), "timeout_seconds": 5 });
    let whole = server.json("PUT /api/streams/front-door", whole).await.json();
    assert_eq!((&whole["settings"]["alarm"], &whole["settings"]["timeout_seconds"]), (&Value::Null, &json!(5)));
    let paused = server.json("PATCH /api/streams/front-door", json!({ "paused_until": "2126-11-23T08:00:00Z" })).await;
    assert_eq!(
        (&paused.json()["state"], &paused.json()["paused_until"]),
        (&json!("paused"), &json!("2126-11-23T08:00:00Z"))
    );
    assert_eq!(server.call("POST /api/streams/front-door/check").await.status, 409);
    let resumed = server.json("PATCH /api/streams/front-door", json!({ "paused": null, "paused_until": null })).await;
    assert_ne!(resumed.json()["state"], "paused");
    let checked = server.call("POST /api/streams/front-door/check").await;
    assert_eq!((checked.status, &checked.json()["verdict"]), (200, &json!("ok")));

    assert_eq!(server.call("DELETE /api/streams/front-door").await.status, 204);
    assert_eq!(server.call("GET /api/streams").await.json(), json!([]));
    assert_eq!(server.call("GET /api/streams?removed=true").await.json()[0]["id"], "front-door");
    let taken = json!({ "name": "X", "id": "front-door", "url": cam.url(), "check": false });
    let taken = server.json("POST /api/streams", taken).await;
    assert!(taken.status == 409 && taken.body.contains("restore"), "{}", taken.body);
    let back = server.call("POST /api/streams/front-door/restore").await;
    assert_eq!((back.status, &back.json()["name"]), (200, &json!("Gate")));
    assert_eq!(server.call("DELETE /api/streams/front-door?forget=true").await.status, 204);
    assert!(!server.file().contains("Gate") && server.file().contains("# calm"), "{}", server.file());
    assert_eq!(server.call("GET /api/streams/front-door").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_written_once_never_shown_and_kept_when_it_comes_back_masked() {
    let server = Server::start("").await;
    let new = json!({ "name": "A", "url": "rtsp://127.0.0.1:9/live", "username": "ad min", "password": "p@ss:/wörd", "check": false });
    let added = server.json("POST /api/streams", new).await;
    assert_eq!(added.status, 201, "{}", added.body);
    let shown = server.call("GET /api/streams/a").await;
    assert!(!shown.body.contains("ss:/w") && !shown.body.contains("%40"), "{}", shown.body);
    assert_eq!(shown.json()["settings"]["url"], "rtsp://***:***@127.0.0.1:9/live");
    assert_eq!(shown.json()["settings"]["has_credentials"], true);
    let secret = "ad%20min:p%40ss%3A%2Fw%C3%B6rd@";
    assert!(server.file().contains(secret), "{}", server.file());
    let moved = server.json("PATCH /api/streams/a", json!({ "url": "rtsp://***:***@127.0.0.2:9/live2" })).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    assert!(server.file().contains("@127.0.0.2:9/live2") && server.file().contains("p%40ss"), "{}", server.file());
    let half = server.json("PATCH /api/streams/a", json!({ "username": "x" })).await;
    assert_eq!(half.status, 422);
    let none = server.json("PATCH /api/streams/a", json!({ "username": "", "password": "" })).await;
    assert_eq!(none.json()["settings"]["has_credentials"], false, "{}", none.body);
    assert!(!server.file().contains("p%40ss"), "{}", server.file());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_refused_with_their_key_and_nothing_is_written() {
    let server = Server::start(FILE).await;
    for (body, status, said) in [
        (json!({ "name": "A" }), 422, "streams[0].url"),
        (json!({ "name": "A", "url": "http://10.0.0.1/", "led": 99, "check": false }), 422, "streams[0].led"),
        (json!({ "name": "A", "url": "file:///etc/passwd" }), 422, "no camera's scheme"),
        (json!({ "name": "A", "url": "v4l2:///etc/passwd" }), 422, "/dev/"),
        (json!({ "name": "A", "url": "http://10.0.0.1/", "colour": null }), 422, "`colour` is not a setting"),
        (json!(["A"]), 422, "wrong"),
        (json!({ "name": "A", "url": "rtsp://127.0.0.1:1/x" }), 422, "\"verdict\":\"refused\""),
    ] {
        let answer = server.json("POST /api/streams", body.clone()).await;
        assert!(answer.status == status && answer.body.contains(said), "{body}: {} {}", answer.status, answer.body);
    }
    assert_eq!(server.send("POST /api/streams", "Content-Type: text/plain\r\n", "{}").await.status, 415);
    assert_eq!(server.send("POST /api/streams", "Content-Type: application/json\r\n", "{").await.status, 400);
    assert_eq!(server.file(), FILE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_its_rungs_as_they_are_reached_and_then_all() {
    let (server, cam) = (Server::start("").await, camera().await);
    let result = server.json("POST /api/check", json!({ "url": cam.url() })).await.json();
    assert_eq!((&result["verdict"], &result["answer"]), (&json!("ok"), &Value::Null), "{result}");
    assert!(result["picture"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    let headers = "Content-Type: application/json\r\nAccept: text/event-stream\r\n";
    let told = server.send("POST /api/check", headers, &json!({ "url": cam.url() }).to_string()).await;
    assert_eq!(told.header("content-type"), Some("text/event-stream"));
    let order = ["\"rung\":\"resolve\"", "\"rung\":\"connect\"", "\"rung\":\"picture\"", "event: result"];
    let places: Vec<_> = order.iter().map(|part| told.body.find(part).unwrap_or_else(|| panic!("{part}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fifth_check_at_once_is_told_to_come_back() {
    let server = Arc::new(Server::start("").await);
    // Takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let body = json!({ "url": format!("rtsp://{}/", silent.local_addr().unwrap()), "timeout_seconds": 3 });
    let one = || {
        let (server, body) = (server.clone(), body.clone());
        tokio::spawn(async move { server.json("POST /api/check", body).await })
    };
    let four = [one(), one(), one(), one()];
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(timeout(PATIENCE, silent.accept()).await.unwrap().unwrap());
    }
    let fifth = server.json("POST /api/check", body.clone()).await;
    assert_eq!((fifth.status, fifth.header("retry-after")), (503, Some("5")), "{}", fifth.body);
    for one in four {
        assert_eq!(one.await.unwrap().json()["verdict"], "timeout");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_and_changed_by_their_keys_and_secrets_stay() {
    let server = Server::start(FILE).await;
    let given = server.call("GET /api/settings").await.json();
    assert_eq!(given, json!({ "heartbeat_seconds": 30, "mqtt": { "password": "***" } }));
    let change = json!({ "mqtt.port": 1884, "mqtt.password": "***", "timezone": "Asia/Kolkata", "web.hosts": ["cams.lan"],
        "mediamtx": [{ "name": "m", "url": "http://u:geheim2@127.0.0.1:9997" }] });
    let changed = server.json("PATCH /api/settings", change).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    assert!(!changed.body.contains("geheim"), "{}", changed.body);
    assert!(
        server.file().contains("password: geheim") || server.file().contains("password: \"geheim\""),
        "{}",
        server.file()
    );
    let back = json!({ "mediamtx": [{ "name": "m", "url": "http://***:***@127.0.0.1:9997/" }], "timezone": null });
    assert_eq!(server.json("PATCH /api/settings", back).await.status, 200);
    assert!(server.file().contains("geheim2") && !server.file().contains("Kolkata"), "{}", server.file());
    let bad = server.json("PATCH /api/settings", json!({ "mqtt.port": 0, "heartbeat_seconds": 60 })).await;
    assert_eq!((bad.status, &bad.json()["error"]["problems"][0]["key"]), (422, &json!("mqtt.port")), "{}", bad.body);
    assert!(server.file().contains("heartbeat_seconds: 30"), "all or none");
    assert_eq!(server.json("PATCH /api/settings", json!({ "streams": [] })).await.status, 422);
    let keys = server.call("GET /api/settings/keys").await.json();
    let port = keys.as_array().unwrap().iter().find(|key| key["path"] == "mqtt.port").unwrap();
    assert_eq!((&port["kind"], &port["max"], &port["default"]), (&json!("whole"), &json!(65535.0), &json!("1883")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_itself_is_read_checked_and_written_only_over_what_was_read() {
    let server = Server::start(FILE).await;
    let shown = server.call("GET /api/config").await;
    assert!(shown.body.starts_with("# mine\n") && !shown.body.contains("geheim"), "{}", shown.body);
    let etag = shown.header("etag").unwrap();
    let yaml = |etag: &str| format!("Content-Type: text/yaml\r\nIf-Match: {etag}\r\n");
    let new = shown.body.replace("30", "45");
    let written = server.send("PUT /api/config", &yaml(etag), &new).await;
    assert_eq!(written.status, 204, "{}", written.body);
    assert!(server.file().contains("45   # calm") && server.file().contains("geheim"));
    assert_eq!(server.send("PUT /api/config", &yaml(etag), &new).await.status, 412);
    let bad = server.send("PUT /api/config", "Content-Type: text/yaml\r\n", "streams:\n  - name: A\n").await;
    assert_eq!((bad.status, &bad.json()["error"]["problems"][0]["line"]), (422, &json!(2)), "{}", bad.body);
    let check = server.send("POST /api/config/check", "Content-Type: text/yaml\r\n", &shown.body).await.json();
    assert_eq!(check, json!({ "problems": [], "cameras": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_socket_answers_tells_events_and_holds_readers_back() {
    let (cam, server) = (camera().await, Server::start("").await);
    server.json("POST /api/streams", json!({ "name": "A", "url": cam.url() })).await;
    let mut socket = server.socket(&server.admin).await;
    let mut ask = async |said: Value| {
        socket.send(Message::text(said.to_string())).await.unwrap();
        loop {
            let Message::Text(text) = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() else {
                continue;
            };
            let heard: Value = serde_json::from_str(&text).unwrap();
            let wanted = if said["cmd"] == "wait" { heard.get("event").is_some() } else { heard.get("ok").is_some() };
            if wanted {
                return heard;
            }
        }
    };
    assert_eq!(ask(json!({ "id": 1, "cmd": "ping" })).await, json!({ "id": 1, "ok": true, "result": null }));
    let listening = ask(json!({ "id": 2, "cmd": "subscribe", "types": ["state"] })).await;
    assert_eq!(listening["result"]["types"], json!(["state"]));
    let paused = ask(json!({ "id": 3, "cmd": "pause", "camera": "a" })).await;
    assert_eq!((&paused["ok"], &paused["result"]["state"]), (&json!(true), &json!("paused")), "{paused}");
    assert_eq!(ask(json!({ "id": 4, "cmd": "resume", "camera": "a" })).await["ok"], true);
    assert_eq!(ask(json!({ "id": 5, "cmd": "check", "camera": "a" })).await["result"]["verdict"], "ok");
    assert_eq!(ask(json!({ "id": 6, "cmd": "check", "camera": "b" })).await["ok"], false);
    assert_eq!(ask(json!({ "id": 7, "cmd": "dance" })).await["id"], 7);
    assert_eq!(ask(json!({ "id": 8, "cmd": "subscribe", "types": ["host"] })).await["ok"], true);
    assert_eq!(ask(json!({ "id": 9, "cmd": "identify" })).await, json!({ "id": 9, "ok": true, "result": null }));
    assert!(server.call("GET /api/status").await.json()["host"]["identify_until"].is_string());

    let mut reader = server.socket(&server.reader).await;
    reader.send(Message::text(r#"{"id":1,"cmd":"subscribe"}"#)).await.unwrap();
    reader.send(Message::text(r#"{"id":2,"cmd":"pause","camera":"a"}"#)).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let Message::Text(text) = timeout(PATIENCE, reader.next()).await.unwrap().unwrap().unwrap() else { continue };
        let answer: Value = serde_json::from_str(&text).unwrap();
        if let Some(ok) = answer.get("ok") {
            heard.push(ok.clone());
        }
    }
    assert_eq!(heard, [json!(true), json!(false)]);
    server.json("PATCH /api/streams/a", json!({ "paused": true })).await;
    loop {
        let Message::Text(text) = timeout(PATIENCE, reader.next()).await.unwrap().unwrap().unwrap() else { continue };
        let event: Value = serde_json::from_str(&text).unwrap();
        if event["event"] == "state" {
            assert_eq!(event["data"]["to"], "paused");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_parse_and_no_name_breaks_them() {
    let server = Server::start("").await;
    let new = json!({ "name": "a\"b\\c} 1", "id": "odd", "url": "rtsp://127.0.0.1:1/", "check": false });
    assert_eq!(server.json("POST /api/streams", new).await.status, 201);
    assert_eq!(server.call("POST /api/streams/odd/check").await.status, 200);
    let page = server.call("GET /metrics").await;
    assert!(page.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let mut families = std::collections::BTreeSet::new();
    let mut samples = 0;
    for line in page.body.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            assert!(families.insert(family.split(' ').next().unwrap().to_owned()), "twice: {family}");
        } else if !line.starts_with('#') {
            let (name, value) = sample(line).unwrap_or_else(|| panic!("no sample: {line}"));
            assert!(families.contains(name), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            samples += 1;
        }
    }
    assert!(samples > 20, "{}", page.body);
    assert!(
        page.body.contains(r#"pulsebox_camera_verdict_info{camera="odd",name="a\"b\\c} 1",verdict="refused"} 1"#),
        "{}",
        page.body
    );
}

/// Name and value of a line `name{label="value",…} 1`, as Prometheus reads it.
fn sample(line: &str) -> Option<(&str, &str)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    if let Some(mut labels) = rest.strip_prefix('{') {
        loop {
            labels = labels.split_once("=\"")?.1;
            let mut escaped = false;
            let close = labels.char_indices().find_map(|(at, c)| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends.then_some(at)
            })?;
            labels = &labels[close + 1..];
            match labels.chars().next()? {
                ',' => {}
                '}' => break,
                _ => return None,
            }
        }
        rest = &labels[1..];
    }
    Some((name, rest.strip_prefix(' ')?))
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_counted_and_forgotten() {
    let (cam, server) = (camera().await, Server::start("").await);
    server.json("POST /api/streams", json!({ "name": "A", "url": cam.url() })).await;
    let fresh = server.call("GET /api/streams/a/thumbnail?refresh=true").await;
    assert_eq!((fresh.status, fresh.header("content-type")), (200, Some("image/jpeg")));
    let kept = server.call("GET /api/thumbnails").await.json();
    assert_eq!(
        (&kept["count"], &kept["refreshes"], &kept["pictures"][0]["camera"]),
        (&json!(1), &json!(1), &json!("a"))
    );
    assert_eq!(server.call("DELETE /api/thumbnails").await.status, 204);
    timeout(Duration::from_secs(5), async { while server.call("GET /api/thumbnails").await.json()["count"] != 0 {} })
        .await
        .expect("forgotten");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_sees_pictures_and_orders_no_check() {
    let (cam, server) = (camera().await, Server::start("heartbeat_seconds: 3600\n").await);
    server.json("POST /api/streams", json!({ "name": "A", "url": cam.url() })).await;
    assert_eq!(server.call("POST /api/streams/a/check").await.status, 200);
    let checked = server.call("GET /api/streams/a").await.json()["checked_at"].clone();
    for refresh in ["refresh=true", "v=1&refresh=true"] {
        let call = format!("GET /api/streams/a/thumbnail?{refresh}");
        let refused = server.send_as(&server.reader, &call, "", "").await;
        assert!(refused.status == 403 && refused.body.contains("may only read"), "{}", refused.body);
    }
    let kept = server.send_as(&server.reader, "GET /api/streams/a/thumbnail?refresh=false", "", "").await;
    assert_eq!((kept.status, kept.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(server.call("GET /api/streams/a").await.json()["checked_at"], checked);
    assert_eq!(server.call("GET /api/thumbnails").await.json()["refreshes"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_pause_is_over_is_changed_at_once_and_keeps_its_last_checks() {
    let cam = camera().await;
    let yaml = format!(
        "heartbeat_seconds: 3600\nstreams: [{{ name: A, url: \"{}\", paused_until: \"2020-01-01T00:00:00Z\" }}]\n",
        cam.url()
    );
    let server = Server::start(&yaml).await;
    timeout(PATIENCE, async { while server.call("POST /api/streams/a/check").await.status != 200 {} }).await.unwrap();
    let renamed = server.json("PATCH /api/streams/a", json!({ "name": "B" })).await.json();
    assert_eq!((&renamed["name"], &renamed["state"]), (&json!("B"), &json!("up")), "{renamed}");
    assert!(renamed["paused_until"].is_null() && !renamed["recent"].as_array().unwrap().is_empty(), "{renamed}");
    // What `paused` says outlasts what `paused_until` says.
    let both = json!({ "paused": true, "paused_until": "2126-11-23T08:00:00Z" });
    let paused = server.json("PATCH /api/streams/a", both).await.json();
    assert_eq!((&paused["state"], &paused["paused_until"]), (&json!("paused"), &Value::Null), "{paused}");
    assert!(!paused["recent"].as_array().unwrap().is_empty(), "{paused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_password_is_tried_on_its_own_host_and_told_to_no_other() {
    let cam = Camera::start(Options { credentials: Some(("user".into(), "geheim".into())), ..Options::default() });
    let cam = cam.await.unwrap();
    let file = format!("streams: [{{ name: Gate, paused: true, url: \"{}\" }}]\n", cam.url());
    let server = Server::start(&file).await;
    let check = async |url: &str| server.json("POST /api/check", json!({ "id": "gate", "url": url })).await;
    let masked = server.call("GET /api/streams/gate").await.json()["url"].as_str().unwrap().to_owned();
    assert!(masked.contains("***:***@") && !masked.contains("geheim"), "{masked}");
    let own = check(&masked).await;
    assert_eq!((own.status, &own.json()["verdict"]), (200, &json!("ok")), "{}", own.body);
    // Who listens there must not be told: Basic is readable.
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let elsewhere = check(&format!("http://***:***@{}/", listener.local_addr().unwrap())).await;
    assert!(elsewhere.status == 422 && elsewhere.body.contains("masked"), "{}", elsewhere.body);
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "somebody has asked there");
}
