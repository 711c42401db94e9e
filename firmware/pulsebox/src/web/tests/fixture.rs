//! A board of invented cameras, a past that answers, and a server to ask.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::appliance::Room;
use crate::camera::{Codec, Rung, RungTime, StreamInfo, Verdict};
use crate::clock::Clock;
use crate::config::Store;
use crate::host::Interfaces;
use crate::live::Live;
use crate::monitor::appliance::Cause;
use crate::monitor::board::{
    Board, CameraStatus, Event, Incident, LampStatus, Recent, Report, Snapshot, State, Thumbnail,
};
use crate::monitor::look::RealEye;
use crate::monitor::past::{
    Answer as PastAnswer, Bucket, CheckRow, EvidencePicture, KeptEvidence, Past, PastError, PastIncident, PastStart,
    StateTimes, Uptime, Uptimes,
};
use crate::monitor::{Before, Means, Monitor};
use crate::web::{Access, Scope, Web, bind};

/// How long a test waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn start() -> Timestamp {
    "2026-11-21T06:00:00Z".parse().unwrap()
}

pub fn ago(seconds: i64) -> Timestamp {
    start() - SignedDuration::from_secs(seconds)
}

/// What a check found.
pub fn report(verdict: Verdict, at: Timestamp) -> Report {
    let seen = verdict == Verdict::Ok || verdict as u8 > Verdict::Undecodable as u8;
    Report {
        at,
        verdict,
        message: format!("{}. {}", verdict.row().title, verdict.row().advice),
        rungs: vec![RungTime { rung: Rung::Resolve, ms: 0.2 }, RungTime { rung: Rung::Connect, ms: 1.7 }],
        ms: 231.04,
        first_packet_ms: seen.then_some(41.5),
        first_frame_ms: seen.then_some(184.0),
        stream: StreamInfo {
            codec: seen.then_some(Codec::H264),
            profile: seen.then(|| "High 3.1".into()),
            width: seen.then_some(1280),
            height: seen.then_some(720),
            fps: seen.then_some(25.0),
            kbps: seen.then_some(2048),
            loss_percent: seen.then_some(0.0),
        },
        answer: None,
        decoded: seen,
    }
}

/// A camera in `state` whose last 50 checks said `before` and the very last `verdict`.
pub fn camera(id: &str, name: &str, state: State, before: Verdict, verdict: Verdict) -> CameraStatus {
    let since = ago(if state == State::Up { 90_061 } else { 247 });
    let recent = (0..50).map(|i| {
        let verdict = if i < 34 { before } else { verdict };
        Recent { at: ago(15 * (49 - i) + 3), verdict, ms: Some(41.5 + i as f64) }
    });
    let incident = matches!(state, State::Down | State::Degraded).then(|| {
        let message = verdict.row().title.into();
        Arc::new(Incident {
            id: since.as_microsecond(),
            camera: id.into(),
            state,
            verdict,
            message,
            from: since,
            to: None,
            evidence: None,
        })
    });
    CameraStatus {
        id: id.into(),
        name: name.into(),
        url: format!("rtsp://***:***@192.168.1.20:554/{id}"),
        heartbeat_seconds: 15,
        state,
        since,
        last: Some(Arc::new(report(verdict, ago(3)))),
        recent: recent.collect(),
        incident,
        thumbnail: Some(Arc::new(Thumbnail {
            jpeg: Bytes::from_static(b"\xff\xd8 a picture"),
            at: since,
            width: 640,
            height: 360,
            etag: 0xabcd,
        })),
        failures: u32::from(state == State::Down) * 16,
        paused_until: None,
        next_check: Some(start() + SignedDuration::from_secs(12)),
    }
}

/// Puts `cameras` on the board, in this order.
pub fn put(board: &Board, cameras: impl IntoIterator<Item = CameraStatus>) {
    let change = |snapshot: &mut Snapshot| {
        snapshot.host.network = true;
        let cameras: Vec<_> = cameras.into_iter().map(Arc::new).collect();
        snapshot.order = cameras.iter().map(|camera| camera.id.clone()).collect();
        snapshot.cameras = cameras.into_iter().map(|camera| (camera.id.clone(), camera)).collect();
    };
    board.change(change, [Event::CamerasChanged]);
}

