//! What the box says of itself, from its facts to STATUS.TXT.

use std::fs;
use std::path::Path;

use tokio::time::{sleep, timeout};

use super::*;
use crate::camera::Verdict;
use crate::config::{Machine, parse_on};
use crate::monitor::appliance::{Appliance, Data, DataState, Import, ImportState, Update};
use crate::monitor::board::Incident;

fn config() -> Config {
    parse_on("timezone: Europe/Berlin\n", Machine::Appliance).unwrap().0
}

fn well() -> Snapshot {
    let mut snapshot = Snapshot::default();
    snapshot.host.name = "pulsebox".into();
    snapshot.host.network = true;
    snapshot.host.clock = ClockState::Trusted;
    snapshot.host.addresses = vec!["192.168.1.5".parse().unwrap(), "2001:db8::5".parse().unwrap()];
    snapshot.host.appliance =
        Some(Appliance { slot: Some("A".into()), version: Some("1.2.3".into()), ..Appliance::default() });
    snapshot
}

fn with(mut snapshot: Snapshot, cameras: &[(&str, State)]) -> Snapshot {
    for (name, state) in cameras {
        let mut camera = CameraStatus::unseen(*name, *state);
        camera.url = "rtsp://***:***@10.0.0.9/secret-path".into();
        if *state == State::Down {
            let from = Timestamp::UNIX_EPOCH;
            let (camera_id, message) = ((*name).to_owned(), "geheim".to_owned());
            let verdict = Verdict::Auth;
            camera.incident = Some(Arc::new(Incident {
                id: 1,
                camera: camera_id,
                state: *state,
                verdict,
                message,
                from,
                to: None,
                evidence: None,
            }));
        }
        snapshot.cameras.insert((*name).into(), Arc::new(camera));
    }
    snapshot.order = cameras.iter().map(|(name, _)| (*name).to_owned()).collect();
    snapshot
}

fn told(snapshot: &Snapshot) -> String {
    text(snapshot, &config(), "2026-11-21T16:00:00Z".parse().unwrap())
}

#[test]
fn it_says_where_the_page_is_and_how_all_is() {
    let text = told(&with(well(), &[("Gate", State::Up), ("Yard", State::Down), ("Barn", State::Paused)]));
    let lines: Vec<&str> = text.split("\r\n").collect();
    let expected = [
        "Pulsebox",
        "========",
        "",
        "Page:         http://pulsebox.local/",
        "              http://192.168.1.5/",
        "              http://[2001:db8::5]/",
        "System:       A, version 1.2.3",
        "Cameras:      1 up, 1 down, 1 paused",
    ];
    assert_eq!(&lines[..8], expected);
    assert!(lines[8].starts_with("              Yard: down, "), "{text}");
    assert_eq!(&lines[9..12], ["Last error:   none", "Written:      2026-11-21 17:00:00 CET", ""]);
    assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
    assert!(!text.contains("geheim") && !text.contains("10.0.0.9") && !text.contains("***"), "no URL: {text}");
}

