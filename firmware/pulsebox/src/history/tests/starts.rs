//! Why the box started: one row a boot.

use super::*;
use crate::clock::Trust;
use crate::monitor::appliance::{Appliance, Cause, Start};

fn tell(scene: &Scene, cause: Cause, boot: &str) {
    let start = Start { cause, message: Some("said".into()), undervoltage: None, boot: Some(boot.into()) };
    let (slot, version) = (Some("A".into()), Some("1.2.3".into()));
    let appliance = Appliance { slot, version, start: Some(start), ..Appliance::default() };
    scene.board.change_host(|host| host.appliance = Some(appliance));
}

async fn causes(scene: &Scene) -> Vec<(Cause, Timestamp)> {
    scene.history.starts(20).await.unwrap().iter().map(|start| (start.cause, start.at)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_boot_is_noted_once_however_often_the_daemon_starts() {
    let folder = tempfile::tempdir().unwrap();
    for (hours, cause, boot) in [(0, Cause::First, "a"), (1, Cause::Restart, "a"), (2, Cause::Power, "b")] {
        let scene = Scene::begin(Some(folder.path()), Clock::turned(start() + jiff::SignedDuration::from_hours(hours)));
        scene.board.change_host(|host| host.appliance = Some(Appliance::default()));
        settle().await;
        assert_eq!(look(folder.path(), "SELECT count(*) FROM starts WHERE boot = 'b'"), 0, "not known yet");
        pass(Duration::from_secs(5)).await;
        tell(&scene, cause, boot);
        settle().await;
        // More of the box is told all the time.
        scene.board.change_host(|host| host.bytes_written = 7);
        settle().await;
        scene.end().await;
    }
    let scene = Scene::begin(Some(folder.path()), Clock::turned(start() + jiff::SignedDuration::from_hours(3)));
    let at = |hours: i64| start() + jiff::SignedDuration::from_secs(hours * 3600 + 5);
    assert_eq!(causes(&scene).await, [(Cause::Power, at(2)), (Cause::First, at(0))]);
    let last = &scene.history.starts(1).await.unwrap()[0];
    assert_eq!(
        (last.slot.as_deref(), last.version.as_deref(), last.message.as_deref()),
        (Some("A"), Some("1.2.3"), Some("said"))
    );
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_is_on_the_disk_at_once_and_survives_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::begin(Some(folder.path()), Clock::turned(start()));
    tell(&scene, Cause::Watchdog, "a");
    // By the machine's own time: the writing thread knows no other.
    let end = std::time::Instant::now() + MINUTE;
    while look(folder.path(), "SELECT count(*) FROM starts") == 0 {
        assert!(std::time::Instant::now() < end);
        settle().await;
    }
    scene.cut();
}

#[tokio::test(start_paused = true)]
async fn a_start_moves_to_its_true_time_with_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned("1970-01-01T00:00:10Z".parse().unwrap());
    let scene =
        Scene::with(Some(folder.path()), HistorySettings { clock_trust: Trust::Provisional, ..settings(&clock) });
    pass(Duration::from_secs(10)).await;
    tell(&scene, Cause::Power, "a");
    settle().await;
    pass(Duration::from_secs(90)).await;
    let truly = start() + jiff::SignedDuration::from_secs(100);
    scene.history.clock_trusted(truly, clock.monotonic_ms()).await.unwrap();
    assert_eq!(causes(&scene).await, [(Cause::Power, start() + jiff::SignedDuration::from_secs(10))]);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_disk_this_boot_is_known_all_the_same() {
    let scene = Scene::begin(None, Clock::turned(start()));
    assert_eq!(causes(&scene).await, []);
    tell(&scene, Cause::Reset, "a");
    settle().await;
    assert_eq!(causes(&scene).await, [(Cause::Reset, start())]);
    scene.end().await;
}