/// Three cameras: one up, one down, one that has not been looked at.
pub fn three() -> Board {
    let board = Board::default();
    let gate = camera("gate", "Gate", State::Up, Verdict::Ok, Verdict::Ok);
    let garage = camera("garage", "Garage", State::Down, Verdict::Ok, Verdict::NoMedia);
    let mut new = camera("new", "New", State::Unknown, Verdict::Ok, Verdict::Ok);
    (new.last, new.thumbnail, new.recent) = (None, None, Arc::new([]));
    put(&board, [gate, garage, new]);
    let lamp = LampStatus { lamp: "red".into(), at: "line 17 of pinctrl-bcm2711".into(), dims: false, problem: None };
    board.change_host(|host| host.leds.lamps = vec![lamp]);
    board
}

/// A past that knows `gate` and was asked what it was asked.
pub struct Remembered;

/// A picture of the evidence.
pub const EVIDENCE_JPEG: &[u8] = b"\xff\xd8 evidence";

impl Past for Remembered {
    fn series(&self, camera: String, from: Timestamp, _: Timestamp, step: Duration) -> PastAnswer<'_, Vec<Bucket>> {
        let to = from + SignedDuration::try_from(step).unwrap();
        let bucket = Bucket {
            from,
            to,
            times_ms: StateTimes { up: 300_000, ..StateTimes::default() },
            checks: 20,
            failures: 0,
            p50_ms: Some(41),
            p95_ms: Some(60),
            max_ms: Some(312),
            first_frame_ms: Some(184),
            fps: Some(25.0),
            kbps: Some(2048),
        };
        async move { known(&camera).map(|()| vec![bucket]) }.boxed()
    }

    fn uptime(&self, camera: String, _: Timestamp, _: Timestamp) -> PastAnswer<'_, Uptime> {
        async move { known(&camera).map(|()| a_days_uptime()) }.boxed()
    }

    fn uptimes(&self, camera: String) -> PastAnswer<'_, Uptimes> {
        let day = a_days_uptime();
        async move { known(&camera).map(|()| Uptimes { day, ..Uptimes::default() }) }.boxed()
    }

    fn checks(&self, camera: String, from: Timestamp, _: Timestamp, _: usize) -> PastAnswer<'_, Vec<CheckRow>> {
        let check = CheckRow {
            at: from,
            verdict: Verdict::Ok,
            severity: Verdict::Ok.severity(),
            state: State::Up,
            ms: 231,
            first_packet_ms: Some(41),
            first_frame_ms: Some(184),
            fps: Some(25.0),
            kbps: Some(2048),
        };
        async move { known(&camera).map(|()| vec![check]) }.boxed()
    }

    fn incidents(
        &self,
        camera: String,
        from: Timestamp,
        to: Timestamp,
        _limit: usize,
    ) -> PastAnswer<'_, Vec<PastIncident>> {
        let incident = Incident {
            id: from.as_microsecond(),
            camera: camera.clone(),
            state: State::Down,
            verdict: Verdict::NoMedia,
            message: "PLAY was accepted, then nothing came.".into(),
            from,
            to: Some(to),
            evidence: None,
        };
        let evidence =
            KeptEvidence { answer: Some("RTSP/1.0 401 Unauthorized".into()), good_at: Some(from), bad_at: Some(from) };
        let incident = PastIncident { incident, evidence: Some(evidence) };
        async move { known(&camera).map(|()| vec![incident]) }.boxed()
    }

    fn evidence_picture(&self, camera: String, _: i64, which: EvidencePicture) -> PastAnswer<'_, Option<Bytes>> {
        let picture = (which == EvidencePicture::Good).then_some(Bytes::from_static(EVIDENCE_JPEG));
        async move { known(&camera).map(|()| picture) }.boxed()
    }

    fn starts(&self, _: usize) -> PastAnswer<'_, Vec<PastStart>> {
        let (message, slot, version) = (Some("The power was cut.".into()), Some("A".into()), Some("1.2.3".into()));
        async move { Ok(vec![PastStart { at: start(), cause: Cause::Power, message, slot, version }]) }.boxed()
    }
}

fn a_days_uptime() -> Uptime {
    let times_ms = StateTimes { up: 86_153_000, down: 247_000, ..StateTimes::default() };
    Uptime { times_ms, percent: Some(99.714) }
}

