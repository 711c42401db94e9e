//! What a day costs the card, measured as the kernel counts it.

use super::*;

#[test]
#[allow(clippy::print_stdout)]
fn a_day_of_ten_cameras_writes_fifteen_megabytes_at_most() {
    // The kernel counts by process, and other tests write in this one.
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "history::tests::figures::a_day_of_ten_cameras", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let written = said.lines().find_map(|line| line.split_once("written: ")?.1.parse::<u64>().ok());
    let written = written.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&child.stderr)));
    println!("ten cameras, a day: {:.1} MB written", written as f64 / 1e6);
    assert!(written > 3_000_000, "{written} bytes: the kernel does not count here, measure elsewhere");
    assert!(written <= 15_000_000, "{written} bytes");
}

/// A day of ten cameras checked every 15 s, with a few incidents, in a file that is already as old as
/// checks are kept, so that deleting old rows is part of it. Each flush is followed by a sync of the log,
/// as the kernel's own write-back (every 30 s) would do, or pages would be counted once for many flushes.
#[tokio::test(start_paused = true)]
#[ignore = "the child of the test above"]
#[allow(clippy::print_stdout)]
async fn a_day_of_ten_cameras() {
    // Not under /tmp, which may be memory that the kernel does not count.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let clock = Clock::turned(start());
    let config = HistoryConfig { checks_days: 1, hours_days: 400 };
    let scene = Scene::with(Some(folder.path()), HistorySettings::new(&config, TimeZone::UTC, clock.clone()));
    let cameras: Vec<String> = (0..10).map(|i| format!("camera{i}")).collect();
    for camera in &cameras {
        scene.state(camera, State::Up).await;
    }
    play(&scene, &cameras, 2 * 1440, None).await;
    let log = folder.path().join(format!("{FILE_NAME}-wal"));
    let before = crate::history::bytes_written();
    play(&scene, &cameras, 1440, Some(&log)).await;
    println!("\nwritten: {}", crate::history::bytes_written() - before);
    scene.end().await;
}

async fn play(scene: &Scene, cameras: &[String], minutes: u32, synced: Option<&Path>) {
    for minute in 0..minutes {
        for _ in 0..4 {
            for camera in cameras {
                scene.check(camera, Verdict::Ok).await;
                tokio::time::sleep(Duration::from_millis(1_500)).await;
            }
        }
        if minute % 144 == 0 {
            scene.state(&cameras[0], State::Down).await;
            let incident = scene.open_incident(&cameras[0]).await;
            scene.state(&cameras[0], State::Up).await;
            scene.close_incident(&incident).await;
        }
        if let Some(log) = synced {
            std::fs::File::open(log).unwrap().sync_data().unwrap();
        }
    }
}
