//! kill -9 in the middle of writing. This test binary starts itself as the box that is killed.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::*;

const FOLDER: &str = "PULSEBOX_TEST_KILLED_FOLDER";
const KILLS: u32 = 300;

#[test]
fn every_incident_that_was_told_as_stored_survives_hundreds_of_kills() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = vec![];
    let mut random = 0x2545_f491u32;
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::tests::killed::a_box_that_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let wanted = (random >> 16) % 6;
        let mut seen = 0;
        // Killed after a few were stored, at any point of writing the next.
        while seen <= wanted {
            let Some(line) = lines.next() else { break };
            if let Some(id) = line.strip_prefix("stored ") {
                told.push(id.parse::<i64>().unwrap());
                seen += 1;
            }
        }
        std::thread::sleep(Duration::from_micros(u64::from(random >> 8) % 3_000));
        child.kill().unwrap();
        // What it said before it died counts, too.
        told.extend(lines.filter_map(|line| line.strip_prefix("stored ")?.parse::<i64>().ok()));
        child.wait().unwrap();
        assert!(seen > 0, "round {round}: the box stored nothing");
        let db = rusqlite::Connection::open(folder.path().join(FILE_NAME)).unwrap();
        let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(found, "ok", "round {round}");
        let mut select = db.prepare("SELECT 1 FROM incidents WHERE id = ?1").unwrap();
        let missing = told.iter().filter(|id| !select.exists([id]).unwrap()).count();
        assert_eq!(missing, 0, "round {round}: of {} incidents", told.len());
    }
    let salvaged = std::fs::read_dir(folder.path()).unwrap().flatten();
    assert!(!salvaged.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("damaged")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of the test above"]
#[allow(clippy::print_stdout)]
async fn a_box_that_is_killed() {
    let folder = std::env::var_os(FOLDER).expect("started by the test above");
    let scene = Scene::begin(Some(Path::new(&folder)), Clock::system());
    assert_eq!(*scene.history.fault().borrow(), None);
    assert_eq!(*scene.history.repaired().borrow(), None, "a kill is no damage");
    scene.state("gate", State::Up).await;
    let flushing = scene.history.clone();
    tokio::spawn(async move {
        // As the minute does, only all the time.
        while flushing.write(super::super::Write::Minute).await.is_ok() {}
    });
    loop {
        for _ in 0..50 {
            scene.check("gate", Verdict::Ok).await;
        }
        let incident = scene.open_incident("gate").await;
        println!("stored {}", incident.id);
        scene.close_incident(&incident).await;
    }
}
