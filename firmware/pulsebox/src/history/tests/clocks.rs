//! A box without a clock, and clocks that are set.

use super::*;

#[tokio::test(start_paused = true)]
async fn rows_before_the_first_time_sync_are_moved_to_their_true_times() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned("1970-01-01T00:00:10Z".parse().unwrap());
    let scene = Scene::with(Some(folder.path()), HistorySettings { clock_trusted: false, ..settings(&clock) });
    scene.state("gate", State::Up).await;
    scene.check("gate", Verdict::Ok).await;
    pass(Duration::from_secs(90)).await;
    let incident = scene.open_incident("gate").await;
    scene.state("gate", State::Down).await;
    pass(Duration::from_secs(10)).await;
    assert_eq!(look(folder.path(), "SELECT trusted FROM runs"), 0, "marked until then");
    // 100 s after the start, the true time is known.
    let truly = start() + jiff::SignedDuration::from_secs(100);
    scene.history.clock_trusted(truly, clock.monotonic_ms()).await.unwrap();
    let (from, _) = ever();
    let times = scene.history.uptime("gate", start(), truly).await.unwrap().times;
    assert_eq!((times.up, times.down, times.unwatched), (90_000, 10_000, 0));
    let before = scene.history.uptime("gate", from, start()).await.unwrap().times;
    assert_eq!(before.watched(), 0, "nothing is left at the wrong time");
    assert_eq!(all_checks(&scene.history, "gate").await[0].at, start());
    let moved = &all_incidents(&scene.history).await[&incident.id];
    assert_eq!(moved.from, start() + jiff::SignedDuration::from_secs(90));
    assert_eq!(look(folder.path(), "SELECT count(*) FROM runs WHERE trusted = 0"), 0);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn time_never_runs_backwards_past_the_newest_row() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(Some(folder.path()), Clock::turned(start()));
    scene.state("gate", State::Up).await;
    pass(Duration::from_secs(600)).await;
    scene.end().await;
    // The next boot has lost the time and begins in 1970.
    let clock = Clock::turned("1970-01-01T00:00:10Z".parse().unwrap());
    let scene = Scene::with(Some(folder.path()), HistorySettings { clock_trusted: false, ..settings(&clock) });
    scene.state("gate", State::Down).await;
    scene.check("gate", Verdict::Refused).await;
    pass(Duration::from_secs(300)).await;
    let newest = start() + jiff::SignedDuration::from_secs(600);
    assert!(all_checks(&scene.history, "gate").await[0].at >= newest);
    let (from, to) = ever();
    let times = scene.history.uptime("gate", from, to).await.unwrap().times;
    assert_eq!((times.up, times.down), (600_000, 300_000));
    assert_eq!(look(folder.path(), "SELECT count(*) FROM checks WHERE id < 1700000000000"), 0);
    // Half an hour later by the true clock.
    let truly = newest + jiff::SignedDuration::from_secs(1_800 + 300);
    scene.history.clock_trusted(truly, clock.monotonic_ms()).await.unwrap();
    let times = scene.history.uptime("gate", start(), truly).await.unwrap().times;
    assert_eq!((times.up, times.down, times.unwatched), (600_000, 300_000, 1_800_000));
    scene.end().await;
}
