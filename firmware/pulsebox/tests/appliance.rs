//! The daemon as an appliance: a process whose `/run` is a folder, and root's jobs played by the test.

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::daemon::{Daemon, Home, PATIENCE, config, stream};
use simcam::{Camera, Mood, Options};

/// Tells a fact, as root's jobs do.
fn tell(home: &Home, name: &str, text: &str) {
    let folder = home.path("run/box");
    fs::write(folder.join(".new"), text).unwrap();
    fs::rename(folder.join(".new"), folder.join(name)).unwrap();
}

fn home(text: &str) -> Home {
    let home = Home::new(text);
    for folder in ["run/box", "run/pulsebox"] {
        fs::create_dir_all(home.path(folder)).unwrap();
    }
    home
}

async fn start(home: &Home) -> Daemon {
    let mut command = home.command();
    command.arg("--appliance").arg("--run-folder").arg(home.path("run"));
    Daemon::start(command).await
}

/// Waits until a file that the daemon keeps for root's jobs says this.
async fn until(home: &Home, file: &str, text: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let found = fs::read_to_string(home.path(file)).unwrap_or_default();
        if found == text {
            return;
        }
        assert!(Instant::now() < end, "{file}: {found}");
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

#[tokio::test]
async fn a_new_system_is_well_once_the_camera_that_was_up_is_up_again() {
    let camera = Camera::start(Options::default()).await.unwrap();
    let home = home(&config(&[stream("Gate", &camera)]));
    tell(&home, "update", "state=trying\nversion=2.0.0\nwas_up=gate\nwas_network=no\nuntil=900\n");
    camera.set_mood(Mood::NotFound).await;
    let daemon = start(&home).await;
    daemon.until_state("gate", "down").await;
    until(
        &home,
        "run/pulsebox/wellness",
        "state=not-yet\nmessage=none of 1 cameras that were up before is up: gate (not_found)\n",
    )
    .await;
    camera.set_mood(Mood::Healthy).await;
    daemon.until_state("gate", "up").await;
    until(&home, "run/pulsebox/wellness", "state=well\nmessage=the camera that was up before is up\n").await;
    let up = fs::read_to_string(home.path("run/pulsebox/up")).unwrap();
    assert!(up.starts_with("gate\nnetwork=") && up.ends_with("\nlooked=yes\n"), "{up}");
}

#[tokio::test]
async fn storage_that_keeps_nothing_is_told_by_health_and_the_start_is_noted_over_restarts() {
    let home = home(&config::<&str>(&[]));
    tell(&home, "data", "state=memory\nmessage=The SD card is too small; use one of 1 GB or more.\n");
    tell(&home, "start", "cause=first\nmessage=First start.\nslot=A\nversion=1.0.0\nboot=one\n");
    let mut daemon = start(&home).await;
    let told = daemon.until("/api/system", PATIENCE, |system| system["overall"] == "storage_fault").await;
    assert_eq!(told["host"]["storage_fault"], "The SD card is too small; use one of 1 GB or more.");
    let noted = daemon.until("/api/system", PATIENCE, |system| system["starts"][0]["cause"] == "first").await;
    assert_eq!(noted["starts"].as_array().map(Vec::len), Some(1));
    daemon.terminate().await;

    tell(&home, "data", "state=ok\nmessage=\n");
    tell(&home, "start", "cause=power\nmessage=The power was cut.\nslot=A\nversion=1.0.0\nboot=two\n");
    let daemon = start(&home).await;
    let told = daemon.until("/api/system", PATIENCE, |system| system["starts"][1]["cause"] == "first").await;
    assert_eq!(
        (&told["starts"][0]["cause"], &told["host"]["storage_fault"]),
        (&"power".into(), &serde_json::Value::Null)
    );
}
