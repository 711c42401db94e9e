//! The daemon as a process of its own: started, asked over HTTP, sent signals, read on stderr.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use simcam::Camera;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;

/// What anything may take on a machine with two busy cores before the test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at something that cannot wake us.
const LOOK_AGAIN: Duration = Duration::from_millis(40);

/// The password of every daemon's page.
pub const PASSWORD: &str = "a password for tests";

/// A configuration with the shortest heartbeat and a free port; `streams` are YAML list items.
pub fn config<T: AsRef<str>>(streams: &[T]) -> String {
    let mut text = "heartbeat_seconds: 5\nweb: { listen: \"127.0.0.1:0\" }\nstreams:\n".to_owned();
    for stream in streams {
        text += &format!("  - {}\n", stream.as_ref());
    }
    text
}

/// One item of `streams:`.
pub fn stream(name: &str, camera: &Camera) -> String {
    format!("{{ name: {name}, url: \"{}\" }}", camera.url())
}

/// A folder with a configuration and a place for the data; outlives the daemons that run in it.
pub struct Home(TempDir);

impl Home {
    pub fn new(config: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write(config);
        home
    }

    /// Writes the configuration anew, in one piece, as an editor does.
    pub fn write(&self, config: &str) {
        let new = self.path("pulsebox.yaml.new");
        std::fs::write(&new, config).unwrap();
        std::fs::rename(new, self.path("pulsebox.yaml")).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.path("data/history.sqlite")
    }

    /// `pulsebox run` on this folder.
    pub fn command(&self) -> Command {
        self.command_in(&[], &self.path("data"))
    }

    /// The same behind other programs (`unshare -n`), with its data in `data`.
    pub fn command_in(&self, before: &[&str], data: &Path) -> Command {
        let binary = env!("CARGO_BIN_EXE_pulsebox");
        let mut words = before.iter().chain([&binary]);
        let mut command = Command::new(words.next().unwrap());
        command.args(words).arg("run").arg("--config").arg(self.path("pulsebox.yaml")).arg("--data").arg(data);
        for inherited in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "PULSEBOX_LOG"] {
            command.env_remove(inherited);
        }
        command
    }

    pub async fn start(&self) -> Daemon {
        Daemon::start(self.command()).await
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    log: watch::Receiver<String>,
    /// The cookie of whoever asks it, got when it is first asked.
    cookie: OnceCell<String>,
    /// Where its page is, inside its own network.
    pub address: SocketAddr,
}

