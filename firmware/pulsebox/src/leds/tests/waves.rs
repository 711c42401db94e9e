//! Each row of the card, from the state of the board to the light of each lamp.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{ALL_THREE, Entry, House, Recorder, settled};
use crate::leds::card::{BLINKS_MAX, BoxLamp, CARD, Shown, Sign};
use crate::leds::demo::strip;
use crate::monitor::appliance::{Appliance, Import, ImportState};
use crate::monitor::board::{BrokerState, State};

use State::{Degraded, Down, Paused, Unknown, Up};

/// How each lamp is called by the recorder.
const LAMPS: [(BoxLamp, &str); 3] = [(BoxLamp::Green, "line 27"), (BoxLamp::Red, "line 17"), (BoxLamp::Act, "act")];

/// Brings the board into a state that a row is for.
fn bring_about(house: &House, sign: Sign) {
    house.put(&[Up, Up, Paused]);
    match sign {
        Sign::Identify => house.board.identify("2026-11-21T12:00:00.001Z".parse().unwrap()),
        // Nothing makes these hold: updates come with the image, and booting is the kernel's to show.
        Sign::Updating | Sign::Booting => {}
        Sign::StorageFault => house.board.change_host(|host| host.storage_fault = Some("full".into())),
        Sign::FileRefused => {
            let import = Import { state: ImportState::Refused, file: None, message: None };
            let appliance = Appliance { import: Some(import), ..Appliance::default() };
            house.board.change_host(|host| host.appliance = Some(appliance));
        }
        Sign::NoNetwork => house.board.change_host(|host| host.network = false),
        Sign::CameraDown => house.put(&[Down, Up, Degraded, Down]),
        Sign::CameraDegraded => house.put(&[Up, Degraded]),
        Sign::BrokerLost => house.board.change_host(|host| host.broker.state = BrokerState::Lost),
        Sign::NothingYet => house.put(&[Up, Unknown]),
        Sign::AllUp => {}
    }
}

/// Two periods and what is over, as a person would see them.
async fn seen(house: &House, period: Duration) -> [String; 3] {
    let begun = Instant::now();
    sleep(period * 2 + Duration::from_millis(50)).await;
    let characters = u32::try_from(period.as_millis() * 2 / 50).unwrap();
    LAMPS.map(|(_, lamp)| house.recorder.seen(lamp, begun, characters))
}

