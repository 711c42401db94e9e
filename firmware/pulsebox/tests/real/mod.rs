//! Starts GStreamer's RTSP server (`rtsp_server.py`) and asks the `pulsebox` binary about it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// Debian's own interpreter: another one in the PATH knows no GStreamer.
const PYTHON: &str = "/usr/bin/python3";
/// The first start on a machine lets GStreamer look through all its plugins.
const READY: Duration = Duration::from_secs(60);
/// The longest that a check may take here, beyond its own deadline.
const PATIENCE: Duration = Duration::from_secs(45);

/// A running server; it ends when this is dropped.
pub struct Server {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Server {
    /// Starts the server with the arguments that `rtsp_server.py --help` explains, and waits for it.
    pub async fn start(arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/rtsp_server.py");
        let mut child = Command::new(PYTHON)
            .arg(script)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("/usr/bin/python3 starts: run `scripts/need test`");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self { child, lines, port: 0 };
        let ready = server.says("port", READY).await;
        server.port = u16::try_from(ready).unwrap();
        server
    }

    /// The number it reports next under `key`.
    async fn says(&mut self, key: &str, patience: Duration) -> u64 {
        let line = timeout(patience, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("the server says no {key} within {patience:?}")).unwrap();
        let Some(line) = line else {
            panic!(
                "the server ended ({:?}); its words stand above. Is all there? `scripts/need test`",
                self.child.try_wait()
            );
        };
        let said: Value = serde_json::from_str(&line).unwrap();
        said[key].as_u64().unwrap_or_else(|| panic!("waited for {key}, heard {line}"))
    }

    /// Waits for the next TEARDOWN, and says how many there were.
    pub async fn teardown(&mut self) -> u64 {
        self.says("teardown", Duration::from_secs(5)).await
    }

    /// `rtsp://LOGIN127.0.0.1:PORT/stream`; `login` is empty or ends in `@`.
    pub fn url(&self, login: &str) -> String {
        format!("rtsp://{login}127.0.0.1:{}/stream", self.port)
    }

    /// The same over TLS.
    pub fn tls_url(&self, login: &str) -> String {
        self.url(login).replacen("rtsp", "rtsps", 1)
    }
}

/// What `pulsebox check --json` answered.
pub struct Answer {
    report: Value,
    /// All that it wrote, standard error too.
    pub output: String,
}

impl Answer {
    pub fn verdict(&self) -> &str {
        self.report["verdict"].as_str().unwrap()
    }

    /// What went wrong in words, and what to do about it.
    pub fn message(&self) -> &str {
        self.report["message"].as_str().unwrap()
    }

    /// Milliseconds that a rung took; none if it was not reached.
    pub fn rung(&self, name: &str) -> Option<f64> {
        let rungs = self.report["rungs"].as_array().unwrap();
        rungs.iter().find(|rung| rung["rung"] == name)?["ms"].as_f64()
    }

    /// Asserts a living picture of 640 × 360 at 10 frames a second in `codec`, proved by every rung (H.265: up to its
    /// key frame).
    pub fn assert_living(&self, codec: &str) {
        assert_eq!(self.verdict(), "ok", "{}", self.report);
        let stream = &self.report["stream"];
        assert_eq!((&stream["codec"], &stream["width"], &stream["height"]), (&codec.into(), &640.into(), &360.into()));
        let fps = stream["fps"].as_f64().unwrap_or_default();
        assert!((8.0..=12.0).contains(&fps), "10 frames a second are served, {fps} were measured");
        let kbps = stream["kbps"].as_f64().unwrap_or_default();
        assert!((100.0..=10_000.0).contains(&kbps), "{kbps} kbit/s");
        for rung in ["resolve", "connect", "describe", "first_packet", "first_key_frame"] {
            assert!(self.rung(rung).is_some(), "{rung} is missing: {}", self.report);
        }
        // What was not decoded was not judged.
        assert_eq!(self.rung("picture").is_some(), codec != "h265", "{}", self.report);
    }
}

/// Runs `pulsebox check --json URL OPTIONS…`, trusting the certificates in `trusted` if given.
pub async fn check_trusting(trusted: Option<&Path>, url: &str, options: &[&str]) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulsebox"));
    command.args(["check", "--json", url]).args(options).kill_on_drop(true);
    if let Some(trusted) = trusted {
        command.env("SSL_CERT_FILE", trusted);
    }
    let output = timeout(PATIENCE, command.output()).await.expect("a check ends by its deadline").unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    let fault = report["severity"] == "fault";
    assert_eq!(output.status.code(), Some(i32::from(fault)), "exit code of {report}");
    Answer { output: format!("{out}{err}"), report }
}

/// Runs `pulsebox check --json URL OPTIONS…`.
pub async fn check(url: &str, options: &[&str]) -> Answer {
    check_trusting(None, url, options).await
}

/// A certificate authority, and a server's certificate signed by it, as files.
pub struct Certificates {
    folder: TempDir,
}

impl Certificates {
    /// The server's is for `host`, a name or an address.
    pub fn made_for(host: &str) -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let leaf = CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("authority.pem"), root.pem()).unwrap();
        std::fs::write(folder.path().join("server.pem"), leaf.pem() + &key.serialize_pem()).unwrap();
        Self { folder }
    }

    /// What a client must trust.
    pub fn authority(&self) -> std::path::PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// What the server shows, with its key.
    pub fn server(&self) -> String {
        self.folder.path().join("server.pem").display().to_string()
    }
}