#[test]
fn what_is_wrong_stands_there_with_what_to_do() {
    let mut snapshot = well();
    let message = Some("pulsebox.yaml:3:5: there is no key `ur`; did you mean `url`?".to_owned());
    let refused = Import { state: ImportState::Refused, file: Some("pulsebox.yaml".into()), message };
    let update = Update {
        state: UpdateState::RolledBack,
        percent: None,
        version: Some("2.0".into()),
        message: Some("cameras were missing: Gate".into()),
    };
    let data = Data { state: DataState::Memory, message: Some("no data partition; use another card".into()) };
    snapshot.host.appliance =
        Some(Appliance { import: Some(refused), update: Some(update), data: Some(data), ..Appliance::default() });
    snapshot.host.clock = ClockState::Untrusted;
    snapshot.host.history_repaired = Some("the history was damaged; it was set aside".into());
    let text = told(&snapshot);
    for line in [
        "Last error:   pulsebox.yaml:3:5: there is no key `ur`; did you mean `url`?\r\n",
        "              storage: no data partition; use another card\r\n",
        "              update 2.0 was taken back: cameras were missing: Gate\r\n",
        "              the history was damaged; it was set aside\r\n",
        "17:00:00 CET by a clock that is not set yet\r\n",
        "What to do:   Correct the file that \"Last error\" names",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn without_a_network_it_says_how_to_get_one() {
    let mut snapshot = well();
    (snapshot.host.addresses, snapshot.host.network) = (Vec::new(), false);
    let text = told(&snapshot);
    assert!(text.contains("Page:         nowhere") && text.contains("network: { wifi:"), "{text}");
}

#[test]
fn another_port_and_the_name_that_was_settled_on_are_in_the_address() {
    let mut snapshot = well();
    snapshot.host.appliance = Some(Appliance { name: Some("pulsebox7".into()), ..Appliance::default() });
    let config = parse_on("web: { listen: '0.0.0.0:8443', tls: { self_made: true } }", Machine::Appliance).unwrap().0;
    let all = addresses(&snapshot, &config);
    assert_eq!(all, ["https://pulsebox7.local:8443/", "https://192.168.1.5:8443/", "https://[2001:db8::5]:8443/"]);
}

async fn until(file: &Path, words: &str) -> String {
    let found = async {
        loop {
            match fs::read_to_string(file) {
                Ok(text) if text.contains(words) => return text,
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(Duration::from_secs(30), found).await.unwrap_or_else(|_| panic!("{words}"))
}

#[test]
fn what_changes_for_ever_is_written_once_a_minute_then_every_ten() {
    let (start, mut pace) = (Instant::now(), Pace::default());
    let mut written: Vec<Duration> = Vec::new();
    for after in (0..3 * 3600).map(Duration::from_secs) {
        if written.last().is_none_or(|last| after - *last >= pace.rest(start + after)) {
            pace.wrote(start + after);
            written.push(after);
        }
    }
    let minutes: Vec<u64> = written.iter().map(|after| after.as_secs() / 60).collect();
    assert_eq!(minutes[..8], [0, 1, 2, 3, 4, 14, 24, 34]);
    assert!(minutes.len() < 24, "{minutes:?}");
    // Calm again after a quiet hour.
    assert_eq!(pace.rest(start + Duration::from_secs(4 * 3600)), AT_MOST_EVERY);
}

#[tokio::test(start_paused = true)]
async fn it_is_written_once_each_camera_was_looked_at_and_within_a_minute_where_it_matters() {
    let run = tempfile::tempdir().unwrap();
    let places = Places::new(run.path(), run.path());
    fs::create_dir_all(&places.told).unwrap();
    let file = places.told.join("status.txt");
    let board = Board::default();
    let put = |snapshot: Snapshot| board.change(|now| *now = snapshot, []);
    put(with(well(), &[("Gate", State::Unknown)]));
    let (_config, config) = watch::channel(Arc::new(config()));
    let stop = CancellationToken::new();
    let means = Means { board: board.clone(), config, places, clock: Clock::system() };
    let task = tokio::spawn(keep_status(means, stop.clone()));
    sleep(Duration::from_millis(1300)).await;
    assert!(!file.exists(), "Gate is not looked at yet");
    put(with(well(), &[("Gate", State::Up)]));
    until(&file, "1 up").await;
    put(with(well(), &[("Gate", State::Down)]));
    sleep(Duration::from_millis(1300)).await;
    assert!(fs::read_to_string(&file).unwrap().contains("1 up"), "cameras alone can wait");
    let mut moved = with(well(), &[("Gate", State::Down)]);
    moved.host.addresses = vec!["10.0.0.7".parse().unwrap()];
    put(moved);
    sleep(Duration::from_secs(40)).await;
    assert!(fs::read_to_string(&file).unwrap().contains("1 up"), "not twice in a minute");
    let text = until(&file, "http://10.0.0.7/").await;
    assert!(text.contains("1 down"), "{text}");
    stop.cancel();
    task.await.unwrap();
}
