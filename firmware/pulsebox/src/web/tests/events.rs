//! Server-sent events: order, resuming, filters, limits and heartbeats.

use std::sync::Arc;

use super::fixture::*;
use crate::camera::Verdict;
use crate::monitor::board::{Board, Event, State};

fn checked(board: &Board, camera: &str) {
    let report = Arc::new(report(Verdict::Ok, start()));
    board.change(|_| {}, [Event::Checked { camera: camera.into(), report, state: State::Up }]);
}

#[tokio::test]
async fn events_come_with_ids_as_they_happen() {
    let board = three();
    let server = serve(&board).await;
    let mut listener = server.listen("/api/events", "").await;
    assert!(listener.head.contains("text/event-stream"), "{}", listener.head);
    checked(&board, "gate");
    let incident = board.camera("garage").unwrap().incident.clone().unwrap();
    let changed = Event::StateChanged { camera: "gate".into(), from: State::Up, to: State::Down, at: start() };
    board.change(|_| {}, [changed, Event::IncidentOpened(incident), Event::CamerasChanged]);
    board.change_host(|host| host.network = false);
    let mut ids = Vec::new();
    for (kind, pointer, value) in [
        ("check", "/camera", "gate"),
        ("state", "/to", "down"),
        ("incident", "/phase", "opened"),
        ("cameras", "/cameras/1", "garage"),
        ("host", "/network", ""),
    ] {
        let heard = listener.next().await.unwrap();
        assert_eq!(heard.kind, kind);
        assert_eq!(heard.data.pointer(pointer).unwrap().as_str().unwrap_or_default(), value, "{heard:?}");
        ids.push(heard.id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn a_reader_that_comes_back_gets_what_it_missed_and_nothing_twice() {
    let board = three();
    let server = serve(&board).await;
    let mut first = server.listen("/api/events", "").await;
    checked(&board, "a");
    let seen = first.next().await.unwrap();
    drop(first);
    let mut watch = server.listen("/api/events", "").await;
    checked(&board, "b");
    checked(&board, "c");
    for _ in 0..2 {
        watch.next().await.unwrap();
    }
    let mut back = server.listen("/api/events", &format!("Last-Event-ID: {}\r\n", seen.id)).await;
    checked(&board, "d");
    for camera in ["b", "c", "d"] {
        assert_eq!(back.next().await.unwrap().data["camera"], camera);
    }
}

#[tokio::test]
async fn an_id_too_old_or_of_another_run_gets_resync() {
    let board = three();
    let server = serve(&board).await;
    let mut watch = server.listen("/api/events", "").await;
    checked(&board, "first");
    let first = watch.next().await.unwrap();
    let mut last = String::new();
    for _ in 0..101 {
        checked(&board, "x");
        last = watch.next().await.unwrap().id;
    }
    for (id, lost) in [(first.id.as_str(), true), ("0-1", true), ("nonsense", true), (last.as_str(), false)] {
        let mut back = server.listen("/api/events", &format!("Last-Event-ID: {id}\r\n")).await;
        checked(&board, "after");
        let heard = back.next().await.unwrap();
        assert_eq!(heard.kind == "resync", lost, "{id}: {heard:?}");
        if lost {
            assert_eq!(back.next().await.unwrap().data["camera"], "after", "{id}");
        }
    }
}

#[tokio::test]
async fn types_filter_what_comes() {
    let board = three();
    let server = serve(&board).await;
    let mut listener = server.listen("/api/events?types=host,state", "").await;
    checked(&board, "gate");
    board.change_host(|host| host.network = false);
    assert_eq!(listener.next().await.unwrap().kind, "host");
}

#[tokio::test]
async fn a_feed_that_lags_behind_the_board_says_resync() {
    let board = Board::default();
    // One thread: the feed cannot run while this loop fills the board's queue over its brim.
    let server = serve(&board).await;
    let mut listener = server.listen("/api/events", "").await;
    for _ in 0..=crate::monitor::board::EVENTS_KEPT {
        checked(&board, "x");
    }
    assert_eq!(listener.next().await.unwrap().kind, "resync");
}

#[tokio::test]
async fn the_51st_listener_is_told_to_come_later_and_a_place_is_given_back() {
    let board = three();
    let server = serve(&board).await;
    let mut listeners = Vec::new();
    for _ in 0..50 {
        listeners.push(server.listen("/api/events", "").await);
    }
    let refused = server.get("/api/events").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("30")));
    assert_eq!(server.get("/api/streams").await.status, 200, "everything else goes on");
    listeners.clear();
    tokio::time::timeout(PATIENCE, async {
        // The server learns of a closed connection when its socket says so: asked again until then.
        while !server.listen("/api/events", "").await.head.contains(" 200 ") {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a place is given back");
}

#[tokio::test]
async fn open_streams_end_when_the_daemon_stops() {
    let server = serve(&three()).await;
    let mut listener = server.listen("/api/events", "").await;
    let stopped = std::time::Instant::now();
    server.stop.cancel();
    assert_eq!(listener.next().await, None);
    server.task.await.unwrap();
    assert!(stopped.elapsed() < std::time::Duration::from_secs(1), "{:?}", stopped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_every_30_s_that_it_lives() {
    use futures::StreamExt;
    let feed = crate::web::feed::Feed::new(start());
    let places = Arc::new(tokio::sync::Semaphore::new(1));
    let place = places.clone().try_acquire_owned().unwrap();
    let mut stream = Box::pin(feed.stream(None, None, place, tokio_util::sync::CancellationToken::new()));
    stream.next().await;
    let before = tokio::time::Instant::now();
    let heartbeat = format!("{:?}", stream.next().await);
    assert_eq!(before.elapsed(), crate::web::feed::HEARTBEAT);
    assert!(heartbeat.contains("heartbeat"), "{heartbeat}");
    drop(stream);
    assert_eq!(places.available_permits(), 1);
}
