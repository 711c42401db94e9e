//! The live WebSocket as a browser speaks it, against simulated cameras.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::daemon::PATIENCE;
use common::page::Page;
use futures::{SinkExt, StreamExt};
use mp4_atom::{Decode, Moof};
use pulsebox::camera::Sessions;
use pulsebox::camera::sessions::Limits;
use pulsebox::live::Live;
use serde_json::{Value, json};
use simcam::{Camera, Mood, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tokio_util::task::TaskTracker;

/// A running page whose cameras are these lines of `streams:`.
struct Server(Page);

impl std::ops::Deref for Server {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.0
    }
}

impl Server {
    async fn start(streams: &[String]) -> Self {
        let limits = Limits { grace: Duration::from_millis(500), ..Limits::default() };
        let sessions = Sessions::new(TaskTracker::new(), limits);
        let yaml = format!("streams: [{}]\n", streams.join(", "));
        Self(Page::start(&yaml, sessions.clone(), Live::new(sessions)).await)
    }

    /// One camera called `cam`.
    async fn of(camera: &Camera) -> Self {
        Self::start(&[format!("{{ name: cam, timeout_seconds: 5, url: \"{}\" }}", camera.url())]).await
    }

    async fn open(&self, path: &str, buffer: Option<u32>) -> Result<Socket, tungstenite::Error> {
        self.open_as(&self.token, path, buffer).await
    }

    async fn open_as(&self, token: &str, path: &str, buffer: Option<u32>) -> Result<Socket, tungstenite::Error> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(buffer) = buffer {
            socket.set_recv_buffer_size(buffer).unwrap();
        }
        let mut request = format!("ws://localhost{path}").into_client_request().unwrap();
        let token = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("Authorization", token);
        let stream = socket.connect(self.address).await.map_err(tungstenite::Error::Io)?;
        let (socket, _) = timeout(PATIENCE, client_async(request, stream)).await.unwrap()?;
        Ok(Socket(socket))
    }

    async fn watch(&self) -> Socket {
        self.open("/api/streams/cam/live", None).await.unwrap()
    }

    /// A call of the API; its answer's body.
    async fn call(&self, call: &str, body: &str) -> String {
        let head = format!(
            "{call} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 2"), "{answer}");
        body.to_owned()
    }
}

struct Socket(WebSocketStream<TcpStream>);

#[derive(Debug)]
enum Heard {
    Status(Value),
    Media(Vec<u8>),
}

impl Socket {
    async fn say(&mut self, command: Value) {
        self.0.send(Message::text(command.to_string())).await.unwrap();
    }

    async fn start(&mut self) {
        self.say(json!({ "cmd": "start", "stream": "main" })).await;
    }

