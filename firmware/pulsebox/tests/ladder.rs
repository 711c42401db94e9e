//! Every rung and mood, on real sockets: what a simulated camera serves, and the verdict that it gets.
//!
//! The outcome stands as a table in `docs/verdicts.md`; `PULSEBOX_BLESS=1` writes it anew.

mod common;

use std::fmt::Write as _;
use std::time::Duration;

use common::{checks, run_all};
use pulsebox::camera::{LADDER, Severity, Verdict};
use simcam::{Codec, Mood, Options, Protocol};

/// The deadline of each check here, seconds.
const DEADLINE: u64 = 5;
/// A report may come this much later than the deadline on a busy machine.
const SLACK: Duration = Duration::from_millis(1500);

struct Case {
    served: String,
    options: Options,
    /// Checks in a row; the last one's verdict counts.
    checks: usize,
    /// What is configured.
    min_fps: Option<f32>,
    /// The mood is taken on after the first check.
    later: Option<Mood>,
    expected: Verdict,
}

fn case(protocol: Protocol, codec: Codec, mood: Mood, expected: Verdict) -> Case {
    let scheme = match protocol {
        Protocol::Rtsp => "RTSP",
        Protocol::Rtsps => "RTSPS",
        Protocol::HttpMjpeg => "HTTP stream",
        Protocol::HttpStill => "HTTP still",
    };
    let codec_name = match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
        Codec::Mjpeg => "JPEG",
    };
    let checks = if expected == Verdict::Frozen || mood == Mood::Static { 3 } else { 1 };
    let credentials = (mood == Mood::WrongPassword).then(|| ("admin".to_owned(), "hunter2".to_owned()));
    Case {
        served: format!("{scheme}, {codec_name}: {}", mood.describe()),
        options: Options { protocol, codec, mood, credentials, ..Options::default() },
        checks,
        min_fps: None,
        later: None,
        expected,
    }
}

fn cases() -> Vec<Case> {
    use Mood as M;
    use Verdict as V;
    let rtsp = [
        (M::Healthy, V::Ok),
        (M::Refuses, V::Refused),
        (M::HangAccept, V::Timeout),
        (M::HangDescribe, V::Timeout),
        (M::HangSetup, V::Timeout),
        (M::HangPlay, V::Timeout),
        (M::Drip, V::Timeout),
        (M::EndlessHeaders, V::Protocol),
        (M::HugeBody, V::Protocol),
        (M::Junk, V::Protocol),
        (M::LoginPage, V::Protocol),
        (M::WrongPassword, V::Auth),
        (M::NotFound, V::NotFound),
        (M::NoVideo, V::NotFound),
        (M::Busy, V::Busy),
        (M::Unsupported, V::Unsupported),
        (M::NoMedia, V::NoMedia),
        (M::NoKeyframe, V::NoKeyframe),
        (M::Undecodable, V::Undecodable),
        (M::Black, V::Black),
        (M::Frozen, V::Frozen),
        (M::FrozenClock, V::Frozen),
        (M::Static, V::Ok),
        (M::Covered, V::Covered),
        (M::Slow, V::Slow),
        (M::PacketLoss, V::PacketLoss),
        (M::Vanish, V::Protocol),
    ];
    let mut cases: Vec<Case> =
        rtsp.into_iter().map(|(mood, verdict)| case(Protocol::Rtsp, Codec::H264, mood, verdict)).collect();
    let http = [
        (M::Healthy, V::Ok),
        (M::Refuses, V::Refused),
        (M::HangAccept, V::Timeout),
        (M::Drip, V::Timeout),
        (M::EndlessHeaders, V::Protocol),
        (M::HugeBody, V::Protocol),
        (M::Junk, V::Protocol),
        (M::LoginPage, V::Protocol),
        (M::WrongPassword, V::Auth),
        (M::NotFound, V::NotFound),
        (M::Busy, V::Busy),
        (M::Unsupported, V::Unsupported),
        (M::NoMedia, V::NoMedia),
        (M::Undecodable, V::Undecodable),
        (M::Black, V::Black),
        (M::Frozen, V::Frozen),
        (M::FrozenClock, V::Frozen),
        (M::Static, V::Ok),
        (M::Covered, V::Covered),
        (M::Vanish, V::Protocol),
    ];
    cases.extend(http.into_iter().map(|(mood, verdict)| case(Protocol::HttpMjpeg, Codec::Mjpeg, mood, verdict)));
    for (protocol, codec, mood, verdict) in [
        (Protocol::HttpStill, Codec::Mjpeg, M::Healthy, V::Ok),
        (Protocol::HttpStill, Codec::Mjpeg, M::LoginPage, V::Protocol),
        (Protocol::HttpStill, Codec::Mjpeg, M::Undecodable, V::Undecodable),
        (Protocol::Rtsp, Codec::H265, M::Healthy, V::Ok),
        (Protocol::Rtsp, Codec::H265, M::Undecodable, V::Ok),
        (Protocol::Rtsp, Codec::H265, M::Frozen, V::Frozen),
        (Protocol::Rtsp, Codec::Mjpeg, M::Healthy, V::Ok),
        (Protocol::Rtsp, Codec::Mjpeg, M::Undecodable, V::Undecodable),
        (Protocol::Rtsps, Codec::H264, M::Healthy, V::Ok),
        (Protocol::Rtsps, Codec::H264, M::HangAccept, V::Tls),
    ] {
        cases.push(case(protocol, codec, mood, verdict));
    }
    for case in cases.iter_mut().filter(|c| c.options.codec == Codec::H265 && c.options.mood == M::Undecodable) {
        case.served += " (Not noticed: of H.265 only the structure is read.)";
    }
    // The slow mood sends its first packet after 4 s in all.
    for case in &mut cases {
        case.options.slow = Duration::from_millis(3300);
        if case.options.mood == M::Slow {
            // Nor is there time to wait a second for a key frame.
            case.options.gop = Duration::from_millis(300);
        }
    }
    for (mood, expected) in [(M::Changed, V::Changed), (M::LowFps, V::Changed)] {
        let mut changed = case(Protocol::Rtsp, Codec::H264, M::Healthy, expected);
        changed.served = format!("RTSP, H.264, healthy at the first check; then: {}", mood.describe());
        (changed.later, changed.checks) = (Some(mood), 2);
        cases.push(changed);
    }
    let mut slow_film = case(Protocol::Rtsp, Codec::H264, M::LowFps, V::LowFps);
    slow_film.served += " (`expect: { min_fps: 5 }`)";
    slow_film.min_fps = Some(5.0);
    cases.push(slow_film);
    cases
}

