//! Quiet hours.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Entry, House, settled};
use crate::leds::quiet::is_quiet;
use crate::monitor::board::State;

const NIGHT: &str = "timezone: Europe/Berlin\nleds: { green: 27, red: 17, quiet_hours: \"22:00-07:00\" }\n\
    streams:\n  - { id: '0', name: a, url: 'http://10.0.0.1/', led: 23 }";

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

#[tokio::test(start_paused = true)]
async fn all_is_dark_from_the_first_to_the_second_time_over_midnight() {
    // 21:59:30 in Berlin.
    let house = House::at(NIGHT, "2026-11-21T20:59:30Z").await;
    house.put(&[State::Up]);
    settled().await;
    let begun = Instant::now();
    sleep(hours(12)).await;
    for lamp in ["line 27", "line 23", "act"] {
        let log = house.recorder.of(lamp, begun);
        let [(dark, Entry::Lit(0)), (light, Entry::Lit(100))] = log[..] else { panic!("{lamp}: {log:?}") };
        let seconds = |at: Duration| (at.as_secs_f64() + 0.1).floor();
        assert_eq!((seconds(dark), seconds(light)), (30.0, 30.0 + 9.0 * 3600.0), "{lamp}");
    }
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn in_quiet_hours_identify_is_shown_and_then_all_is_dark_again() {
    let house = House::at(NIGHT, "2026-11-21T23:00:00Z").await;
    house.put(&[State::Down]);
    settled().await;
    let leds = house.board.now().host.leds.clone();
    assert_eq!((leds.shows, leds.is_quiet), (None, true));
    let begun = Instant::now();
    house.board.identify("2026-11-21T23:00:00Z".parse().unwrap());
    settled().await;
    assert_eq!(house.board.now().host.leds.shows, Some("identify"));
    sleep(Duration::from_secs(60)).await;
    let log = house.recorder.of("line 27", begun);
    let last = log.last().unwrap();
    assert_eq!(last.1, Entry::Lit(0));
    assert!(last.0 <= Duration::from_secs(10), "{last:?}");
    assert_eq!(log.iter().filter(|(_, entry)| *entry == Entry::Lit(100)).count(), 30, "ten times three blinks");
    assert_eq!(house.recorder.entries("line 23").last(), Some(&Entry::Lit(0)), "the camera's own stays dark");
    house.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_does_not_stretch_identify() {
    let house = House::new("leds: { green: 27 }").await;
    // Pressed by a clock that was an hour ahead.
    house.board.identify("2026-11-21T13:00:00Z".parse().unwrap());
    settled().await;
    assert_eq!(house.board.now().host.leds.shows, Some("identify"));
    sleep(Duration::from_millis(10_001)).await;
    assert_eq!(house.board.now().host.leds.shows, Some("nothing_yet"));
    house.end().await;
}

#[test]
fn the_wall_clock_counts_also_in_the_nights_when_it_jumps() {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let at = |hour, minute| jiff::civil::time(hour, minute, 0, 0);
    let quiet = |hours, now: &str| is_quiet(Some(hours), now.parse().unwrap(), &zone);
    let night = (at(22, 0), at(7, 0));
    // Summer time ended in the night to 25 October, began in that to 29 March.
    for (now, expected) in [
        ("2026-10-24T19:59:59Z", false),
        ("2026-10-24T20:00:00Z", true),
        ("2026-10-25T05:59:59Z", true),
        ("2026-10-25T06:00:00Z", false),
        ("2026-03-28T21:00:00Z", true),
        ("2026-03-29T04:59:59Z", true),
        ("2026-03-29T05:00:00Z", false),
    ] {
        assert_eq!(quiet(night, now), expected, "{now}");
    }
    let by_day = (at(12, 0), at(13, 30));
    assert!(quiet(by_day, "2026-07-01T11:29:59Z") && !quiet(by_day, "2026-07-01T11:30:00Z"));
    // 02:30 is passed over in spring, and struck twice in autumn.
    let hour = (at(2, 30), at(3, 30));
    assert!(quiet(hour, "2026-03-29T01:00:00Z") && !quiet(hour, "2026-03-29T01:30:00Z"));
    assert!(quiet(hour, "2026-10-25T00:30:00Z") && quiet(hour, "2026-10-25T01:30:00Z"));
    assert!(!is_quiet(None, "2026-10-25T01:30:00Z".parse().unwrap(), &zone));
}