    /// What comes next; none at the end.
    async fn hear(&mut self) -> Option<Heard> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("nothing comes")? {
                Ok(Message::Text(text)) => return Some(Heard::Status(serde_json::from_str(&text).unwrap())),
                Ok(Message::Binary(bytes)) => return Some(Heard::Media(bytes.to_vec())),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The next status, past any media.
    async fn status(&mut self) -> Value {
        loop {
            match self.hear().await.expect("the socket has closed") {
                Heard::Status(status) => return status,
                Heard::Media(_) => {}
            }
        }
    }

    async fn media(&mut self) -> Vec<u8> {
        match self.hear().await {
            Some(Heard::Media(bytes)) => bytes,
            other => panic!("{other:?} instead of media"),
        }
    }

    /// Starts, and waits for the first segment.
    async fn play(&mut self) -> Value {
        self.start().await;
        assert_eq!(self.status().await, json!({ "status": "connecting" }));
        let playing = self.status().await;
        assert_eq!(playing["status"], "playing", "{playing}");
        self.media().await;
        self.media().await;
        playing
    }
}

/// The frame's number.
fn number(segment: &[u8]) -> u32 {
    Moof::decode(&mut &segment[..]).unwrap().mfhd.sequence_number
}

async fn camera(change: impl FnOnce(&mut Options)) -> Camera {
    let mut options = Options::default();
    change(&mut options);
    Camera::start(options).await.unwrap()
}

#[tokio::test]
async fn a_view_is_started_stopped_and_opened_again_on_command() {
    let camera = camera(|_| {}).await;
    let server = Server::of(&camera).await;
    let mut socket = server.watch().await;
    socket.start().await;
    assert_eq!(socket.status().await, json!({ "status": "connecting" }));
    let playing = socket.status().await;
    let expected = json!({
        "status": "playing", "stream": "main", "codec": "h264", "mime": playing["mime"],
        "width": 640, "height": 360, "fps": playing["fps"],
    });
    assert_eq!(playing, expected);
    assert!(playing["mime"].as_str().unwrap().starts_with("video/mp4; codecs=\"avc1."));
    assert_eq!(&socket.media().await[4..8], b"ftyp");
    let first = socket.media().await;
    assert_eq!(&first[4..8], b"moof");
    assert_eq!(number(&socket.media().await), number(&first) + 1);
    assert_eq!(server.live.viewers("cam"), 1);

    socket.say(json!({ "cmd": "stop" })).await;
    assert_eq!(socket.status().await, json!({ "status": "stopped" }));
    assert_eq!(server.live.viewers("cam"), 0);
    timeout(PATIENCE, camera.until(|stats| stats.teardowns == 1)).await.unwrap();

    socket.say(json!({ "cmd": "reconnect" })).await;
    assert_eq!(socket.status().await["status"], "connecting");
    assert_eq!(socket.status().await["status"], "playing");
    assert_eq!(camera.stats().sessions_total, 2);
}

#[tokio::test]
async fn what_is_not_understood_is_said_and_the_view_goes_on() {
    let camera = camera(|_| {}).await;
    let server = Server::of(&camera).await;
    let mut socket = server.watch().await;
    socket.play().await;
    for wrong in [json!({ "cmd": "dance" }), json!([]), json!({ "cmd": "start", "stream": "main", "more": 1 })] {
        socket.say(wrong).await;
        let error = socket.status().await;
        assert_eq!((&error["status"], &error["code"]), (&json!("error"), &json!("COMMAND")), "{error}");
    }
    socket.say(json!({ "cmd": "start", "stream": "sub" })).await;
    let error = socket.status().await;
    assert_eq!((&error["code"], &error["verdict"]), (&json!("NOT_FOUND"), &json!("not_found")), "{error}");
    assert!(error["advice"].as_str().unwrap().contains("sub_url"), "{error}");
}

#[tokio::test]
async fn a_refused_password_is_said_with_what_to_do() {
    let camera = camera(|o| {
        o.credentials = Some(("user".into(), "geheim".into()));
        o.mood = Mood::WrongPassword;
    })
    .await;
    let server = Server::of(&camera).await;
    let mut socket = server.watch().await;
    socket.start().await;
    assert_eq!(socket.status().await["status"], "connecting");
    let error = socket.status().await;
    assert_eq!(error["status"], "error");
    assert_eq!((&error["code"], &error["verdict"]), (&json!("AUTH"), &json!("auth")));
    assert!(error["advice"].as_str().unwrap().contains("password") && !error.to_string().contains("geheim"));
}

#[tokio::test]
async fn a_camera_that_breaks_is_told_and_not_opened_again_unasked() {
    let camera = camera(|_| {}).await;
    let server = Server::of(&camera).await;
    let mut socket = server.watch().await;
    socket.play().await;
    camera.set_mood(Mood::Refuses).await;
    let ended = socket.status().await;
    assert_eq!((&ended["status"], &ended["code"]), (&json!("ended"), &json!("PROTOCOL")), "{ended}");
    socket.say(json!({ "cmd": "reconnect" })).await;
    assert_eq!(socket.status().await["status"], "connecting");
    assert_eq!(socket.status().await["code"], "REFUSED");
    assert_eq!(camera.stats().sessions_total, 1);
}

#[tokio::test]
async fn a_camera_that_moves_is_followed_and_one_that_is_removed_ends() {
    let (old, new) = (camera(|_| {}).await, camera(|o| (o.width, o.height) = (320, 240)).await);
    let server = Server::of(&old).await;
    let mut socket = server.watch().await;
    socket.play().await;
    let file = server.folder.path().join("pulsebox.yaml");
    std::fs::write(&file, format!("streams: [{{ name: cam, url: \"{}\" }}]\n", new.url())).unwrap();
    assert_eq!(socket.status().await["status"], "connecting");
    let playing = socket.status().await;
    assert_eq!((&playing["status"], &playing["width"]), (&json!("playing"), &json!(320)), "{playing}");
    timeout(PATIENCE, old.until(|stats| stats.teardowns == 1)).await.unwrap();
    std::fs::write(&file, "streams: []\n").unwrap();
    let error = socket.status().await;
    assert_eq!((&error["status"], &error["code"]), (&json!("error"), &json!("NOT_FOUND")), "{error}");
    assert!(server.store.current().cameras.is_empty());
}

#[tokio::test]
async fn a_change_of_codec_or_size_brings_a_new_beginning() {
    let camera = camera(|_| {}).await;
    let server = Server::of(&camera).await;
    let mut socket = server.watch().await;
    assert_eq!(socket.play().await["codec"], "h264");
    // The camera cuts its streams for this, as real ones do.
    camera.set_mood(Mood::Changed).await;
    assert_eq!(socket.status().await["status"], "ended");
    socket.say(json!({ "cmd": "reconnect" })).await;
    assert_eq!(socket.status().await["status"], "connecting");
    let playing = socket.status().await;
    assert_eq!((&playing["codec"], &playing["mime"]), (&json!("mjpeg"), &json!("image/jpeg")));
    assert!(socket.media().await.starts_with(&[0xff, 0xd8]));
}

#[tokio::test]
async fn a_view_ends_with_the_token_that_opened_it_and_lets_the_camera_go() {
    let camera = camera(|_| {}).await;
    let server = Server::of(&camera).await;
    let made = server.call("POST /api/tokens", "{\"name\":\"frame\",\"scope\":\"read\"}").await;
    let made: Value = serde_json::from_str(&made).unwrap();
    let token = made["token"].as_str().unwrap();
    let mut socket = server.open_as(token, "/api/streams/cam/live", None).await.unwrap();
    socket.play().await;
    server.call(&format!("DELETE /api/tokens/{}", made["id"].as_str().unwrap()), "").await;
    let ends = async { while socket.hear().await.is_some() {} };
    timeout(Duration::from_secs(5), ends).await.expect("the view outlives its token");
    timeout(PATIENCE, camera.until(|stats| stats.teardowns == 1)).await.unwrap();
}

#[tokio::test]
async fn only_a_websocket_for_a_known_camera_is_taken() {
    let camera = camera(|_| {}).await;
    let server = Server::of(&camera).await;
    let status = |error: Result<Socket, tungstenite::Error>| match error {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        other => panic!("{:?}", other.map(|_| "opened")),
    };
    assert_eq!(status(server.open("/api/streams/nobody/live", None).await), 404);
    assert_eq!(status(server.open("/api/streams/cam/live?x=1", None).await), 400);
    let mut sockets = Vec::new();
    for _ in 0..50 {
        sockets.push(server.watch().await);
    }
    assert_eq!(status(server.open("/api/streams/cam/live", None).await), 503);
}

#[tokio::test]
async fn a_message_beyond_the_limit_closes_the_socket() {
    let camera = camera(|_| {}).await;
    let server = Server::of(&camera).await;
    let mut socket = server.watch().await;
    socket.0.send(Message::text("x".repeat(5000))).await.unwrap();
    assert!(socket.hear().await.is_none());
}

// ---- abuse -------------------------------------------------------------------------------------------------------

/// Seconds of abuse; `PULSEBOX_SOAK_SECONDS=600` for the long one.
fn soak_seconds() -> u64 {
    std::env::var("PULSEBOX_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// One viewer who behaves badly until `end`, a little differently each time.
async fn misbehave(server: Arc<Server>, seed: u64, end: Instant) -> u64 {
    let (mut dice, mut skips) = (seed, 0);
    let mut roll = |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    while Instant::now() < end {
        // The place of one who has just vanished may still be taken.
        let Ok(mut socket) = server.open("/api/streams/cam/live", Some(16 << 10)).await else {
            sleep(Duration::from_millis(50)).await;
            continue;
        };
        for _ in 0..=roll(4) {
            let command = match roll(8) {
                0 => "{\"cmd\":\"stop\"}",
                1 => "no command",
                2 => "{\"cmd\":\"reconnect\"}",
                _ => "{\"cmd\":\"start\"}",
            };
            if socket.0.send(Message::text(command)).await.is_err() {
                break;
            }
            // Stalls, then reads on for a moment.
            if roll(2) == 0 {
                sleep(Duration::from_millis(roll(5000))).await;
            }
            let reads = async {
                while let Some(Ok(message)) = socket.0.next().await {
                    skips += u64::from(message.to_text().is_ok_and(|text| text.contains("skipped")));
                }
            };
            let _ = timeout(Duration::from_millis(roll(1500)), reads).await;
        }
        // Half of them say goodbye, the others vanish.
        if roll(2) == 0 {
            let _ = timeout(Duration::from_secs(1), socket.0.close(None)).await;
        }
    }
    skips
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_who_stall_vanish_and_return_cost_the_others_nothing() {
    let camera = camera(|o| (o.width, o.height, o.fps) = (1280, 720, 15)).await;
    let server = Arc::new(Server::of(&camera).await);
    let mut steady = server.watch().await;
    steady.play().await;
    let mut last = number(&steady.media().await);
    let (quiet, mut alone) = (Instant::now(), 0_u32);
    while quiet.elapsed() < Duration::from_secs(3) {
        last = number(&steady.media().await);
        alone += 1;
    }
    // 15 a second, fewer where this machine draws them too slowly.
    let rate = f64::from(alone) / quiet.elapsed().as_secs_f64();
    let first = last;

    let seconds = soak_seconds();
    let (begun, end) = (Instant::now(), Instant::now() + Duration::from_secs(seconds));
    let bad: Vec<_> = (0..49).map(|seed| tokio::spawn(misbehave(server.clone(), seed, end))).collect();
    let warm = Instant::now() + Duration::from_secs(seconds / 2);
    let mut memory = None;
    while Instant::now() < end {
        match steady.hear().await {
            Some(Heard::Media(segment)) => {
                let number = number(&segment);
                assert_eq!(number, last + 1, "the steady viewer lost frames after {:?}", begun.elapsed());
                last = number;
            }
            other => panic!("{other:?}"),
        }
        if Instant::now() > warm && memory.is_none() {
            memory = Some(resident_mib());
        }
    }
    let mut skips = 0;
    for bad in bad {
        skips += timeout(PATIENCE, bad).await.expect("a bad viewer hangs").unwrap();
    }
    let (before, after) = (memory.unwrap(), resident_mib());
    eprintln!("{} frames, {skips} skips, {before} MiB at half time, {after} MiB at the end", last - first);
    assert!(
        f64::from(last - first) > rate * 0.6 * seconds as f64,
        "{} frames in {seconds} s, {rate:.1} a second before",
        last - first
    );
    assert!(after < before + 24, "{before} MiB, then {after} MiB");
    assert_eq!(camera.stats().sessions_total, 1, "one upstream for all of them");
}