/// Where no camera is: what is there instead, the verdict, and the command that looks.
const NO_CAMERA: [(&str, Verdict, &[&str]); 2] = [
    ("A name that nobody knows.", Verdict::Dns, &["PULSEBOX", "check", "--json", "rtsp://camera.invalid/live"]),
    (
        "An address to which no way leads (a network namespace of its own).",
        Verdict::Unreachable,
        &["unshare", "--map-root-user", "--net", "PULSEBOX", "check", "--json", "rtsp://192.0.2.1/live"],
    ),
];

fn check_by_command(arguments: &[&str]) -> (String, f64) {
    let binary = env!("CARGO_BIN_EXE_pulsebox");
    let words: Vec<&str> = arguments.iter().map(|word| if *word == "PULSEBOX" { binary } else { word }).collect();
    let output = std::process::Command::new(words[0]).args(&words[1..]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let answer: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    (answer["verdict"].as_str().unwrap().to_owned(), answer["total_ms"].as_f64().unwrap() / 1e3)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mood_gets_its_verdict_and_no_check_outlives_its_deadline() {
    let cases = cases();
    let results = run_all(cases.iter().map(|case| {
        let options = case.options.clone();
        let (n, later, min_fps) = (case.checks, case.later, case.min_fps);
        async move {
            let camera = simcam::Camera::start(options).await.unwrap();
            checks(&camera, n, later, min_fps, Duration::from_secs(DEADLINE)).await
        }
    }))
    .await;
    let mut wrong = String::new();
    let mut table = String::new();
    for (case, (report, took)) in cases.iter().zip(&results) {
        if report.verdict != case.expected {
            let _ =
                writeln!(wrong, "{}: {} instead of {}: {}", case.served, report.verdict, case.expected, report.message);
        }
        if *took > Duration::from_secs(DEADLINE) + SLACK {
            let _ = writeln!(wrong, "{}: took {:.1} s", case.served, took.as_secs_f32());
        }
        if report.message.contains("hunter2") {
            let _ = writeln!(wrong, "{}: the message holds the password", case.served);
        }
        let _ = writeln!(table, "| {} | `{}` | {:.1} s |", case.served, report.verdict, report.ms / 1e3);
    }
    for (served, expected, arguments) in NO_CAMERA {
        let (verdict, seconds) = check_by_command(arguments);
        if verdict != expected.name() {
            let _ = writeln!(wrong, "{served}: {verdict} instead of {expected}");
        }
        let _ = writeln!(table, "| {served} | `{verdict}` | {seconds:.1} s |");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    common::document("verdicts.md", "measured", "| what was served | verdict | time of that check |", &table, 1);
}

#[test]
fn the_ladder_in_the_docs_is_the_ladder_in_the_code() {
    let mut table = String::new();
    for row in &LADDER {
        let severity = match row.severity {
            Severity::Ok => "ok",
            Severity::Warning => "warning",
            Severity::Fault => "fault",
            Severity::Unknown => "unknown",
        };
        let _ = writeln!(
            table,
            "| `{}` | {} | {severity} | {} | {} | {} |",
            row.name, row.part, row.title, row.told_by, row.advice
        );
    }
    common::document("verdicts.md", "ladder", "| verdict | rung | | means | told by | what to do |", &table, 0);
}

#[test]
fn what_the_docs_say_of_cameras_at_the_box_is_what_the_code_says() {
    let mut table = String::new();
    for (row, words) in LADDER.iter().filter_map(|row| Some((row, row.local?))) {
        let _ = writeln!(table, "| `{}` | {} | {} |", row.name, words.title, words.advice);
    }
    common::document("verdicts.md", "at the box", "| verdict | means | what to do |", &table, 0);
}
