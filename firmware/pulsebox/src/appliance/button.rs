//! The button for a factory reset: a line to ground, held while the box starts for 10 s and then let go.
//!
//! The first look is some seconds after the power came, and nothing shows which second: so that one who holds it for 45 s
//! from switching on is right wherever the first look is in the first 30 s.
//!
//! A line that is stuck low, by a short or a wrong wire, is never let go, and wipes nothing.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The header's line, beside a ground pin.
pub const LINE: u32 = 21;
/// How long it must be held.
pub const HELD: Duration = Duration::from_secs(10);
/// How soon after that it must be let go.
pub const LET_GO: Duration = Duration::from_secs(50);
/// How often it is looked at, and how long a contact may bounce.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
const BOUNCE: Duration = Duration::from_millis(150);

/// Whether the button is held from now on for [`HELD`], and let go within [`LET_GO`] after. Ends at once where it is
/// not pressed, and after [`HELD`] and [`LET_GO`] at the latest.
pub async fn is_held(mut is_pressed: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    let mut last_pressed = begun;
    sleep(LOOK_AGAIN).await; // a pull-up that has just been switched on has to charge its wire
    loop {
        let now = Instant::now();
        if is_pressed() {
            last_pressed = now;
        }
        let is_let_go = now.duration_since(last_pressed) > BOUNCE;
        let held = last_pressed.duration_since(begun);
        if is_let_go || held > HELD + LET_GO {
            return is_let_go && held >= HELD;
        }
        sleep(LOOK_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a button resets that is pressed between these times, seconds after the start.
    async fn resets(from: f64, to: f64) -> bool {
        let begun = Instant::now();
        is_held(|| (from..to).contains(&begun.elapsed().as_secs_f64())).await
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_button_that_is_held_for_ten_seconds_and_let_go_resets() {
        assert!(resets(0.0, 10.5).await);
        assert!(resets(0.0, 59.5).await);
        assert!(!resets(0.0, 9.5).await, "too short");
        assert!(!resets(0.0, 100.0).await, "stuck");
        assert!(!resets(0.0, 0.0).await, "not pressed");
        assert!(!resets(1.0, 20.0).await, "not from the start");
    }

    #[tokio::test(start_paused = true)]
    async fn forty_five_seconds_from_switching_on_are_right_whenever_the_first_look_is() {
        for first_look in [0.0, 10.0, 20.0, 30.0] {
            assert!(resets(0.0, 45.0 - first_look).await, "{first_look}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_contact_that_bounces_is_held_all_the_same_and_an_idle_line_holds_nobody_up() {
        let begun = Instant::now();
        let bouncing = || {
            let at = begun.elapsed().as_millis();
            at < 11_000 && at % 1000 > 60
        };
        assert!(is_held(bouncing).await);
        let begun = Instant::now();
        assert!(!is_held(|| false).await);
        assert!(begun.elapsed() < Duration::from_millis(500));
        let begun = Instant::now();
        assert!(!is_held(|| true).await);
        assert!(begun.elapsed() < HELD + LET_GO + Duration::from_secs(1));
    }
}
