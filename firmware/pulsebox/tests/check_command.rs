//! `pulsebox check URL` as a person and as a script see it: words, JSON, exit codes, the picture.

mod common;

use std::time::{Duration, Instant};

use common::daemon::{PATIENCE, output};
use pulsebox::camera::{LADDER, Rung, Verdict};
use serde_json::Value;
use simcam::{Auth, Camera, Codec, Mood, Options, Protocol};
use tokio::process::Command;

struct Outcome {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs `pulsebox check` with these words.
async fn check(words: &[&str]) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pulsebox"));
    command.arg("check").args(words);
    let (code, out, err) = output(command, PATIENCE).await;
    Outcome { code, out, err }
}

async fn json(words: &[&str]) -> (Option<i32>, Value) {
    let outcome = check(&[words, &["--json"]].concat()).await;
    assert_eq!(outcome.out.lines().count(), 1, "one object and nothing else: {}", outcome.out);
    (outcome.code, serde_json::from_str(&outcome.out).unwrap())
}

async fn camera(mood: Mood) -> Camera {
    Camera::start(Options { mood, ..Options::default() }).await.unwrap()
}

fn rungs(report: &Value) -> Vec<&str> {
    report["rungs"].as_array().unwrap().iter().map(|rung| rung["rung"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_is_0_for_ok_and_warnings_1_for_faults_and_2_for_wrong_usage() {
    for (mood, verdict, code) in
        [(Mood::Healthy, "ok", 0), (Mood::Slow, "slow", 0), (Mood::NotFound, "not_found", 1), (Mood::Black, "black", 1)]
    {
        let slow = Duration::from_millis(3300);
        let camera = Camera::start(Options { mood, slow, ..Options::default() }).await.unwrap();
        let (exit, report) = json(&[&camera.url()]).await;
        assert_eq!((exit, &report["verdict"]), (Some(code), &verdict.into()), "{mood}: {report:#}");
    }
    let cases: [&[&str]; 5] =
        [&[], &["rtsp://h/", "--timeout", "never"], &["rtsp://h/", "--timeout", "0"], &["nonsense"], &["--no"]];
    for words in cases {
        let outcome = check(words).await;
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(2), ""), "{words:?}: {}", outcome.err);
        assert!(!outcome.err.is_empty(), "{words:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_is_one_object_with_verdict_message_rungs_and_stream() {
    let cam = camera(Mood::Healthy).await;
    let (_, report) = json(&[&cam.url()]).await;
    let climbed = ["resolve", "connect", "describe", "first_packet", "first_key_frame", "picture"];
    assert_eq!(rungs(&report), climbed);
    let all: f64 = report["rungs"].as_array().unwrap().iter().map(|rung| rung["ms"].as_f64().unwrap()).sum();
    assert!(all > 0.0 && all <= report["total_ms"].as_f64().unwrap() + 1.0, "{report:#}");
    let stream = &report["stream"];
    assert_eq!((&stream["codec"], &stream["width"], &stream["height"]), (&"h264".into(), &640.into(), &360.into()));
    let fps = stream["fps"].as_f64().unwrap();
    assert!((7.0..13.0).contains(&fps), "{fps} frames a second of 10");
    assert!(stream["kbps"].as_u64().unwrap() > 0, "{stream}");
    assert_eq!((&report["severity"], &report["decoded"]), (&"ok".into(), &true.into()));
    assert!(report["message"].as_str().unwrap().starts_with(Verdict::Ok.row().title), "{report:#}");

    let cam = camera(Mood::NotFound).await;
    let (_, report) = json(&[&cam.url()]).await;
    assert_eq!((&report["verdict"], &report["severity"]), (&"not_found".into(), &"fault".into()));
    assert_eq!(rungs(&report), ["resolve", "connect"], "the rungs below the one that failed");
    assert_eq!(report["advice"], Verdict::NotFound.row().advice);
    assert_eq!(report["stream"]["codec"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_text_shows_each_rung_and_one_verdict_and_a_pipe_gets_no_colours() {
    let cam = camera(Mood::Healthy).await;
    let Outcome { out, err, .. } = check(&[&cam.url()]).await;
    for rung in [Rung::Resolve, Rung::Connect, Rung::Describe, Rung::FirstPacket, Rung::FirstKeyFrame, Rung::Picture] {
        let times = out.lines().filter(|line| line.contains(&format!("✓ {rung} ")) && line.ends_with(" ms")).count();
        assert_eq!(times, 1, "{rung}: {out}");
    }
    assert!(out.lines().next().unwrap().starts_with("rtsp://127.0.0.1:"), "{out}");
    assert!(out.contains("640×360") && out.contains("fps"), "{out}");
    assert!(out.lines().last().unwrap().starts_with("ok  Living picture"), "{out}");
    assert!(!out.contains('\x1b') && err.is_empty(), "{out}{err}");

    let cam = camera(Mood::Unsupported).await;
    let Outcome { out, .. } = check(&[&cam.url()]).await;
    assert!(out.contains("✗ describe") || out.contains("✓ describe"), "{out}");
    let verdicts = out.lines().filter(|line| LADDER.iter().any(|row| line.starts_with(&format!("{}  ", row.name))));
    assert_eq!(verdicts.collect::<Vec<_>>(), [out.lines().last().unwrap()]);
    assert!(out.ends_with(&format!("{}\n", Verdict::Unsupported.row().advice)), "{out}");
    assert!(!out.contains('\x1b'), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_colours_unless_no_color_is_set() {
    let cam = camera(Mood::NotFound).await;
    // util-linux's script gives a terminal.
    let on_terminal = async |no_color: bool| {
        let mut command = Command::new("script");
        command.args(["-qec", &format!("{} check {}", env!("CARGO_BIN_EXE_pulsebox"), cam.url()), "/dev/null"]);
        command.env_remove("NO_COLOR");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        output(command, PATIENCE).await.1
    };
    if std::process::Command::new("script").arg("--version").output().is_err() {
        return eprintln!("not tested here: there is no `script`");
    }
    assert!(on_terminal(false).await.contains("\x1b[1;31mnot_found"));
    assert!(!on_terminal(true).await.contains('\x1b'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_url_is_explained_without_its_password() {
    for (url, words) in [
        ("rstp://admin:geheim@10.0.0.5/live", &["`rstp://`", "rtsp"][..]),
        ("10.0.0.5/live", &["rtsp://192.168.1.20/stream1"]),
        ("rtsp://admin:geheim@/live", &["host"]),
        ("rtsp://admin:geheim@10.0.0.5:99999/live", &["rtsp://user:password@192.168.1.20/path"]),
        ("rtsp://admin:geheim@10.0.0.5:0/live", &["port"]),
        ("rtsp:/admin:geheim@10.0.0.5/live", &["://"]),
    ] {
        let Outcome { code, out, err } = check(&[url]).await;
        assert_eq!((code, out.as_str()), (Some(2), ""), "{url}: {err}");
        assert!(words.iter().all(|word| err.contains(word)), "{url}: {err}");
        assert!(!err.contains("geheim"), "{url}: {err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_works_as_pasted_and_is_masked_in_all_output() {
    for (protocol, auth) in
        [(Protocol::Rtsp, Auth::Digest), (Protocol::Rtsp, Auth::Basic), (Protocol::HttpStill, Auth::Digest)]
    {
        let credentials = Some(("user".to_owned(), "p@ss/w#rd?".to_owned()));
        let camera = Camera::start(Options { protocol, auth, credentials, ..Options::default() }).await.unwrap();
        let pasted = camera.url_without_credentials().replace("://", "://user:p@ss/w#rd?@");
        let Outcome { code, out, err } = check(&[&pasted]).await;
        assert_eq!(code, Some(0), "{protocol:?} {auth:?}: {out}{err}");
        assert!(out.contains("://***:***@127.0.0.1:"), "{out}");
        assert!(!(out.clone() + &err).contains("p@ss") && !out.contains("w#rd"), "{out}{err}");
        let (_, report) = json(&[&pasted]).await;
        assert!(!report.to_string().contains("w#rd"), "{report}");

        let wrong = camera.url_without_credentials().replace("://", "://user:geheim@");
        let Outcome { code, out, err } = check(&[&wrong]).await;
        assert_eq!(code, Some(1), "{out}{err}");
        assert!(out.contains("auth  ") && !(out + &err).contains("geheim"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_is_written_as_a_jpeg_that_decodes() {
    let folder = tempfile::tempdir().unwrap();
    for (protocol, codec) in [(Protocol::Rtsp, Codec::H264), (Protocol::HttpMjpeg, Codec::Mjpeg)] {
        let options = Options { protocol, codec, width: 1280, height: 720, ..Options::default() };
        let camera = Camera::start(options).await.unwrap();
        let file = folder.path().join("picture.jpg");
        let outcome = check(&[&camera.url(), "--picture", file.to_str().unwrap()]).await;
        assert_eq!(outcome.code, Some(0), "{}{}", outcome.out, outcome.err);
        let jpeg = std::fs::read(&file).unwrap();
        let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(&jpeg));
        decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some((640, 360)), "640 px wide at most");
    }
    let cam = camera(Mood::Healthy).await;
    let outcome = check(&[&cam.url(), "--picture", "/nowhere/picture.jpg"]).await;
    assert_eq!(outcome.code, Some(1), "a picture that cannot be written is told");
    assert!(outcome.err.contains("/nowhere/picture.jpg"), "{}", outcome.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeout_is_kept_whatever_the_camera_does() {
    for mood in [Mood::HangAccept, Mood::HangPlay, Mood::Drip, Mood::NoMedia, Mood::NoKeyframe] {
        let camera = camera(mood).await;
        let started = Instant::now();
        let (exit, report) = json(&[&camera.url(), "--timeout", "1"]).await;
        let took = started.elapsed();
        assert_eq!(exit, Some(1), "{mood}: {report:#}");
        assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(2500), "{mood}: {took:?}");
        assert!(report["total_ms"].as_f64().unwrap() < 1500.0, "{mood}: {report:#}");
        let stats = camera.stats();
        assert_eq!((stats.sessions_open, stats.teardowns), (0, stats.sessions_total), "{mood}: {stats:?}");
    }
}
