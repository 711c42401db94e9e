//! Whether a person can tell the rows of the card apart.

use crate::leds::card::{BLINKS_MAX, BoxLamp, CARD, Shown, Sign, Wave};
use crate::leds::own::{OWN, own_pattern};
use crate::leds::pattern::Pattern;
use crate::monitor::board::State;
use crate::monitor::overall::Overall;

/// Two times that differ by less are the same to a person who sees one alone.
const TOLD_APART: f64 = 1.6;

/// Every row, the one that counts with each number that it can have.
fn every() -> Vec<(String, Shown)> {
    let of = |row: &'static crate::leds::card::Row| match row.wave {
        Wave::Steps(_) => vec![(row.name.to_owned(), Shown::plain(row.sign))],
        Wave::Counted => {
            (1..=BLINKS_MAX).map(|count| (format!("{} {count}", row.name), Shown { sign: row.sign, count })).collect()
        }
    };
    CARD.iter().flat_map(of).collect()
}

/// On and off of a pattern that cannot be dimmed, from its first edge to on; a steady one is one step.
fn rhythm(pattern: &Pattern) -> Vec<(u8, u32)> {
    let mut steps = pattern.switched().steps().to_vec();
    // Round the corner the last may go on as the first.
    while steps.len() > 1 && steps[0].0 == steps[steps.len() - 1].0 {
        let (_, ms) = steps.remove(0);
        let last = steps.len() - 1;
        steps[last].1 += ms;
    }
    if let Some(first_on) = steps.iter().position(|(level, _)| *level > 0) {
        steps.rotate_left(first_on);
    }
    steps
}

fn is_dark(pattern: &Pattern) -> bool {
    pattern.switched().steps().iter().all(|(level, _)| *level == 0)
}

/// Whether a person who came at any moment would take one for the other.
fn look_alike(a: &Pattern, b: &Pattern) -> bool {
    let (a, mut b) = (rhythm(a), rhythm(b));
    if a.len() != b.len() {
        return false;
    }
    if a.len() == 1 {
        return a[0].0 == b[0].0;
    }
    (0..b.len()).any(|_| {
        b.rotate_left(1);
        let near = |x: u32, y: u32| f64::from(x.max(y)) < TOLD_APART * f64::from(x.min(y));
        a.iter().zip(&b).all(|((on, x), (other, y))| on == other && near(*x, *y))
    })
}

#[test]
fn no_two_rows_look_alike_on_act_alone() {
    let rows = every();
    for (n, (name, shown)) in rows.iter().enumerate() {
        let act = shown.pattern(BoxLamp::Act);
        assert!(!is_dark(&act), "{name} says nothing to who has ACT alone");
        for (other, its) in &rows[..n] {
            assert!(!look_alike(&act, &its.pattern(BoxLamp::Act)), "{name} looks like {other}");
        }
    }
}

#[test]
fn on_green_or_red_alone_no_two_rows_that_light_it_look_alike() {
    let rows = every();
    for lamp in [BoxLamp::Green, BoxLamp::Red] {
        for (n, (name, shown)) in rows.iter().enumerate() {
            let this = shown.pattern(lamp);
            for (other, its) in &rows[..n] {
                let that = its.pattern(lamp);
                let both_dark = is_dark(&this) && is_dark(&that);
                assert!(both_dark || !look_alike(&this, &that), "{}: {name} looks like {other}", lamp.name());
            }
        }
    }
}

#[test]
fn a_cameras_own_led_tells_its_states_apart() {
    for (n, state) in State::ALL.into_iter().enumerate() {
        for other in &State::ALL[..n] {
            assert!(!look_alike(&own_pattern(state), &own_pattern(*other)), "{state:?} looks like {other:?}");
        }
    }
    assert_eq!(OWN.len(), State::ALL.len());
}

#[test]
fn the_test_of_looks_takes_a_slightly_slower_blink_for_the_same() {
    let fast = Pattern::new([(100, 100), (0, 100)]);
    assert!(look_alike(&fast, &Pattern::new([(0, 125), (100, 125)])));
    assert!(!look_alike(&fast, &Pattern::new([(0, 300), (100, 300)])));
    let two = Pattern::new([(100, 250), (0, 350), (100, 250), (0, 1800)]);
    assert!(look_alike(&two, &Pattern::new([(0, 2000), (100, 250), (0, 350), (100, 250)])), "begun elsewhere");
}

#[test]
fn the_rows_stand_at_their_signs_and_in_the_order_of_what_is_told_elsewhere() {
    for row in &CARD {
        assert_eq!(row.sign.row().name, row.name);
    }
    let box_ = [Sign::Updating, Sign::StorageFault, Sign::FileRefused, Sign::NoNetwork];
    let cameras = [Sign::CameraDown, Sign::CameraDegraded, Sign::BrokerLost, Sign::NothingYet, Sign::AllUp];
    let told = box_.into_iter().chain(cameras);
    assert!(told.clone().is_sorted_by_key(|sign| sign as usize));
    assert_eq!(told.map(|sign| sign.row().name).collect::<Vec<_>>(), Overall::ALL.map(Overall::name));
}
