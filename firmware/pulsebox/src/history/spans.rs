//! Time in each state: the arithmetic that uptime, series and roll-ups share.

use rusqlite::Connection;

use super::memory::UNWATCHED;
use crate::monitor::board::State;
use crate::monitor::past::StateTimes;

/// Sums the time in each state over `[from, to)`. `runs`: (began, until), rising; `states`: (began,
/// state), rising, with the one that holds at `from`. All Unix ms. A state holds to the next one or the
/// end of its run.
pub(super) fn times(runs: &[(i64, i64)], states: &[(i64, u8)], from: i64, to: i64) -> StateTimes {
    let mut times = StateTimes::default();
    let mut told = 0;
    for &(began, until) in runs {
        let (first, end) = (began.max(from), until.min(to));
        if end <= first {
            continue;
        }
        let start = states.partition_point(|state| state.0 < began);
        let mut at = first;
        let mut state = UNWATCHED;
        for &(next, next_state) in &states[start..] {
            if next >= end {
                break;
            }
            if next > at {
                times.add(state_of(state), next - at);
                at = next;
            }
            state = next_state;
        }
        times.add(state_of(state), end - at);
        told += end - first;
    }
    times.unwatched += (to - from).max(0) - told;
    times
}

/// The state of a stored number; none for not watched.
pub(super) fn state_of(number: u8) -> Option<State> {
    State::ALL.get(usize::from(number)).copied()
}

/// Puts a state behind the others; it overrides those told before that begin later.
pub(super) fn put_state(states: &mut Vec<(i64, u8)>, began: i64, state: u8) {
    while states.last().is_some_and(|last| last.0 >= began) {
        states.pop();
    }
    states.push((began, state));
}

/// The runs that touch `[from, to)`, rising; one that goes on ends at `now`.
pub(super) fn read_runs(db: &Connection, from: i64, to: i64, now: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
    db.prepare_cached(
        "SELECT began, coalesce(until, ?3) FROM runs WHERE began < ?2 AND coalesce(until, ?3) > ?1 ORDER BY began",
    )?
    .query_map([from, to, now], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// A camera's states in `[from, to)` and the one that holds at `from`, rising.
pub(super) fn read_states(db: &Connection, camera: i64, from: i64, to: i64) -> rusqlite::Result<Vec<(i64, u8)>> {
    db.prepare_cached(
        "SELECT began, state FROM states WHERE camera = ?1 AND began < ?3 AND began >=
             coalesce((SELECT max(began) FROM states WHERE camera = ?1 AND began <= ?2), ?2) ORDER BY began",
    )?
    .query_map([camera, from, to], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_off_and_before_the_first_state_of_a_run_is_not_watched() {
        let runs = [(100, 200), (300, 400)];
        let states = [(110, 0), (150, 2), (320, 1), (390, 3)];
        let expected = StateTimes { up: 40, down: 50, degraded: 70, unknown: 10, unwatched: 230, paused: 0 };
        assert_eq!(times(&runs, &states, 50, 450), expected);
        assert_eq!(expected.percent(), Some(110.0 * 100.0 / 160.0));
        assert_eq!(times(&runs, &states, 160, 170), StateTimes { down: 10, ..StateTimes::default() });
        assert_eq!(times(&runs, &states, 210, 290).percent(), None);
    }

    #[test]
    fn a_state_told_late_overrides_what_began_after_it() {
        let mut states = vec![(100, 0), (200, 1)];
        put_state(&mut states, 150, 2);
        assert_eq!(states, [(100, 0), (150, 2)]);
    }
}