impl Daemon {
    /// Starts it and waits until its page is there.
    pub async fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (to_log, log) = watch::channel(String::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                to_log.send_modify(|text| *text = std::mem::take(text) + &line + "\n");
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut daemon = Self { child, log, cookie: OnceCell::new(), address };
        let text = daemon.logged("the page is at http://").await;
        let (_, rest) = text.split_once("the page is at http://").unwrap();
        daemon.address = rest.split('/').next().unwrap().parse().unwrap();
        daemon
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("the daemon has ended")
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// Waits for words in the log; gives the log.
    pub async fn logged(&self, words: &str) -> String {
        self.until_logged(1, words).await
    }

    /// Waits for words to stand in the log this many times; gives the log.
    pub async fn until_logged(&self, times: usize, words: &str) -> String {
        let mut log = self.log.clone();
        match timeout(PATIENCE, log.wait_for(|text| text.matches(words).count() >= times)).await {
            Ok(Ok(text)) => text.clone(),
            _ => panic!("`{words}` is not {times} times in the log:\n{}", self.log()),
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = std::process::Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop; gives how it ended and how long that took.
    pub async fn terminate(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.signal("TERM");
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let status = ended.unwrap_or_else(|_| panic!("still running {PATIENCE:?} after SIGTERM")).unwrap();
        (status, asked.elapsed())
    }

    /// `kill -9`, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// GET: status and body.
    pub async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut connection = self.ask(path).await;
        let mut answer = Vec::new();
        timeout(PATIENCE, connection.read_to_end(&mut answer)).await.expect("the answer takes too long").unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an HTTP head") + 4;
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status line");
        (status, answer.split_off(end))
    }

    /// GET of JSON.
    pub async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        let text = String::from_utf8_lossy(&body);
        (status, serde_json::from_slice(&body).unwrap_or_else(|e| panic!("{path}: {e}: {text}")))
    }

    /// One camera as the API tells it; null where there is none.
    pub async fn camera(&self, id: &str) -> Value {
        let (status, camera) = self.json(&format!("/api/streams/{id}")).await;
        if status == 200 { camera } else { Value::Null }
    }

    /// Waits until the API's answer to `path` satisfies `condition`; gives it.
    pub async fn until(&self, path: &str, limit: Duration, condition: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + limit;
        loop {
            let (_, answer) = self.json(path).await;
            if condition(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{path} after {limit:?}:\n{answer:#}\n{}", self.log());
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until a camera is in a state; gives what the API says of it then.
    pub async fn until_state(&self, id: &str, state: &str) -> Value {
        self.until(&format!("/api/streams/{id}"), PATIENCE, |camera| camera["state"] == state).await
    }

    /// Waits until a camera has been checked `n` times.
    pub async fn until_checked(&self, id: &str, n: usize) -> Value {
        self.until(&format!("/api/streams/{id}"), PATIENCE, |camera| recent(camera).len() >= n).await
    }

    /// Listens to the events of these types.
    pub async fn events(&self, types: &str) -> Events {
        let mut events = Events(BufReader::new(self.ask(&format!("/api/events?types={types}")).await));
        while events.line().await != ": watching" {}
        events
    }

    /// HTTP/1.0: the answer comes unchunked and ends with the connection.
    async fn ask(&self, path: &str) -> TcpStream {
        let cookie = self.cookie.get_or_init(|| self.sign_in()).await;
        self.send(&format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n")).await
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut connection = timeout(PATIENCE, TcpStream::connect(self.address)).await.unwrap().unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        connection
    }

    /// Sets the first password, or gives the one that was set; gives the cookie.
    async fn sign_in(&self) -> String {
        let body = format!("{{\"password\":\"{PASSWORD}\"}}");
        for call in ["/api/claim", "/api/session"] {
            let mut connection = self
                .send(&format!(
                    "POST {call} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                ))
                .await;
            let mut answer = String::new();
            let read = timeout(PATIENCE, connection.read_to_string(&mut answer)).await;
            read.expect("signing in takes too long").unwrap();
            let cookie = answer
                .lines()
                .find_map(|line| line.to_ascii_lowercase().starts_with("set-cookie: ").then(|| &line[12..]));
            if let Some(cookie) = cookie {
                return cookie.split(';').next().unwrap().to_owned();
            }
        }
        panic!("the daemon lets nobody in:\n{}", self.log());
    }
}

/// The checks that a camera's answer remembers.
pub fn recent(camera: &Value) -> &[Value] {
    camera["recent"].as_array().map_or(&[], Vec::as_slice)
}

/// Server-sent events.
pub struct Events(BufReader<TcpStream>);

impl Events {
    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("no event comes").unwrap();
        assert!(read > 0, "the event stream has ended");
        line.trim_end().to_owned()
    }

    /// The next event: its type and its data.
    pub async fn next(&mut self) -> (String, Value) {
        let (mut kind, mut data) = (String::new(), String::new());
        loop {
            let line = self.line().await;
            match line.split_once(": ") {
                Some(("event", value)) => kind = value.into(),
                Some(("data", value)) => data += value,
                _ if line.is_empty() && !data.is_empty() => return (kind, serde_json::from_str(&data).unwrap()),
                _ => {}
            }
        }
    }
}

/// Waits until `look` gives something, `limit` at most.
pub async fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {limit:?}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Runs a command to its end, `limit` at most: exit code (none: killed by a signal), stdout, stderr.
pub async fn output(mut command: Command, limit: Duration) -> (Option<i32>, String, String) {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn();
    let ended = timeout(limit, child.unwrap().wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("still running after {limit:?}: {command:?}")).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
