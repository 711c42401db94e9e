//! Disks that are full, read-only or gone. Mounting needs root, which these tests insist on having: CI
//! and the build run as root in their container; elsewhere use `unshare -rm`.

use std::process::Command;

use super::*;

/// A file system of `size` in memory, unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mount = Self(folder);
        mount.command("mount", &["-t", "tmpfs", "-o", options, "tmpfs"]);
        mount
    }

    fn remount(&self, options: &str) {
        self.command("mount", &["-o", &format!("remount,{options}")]);
    }

    fn command(&self, command: &str, arguments: &[&str]) {
        let done = Command::new(command).args(arguments).arg(self.0.path()).status().unwrap();
        assert!(done.success(), "{command} failed: these tests need root (or `unshare -rm`)");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Checks for some minutes, and what then must be known whatever the disk does.
async fn minutes(scene: &Scene, minutes: u32) {
    for _ in 0..minutes * 4 {
        scene.check("gate", Verdict::Ok).await;
        pass(Duration::from_secs(15)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_told_and_what_waited_is_written_when_there_is_room_again() {
    let mount = Mount::new("size=300k");
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(mount.0.path()), clock.clone());
    scene.state("gate", State::Up).await;
    minutes(&scene, 2).await;
    assert_eq!(*scene.history.fault().borrow(), None);
    let filler = mount.0.path().join("filler");
    let _ = std::fs::write(&filler, vec![0; 400_000]); // stops where the disk is full
    let incident = incident("gate", clock.now());
    scene.tell_open(&incident);
    minutes(&scene, 10).await;
    let fault = scene.history.fault().borrow().clone().expect("a full disk is told");
    assert!(fault.contains("full"), "{fault}");
    assert_eq!(all_checks(&scene.history, "gate").await.len(), 48);
    assert_eq!(scene.history.open_incidents().await.unwrap(), std::slice::from_ref(&incident));
    assert_eq!(scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms.up, 720_000);
    std::fs::remove_file(filler).unwrap();
    minutes(&scene, 2).await;
    assert_eq!(*scene.history.fault().borrow(), None);
    assert_eq!(look(mount.0.path(), "SELECT count(*) FROM incidents"), 1);
    assert!(look(mount.0.path(), "SELECT sum(n) FROM checks") >= 48);
    assert_eq!(all_checks(&scene.history, "gate").await.len(), 56);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_goes_and_comes_back_loses_nothing_since_it_went() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(&folder), clock.clone());
    scene.state("gate", State::Up).await;
    let open = scene.open_incident("gate").await;
    minutes(&scene, 2).await;
    std::fs::remove_dir_all(&folder).unwrap();
    minutes(&scene, 5).await;
    let fault = scene.history.fault().borrow().clone().expect("a folder that is gone is told");
    assert!(fault.contains("data folder"), "{fault}");
    assert!(!folder.exists(), "it is not made: a disk may have to be mounted there");
    // Those of the five minutes, and what waited for the minute's flush when it went.
    let kept = all_checks(&scene.history, "gate").await.len();
    assert!((20..=24).contains(&kept), "{kept}");
    std::fs::create_dir(&folder).unwrap();
    minutes(&scene, 2).await;
    assert_eq!(*scene.history.fault().borrow(), None);
    assert_eq!(all_checks(&scene.history, "gate").await.len(), kept + 8);
    assert_eq!(look(&folder, "SELECT count(*) FROM incidents"), 1, "an open incident is told anew");
    assert_eq!(scene.history.open_incidents().await.unwrap()[0].id, open.id);
    assert_eq!(scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms.up, 540_000);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_only_disk_at_the_start_is_told_and_taken_when_it_can_be_written() {
    let mount = Mount::new("size=2m,ro");
    let clock = Clock::turned(start());
    let scene = Scene::begin(Some(mount.0.path()), clock.clone());
    assert!(scene.history.fault().borrow().is_some());
    scene.state("gate", State::Up).await;
    minutes(&scene, 3).await;
    mount.remount("rw");
    minutes(&scene, 2).await;
    assert_eq!(*scene.history.fault().borrow(), None);
    assert_eq!(look(mount.0.path(), "SELECT min(id) FROM checks"), start().as_millisecond());
    assert_eq!(all_checks(&scene.history, "gate").await.len(), 20);
    assert_eq!(scene.history.uptime("gate", start(), clock.now()).await.unwrap().times_ms.up, 300_000);
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_disk_memory_is_bounded_and_what_it_drops_is_counted() {
    let clock = Clock::turned(start());
    let scene = Scene::begin(None, clock.clone());
    assert!(scene.history.fault().borrow().as_ref().unwrap().contains("--data"));
    scene.state("gate", State::Up).await;
    for _ in 0..25_000 {
        scene.check("gate", Verdict::Ok).await;
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    settle().await;
    assert_eq!(all_checks(&scene.history, "gate").await.len(), crate::history::memory::CHECKS_KEPT);
    assert_eq!(scene.history.lost(), 5_000);
    scene.end().await;
}

#[tokio::test]
async fn a_question_that_hangs_holds_one_thread_and_no_more() {
    let scene = Scene::begin(None, Clock::system());
    let (free, held) = std::sync::mpsc::channel::<()>();
    let hanging = scene.history.clone();
    let hangs = tokio::spawn(async move {
        let _ = hanging.ask(move |_| held.recv().map_err(|_| rusqlite::Error::InvalidQuery)).await;
    });
    settle().await;
    hangs.abort(); // as a page that was closed
    assert!(hangs.await.unwrap_err().is_cancelled());
    assert_eq!(scene.history.0.questions.available_permits(), 0, "the thread is still taken");
    drop(free);
    scene.history.open_incidents().await.unwrap();
    scene.end().await;
}
