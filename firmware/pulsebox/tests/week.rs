//! A week of twenty cameras in seconds: the clock is turned, monitor, board and history are the real ones.
//!
//! What is played (outages, warnings, spells without network) is scripted by camera; what the history says
//! afterwards must be that, to the second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pulsebox::camera::{Fault, Goodbyes, Verdict};
use pulsebox::clock::Clock;
use pulsebox::config::{self, CameraConfig, Config, HistoryConfig};
use pulsebox::history::{History, HistorySettings};
use pulsebox::monitor::board::{Board, State};
use pulsebox::monitor::look::{Eye, Later, Look, Reading};
use pulsebox::monitor::{Before, Link, Means, Monitor};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const CAMERAS: usize = 20;
const DAYS: i64 = 7;
const HEARTBEAT: i64 = 15;
/// The verdict of failures that are too short to count.
const HICCUP: Verdict = Verdict::NotFound;
/// How long each look takes.
const LOOK_MS: i64 = 200;

/// One thing that goes wrong with a camera, in seconds since the start; `until` is not part of it.
#[derive(Clone, Copy, Debug)]
struct Played {
    from: i64,
    until: i64,
    verdict: Verdict,
}

/// Spells that follow one another with a day's quarter or so between, different for each camera. Lengths
/// go from under a minute to hours.
fn script(camera: usize) -> Vec<Played> {
    let verdicts = [Verdict::Timeout, Verdict::Frozen, Verdict::Slow, Verdict::NoMedia, Verdict::Blind, Verdict::Black];
    let mut spells = Vec::new();
    let mut at = 3_000 + camera as i64 * 977;
    let mut n = camera;
    while at < DAYS * 86_400 - 20_000 {
        let length = 45 + (n as i64 * 7_919) % 9_000;
        spells.push(Played { from: at, until: at + length, verdict: verdicts[n % verdicts.len()] });
        // A second each, in every phase of the heartbeat, so that one meets a check: it fails alone, the
        // quick re-check is well, and that is no outage.
        for hiccup in 0..HEARTBEAT {
            let from = at + length + 2_000 + hiccup * (HEARTBEAT + 1);
            spells.push(Played { from, until: from + 1, verdict: HICCUP });
        }
        at += length + 4_000 + (n as i64 * 104_729) % 30_000;
        n += 1;
    }
    spells
}

/// Plays the scripts and notes when each camera was looked at.
struct Script {
    start: Timestamp,
    spells: Vec<Vec<Played>>,
    looks: Mutex<BTreeMap<usize, Vec<i64>>>,
}

impl Eye for Script {
    fn look(&self, camera: Arc<CameraConfig>, at: Timestamp, _thumbnail: bool) -> Later<(Look, Goodbyes)> {
        let place: usize = camera.id.trim_start_matches("cam").parse().unwrap();
        let ms = at.as_millisecond() - self.start.as_millisecond();
        self.looks.lock().unwrap().entry(place).or_default().push(ms);
        let spell = self.spells[place].iter().find(|s| (s.from * 1000..s.until * 1000).contains(&ms));
        let verdict = spell.map(|s| s.verdict);
        // A slow camera gives a picture, late; the rest of the spells are faults.
        let fault = verdict.filter(|v| *v != Verdict::Slow).map(|v| Fault::new(v, "played"));
        let first_packet_ms = fault.is_none().then_some(if verdict.is_some() { 5_000.0 } else { 120.0 });
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(LOOK_MS as u64)).await;
            let look = Look {
                at,
                ms: LOOK_MS as f64,
                rungs: Vec::new(),
                reading: Reading::Own,
                first_packet_ms,
                first_frame_ms: first_packet_ms,
                stream: Default::default(),
                picture: None,
                fault,
            };
            (look, Goodbyes::default())
        })
    }
}

struct AlwaysUp;

impl Link for AlwaysUp {
    fn is_up(&self) -> bool {
        true
    }
}

/// What must come out, in ms since the start: stretches of a state from the first look that shows it.
fn expected(spells: &[Played], looks: &[i64], end: i64) -> (Vec<(i64, i64, Verdict)>, [i64; 5]) {
    let first_from = |second: i64| looks.iter().copied().find(|ms| *ms >= second * 1000);
    let mut incidents = Vec::new();
    let mut times = [0; 5];
    let mut at = looks[0];
    times[State::Unknown as usize] += at;
    for spell in spells.iter().filter(|spell| spell.verdict != HICCUP) {
        let (Some(from), Some(until)) = (first_from(spell.from), first_from(spell.until)) else { continue };
        let state = match spell.verdict {
            Verdict::Slow => State::Degraded,
            Verdict::Blind => State::Unknown,
            _ => State::Down,
        };
        times[State::Up as usize] += from - at;
        times[state as usize] += until - from;
        at = until;
        if state != State::Unknown {
            incidents.push((from, until, spell.verdict));
        }
    }
    times[State::Up as usize] += end - at;
    (incidents, times)
}

