//! States, uptime, series, roll-ups, retention, restarts.

use jiff::SignedDuration;

use super::*;
use crate::monitor::board::{Evidence, Thumbnail};
use crate::monitor::past::{EvidencePicture, Past, PastError, StateTimes};

#[tokio::test(start_paused = true)]
async fn uptime_is_what_was_played_to_the_millisecond_through_roll_ups_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let mut expected = StateTimes::default();
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    let mut add = |state: State, ms: i64| match state {
        State::Up => expected.up += ms,
        State::Degraded => expected.degraded += ms,
        State::Down => expected.down += ms,
        State::Unknown => expected.unknown += ms,
        State::Paused => expected.paused += ms,
    };
    for round in 0..40u64 {
        let state = State::ALL[(round % 5) as usize];
        let time = Duration::from_millis(1_000_037 * (round + 1));
        scene.state("gate", state).await;
        pass(time).await;
        add(state, i64::try_from(time.as_millis()).unwrap());
    }
    scene.end().await;
    let off = Duration::from_secs(5_000);
    pass(off).await;
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    assert!(scene.history.before().await.unwrap().states.is_empty(), "nobody knows what it was meanwhile");
    scene.state("gate", State::Up).await;
    pass(Duration::from_secs(90_000)).await;
    add(State::Up, 90_000_000);
    expected.unwatched = 5_000_000;
    let uptime = scene.history.uptime("gate", start(), clock.now()).await.unwrap();
    assert_eq!(uptime.times_ms, expected);
    let watched = (expected.up + expected.degraded + expected.down) as f64;
    assert_eq!(uptime.percent, Some((expected.up + expected.degraded) as f64 * 100.0 / watched));
    // The same from roll-ups and what is not rolled up yet.
    for step in [3_600, 7_200, 86_400] {
        let series = scene.history.series("gate", start(), clock.now(), Duration::from_secs(step)).await.unwrap();
        let sum = series.iter().fold(StateTimes::default(), |sum, bucket| sum.plus(&bucket.times_ms));
        assert_eq!(sum, expected, "step {step} s");
    }
    assert!(look(folder.path(), "SELECT count(*) FROM hours") > 200);
    assert!(look(folder.path(), "SELECT count(*) FROM days") >= 10);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_began_before_its_threshold_counts_from_its_begin_also_in_finished_hours() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.state("gate", State::Up).await;
    pass(Duration::from_secs(3_600)).await;
    pass(MINUTE).await; // the hour is rolled up by now
    assert_eq!(look(folder.path(), "SELECT up FROM hours"), 3_600_000);
    let began = start() + jiff::SignedDuration::from_secs(3_590);
    scene.state_since("gate", State::Down, began).await;
    pass(MINUTE * 2).await;
    let uptime = scene.history.uptime("gate", start(), clock.now()).await.unwrap();
    assert_eq!((uptime.times_ms.up, uptime.times_ms.down), (3_590_000, 190_000));
    assert_eq!(look(folder.path(), "SELECT down FROM hours"), 10_000);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn checks_are_read_back_from_memory_and_file_alike_and_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    for camera in ["gate", "lab"] {
        scene.state(camera, State::Up).await;
    }
    let mut at = vec![];
    for round in 0..50 {
        at.push(clock.now());
        scene.check("gate", if round % 10 == 9 { Verdict::NoMedia } else { Verdict::Ok }).await;
        scene.check("lab", Verdict::Ok).await;
        pass(Duration::from_secs(15)).await;
    }
    let rows = all_checks(&scene.history, "gate").await;
    assert_eq!(rows.iter().map(|row| row.at).collect::<Vec<_>>(), at);
    assert_eq!(rows[8].first_packet_ms, Some(41));
    assert_eq!((rows[9].verdict, rows[9].first_packet_ms), (Verdict::NoMedia, None));
    assert_eq!((rows[0].state, rows[0].ms, rows[0].fps, rows[0].kbps), (State::Up, 230, Some(25.0), Some(2048)));
    let newest = scene.history.checks("gate", start(), clock.now(), 7).await.unwrap();
    assert_eq!(newest, rows[43..]);
    let middle = scene.history.checks("gate", at[10], at[20], 1000).await.unwrap();
    assert_eq!(middle, rows[10..20]);
    let series = scene.history.series("gate", start(), clock.now(), MINUTE).await.unwrap();
    assert_eq!(series.iter().map(|bucket| bucket.checks).sum::<u32>(), 50);
    assert_eq!(series.iter().map(|bucket| bucket.failures).sum::<u32>(), 5);
    assert_eq!((series[0].p50_ms, series[0].p95_ms, series[0].times_ms.up), (Some(41), Some(41), 60_000));
    assert!(all_checks(&scene.history, "nobody").await.is_empty());
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_incident_is_on_disk_at_once_and_open_ones_are_found_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    let first = scene.open_incident("gate").await;
    assert_eq!(look(folder.path(), "SELECT count(*) FROM incidents WHERE until IS NULL"), 1, "within no minute");
    pass(Duration::from_secs(1)).await;
    let second = scene.open_incident("lab").await;
    pass(Duration::from_secs(1)).await;
    let first = scene.close_incident(&first).await;
    scene.cut();
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    assert_eq!(scene.history.open_incidents().await.unwrap(), std::slice::from_ref(&second));
    // The monitor takes it up again and closes it.
    pass(Duration::from_secs(5)).await;
    let second = scene.close_incident(&second).await;
    assert_eq!(all_incidents(&scene.history).await, BTreeMap::from([(first.id, first), (second.id, second)]));
    assert!(scene.history.open_incidents().await.unwrap().is_empty());
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_costs_a_minute_at_most_and_counts_as_not_watched() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.state("gate", State::Up).await;
    pass(Duration::from_secs(630)).await;
    scene.cut();
    pass(Duration::from_secs(370)).await;
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    let times = scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms;
    assert_eq!((times.up, times.unwatched), (600_000, 400_000), "watched until the last flush");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_camera_keeps_its_history_and_is_not_watched_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.state("gate", State::Down).await;
    scene.check("gate", Verdict::Refused).await;
    scene.open_incident("gate").await;
    pass(Duration::from_secs(100)).await;
    scene.remove("gate").await;
    pass(Duration::from_secs(100)).await;
    let times = scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms;
    assert_eq!((times.down, times.unwatched), (100_000, 100_000));
    assert_eq!(all_checks(&scene.history, "gate").await.len(), 1);
    assert!(scene.history.open_incidents().await.unwrap().is_empty(), "nobody is left to close it");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn events_missed_are_counted_and_states_and_incidents_taken_from_the_board() {
    let clock = Clock::turned(start());
    let scene = Scene::begin(None, clock.clone());
    scene.state("gate", State::Up).await;
    pass(MINUTE).await;
    let incident = incident("gate", clock.now());
    let down = CameraStatus {
        state: State::Down,
        since: clock.now(),
        incident: Some(Arc::new(incident.clone())),
        ..status("gate")
    };
    // More than the channel holds, without letting the history run.
    let report = Arc::new(report(clock.now(), Verdict::Refused));
    let checked = |_| Event::Checked { camera: "gate".into(), report: report.clone(), state: State::Down };
    scene.board.change(|now| drop(now.cameras.insert("gate".into(), Arc::new(down))), (0..5_000).map(checked));
    settle().await;
    pass(MINUTE).await;
    assert!(scene.history.lost() >= 5_000 - crate::monitor::board::EVENTS_KEPT as u64);
    assert_eq!(scene.history.open_incidents().await.unwrap(), [incident]);
    let times = scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms;
    assert_eq!((times.up, times.down), (60_000, 60_000));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn old_checks_go_and_roll_ups_stay() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let config = HistoryConfig { checks_days: 2, hours_days: 4 };
    let scene = Scene::with(Some(folder.path()), HistorySettings::new(&config, TimeZone::UTC, clock.clone()));
    scene.state("gate", State::Up).await;
    let mut sizes = vec![];
    for _ in 0..10 * 24 * 4 {
        scene.check("gate", Verdict::Ok).await;
        pass(Duration::from_secs(900)).await;
        sizes.push(std::fs::metadata(folder.path().join(FILE_NAME)).unwrap().len());
    }
    pass(MINUTE).await;
    let rows = all_checks(&scene.history, "gate").await;
    let kept = clock.now().duration_since(rows[0].at).as_hours();
    assert!((47..=50).contains(&kept), "{kept} hours");
    let hours = look(folder.path(), "SELECT count(*) FROM hours");
    assert!((96..=98).contains(&hours), "{hours} hours");
    assert_eq!(look(folder.path(), "SELECT count(*) FROM days"), 10);
    assert_eq!(look(folder.path(), "SELECT sum(checks) FROM days"), 960);
    assert_eq!(look(folder.path(), "SELECT count(*) FROM states"), 1, "the state that still holds");
    assert!(sizes.last().unwrap() <= &(sizes[sizes.len() / 2] * 11 / 10), "pages are used again: {sizes:?}");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_open_on_a_disk_that_came_late_ends_where_watching_ended() {
    let parent = tempfile::tempdir().unwrap();
    let (folder, away) = (parent.path().join("data"), parent.path().join("away"));
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(&folder), clock.clone());
    let old = scene.open_incident("gate").await;
    pass(Duration::from_secs(630)).await;
    scene.cut();
    let cut = start() + jiff::SignedDuration::from_secs(600); // the last flush
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "no folder").unwrap();
    pass(Duration::from_secs(100)).await;
    let scene = Scene::begin(Some(&folder), clock.clone());
    assert!(scene.history.fault().borrow().is_some());
    assert!(scene.history.open_incidents().await.unwrap().is_empty());
    let new = incident("gate", clock.now());
    scene.tell_open(&new);
    pass(MINUTE).await;
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    pass(MINUTE * 2).await;
    assert_eq!(*scene.history.fault().borrow(), None);
    assert_eq!(scene.history.open_incidents().await.unwrap(), std::slice::from_ref(&new), "one at a time");
    assert_eq!(all_incidents(&scene.history).await[&old.id].to, Some(cut));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_open_and_the_monitor_does_not_take_up_ends_where_watching_ended() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    let gate = scene.open_incident("gate").await;
    pass(Duration::from_secs(1)).await;
    let incidents = [gate, scene.open_incident("lab").await];
    pass(Duration::from_secs(629)).await;
    scene.cut();
    let cut = start() + jiff::SignedDuration::from_secs(600); // the last flush
    pass(MINUTE).await;
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.tell_open(&incidents[1]);
    scene.state("gate", State::Up).await; // on the board, without it
    pass(Duration::from_secs(1)).await;
    assert_eq!(scene.history.open_incidents().await.unwrap(), incidents[1..]);
    assert_eq!(look(folder.path(), "SELECT until FROM incidents WHERE until IS NOT NULL"), cut.as_millisecond());
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_is_no_whole_hour_is_rounded_up_and_a_cut_bucket_holds_only_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.state("gate", State::Up).await;
    pass(Duration::from_secs(6 * 3_600 + 120)).await;
    let at = |minutes: i64| start() + jiff::SignedDuration::from_mins(minutes);
    let minutes = Duration::from_secs(90 * 60);
    assert_eq!(History::step_used(minutes), Duration::from_secs(7_200));
    assert_eq!(History::step_used(Duration::from_secs(86_401)), Duration::from_secs(2 * 86_400));
    assert_eq!(History::step_used(Duration::from_secs(90)), Duration::from_secs(90));
    let series = scene.history.series("gate", start(), at(360), minutes).await.unwrap();
    let up: Vec<i64> = series.iter().map(|bucket| bucket.times_ms.up / 60_000).collect();
    assert_eq!(up, [120, 120, 120]);
    let series = scene.history.series("gate", start(), at(90), Duration::from_secs(3_600)).await.unwrap();
    let up: Vec<i64> = series.iter().map(|bucket| bucket.times_ms.up / 60_000).collect();
    assert_eq!((up, series[1].to), (vec![60, 30], at(90)));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_state_and_the_last_bars_reach_back_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let mut expected = Vec::new();
    for run in 0..3 {
        let scene = Scene::begin(Some(folder.path()), clock.clone());
        if run > 0 {
            let before = scene.history.before().await.unwrap();
            assert_eq!(before.states["gate"], (State::Up, start() + SignedDuration::from_secs(10)), "run {run}");
            let bars: Vec<Timestamp> = before.recent["gate"].iter().map(|bar| bar.at).collect();
            assert_eq!(bars, expected[expected.len() - 50..], "run {run}");
        }
        scene.state("gate", State::Unknown).await;
        pass(Duration::from_secs(10)).await;
        scene.state("gate", State::Up).await;
        for _ in 0..60 {
            expected.push(clock.now());
            scene.check("gate", Verdict::Ok).await;
            pass(Duration::from_secs(15)).await;
        }
        scene.end().await;
        pass(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_does_not_reach_back_over_hours_in_which_the_box_was_blind() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.state("gate", State::Up).await;
    pass(MINUTE).await;
    scene.state("gate", State::Unknown).await;
    pass(MINUTE * 300).await;
    let seen_again = clock.now();
    scene.state("gate", State::Up).await;
    pass(MINUTE).await;
    // …but over a moment's blindness it does.
    scene.state("gate", State::Unknown).await;
    pass(MINUTE).await;
    scene.state("gate", State::Up).await;
    pass(MINUTE).await;
    scene.end().await;
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    let before = scene.history.before().await.unwrap();
    assert_eq!(before.states["gate"], (State::Up, seen_again));
    // Blind as it was stopped: nobody knows what the camera is.
    scene.state("gate", State::Unknown).await;
    pass(MINUTE * 300).await;
    scene.end().await;
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    assert!(!scene.history.before().await.unwrap().states.contains_key("gate"));
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_evidence_of_an_incident_is_kept_through_a_restart_and_without_a_disk() {
    let folder = tempfile::tempdir().unwrap();
    for folder in [None, Some(folder.path())] {
        let clock = Clock::turned(start());
        let scene = Scene::begin(folder, clock.clone());
        scene.state("gate", State::Down).await;
        let plain = scene_incident(&scene, None);
        let good = still(b"good", clock.now() - SignedDuration::from_secs(40));
        let bad = still(b"bad", clock.now() + SignedDuration::from_secs(1));
        let answer = Some("RTSP/1.0 404 Not Found\n".into());
        pass(Duration::from_secs(5)).await;
        let (good_at, bad_at) = (good.at, bad.at);
        let shown = scene_incident(&scene, Some(Evidence { answer, good: Some(good), bad: Some(bad) }));
        settle().await;
        let told = |history: History| async move {
            let (from, to) = ever();
            let told = Past::incidents(&history, "gate".into(), from, to, 10).await.unwrap();
            let kept = told[1].evidence.clone().unwrap();
            assert_eq!((told[0].incident.id, told[0].evidence.clone()), (plain.id, None));
            assert_eq!(kept.answer.as_deref(), Some("RTSP/1.0 404 Not Found\n"));
            assert_eq!((kept.good_at, kept.bad_at), (Some(good_at), Some(bad_at)));
            for (which, jpeg) in [(EvidencePicture::Good, &b"good"[..]), (EvidencePicture::Bad, b"bad")] {
                let picture = history.evidence_picture("gate".into(), told[1].incident.id, which).await.unwrap();
                assert_eq!(picture.as_deref(), Some(jpeg));
                assert_eq!(history.evidence_picture("gate".into(), told[0].incident.id, which).await, Ok(None));
            }
        };
        told(scene.history.clone()).await;
        let other = scene.history.evidence_picture("yard".into(), shown.id, EvidencePicture::Good).await;
        assert_eq!(other, Err(PastError::UnknownCamera));
        if folder.is_some() {
            scene.until_stored(shown.id).await;
            told(scene.history.clone()).await;
            scene.cut();
            let scene = Scene::begin(folder, clock.clone());
            told(scene.history.clone()).await;
            scene.end().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_flaps_keeps_its_answers_and_the_newest_pictures_within_the_days_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.state("gate", State::Down).await;
    for _ in 0..150 {
        let good = still(&[7; 40 << 10], clock.now());
        let evidence = Evidence { answer: Some("no".into()), good: Some(good), bad: None };
        let incident = scene_incident(&scene, Some(evidence));
        scene.until_stored(incident.id).await;
        pass(Duration::from_secs(1)).await;
    }
    scene.end().await;
    let count = |what: &str| look(folder.path(), &format!("SELECT count({what}) FROM evidence"));
    assert_eq!((count("answer"), count("good")), (150, 102), "4 MiB of 40 KiB each");
}

/// Opens an incident of `gate` with this evidence.
fn scene_incident(scene: &Scene, evidence: Option<Evidence>) -> Incident {
    let incident = Incident { evidence: evidence.map(Arc::new), ..incident("gate", scene.clock.now()) };
    scene.tell_open(&incident);
    incident
}

fn still(jpeg: &[u8], at: Timestamp) -> Arc<Thumbnail> {
    Arc::new(Thumbnail { jpeg: bytes::Bytes::copy_from_slice(jpeg), at, width: 640, height: 360, etag: 0 })
}
