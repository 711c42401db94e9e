//! A camera's own LED (`streams[].led`): one lamp, five states.

use crate::monitor::board::State;

use super::pattern::Pattern;

/// One row of the camera's card.
#[derive(Clone, Copy, Debug)]
pub struct OwnRow {
    /// The camera's state.
    pub state: State,
    /// What the LED does, in words.
    pub led: &'static str,
    /// The same as light: percent and milliseconds.
    steps: &'static [(u8, u32)],
}

/// Every state, the good one first.
#[rustfmt::skip]
pub static OWN: [OwnRow; 5] = [
    OwnRow { state: State::Up, led: "solid", steps: &[(100, 1000)] },
    OwnRow { state: State::Degraded, led: "solid, with one short gap every 2 s", steps: &[(100, 1850), (0, 150)] },
    OwnRow { state: State::Down, led: "blink, twice a second", steps: &[(100, 250), (0, 250)] },
    OwnRow { state: State::Unknown, led: "slow pulse; one second of four where it cannot be dimmed",
        steps: &[(4, 200), (10, 200), (22, 250), (40, 250), (66, 250), (100, 500), (66, 250), (40, 250), (22, 250),
            (10, 250), (4, 250), (0, 1100)] },
    OwnRow { state: State::Paused, led: "off", steps: &[(0, 1000)] },
];

/// What the LED of a camera in this state does.
pub fn own_pattern(state: State) -> Pattern {
    let row = OWN.iter().find(|row| row.state == state);
    Pattern::new(row.into_iter().flat_map(|row| row.steps).copied())
}
