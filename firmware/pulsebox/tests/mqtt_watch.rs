//! `pulsebox mqtt watch` on a real mosquitto, and the tables of `docs/mqtt.md`.

mod common;

use std::fmt::Write as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::broker::{Broker, PASSWORD, Setup, USER};
use common::daemon::PATIENCE;
use pulsebox::monitor::overall::Overall;
use pulsebox::mqtt::{Kept, TOPICS};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

/// A running `pulsebox mqtt watch`; killed when dropped.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: BufReader<ChildStderr>,
}

impl Watch {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pulsebox"));
        command.args(["mqtt", "watch"]).args(words).stdin(Stdio::null()).kill_on_drop(true);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, lines, said }
    }

    /// On this broker's plain port.
    fn on(broker: &Broker, words: &[&str]) -> Self {
        let port = broker.ports[0].to_string();
        Self::start(&[&["--host", broker.address(), "--port", &port], words].concat())
    }

    /// The next line on stderr.
    async fn said(&mut self) -> String {
        let mut line = String::new();
        timeout(PATIENCE, self.said.read_line(&mut line)).await.expect("it says nothing").unwrap();
        line
    }

    /// Waits until the broker has taken the subscription.
    async fn listening(&mut self) {
        let line = self.said().await;
        assert!(line.starts_with("listening to "), "{line}");
    }

    /// The next line without its time.
    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("no line").unwrap();
        let line = line.expect("it has ended");
        let (time, rest) = line.split_once("  ").unwrap();
        assert!(jiff::civil::Time::strptime("%H:%M:%S", time).is_ok(), "{line}");
        rest.to_owned()
    }

    /// Waits for its end: how, what it printed that was not read, and what it said on stderr.
    async fn end(mut self) -> (ExitStatus, String, String) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it does not end").unwrap();
        let (mut printed, mut said) = (String::new(), String::new());
        while let Some(line) = self.lines.next_line().await.unwrap() {
            let _ = writeln!(printed, "{line}");
        }
        self.said.read_to_string(&mut said).await.unwrap();
        (status, printed, said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_told_in_words_as_they_come() {
    let broker = Broker::start().await;
    let publisher = broker.listen(&["none"]).await;
    publisher.publish("pulsebox/0123abcd/availability", b"online", true).await;
    let mut watch = Watch::on(&broker, &["--box", "0123abcd", "--count", "4"]);
    watch.listening().await;
    assert_eq!(watch.line().await, "box availability          online  (kept)");
    let state = br#"{"state":"down","verdict":"no_media","message":"Nothing comes.","since":"2020-11-21T12:03:11Z"}"#;
    publisher.publish("pulsebox/0123abcd/cam/gate/state", state, true).await;
    let line = watch.line().await;
    assert!(line.starts_with("gate                      down  no_media  \"Nothing comes.\" since 2020-11-2"), "{line}");
    // Neither of another box, nor of somebody else's device, is there a line.
    publisher.publish("pulsebox/9999ffff/cam/gate/state", state, false).await;
    publisher.publish("homeassistant/device/lamp/config", b"{}", false).await;
    publisher.publish("streampulse/status", br#"{"Gate":{"status":"fail"}}"#, false).await;
    assert_eq!(watch.line().await, "status                    StreamPulse: 1 camera, 1 fail");
    let device = br#"{"device":{"name":"Gate"},"components":{"a":{},"b":{}}}"#;
    publisher.publish("homeassistant/device/pulsebox_0123abcd_gate/config", device, false).await;
    assert_eq!(watch.line().await, "device gate               device \"Gate\", 2 entities");
    let (status, printed, _) = watch.end().await;
    assert_eq!((status.code(), printed.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transport_is_spoken_and_the_password_comes_from_a_file() {
    let broker = Broker::with(Setup { password: true, ..Setup::default() }).await;
    let publisher = broker.listen(&["none"]).await;
    publisher.publish("pulsebox/0123abcd/availability", b"online", true).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).unwrap();
    let (file, ca_file) = (file.display().to_string(), broker.ca_file());
    let tls = ["--tls", "--ca-file", &ca_file];
    let transports = [vec![], tls.to_vec(), vec!["--websocket"], [&tls[..], &["--websocket"]].concat()];
    for (port, transport) in broker.ports.iter().zip(transports) {
        let port = port.to_string();
        let sign_in = ["--username", USER, "--password-file", &file, "--count", "1", "--raw"];
        let words = [&["--host", broker.address(), "--port", &port], &sign_in[..], &transport].concat();
        let mut watch = Watch::start(&words);
        watch.listening().await;
        assert_eq!(watch.line().await, "pulsebox/0123abcd/availability  online  (kept)", "{transport:?}");
        assert!(watch.end().await.0.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_of_the_configuration_is_listened_to_until_interrupted() {
    let broker = Broker::with(Setup { password: true, ..Setup::default() }).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pulsebox.yaml");
    std::fs::write(&file, broker.yaml(", topic: our/status")).unwrap();
    let mut watch = Watch::start(&["--config", file.to_str().unwrap()]);
    watch.listening().await;
    let publisher = broker.listen(&["none"]).await;
    publisher.publish("our/status", b"{}", false).await;
    assert_eq!(watch.line().await, "status                    StreamPulse: 0 cameras, 0 fail");
    let pid = watch.child.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
    let (status, _, said) = watch.end().await;
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_after_the_time_that_was_given() {
    let broker = Broker::start().await;
    let began = Instant::now();
    let (status, printed, _) = Watch::on(&broker, &["--for", "1"]).end().await;
    assert_eq!((status.code(), printed.as_str()), (Some(0), ""));
    assert!(began.elapsed() >= Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_to_be_had_is_named_with_its_fault() {
    let mut broker = Broker::with(Setup { password: true, ..Setup::default() }).await;
    let (status, _, said) = Watch::on(&broker, &[]).end().await;
    assert!(status.code() == Some(1) && said.starts_with("pulsebox: auth: "), "{status} {said}");
    let file = broker.ca_file(); // a file with another first line than the password
    let wrong = ["--username", USER, "--password-file", &file];
    let (status, _, said) = Watch::on(&broker, &wrong).end().await;
    assert!(status.code() == Some(1) && said.starts_with("pulsebox: auth: "), "{status} {said}");
    broker.stop().await;
    let (status, _, said) = Watch::on(&broker, &[]).end().await;
    assert!(status.code() == Some(1) && said.starts_with("pulsebox: refused: "), "{status} {said}");
    assert!(!said.contains("BEGIN") && !said.contains(PASSWORD), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_told_and_waited_for() {
    let mut broker = Broker::start().await;
    let mut watch = Watch::on(&broker, &["--count", "1"]);
    let place = format!("listening to {}:{}\n", broker.address(), broker.ports[0]);
    assert_eq!(watch.said().await, place);
    broker.stop().await;
    let lost = watch.said().await;
    assert!(lost.starts_with("pulsebox: ") && lost.ends_with("; trying again every 3 s\n"), "{lost}");
    broker.run().await;
    assert_eq!(watch.said().await, place, "and each failure in between is not told");
    broker.listen(&["none"]).await.publish("streampulse/status", b"{}", false).await;
    assert_eq!(watch.line().await, "status                    StreamPulse: 0 cameras, 0 fail");
    assert!(watch.end().await.0.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (empty, none) = (folder.path().join("empty.yaml"), folder.path().join("none"));
    std::fs::write(&empty, "").unwrap();
    let (empty, none) = (empty.to_str().unwrap(), none.to_str().unwrap());
    for (words, expected) in [
        (&["--config", empty][..], "no broker is configured"),
        (&["--config", none], "none"),
        (&["--host", "127.0.0.1", "--password-file", none], "no password to be read"),
        (&["--host", "127.0.0.1", "--password-file", empty], "the first line is empty"),
        (&["--host", "127.0.0.1", "--box", "Box"], "8 hex digits"),
        (&["--host", "127.0.0.1", "--count", "0"], "--count"),
        (&["--host", "mqtt://me:geheim@127.0.0.1"], "without scheme"),
        (&["--host", "me:geheim@127.0.0.1"], "a name or address"),
        (&["--host", "127.0.0.1:1883"], "--port"),
    ] {
        let (status, _, said) = Watch::start(words).end().await;
        assert!(status.code() == Some(2) && said.contains(expected), "{words:?}: {status} {said}");
        assert!(!said.contains("geheim"), "{said}");
    }
}

#[test]
fn the_topics_in_the_docs_are_those_in_the_code() {
    let mut table = String::new();
    for row in TOPICS {
        let way = if row.is_read { "to the box" } else { "from the box" };
        let kept = match row.kept {
            Kept::Retained => "yes",
            Kept::Not => "no",
            Kept::AsConfigured => "as `retain` says",
        };
        let _ = writeln!(table, "| `{}` | {way} | {kept} | {} | {} |", row.pattern, row.when, row.what);
    }
    common::document("mqtt.md", "topics", "| topic | | retained | when, or which | what |", &table, 0);
}

#[test]
fn the_box_in_one_word_is_explained_in_the_docs() {
    let mut table = String::new();
    for overall in Overall::ALL {
        let _ = writeln!(table, "| `{}` | {} |", overall.name(), overall.meaning());
    }
    common::document("mqtt.md", "overall", "| `overall` | when |", &table, 0);
}
