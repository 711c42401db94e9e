//! What several tests share.
#![allow(dead_code)] // each test binary uses its own part

pub mod broker;
pub mod daemon;
pub mod page;

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use pulsebox::camera::{CameraUrl, Goodbyes, Target, Transport};
use pulsebox::clock::Clock;
use pulsebox::config::{Alarm, CameraConfig, Expect};
use pulsebox::monitor::board::Report;
use pulsebox::monitor::judge::Judge;
use pulsebox::monitor::look::{GOODBYE, Want, look};
use simcam::{Camera, Mood};
use tokio::sync::Semaphore;

/// Cameras looked at side by side: few, for the machine has two cores and deadlines are real.
const AT_ONCE: usize = 4;

/// A simulated camera as a target; its certificate is self-made, so it is taken unchecked.
pub fn target(camera: &Camera) -> Target {
    Target { url: CameraUrl::parse(&camera.url()).unwrap(), transport: Transport::Tcp, tls_insecure: true }
}

/// Checks a camera `n` times in a row with one memory, and gives the last report. The camera's mood
/// becomes `later` after the first check. With it, the longest time that a look took, by the caller's clock.
pub async fn checks(
    camera: &Camera,
    n: usize,
    later: Option<Mood>,
    min_fps: Option<f32>,
    deadline: Duration,
) -> (Report, Duration) {
    let target = target(camera);
    let config = CameraConfig {
        transport: target.transport,
        tls_insecure: target.tls_insecure,
        // The checks follow one another at once here, and a frozen picture is told from its count alone.
        alarm: Alarm { frozen_for: Duration::ZERO, ..Alarm::default() },
        expect: Expect { min_fps, ..Expect::default() },
        ..CameraConfig::new("cam", target.url.clone())
    };
    let mut judge = Judge::default();
    let (mut last, mut longest) = (None, Duration::ZERO);
    for check in 0..n {
        if let (1, Some(mood)) = (check, later) {
            camera.set_mood(mood).await;
        }
        let goodbyes = Goodbyes::default();
        let started = std::time::Instant::now();
        let looked =
            look(&target, deadline, Want { at: Clock::system().now(), thumbnail: true, on_rung: None }, &goodbyes)
                .await;
        longest = longest.max(started.elapsed());
        goodbyes.wait(GOODBYE).await;
        last = Some(judge.report(looked, &config).report);
    }
    (last.unwrap(), longest)
}

/// Runs all, few at once, and gives the results in their order.
pub async fn run_all<F>(jobs: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);
    let running: FuturesOrdered<_> = jobs
        .map(|job| {
            tokio::spawn(async move {
                let _place = PLACES.acquire().await.unwrap();
                job.await
            })
        })
        .collect();
    running.map(Result::unwrap).collect().await
}

/// Compares a table with the one in `docs/FILE` between the marks of `section`, its last `loose` columns
/// apart (measured times differ from run to run). `PULSEBOX_BLESS=1` writes it anew.
pub fn document(file: &str, section: &str, head: &str, rows: &str, loose: usize) {
    let rule = "|---".repeat(head.matches('|').count() - 1) + "|";
    let made = format!("\n{head}\n{rule}\n{rows}\n");
    let strict = |table: &str| -> Vec<String> {
        let rows = table.lines().filter(|l| l.starts_with('|') && !l.starts_with("|---"));
        rows.map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
            cells[..cells.len() - loose].join(" | ").trim().to_owned()
        })
        .collect()
    };
    if let Some(written) = written(file, section, &made) {
        let stale = format!("docs/{file} is out of date: run the test with PULSEBOX_BLESS=1");
        assert_eq!(strict(&written), strict(&made), "{stale}");
    }
}

/// What stands in a section of a page of docs/, between its two markers; none where PULSEBOX_BLESS had `made` written
/// there.
pub fn written(file: &str, section: &str, made: &str) -> Option<String> {
    // Tests run side by side, and several sections stand in one file.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (format!("<!-- {section}: made by a test -->\n"), format!("<!-- end of {section} -->"));
    let from = text.find(&start).unwrap_or_else(|| panic!("{file} has no section {section}")) + start.len();
    let to = text.find(&end).unwrap();
    if std::env::var_os("PULSEBOX_BLESS").is_some() {
        std::fs::write(&path, format!("{}{made}{}", &text[..from], &text[to..])).unwrap();
        return None;
    }
    Some(text[from..to].to_owned())
}