fn known(camera: &str) -> Result<(), PastError> {
    match camera {
        "gate" => Ok(()),
        "garage" => Err(PastError::Unavailable("the disk fails".into())),
        _ => Err(PastError::UnknownCamera),
    }
}

/// A running server, ended with its drop.
pub struct Server {
    pub port: u16,
    pub stop: CancellationToken,
    pub task: AbortOnDropHandle<()>,
    /// Where its `pulsebox.yaml` lies.
    _folder: tempfile::TempDir,
    /// Who may do what.
    pub access: Access,
    /// What every call but a stranger's brings: a token that may do everything.
    pub token: String,
}

/// Serves `board` on a free port.
pub async fn serve(board: &Board) -> Server {
    serve_as(board, None).await
}

/// The same as an appliance.
pub async fn serve_as(board: &Board, appliance: Option<Room>) -> Server {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stop = CancellationToken::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pulsebox.yaml");
    std::fs::write(&file, "web: { hosts: [cameras.example.org] }").unwrap();
    let clock = Clock::turned(start());
    let means = Means {
        board: board.clone(),
        clock: clock.clone(),
        eye: Arc::new(RealEye::default()),
        link: Arc::new(Interfaces::default()),
    };
    let (_, orders) = Monitor::new(means, Before::default());
    let access = Access::open(None, clock.clone());
    let token = access.make_token("test", Scope::Admin).await.unwrap().token;
    let web = Web {
        board: board.clone(),
        past: Arc::new(Remembered),
        access: access.clone(),
        clock,
        orders,
        config: Arc::new(Store::load(&file).unwrap()),
        live: Live::default(),
        try_broker: super::mqtt::broker(),
        appliance,
    };
    let task = AbortOnDropHandle::new(tokio::spawn(web.serve_on(listener, stop.clone())));
    Server { port, stop, task, _folder: folder, access, token }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Server {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Sends `head` (request line and headers, `\n` for line ends) with the token and reads the answer to its end.
    pub async fn send(&self, head: &str) -> Answer {
        self.send_as_stranger(&format!("{}\nAuthorization: Bearer {}", head.trim(), self.token)).await
    }

    /// The same without the token.
    pub async fn send_as_stranger(&self, head: &str) -> Answer {
        self.send_with_body(head, b"").await
    }

    /// The same with a body, whose length the head has told.
    pub async fn send_with_body(&self, head: &str, body: &[u8]) -> Answer {
        timeout(PATIENCE, async {
            let mut stream = self.connect().await;
            let mut all = format!("{}\r\n\r\n", head.trim().replace('\n', "\r\n")).into_bytes();
            all.extend(body);
            stream.write_all(&all).await.unwrap();
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            split(&all)
        })
        .await
        .expect("an answer in time")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.get_with(path, "").await
    }

    /// With more headers.
    pub async fn get_with(&self, path: &str, headers: &str) -> Answer {
        self.send(&format!("GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n{headers}")).await
    }

    /// Opens an event stream and reads its head.
    pub async fn listen(&self, path: &str, headers: &str) -> Listener {
        let mut stream = self.connect().await;
        let token = format!("Authorization: Bearer {}", self.token);
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{token}\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut listener = Listener { lines: BufReader::new(stream), head: String::new() };
        while !listener.head.ends_with("\r\n\r\n") {
            let read = timeout(PATIENCE, listener.lines.read_line(&mut listener.head)).await;
            assert_ne!(read.unwrap().unwrap(), 0, "{}", listener.head);
        }
        listener
    }
}

fn split(all: &[u8]) -> Answer {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: all[end + 4..].to_vec() }
}

/// An open event stream.
pub struct Listener {
    lines: BufReader<TcpStream>,
    pub head: String,
}

/// One event as it came.
#[derive(Debug, Default, PartialEq)]
pub struct Heard {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

impl Listener {
    /// The next event; none at the stream's end.
    pub async fn next(&mut self) -> Option<Heard> {
        let mut heard = Heard::default();
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.lines.read_line(&mut line)).await.expect("an event in time");
            if read.unwrap_or(0) == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => heard.id = id.into(),
                Some(("event", kind)) => heard.kind = kind.into(),
                Some(("data", data)) => heard.data = serde_json::from_str(data).unwrap(),
                _ if line == "\n" && !heard.kind.is_empty() => return Some(heard),
                _ => {} // chunk sizes, comments, retry
            }
        }
    }
}