#[tokio::test(start_paused = true)]
async fn each_row_of_the_card_is_shown_where_it_holds_as_it_is_drawn() {
    for row in CARD.iter().filter(|row| !matches!(row.sign, Sign::Updating | Sign::Booting)) {
        let house = House::with(ALL_THREE, "2026-11-21T12:00:00Z", Recorder::dimming());
        settled().await;
        // Not by any chance what it shows already.
        house.put(&[Up, Down, Down, Down]);
        settled().await;
        bring_about(&house, row.sign);
        settled().await;
        let shown = Shown { sign: row.sign, count: if row.sign == Sign::CameraDown { 2 } else { 0 } };
        let drawn = LAMPS.map(|(lamp, _)| shown.pattern(lamp));
        let period = drawn.iter().map(|pattern| pattern.period()).max().unwrap().max(Duration::from_secs(1));
        let expected = drawn.map(|pattern| {
            let level = |n: u128| pattern.at(Duration::from_millis(u64::try_from(n * 50 + 25).unwrap())).0;
            (0..period.as_millis() * 2 / 50).map(|n| crate::leds::demo::mark(level(n))).collect::<String>()
        });
        assert_eq!(seen(&house, period).await, expected, "{}", row.name);
        assert_eq!(house.board.now().host.leds.shows, Some(row.name));
        house.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn red_blinks_once_for_each_camera_that_is_down_and_nine_times_at_most() {
    for down in [1, 2, 5, 9, 12] {
        let house = House::new(ALL_THREE).await;
        house.put(&vec![Down; down]);
        let begun = Instant::now();
        settled().await;
        let blinks = down.min(BLINKS_MAX);
        let period = Shown { sign: Sign::CameraDown, count: blinks }.pattern(BoxLamp::Red).period();
        sleep(period - Duration::from_millis(10)).await;
        let log = house.recorder.of("line 17", begun);
        let on = log.iter().filter(|(_, entry)| *entry == Entry::Lit(100)).count();
        assert_eq!(on, blinks, "{down} cameras down: {log:?}");
        assert_eq!(house.recorder.of("line 17", begun), house.recorder.of("act", begun), "ACT as red");
        assert_eq!(house.board.now().host.leds.count, blinks);
        house.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_row_that_holds_is_shown_and_mending_uncovers_the_next() {
    let house = House::new(ALL_THREE).await;
    let shows = || house.board.now().host.leds.shows;
    house.put(&[Down, Degraded, Up]);
    house.board.change_host(|host| {
        host.broker.state = BrokerState::Lost;
        host.storage_fault = Some("full".into());
        host.network = false;
    });
    house.board.identify("2026-11-21T12:00:00Z".parse().unwrap());
    settled().await;
    let mut told = vec![shows()];
    sleep(Duration::from_millis(9_990)).await;
    told.push(shows());
    sleep(Duration::from_millis(20)).await;
    told.push(shows());
    house.board.change_host(|host| host.storage_fault = None);
    settled().await;
    told.push(shows());
    house.board.change_host(|host| host.network = true);
    settled().await;
    told.push(shows());
    for cameras in [&[Up, Degraded][..], &[Up, Up]] {
        house.put(cameras);
        settled().await;
        told.push(shows());
    }
    house.board.change_host(|host| host.broker.state = BrokerState::Connected);
    settled().await;
    told.push(shows());
    let names = [
        "identify",
        "identify",
        "storage_fault",
        "no_network",
        "camera_down",
        "camera_degraded",
        "broker_lost",
        "all_up",
    ];
    assert_eq!(told, names.map(Some));
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_camera_with_an_led_of_its_own_shows_there_how_it_is() {
    let yaml = "leds: { act: false }\nstreams:\n  - { id: '0', name: a, url: 'http://10.0.0.1/', led: 23 }";
    let house = House::new(yaml).await;
    let period = Duration::from_secs(4);
    for (state, drawn) in [
        (Up, "█".repeat(80)),
        (Degraded, format!("{}···", "█".repeat(37)).repeat(2)),
        (Down, "█████·····".repeat(8)),
        (Paused, "·".repeat(80)),
    ] {
        house.put(&[state]);
        settled().await;
        let begun = Instant::now();
        sleep(period).await;
        assert_eq!(house.recorder.seen("line 23", begun, 80), drawn, "{state:?}");
    }
    house.put(&[]);
    settled().await;
    let begun = Instant::now();
    sleep(period).await;
    let on = house.recorder.seen("line 23", begun, 80).matches('█').count();
    assert_eq!(on, 20, "not looked at yet: one second of four, for it cannot be dimmed");
    assert_eq!(house.board.now().host.leds.shows, None, "it speaks for its camera, not for the box");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_at_once_and_its_pattern_starts_from_the_beginning() {
    let house = House::new(ALL_THREE).await;
    house.put(&[Down]);
    settled().await;
    // In the middle of the pause.
    sleep(Duration::from_millis(1_234)).await;
    let changed = Instant::now();
    house.put(&[Down, Down]);
    sleep(Duration::from_millis(700)).await;
    let ms = |ms| Duration::from_millis(ms);
    let log = house.recorder.of("line 17", changed);
    assert_eq!(log, [(ms(0), Entry::Lit(100)), (ms(250), Entry::Lit(0)), (ms(600), Entry::Lit(100))]);
    house.end().await;
}

#[test]
fn a_strip_draws_a_period() {
    let red = Shown { sign: Sign::CameraDown, count: 2 }.pattern(BoxLamp::Red);
    assert_eq!(strip(&red), format!("█████·······█████{}", "·".repeat(36)));
}