fn configuration() -> Config {
    let mut config = config::parse("").unwrap().0;
    config.cameras = (0..CAMERAS)
        .map(|n| {
            let url = pulsebox::camera::CameraUrl::parse(&format!("rtsp://192.0.2.{n}/live")).unwrap();
            CameraConfig {
                heartbeat: Duration::from_secs(HEARTBEAT as u64),
                ..CameraConfig::new(&format!("cam{n}"), url)
            }
        })
        .collect();
    config
}

/// Kilobytes of memory that this process has now.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_week_of_twenty_cameras_is_told_as_it_was_played_to_the_second_in_flat_memory() {
    let start = Timestamp::from_second(1_790_000_000).unwrap();
    let clock = Clock::turned(start);
    let folder = tempfile::tempdir().unwrap();
    let settings = HistorySettings::new(&HistoryConfig::default(), jiff::tz::TimeZone::UTC, clock.clone());
    let history = History::open(Some(folder.path().to_owned()), settings);
    let board = Board::default();
    let spells: Vec<_> = (0..CAMERAS).map(script).collect();
    let eye = Arc::new(Script { start, spells: spells.clone(), looks: Mutex::default() });
    let means = Means { board: board.clone(), clock: clock.clone(), eye: eye.clone(), link: Arc::new(AlwaysUp) };
    let (monitor, _orders) = Monitor::new(means, Before::default());
    let (_config, config_rx) = watch::channel(Arc::new(configuration()));
    let (stop, stop_history) = (CancellationToken::new(), CancellationToken::new());
    let remembering = tokio::spawn(history.clone().run(board.clone(), stop_history.clone()));
    let watching = tokio::spawn(monitor.run(config_rx, stop.clone()));

    let mut resident = Vec::new();
    for _day in 0..DAYS {
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        resident.push(resident_kb());
    }
    let end = clock.now();
    stop.cancel();
    watching.await.unwrap();
    stop_history.cancel();
    remembering.await.unwrap();

    // The looks noted by the test itself grow by 8 bytes each: 6.5 MB over the week.
    let grown = resident[DAYS as usize - 1].saturating_sub(resident[0]);
    assert!(grown < 6_500 + 4_000, "memory by day, kB: {resident:?}");

    assert_eq!(history.lost(), 0);
    let mut all_looks = eye.looks.lock().unwrap().clone();
    for looks in all_looks.values_mut() {
        // A look that the end broke off was none.
        looks.retain(|ms| ms + LOOK_MS <= end.as_millisecond() - start.as_millisecond());
    }
    let checks: usize = all_looks.values().map(Vec::len).sum();
    assert!(checks as i64 > CAMERAS as i64 * DAYS * 86_400 / HEARTBEAT * 95 / 100, "{checks} checks");
    for (place, looks) in &all_looks {
        let id = format!("cam{place}");
        let ms = |t: Timestamp| t.as_millisecond() - start.as_millisecond();
        let (incidents, times) = expected(&spells[*place], looks, ms(end));
        let told = history.incidents(Some(&id), start, end, 10_000).await.unwrap();
        let told: Vec<_> = told.iter().map(|i| (ms(i.from), i.to.map_or(-1, ms), i.verdict)).collect();
        assert_eq!(told, incidents, "{id}");
        // What was played began at most one heartbeat (and one look) before it was seen.
        for (spell, (from, until, _)) in
            spells[*place].iter().filter(|s| !matches!(s.verdict, Verdict::Blind | HICCUP)).zip(&incidents)
        {
            assert!(from - spell.from * 1000 <= (HEARTBEAT + 1) * 1000, "{id}: {spell:?} seen at {from}");
            assert!(until - spell.until * 1000 <= (HEARTBEAT + 1) * 1000, "{id}: {spell:?} over at {until}");
        }
        let uptime = history.uptime(&id, start, end).await.unwrap();
        let t = uptime.times_ms;
        assert_eq!([t.up, t.degraded, t.down, t.unknown, t.paused], times, "{id}");
        let share = (times[0] + times[1]) as f64 * 100.0 / (times[0] + times[1] + times[2]) as f64;
        assert!((uptime.percent.unwrap() - share).abs() < 1e-9, "{id}");
        // Days add up to the same.
        let step = Duration::from_secs(86_400);
        let days = history.series(&id, start - SignedDuration::from_hours(24), end, step).await.unwrap();
        assert_eq!(days.iter().map(|d| d.times_ms.down).sum::<i64>(), times[State::Down as usize], "{id}");
        assert_eq!(days.iter().map(|d| d.checks as usize).sum::<usize>(), looks.len(), "{id}");
    }
}
