//! A day of thousands of changes: nothing drifts, nothing is missed, and nobody is awake for nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{ALL_THREE, Entry, House, Recorder, camera, parsed, settled};
use crate::clock::Clock;
use crate::leds::card::{BoxLamp, Shown};
use crate::leds::room::{Means, run};
use crate::monitor::board::{Board, BrokerState, State};

const DAY: Duration = Duration::from_secs(24 * 3600);
const CHANGES: u64 = 3000;

/// A small generator of numbers that are the same in every run (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Counts how often what it holds is awake.
struct Counted<F>(Pin<Box<F>>, Arc<AtomicUsize>);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_mut().poll(context)
    }
}

/// Throws the board into another state.
fn throw(board: &Board, dice: &mut Dice) {
    // Now nearly all are well, so that the rows below `camera_down` have their turn, and now hardly one.
    let odds = 1 + dice.below(20);
    let cameras = (0..dice.below(14) as usize).map(|n| {
        let state = if dice.below(odds) > 0 { State::Up } else { State::ALL[dice.below(5) as usize] };
        (n.to_string(), Arc::new(camera(n, state)))
    });
    let cameras = cameras.collect();
    let (storage, network, broker) = (dice.below(12) == 0, dice.below(12) > 0, dice.below(4));
    board.change(
        |snapshot| {
            snapshot.cameras = cameras;
            snapshot.host.storage_fault = storage.then(|| "full".into());
            snapshot.host.network = network;
            snapshot.host.broker.state = if broker == 0 { BrokerState::Lost } else { BrokerState::Off };
        },
        [],
    );
}

/// Levels of a lamp as they must follow one another between two moments, each at its time; the level before is given.
fn due(
    shown: Shown,
    lamp: BoxLamp,
    begun: Duration,
    (from, to): (Duration, Duration),
    lit: &mut u8,
) -> Vec<(Duration, u8)> {
    let pattern = shown.pattern(lamp).switched();
    let mut levels = Vec::new();
    let mut at = Some(from);
    while let Some(now) = at.filter(|at| *at < to) {
        let (level, edge) = pattern.at(now - begun);
        if level != *lit {
            *lit = level;
            levels.push((now, level));
        }
        at = edge.map(|edge| begun + edge);
    }
    levels
}

#[tokio::test(start_paused = true)]
async fn in_a_day_of_changes_every_edge_is_where_its_pattern_puts_it() {
    let house = House::new(ALL_THREE).await;
    let start = Instant::now();
    let mut dice = Dice(2026);
    let mut changes: Vec<(Duration, Shown)> = Vec::new();
    let mut rows = std::collections::BTreeSet::new();
    while start.elapsed() < DAY {
        throw(&house.board, &mut dice);
        let shown = Shown::of(&house.board.now());
        rows.insert((shown.sign.row().name, shown.count));
        changes.push((start.elapsed(), shown));
        // Never at the same millisecond as an edge, so that it is clear which is first.
        sleep(Duration::from_millis(50 * (1 + dice.below(2 * DAY.as_millis() as u64 / 50 / CHANGES)) + 7)).await;
    }
    let end = start.elapsed();
    assert!(changes.len() > 2500 && rows.len() > 10, "{} changes, {rows:?}", changes.len());
    for (lamp, name) in [(BoxLamp::Green, "line 27"), (BoxLamp::Red, "line 17"), (BoxLamp::Act, "act")] {
        let seen = house.recorder.of(name, start).into_iter().filter_map(|(at, entry)| match entry {
            Entry::Lit(level) => Some((at, level)),
            _ => None,
        });
        let seen: Vec<_> = seen.collect();
        // What `nothing_yet` left when the day began.
        let mut lit = house.recorder.entries(name).iter().rev().skip(seen.len()).find_map(|entry| match entry {
            Entry::Lit(level) => Some(*level),
            _ => None,
        });
        let lit = lit.get_or_insert(0);
        let mut expected = Vec::new();
        let mut begun = (Duration::ZERO, None);
        for (n, (at, shown)) in changes.iter().enumerate() {
            if begun.1 != Some(*shown) {
                begun = (*at, Some(*shown));
            }
            let to = changes.get(n + 1).map_or(end, |next| next.0);
            expected.extend(due(*shown, lamp, begun.0, (*at, to), lit));
        }
        assert_eq!(seen.len(), expected.len(), "{name}");
        for ((at, level), (when, which)) in seen.iter().zip(&expected) {
            let off = at.abs_diff(*when);
            assert!(
                level == which && off <= Duration::from_millis(1),
                "{name}: {level} at {at:?}, {which} at {when:?}"
            );
        }
        assert!(seen.len() > 10_000 || name == "line 27", "{name}: {}", seen.len());
    }
    house.end().await;
}

/// How often the room is awake in a day of this board.
async fn awake(config: &str, cameras: &[State]) -> usize {
    let board = Board::default();
    let (_config, watched) = watch::channel(parsed(config));
    let stop = CancellationToken::new();
    let clock = Clock::turned("2026-11-21T12:00:00Z".parse().unwrap());
    let recorder = Recorder::default();
    let means = Means { board: board.clone(), config: watched, clock, wiring: Arc::new(recorder) };
    let count = Arc::new(AtomicUsize::new(0));
    let cameras = cameras.iter().enumerate().map(|(n, state)| (n.to_string(), Arc::new(camera(n, *state))));
    let cameras = cameras.collect();
    board.change(
        |snapshot| {
            snapshot.host.network = true;
            snapshot.cameras = cameras;
        },
        [],
    );
    let room = tokio::spawn(Counted(Box::pin(run(means, stop.clone())), count.clone()));
    settled().await;
    sleep(DAY).await;
    stop.cancel();
    room.await.unwrap();
    count.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn nobody_is_awake_between_two_edges() {
    let all_up = awake(ALL_THREE, &[State::Up]).await;
    assert!(all_up < 20, "a solid light needs nobody: {all_up}");
    let quiet = "leds: { green: 27, red: 17, quiet_hours: \"22:00-07:00\" }";
    let minutes = awake(quiet, &[State::Up]).await;
    assert!((1440..1480).contains(&minutes), "quiet hours are looked up once a minute: {minutes}");
    // Two edges each 2.05 s, and green that cannot be dimmed has none.
    let blinks = awake(ALL_THREE, &[State::Down]).await;
    let edges = 2 * DAY.as_millis() as usize / 2050;
    assert!((edges..edges + 20).contains(&blinks), "{blinks}, edges {edges}");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_is_held_up_goes_on_where_the_pattern_is() {
    let house = House::new(ALL_THREE).await;
    house.put(&[State::Down]);
    settled().await;
    let begun = Instant::now() - Duration::from_millis(1);
    // The whole process stands still: an hour passes at once.
    tokio::time::advance(Duration::from_millis(2050 * 1757 + 100)).await;
    settled().await;
    let late = house.recorder.of("line 17", begun).len();
    assert!(late <= 4, "edges that are past are not played after: {late}");
    let resumed = Instant::now();
    sleep(Duration::from_millis(2050)).await;
    let next = house.recorder.of("line 17", resumed);
    assert_eq!(next[0].1, Entry::Lit(0));
    assert_eq!((resumed + next[0].0 - begun).as_millis() % 2050, 250, "in step with its begin");
    house.end().await;
}
