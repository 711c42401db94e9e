//! Every rung and mood, on real sockets: what a simulated camera serves, and the verdict that it gets.
//!
//! The outcome stands as a table in `docs/verdicts.md`; `PULSEBOX_BLESS=1` writes it anew.

mod common;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use common::{checks, run_all, target};
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
        (Protocol::Rtsp, Codec::H265, M::Undecodable, V::Undecodable),
        (Protocol::Rtsp, Codec::H265, M::Frozen, V::Frozen),
        (Protocol::Rtsp, Codec::Mjpeg, M::Healthy, V::Ok),
        (Protocol::Rtsp, Codec::Mjpeg, M::Undecodable, V::Undecodable),
        (Protocol::Rtsps, Codec::H264, M::Healthy, V::Ok),
        (Protocol::Rtsps, Codec::H264, M::HangAccept, V::Tls),
    ] {
        cases.push(case(protocol, codec, mood, verdict));
    }
    // The slow mood sends its first packet after 4 s in all.
    for case in &mut cases {
        case.options.slow = Duration::from_millis(3300);
    }
    for (mood, expected) in [(M::Changed, V::Changed), (M::LowFps, V::Changed)] {
        let mut changed = case(Protocol::Rtsp, Codec::H264, M::Healthy, expected);
        changed.served = format!("RTSP, H.264, healthy at the first check; then: {}", mood.describe());
        (changed.later, changed.checks) = (Some(mood), 2);
        cases.push(changed);
    }
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn every_mood_gets_its_verdict_and_no_check_outlives_its_deadline() {
    let cases = cases();
    let results = run_all(cases.iter().map(|case| {
        let options = case.options.clone();
        let (checks_wanted, later) = (case.checks, case.later);
        async move {
            let camera = simcam::Camera::start(options).await.unwrap();
            let target = target(&camera);
            let started = Instant::now();
            let report = checks(&camera, target, checks_wanted, later, Duration::from_secs(DEADLINE)).await;
            (report, started.elapsed())
        }
    }))
    .await;
    let mut wrong = String::new();
    let mut table = String::new();
    for (case, (report, _)) in cases.iter().zip(&results) {
        if report.verdict != case.expected {
            let _ =
                writeln!(wrong, "{}: {} instead of {}: {}", case.served, report.verdict, case.expected, report.message);
        }
        if Duration::from_secs_f64(report.ms / 1e3) > Duration::from_secs(DEADLINE) + SLACK {
            let _ = writeln!(wrong, "{}: took {:.1} s", case.served, report.ms / 1e3);
        }
        if report.message.contains("hunter2") {
            let _ = writeln!(wrong, "{}: the message holds the password", case.served);
        }
        let _ = writeln!(table, "| {} | `{}` | {:.1} s |", case.served, report.verdict, report.ms / 1e3);
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
