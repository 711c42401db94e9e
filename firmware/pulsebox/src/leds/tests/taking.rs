//! LEDs that are taken, given back, refused, broken and mended.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{ALL_THREE, Entry, House, Recorder, settled};
use crate::monitor::board::{LampStatus, State};

use Entry::{GivenBack, Lit, Taken};

const PATIENCE: Duration = Duration::from_secs(11);

fn lamp(name: &str, at: &str, problem: Option<&str>) -> LampStatus {
    LampStatus { lamp: name.into(), at: at.into(), dims: false, problem: problem.map(Into::into) }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_every_led_is_given_back() {
    let house = House::new(ALL_THREE).await;
    house.put(&[State::Up]);
    settled().await;
    let recorder = house.end().await;
    assert_eq!(recorder.entries("line 27"), [Taken, Lit(0), Lit(100), GivenBack]);
    assert_eq!(recorder.entries("line 17"), [Taken, Lit(0), GivenBack]);
    assert_eq!(recorder.entries("act").last(), Some(&GivenBack));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_the_configuration_touches_only_the_leds_that_it_changes() {
    let house = House::new("leds: { green: 27, red: 17 }").await;
    house.put(&[State::Up]);
    settled().await;
    house.configure("leds: { green: 27, red: 22, act: false, quiet_hours: \"01:00-02:00\" }");
    settled().await;
    let statuses = house.board.now().host.leds.lamps.clone();
    assert_eq!(statuses, [lamp("green", "line 27", None), lamp("red", "line 22", None)]);
    let recorder = house.end().await;
    assert_eq!(recorder.entries("line 27"), [Taken, Lit(0), Lit(100), GivenBack], "untouched until the end");
    assert_eq!(recorder.entries("line 17"), [Taken, Lit(0), GivenBack]);
    assert_eq!(recorder.entries("line 22"), [Taken, Lit(0), GivenBack]);
}

#[tokio::test(start_paused = true)]
async fn leds_that_change_places_are_given_back_before_they_are_taken() {
    let house = House::new("leds: { green: 27, red: 17, act: false }").await;
    house.put(&[State::Up]);
    settled().await;
    house.configure("leds: { green: 17, red: 27, act: false }");
    settled().await;
    let recorder = house.end().await;
    assert_eq!(recorder.entries("line 17"), [Taken, Lit(0), GivenBack, Taken, Lit(100), GivenBack]);
    assert_eq!(recorder.entries("line 27"), [Taken, Lit(0), Lit(100), GivenBack, Taken, Lit(0), GivenBack]);
}

#[tokio::test(start_paused = true)]
async fn an_led_that_is_refused_is_told_of_and_lights_within_eleven_seconds_once_it_is_free() {
    let recorder = Recorder::default();
    recorder.refuse("line 27", Some("`gpioset` has this line"));
    let house = House::with(ALL_THREE, "2026-11-21T12:00:00Z", recorder);
    house.put(&[State::Up]);
    settled().await;
    let leds = || house.board.now().host.leds.clone();
    assert_eq!(leds().lamps[0], lamp("green", "line 27", Some("`gpioset` has this line")));
    assert_eq!(leds().shows, Some("all_up"), "the others show it");
    house.recorder.refuse("line 27", None);
    sleep(PATIENCE).await;
    assert_eq!(leds().lamps[0], lamp("green", "line 27", None));
    assert_eq!(house.recorder.entries("line 27"), [Taken, Lit(100)]);
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_problem_that_lasts_is_told_once_and_not_at_each_try() {
    let recorder = Recorder::default();
    recorder.refuse("line 27", Some("busy"));
    let house = House::with(ALL_THREE, "2026-11-21T12:00:00Z", recorder);
    house.put(&[State::Up]);
    settled().await;
    let mut events = house.board.events();
    sleep(Duration::from_secs(120)).await;
    assert!(events.try_recv().is_err(), "nothing has changed");
    assert_eq!(house.board.now().host.leds.lamps[0], lamp("green", "line 27", Some("busy")));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_led_that_breaks_is_given_up_while_the_others_go_on_and_comes_back_in_step() {
    let house = House::new(ALL_THREE).await;
    house.put(&[State::Down]);
    settled().await;
    house.recorder.break_it("line 17", Some("the chip is gone"));
    sleep(Duration::from_secs(3)).await;
    assert_eq!(house.board.now().host.leds.lamps[1], lamp("red", "line 17", Some("the chip is gone")));
    assert_eq!(house.recorder.entries("line 17").last(), Some(&GivenBack));
    house.recorder.break_it("line 17", None);
    sleep(PATIENCE).await;
    assert_eq!(house.board.now().host.leds.lamps[1], lamp("red", "line 17", None));
    let begun = Instant::now();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(house.recorder.of("line 17", begun), house.recorder.of("act", begun));
    house.end().await;
}

/// Counts what is logged of the LED `shed`, which no other test has.
struct Counter;

static TOLD: AtomicUsize = AtomicUsize::new(0);

impl log::Log for Counter {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.args().to_string().contains("`shed`") {
            TOLD.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

#[tokio::test(start_paused = true)]
async fn an_led_that_is_taken_and_never_lights_is_logged_once() {
    log::set_logger(&Counter).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    let recorder = Recorder::default();
    recorder.break_it("line 23", Some("the chip is gone"));
    let camera = "streams: [{ id: shed, name: Shed, url: \"rtsp://127.0.0.1/\", led: 23 }]";
    let house = House::with(camera, "2026-11-21T12:00:00Z", recorder);
    sleep(Duration::from_secs(65)).await;
    assert!(house.recorder.entries("line 23").iter().filter(|entry| **entry == Taken).count() >= 6, "it is tried");
    assert_eq!(TOLD.load(Ordering::Relaxed), 1);
    house.recorder.break_it("line 23", None);
    sleep(PATIENCE).await;
    assert_eq!(TOLD.load(Ordering::Relaxed), 2, "that it lights again");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_leds_has_no_problem_and_shows_nothing() {
    let house = House::with("", "2026-11-21T12:00:00Z", Recorder::without_act());
    settled().await;
    let leds = house.board.now().host.leds.clone();
    assert_eq!((leds.shows, leds.lamps), (None, vec![]));
    house.end().await;
}
