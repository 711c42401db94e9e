//! A box without a clock, and clocks that are set.

use super::*;
use crate::clock::Trust;

#[tokio::test(start_paused = true)]
async fn rows_before_the_first_time_sync_are_moved_to_their_true_times() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned("1970-01-01T00:00:10Z".parse().unwrap());
    let scene =
        Scene::with(Some(folder.path()), HistorySettings { clock_trust: Trust::Provisional, ..settings(&clock) });
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
    let times = scene.history.uptime("gate", start(), truly).await.unwrap().times_ms;
    assert_eq!((times.up, times.down, times.unwatched), (90_000, 10_000, 0));
    let before = scene.history.uptime("gate", from, start()).await.unwrap().times_ms;
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
    let scene =
        Scene::with(Some(folder.path()), HistorySettings { clock_trust: Trust::Provisional, ..settings(&clock) });
    scene.state("gate", State::Down).await;
    scene.check("gate", Verdict::Refused).await;
    pass(Duration::from_secs(300)).await;
    let newest = start() + jiff::SignedDuration::from_secs(600);
    assert!(all_checks(&scene.history, "gate").await[0].at >= newest);
    let (from, to) = ever();
    let times = scene.history.uptime("gate", from, to).await.unwrap().times_ms;
    assert_eq!((times.up, times.down), (600_000, 300_000));
    assert_eq!(look(folder.path(), "SELECT count(*) FROM checks WHERE id < 1700000000000"), 0);
    // Half an hour later by the true clock.
    let truly = newest + jiff::SignedDuration::from_secs(1_800 + 300);
    scene.history.clock_trusted(truly, clock.monotonic_ms()).await.unwrap();
    let times = scene.history.uptime("gate", start(), truly).await.unwrap().times_ms;
    assert_eq!((times.up, times.down, times.unwatched), (600_000, 300_000, 1_800_000));
    scene.end().await;
}

fn before(hours: i64, minutes: i64) -> Timestamp {
    start() + jiff::SignedDuration::from_mins(10 - 60 * hours - minutes)
}

fn vouched(clock: &Clock) -> HistorySettings {
    HistorySettings { clock_trust: Trust::Synchronised, ..settings(clock) }
}

/// Ten minutes of a box whose camera is down, with an incident in the tenth; then the power goes.
async fn cut_while_down(folder: &Path) -> Incident {
    let scene = Scene::begin(Some(folder), Clock::turned(start()));
    scene.state("gate", State::Down).await;
    pass(Duration::from_secs(540)).await;
    let incident = scene.open_incident("gate").await;
    pass(Duration::from_secs(60)).await;
    // The minute's own write falls due in this very moment, and may or may not have been before the cut.
    scene.history.flush().await.unwrap();
    scene.cut();
    incident
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_goes_on_under_a_late_clock_keeps_its_begin_and_moves_no_time() {
    let folder = tempfile::tempdir().unwrap();
    let incident = cut_while_down(folder.path()).await;
    let scene = Scene::begin(Some(folder.path()), Clock::turned(before(5, 0)));
    let open = scene.history.open_incidents().await.unwrap();
    assert_eq!(open, std::slice::from_ref(&incident));
    scene.tell_open(&open[0]); // as the monitor puts it on the board
    pass(MINUTE).await;
    // As the monitor closes it: its clock is behind the incident's begin.
    let closed = Incident { to: Some(scene.clock.now().max(incident.from)), ..incident.clone() };
    scene.board.change(|_| (), [Event::IncidentClosed(Arc::new(closed))]);
    scene.until_stored(incident.id).await;
    pass(MINUTE).await;
    let kept = all_incidents(&scene.history).await[&incident.id].clone();
    let newest = start() + jiff::SignedDuration::from_secs(600);
    assert_eq!(kept.from, incident.from);
    let lasted = kept.to.unwrap().duration_since(newest).as_millis();
    assert!((0..=61_000).contains(&lasted), "{kept:?}");
    scene.end().await;
    let until = look(folder.path(), "SELECT max(until) FROM runs") - newest.as_millisecond();
    assert!((120_000..=121_000).contains(&until), "two minutes were watched, not {until} ms");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_minutes_behind_loses_no_check_and_shortens_no_incident() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(Some(folder.path()), Clock::turned(start()));
    scene.state("gate", State::Up).await;
    pass(Duration::from_secs(600)).await;
    scene.end().await;
    let scene = Scene::begin(Some(folder.path()), Clock::turned(before(0, 40)));
    scene.state("gate", State::Up).await;
    let mut incident = None;
    for round in 0..80 {
        scene.check("gate", Verdict::Ok).await;
        if round == 20 {
            let open = scene.open_incident("gate").await;
            pass(Duration::from_secs(30)).await;
            incident = Some(scene.close_incident(&open).await);
        }
        pass(Duration::from_secs(15)).await;
    }
    assert_eq!((all_checks(&scene.history, "gate").await.len(), scene.history.lost()), (80, 0));
    let kept = &all_incidents(&scene.history).await[&incident.unwrap().id];
    assert_eq!(kept.to.unwrap().duration_since(kept.from).as_secs(), 30);
    scene.end().await;
    assert_eq!(look(folder.path(), "SELECT sum(n) FROM checks"), 80);
}

#[tokio::test(start_paused = true)]
async fn checks_that_end_as_the_minute_does_are_written_and_not_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(Some(folder.path()), Clock::turned(start()));
    for _ in 0..5 {
        scene.check("gate", Verdict::Ok).await;
        scene.history.flush().await.unwrap();
        scene.history.flush().await.unwrap();
    }
    scene.end().await;
    assert_eq!(look(folder.path(), "SELECT sum(n) FROM checks"), 5);
}

