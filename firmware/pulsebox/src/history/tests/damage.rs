//! Damaged files, newer and older forms.

use std::fs;

use super::*;
use crate::history::schema::{self, MIGRATIONS, OpenError};

/// A folder with a history of some days, closed; and its incidents.
async fn lived_in() -> (tempfile::TempDir, Clock, BTreeMap<i64, Incident>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    scene.state("gate", State::Up).await;
    for _ in 0..200 {
        let incident = scene.open_incident("gate").await;
        scene.check("gate", Verdict::Refused).await;
        pass(Duration::from_secs(600)).await;
        scene.close_incident(&incident).await;
    }
    let incidents = all_incidents(&scene.history).await;
    scene.end().await;
    // Fold the log into the file, so that damage to the file counts.
    look(folder.path(), "PRAGMA wal_checkpoint(TRUNCATE)");
    (folder, clock, incidents)
}

fn set_aside(folder: &Path) -> usize {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm")).count()
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_database_is_set_aside_and_two_such_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::turned(start());
    for _ in 0..4 {
        fs::write(folder.path().join(FILE_NAME), vec![b'x'; 5_000]).unwrap();
        let scene = Scene::begin(Some(folder.path()), clock.clone());
        assert_eq!(*scene.history.fault().borrow(), None);
        assert!(scene.history.repaired().borrow().as_ref().unwrap().contains("set aside"));
        let incident = scene.open_incident("gate").await;
        assert!(all_incidents(&scene.history).await.contains_key(&incident.id));
        scene.end().await;
        std::thread::sleep(Duration::from_millis(2)); // the names end in the time
    }
    assert_eq!(set_aside(folder.path()), 2);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_read_of_a_truncated_file_is_salvaged() {
    let (folder, clock, incidents) = lived_in().await;
    let path = folder.path().join(FILE_NAME);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() * 9 / 10]).unwrap();
    let scene = Scene::begin(Some(folder.path()), clock);
    assert_eq!((set_aside(folder.path()), scene.history.fault().borrow().clone()), (1, None));
    let salvaged = all_incidents(&scene.history).await;
    assert!(salvaged.len() > incidents.len() / 2, "{} of {}", salvaged.len(), incidents.len());
    assert!(salvaged.iter().all(|(id, incident)| incidents[id] == *incident));
    assert!(all_checks(&scene.history, "gate").await.len() > 50);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn pages_of_junk_cost_only_their_rows() {
    let (folder, clock, incidents) = lived_in().await;
    let path = folder.path().join(FILE_NAME);
    let whole = fs::read(&path).unwrap();
    let needle = b"nothing listens on port 554";
    let found = whole.windows(needle.len()).enumerate().filter(|(_, w)| w == needle).map(|(at, _)| at / 1024);
    let pages: Vec<usize> = found.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
    assert!(pages.len() > 5);
    let mut bytes = whole.clone();
    bytes[pages[3] * 1024..(pages[3] + 1) * 1024].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let scene = Scene::begin(Some(folder.path()), clock);
    assert_eq!(set_aside(folder.path()), 1);
    let salvaged = all_incidents(&scene.history).await;
    let lost = incidents.len() - salvaged.len();
    assert!((1..=20).contains(&lost), "one page's incidents are lost: {lost}");
    assert_eq!(all_checks(&scene.history, "gate").await.len(), 200);
    scene.end().await;
}

fn named(folder: &Path, part: &str) -> Vec<std::path::PathBuf> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names.filter(|path| path.file_name().unwrap().to_str().unwrap().contains(part)).collect()
}

