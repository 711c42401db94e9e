//! The read-only calls over a real socket, against a board of invented cameras.

use serde_json::json;

use super::fixture::*;
use crate::camera::{LADDER, Verdict};
use crate::monitor::board::{Board, State};

#[tokio::test]
async fn the_status_tells_stream_pulses_shape_by_name_and_ours_beside_it() {
    let server = serve(&three()).await;
    let status = server.get("/api/status").await.json();
    let gate = json!({
        "ts": "2026-11-21T05:59:57Z", "status": "ok", "latency": 42, "message": "Living picture. Nothing to do.",
    });
    assert_eq!(status["Gate"], gate);
    assert_eq!(status["Garage"]["status"], "fail");
    assert_eq!(status["New"], json!({ "ts": "", "status": "", "latency": null, "message": "no data yet" }));
    assert_eq!(status["cameras"][1]["id"], "garage");
    assert_eq!(status["host"]["network"], true);
}

#[tokio::test]
async fn a_camera_called_cameras_does_not_hide_the_list() {
    let board = Board::default();
    put(&board, [camera("c", "cameras", State::Up, Verdict::Ok, Verdict::Ok)]);
    let status = serve(&board).await.get("/api/status").await.json();
    assert_eq!(status["cameras"][0]["name"], "cameras");
}