#[tokio::test(start_paused = true)]
async fn an_incident_that_opens_across_a_step_of_the_clock_does_not_begin_in_1970() {
    let scene = Scene::begin(None, Clock::turned(start()));
    pass(MINUTE).await;
    // The monitor tells the first failed check by the clock as it was then.
    let told = Incident { id: 7, ..incident("gate", "1970-01-01T00:00:20Z".parse().unwrap()) };
    scene.tell_open(&told);
    settle().await;
    assert_eq!(all_incidents(&scene.history).await[&7].from, start());
    let ahead = Incident { id: 8, to: Some("2099-01-01T00:00:00Z".parse().unwrap()), ..told };
    scene.board.change(|_| (), [Event::IncidentClosed(Arc::new(ahead))]);
    settle().await;
    assert_eq!(all_incidents(&scene.history).await[&8].to, Some(scene.clock.now()), "nor does one end to come");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_clock_that_was_years_ahead_dated_is_taken_back_by_one_that_is_vouched_for() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(Some(folder.path()), Clock::turned(start()));
    scene.state("gate", State::Up).await;
    pass(Duration::from_secs(600)).await;
    scene.end().await;
    let ahead = Clock::turned("2031-01-01T00:00:00Z".parse().unwrap());
    let unset = HistorySettings { clock_trust: Trust::Provisional, ..settings(&ahead) };
    let scene = Scene::with(Some(folder.path()), unset);
    scene.state("gate", State::Down).await;
    scene.check("gate", Verdict::Refused).await;
    pass(Duration::from_secs(300)).await;
    scene.end().await;
    let clock = Clock::turned(start() + jiff::SignedDuration::from_secs(3_600));
    let scene = Scene::with(Some(folder.path()), vouched(&clock));
    scene.state("gate", State::Up).await;
    pass(MINUTE).await;
    let times = scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms;
    assert_eq!((times.up, times.down), (660_000, 300_000));
    assert!(all_checks(&scene.history, "gate").await[0].at < clock.now());
    let newest = look(folder.path(), "SELECT max(id + ms) FROM checks");
    assert_eq!(newest, clock.now().as_millisecond(), "rows are dated now");
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_provisional_run_behind_rows_from_the_future_finds_its_true_time() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(Some(folder.path()), Clock::turned("2031-01-01T00:00:00Z".parse().unwrap()));
    scene.state("gate", State::Down).await;
    pass(Duration::from_secs(300)).await;
    scene.end().await;
    let clock = Clock::turned(start());
    let settings = HistorySettings { clock_trust: Trust::Provisional, ..settings(&clock) };
    let scene = Scene::with(Some(folder.path()), settings);
    scene.state("gate", State::Up).await;
    pass(MINUTE).await;
    assert!(!scene.history.is_clock_vouched_for());
    scene.history.clock_trusted(clock.now(), clock.monotonic_ms()).await.unwrap();
    assert!(scene.history.is_clock_vouched_for());
    pass(MINUTE).await;
    let times = scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms;
    assert_eq!((times.up, times.unwatched), (120_000, 0));
    scene.end().await;
    let newest = look(folder.path(), "SELECT max(until) FROM runs");
    assert_eq!(newest, clock.now().as_millisecond());
}