/// Brings the file to a form that this Pulsebox does not know, as a newer one would.
fn bring_forward(path: &Path) {
    drop(schema::open_with(path, &[MIGRATIONS, &["CREATE TABLE future (x)"]].concat()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn after_an_update_that_is_taken_back_the_history_goes_on_as_it_was_before() {
    let (folder, clock, incidents) = lived_in().await;
    let path = folder.path().join(FILE_NAME);
    bring_forward(&path);
    let known = MIGRATIONS.len();
    let copy = folder.path().join(format!("{FILE_NAME}.form-{known}"));
    assert_eq!(named(folder.path(), ".form-"), [&*copy], "a migration leaves one copy");
    let (newer, before) = (fs::read(&path).unwrap(), fs::read(&copy).unwrap());
    // What a cut between the two names of the file leaves is the same again, and one while copying is no copy.
    fs::hard_link(&path, folder.path().join(format!("{FILE_NAME}.newer-20200101T000000000"))).unwrap();
    fs::write(folder.path().join(format!("{FILE_NAME}.form-new")), &before[..2048]).unwrap();

    let scene = Scene::begin(Some(folder.path()), clock);
    assert_eq!(*scene.history.fault().borrow(), None, "the disk is as good as it was");
    let told = scene.history.repaired().borrow().clone().unwrap();
    assert!(told.contains("newer Pulsebox") && told.contains("goes on"), "{told}");
    assert!(all_incidents(&scene.history).await.keys().eq(incidents.keys()), "none is lost");
    scene.check("gate", Verdict::Ok).await;
    scene.end().await;
    let aside = named(folder.path(), ".newer-");
    assert_eq!(aside.len(), 2);
    assert!(aside.iter().all(|file| fs::read(file).unwrap() == newer), "set aside, not changed");
    assert!(!copy.exists(), "it is in use");

    // The update comes again: the copy is made anew, of what was written since.
    bring_forward(&path);
    assert_ne!(fs::read(&copy).unwrap(), before);
    assert_eq!(named(folder.path(), ".form-"), [copy]);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_a_newer_pulsebox_without_a_copy_is_set_aside_and_a_new_one_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("CREATE TABLE future (x); PRAGMA user_version = 99").unwrap();
    drop(db);
    let before = fs::read(&path).unwrap();
    let junk = folder.path().join(format!("{FILE_NAME}.form-98"));
    fs::write(&junk, "a form that is not known either").unwrap();
    let scene = Scene::begin(Some(folder.path()), Clock::turned(start()));
    assert_eq!(*scene.history.fault().borrow(), None);
    assert!(scene.history.repaired().borrow().as_ref().unwrap().contains("a new one begins"));
    scene.state("gate", State::Up).await;
    scene.check("gate", Verdict::Ok).await;
    pass(MINUTE * 3).await;
    assert_eq!(all_checks(&scene.history, "gate").await.len(), 1);
    scene.end().await;
    let aside = named(folder.path(), ".newer-");
    assert_eq!(aside.len(), 1);
    assert_eq!(fs::read(&aside[0]).unwrap(), before);
    assert!(junk.exists());
    assert_eq!(look(folder.path(), "SELECT count(*) FROM checks WHERE n > 0"), 1, "it is kept on the disk");
}

#[test]
fn a_file_is_brought_forward_in_one_transaction_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    drop(schema::open_with(&path, &MIGRATIONS[..1]).unwrap());
    let version = |path: &Path| -> i64 {
        let db = rusqlite::Connection::open(path).unwrap();
        db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    let good = "ALTER TABLE cameras ADD COLUMN place TEXT";
    let failed = schema::open_with(&path, &[MIGRATIONS[0], good, "CREATE TABLE half (x); NONSENSE"]);
    assert!(matches!(failed, Err(OpenError::Storage(_))));
    assert_eq!(version(&path), 1);
    assert_eq!(look(folder.path(), "SELECT count(*) FROM pragma_table_info('cameras') WHERE name = 'place'"), 0);
    // The real ones, with rows of the first form.
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("INSERT INTO hours VALUES (0, 1, 3600000, 3600000, 0, 0, 0, 0, 0, 240, 0, 41, 60, 312)", []).unwrap();
    drop(db);
    drop(schema::open(&path).unwrap());
    let known = MIGRATIONS.len();
    assert_eq!(version(&path), i64::try_from(known).unwrap());
    assert_eq!(look(folder.path(), "SELECT count(*) FROM hours WHERE p50 = 41 AND fps10 IS NULL"), 1);
    let newer = [MIGRATIONS, &[good]].concat();
    drop(schema::open_with(&path, &newer).unwrap());
    assert!(matches!(schema::open(&path), Err(OpenError::Newer(found, ours)) if (found, ours) == (known + 1, known)));
}

/// Overwrites the first page of a table.
fn ruin(folder: &Path, table: &str) {
    let page = look(folder, &format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'"));
    let page = usize::try_from(page).unwrap();
    let path = folder.join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    bytes[(page - 1) * 1024..page * 1024].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    // Too long to be read through at opening, so that the damage is met later.
    fs::File::options().write(true).open(&path).unwrap().set_len(65 << 20).unwrap();
}

#[tokio::test(start_paused = true)]
async fn damage_that_a_write_meets_in_a_large_file_is_repaired_at_once() {
    let (folder, clock, _) = lived_in().await;
    ruin(folder.path(), "states");
    let scene = Scene::begin(Some(folder.path()), clock);
    scene.state("gate", State::Up).await;
    scene.check("gate", Verdict::Ok).await;
    scene.open_incident("gate").await;
    pass(MINUTE).await;
    assert_eq!((set_aside(folder.path()), scene.history.fault().borrow().clone()), (1, None));
    assert!(scene.history.repaired().borrow().is_some());
    assert_eq!(all_checks(&scene.history, "gate").await.len(), 201);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn damage_that_only_a_question_meets_is_repaired_by_the_next_write() {
    let (folder, clock, _) = lived_in().await;
    ruin(folder.path(), "hours");
    let scene = Scene::begin(Some(folder.path()), clock.clone());
    assert_eq!(set_aside(folder.path()), 0, "nothing has met it yet");
    let hour = Duration::from_secs(3_600);
    assert!(scene.history.series("gate", start(), clock.now(), hour).await.is_err());
    pass(MINUTE * 2).await;
    assert_eq!((set_aside(folder.path()), scene.history.fault().borrow().clone()), (1, None));
    assert!(scene.history.series("gate", start(), clock.now(), hour).await.is_ok());
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_in_the_middle_of_a_salvage_costs_nothing() {
    let (folder, clock, incidents) = lived_in().await;
    ruin(folder.path(), "hours");
    let path = folder.path().join(FILE_NAME);
    fs::File::options().write(true).open(&path).unwrap().set_len(100_000).unwrap();
    // What such a cut leaves: a part of the new file, and the damaged one where it was.
    fs::write(folder.path().join("history.sqlite.new"), &fs::read(&path).unwrap()[..8_192]).unwrap();
    fs::write(folder.path().join("history.sqlite.new-wal"), [7; 99]).unwrap();
    let scene = Scene::begin(Some(folder.path()), clock);
    assert_eq!((set_aside(folder.path()), scene.history.fault().borrow().clone()), (1, None));
    assert!(all_incidents(&scene.history).await.len() > incidents.len() / 2);
    assert!(!folder.path().join("history.sqlite.new").exists());
    scene.end().await;
}