#[tokio::test]
async fn streams_are_listed_in_the_configurations_order_with_cause_and_advice() {
    let server = serve(&three()).await;
    let streams = server.get("/api/streams").await.json();
    let ids: Vec<_> = streams.as_array().unwrap().iter().map(|camera| camera["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["gate", "garage", "new"]);
    let mut garage = server.get("/api/streams/garage").await.json();
    let settings = garage.as_object_mut().unwrap().remove("settings");
    assert!(settings.is_some_and(|settings| settings.is_object()));
    assert_eq!(garage, streams[1]);
    assert_eq!((&garage["state"], &garage["verdict"]), (&json!("down"), &json!("no_media")));
    assert_eq!((&garage["severity"], &garage["title"]), (&json!("fault"), &json!(Verdict::NoMedia.row().title)));
    assert_eq!(garage["recent"].as_array().unwrap().len(), 50);
    assert_eq!(garage["recent"][49]["severity"], "fault");
    assert_eq!(garage["incident"]["from"], "2026-11-21T05:55:53Z");
    assert_eq!(garage["thumbnail"]["age_seconds"], 247);
    assert_eq!(garage["url"], "rtsp://***:***@192.168.1.20:554/garage");
}

#[tokio::test]
async fn an_unknown_camera_is_404_everywhere() {
    let server = serve(&three()).await;
    for call in ["", "/thumbnail", "/history", "/incidents"] {
        let answer = server.get(&format!("/api/streams/nobody{call}")).await;
        assert_eq!(answer.status, 404, "{call}");
        let error = answer.json()["error"].clone();
        assert!(error["what"].as_str().unwrap().contains("nobody") && error["do"].is_string(), "{error}");
    }
}

#[tokio::test]
async fn a_thumbnail_is_sent_once_and_then_304() {
    let server = serve(&three()).await;
    let first = server.get("/api/streams/garage/thumbnail").await;
    assert_eq!((first.status, first.header("content-type")), (200, Some("image/jpeg")));
    assert_eq!(first.body, b"\xff\xd8 a picture");
    assert_eq!(first.header("age"), Some("247"));
    assert_eq!(first.header("x-picture-at"), Some("2026-11-21T05:55:53Z"));
    assert!(first.header("cache-control").unwrap().contains("no-cache"));
    let etag = first.header("etag").unwrap();
    for tags in [etag.to_owned(), format!("\"old\", W/{etag}"), "*".to_owned()] {
        let again = server.get_with("/api/streams/garage/thumbnail?v=1", &format!("If-None-Match: {tags}")).await;
        assert_eq!((again.status, again.body.len(), again.header("age")), (304, 0, Some("247")), "{tags}");
    }
    let changed = server.get_with("/api/streams/garage/thumbnail", "If-None-Match: \"old\"").await;
    assert_eq!(changed.status, 200);
    let none = server.get("/api/streams/new/thumbnail").await;
    assert_eq!(none.status, 404);
    assert!(none.json()["error"]["what"].as_str().unwrap().contains("no picture"));
}

#[tokio::test]
async fn the_history_has_a_usual_period_and_step_and_its_own_reasons() {
    let server = serve(&three()).await;
    let usual = server.get("/api/streams/gate/history").await.json();
    assert_eq!((&usual["from"], &usual["to"]), (&json!("2026-11-20T06:00:00Z"), &json!("2026-11-21T06:00:00Z")));
    assert_eq!(usual["step_seconds"], 300);
    assert_eq!(usual["points"][0]["times_ms"]["up"], 300_000);
    assert_eq!(usual["uptime"]["percent"], 99.714);
    let asked = "from=2026-11-01T00:00:00%2B01:00&to=2026-11-02T00:00:00Z&step=3600";
    let asked = server.get(&format!("/api/streams/gate/history?{asked}")).await.json();
    assert_eq!((&asked["from"], &asked["step_seconds"]), (&json!("2026-10-31T23:00:00Z"), &json!(3600)));
    let new = server.get("/api/streams/new/history").await;
    assert_eq!((new.status, new.json()["points"].clone()), (200, json!([])), "configured, and nothing known yet");
    let broken = server.get("/api/streams/garage/history").await;
    assert_eq!((broken.status, broken.header("retry-after")), (503, Some("60")));
    assert_eq!(broken.json()["error"]["what"], "the disk fails");
    let incidents = server.get("/api/streams/gate/incidents?limit=5").await.json();
    assert_eq!((&incidents[0]["camera"], &incidents[0]["verdict"]), (&json!("gate"), &json!("no_media")));
}

#[tokio::test]
async fn a_query_that_is_not_understood_is_400_and_says_what_is() {
    let server = serve(&three()).await;
    for (call, said) in [
        ("/api/streams?x=1", "takes: removed"),
        ("/api/status?x=1", "takes no query"),
        ("/api/streams/gate/history?form=1", "from, to, step"),
        ("/api/streams/gate/history?from=yesterday", "RFC 3339"),
        ("/api/streams/gate/history?from=2026-11-21T06:00:00Z&to=2026-11-21T05:00:00Z", "not before"),
        ("/api/streams/gate/history?from=1900-01-01T00:00:00Z", "ten years"),
        ("/api/streams/gate/history?step=1", "2000 points"),
        ("/api/streams/gate/history?step=0", "from 1 to"),
        ("/api/streams/gate/history?step=60&step=60", "twice"),
        ("/api/streams/gate/incidents?limit=100000", "from 1 to 1000"),
        ("/api/events?types=check,chekc", "chekc"),
        ("/api/streams/%ff", "not text"),
    ] {
        let answer = server.get(call).await;
        assert_eq!(answer.status, 400, "{call}");
        let error = answer.json()["error"].clone();
        assert!(format!("{} {}", error["what"], error["do"]).contains(said), "{call}: {error}");
    }
}

#[tokio::test]
async fn the_ladder_is_the_codes_own() {
    let ladder = serve(&three()).await.get("/api/ladder").await.json();
    assert_eq!(ladder, serde_json::to_value(LADDER).unwrap());
}

#[tokio::test]
async fn storage_and_network_degrade_the_health_and_the_box_still_answers_200() {
    let board = three();
    let server = serve(&board).await;
    assert_eq!(server.get("/api/health").await.json(), json!({ "status": "healthy" }));
    board.change_host(|host| (host.network, host.storage_fault) = (false, Some("the disk is full".into())));
    let health = server.get("/api/health").await;
    assert_eq!((health.status, health.json()["status"].clone()), (200, json!("degraded")));
    let reasons = health.json()["reasons"].to_string();
    assert!(reasons.contains("no network") && reasons.contains("the disk is full"), "{reasons}");
}

#[tokio::test(start_paused = true)]
async fn a_monitor_that_stands_still_is_503_and_one_check_heals_it() {
    use crate::monitor::pulse::standstill;
    let board = three();
    let mut snapshot = board.now().clone();
    snapshot.last_check = tokio::time::Instant::now();
    let later = |seconds| start() + jiff::SignedDuration::from_secs(seconds);
    tokio::time::advance(std::time::Duration::from_secs(164)).await;
    assert_eq!(standstill(&snapshot, later(164)), None, "three heartbeats and the longest check");
    tokio::time::advance(std::time::Duration::from_secs(2)).await;
    let reason = standstill(&snapshot, later(166)).unwrap();
    assert!(reason.contains("166 s"), "{reason}");
    assert_eq!(standstill(&snapshot, later(-10)), None, "nothing is due");
    let health = crate::web::view::Health::new(&snapshot.host, Some(reason), None);
    assert_eq!(health.status, "unhealthy");
    snapshot.last_check = tokio::time::Instant::now();
    assert_eq!(standstill(&snapshot, later(166)), None);
    tokio::time::advance(std::time::Duration::from_secs(400)).await;
    let mut blind = snapshot.clone();
    blind.host.network = false;
    assert_eq!(standstill(&blind, later(566)), None, "a box without network looks at nothing");
    let paused = Board::default();
    put(&paused, [camera("p", "P", State::Paused, Verdict::Ok, Verdict::Ok)]);
    assert_eq!(standstill(&paused.now(), later(566)), None, "nor does one whose cameras are paused");
}
