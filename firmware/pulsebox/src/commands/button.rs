//! `pulsebox button`: whether the button for a factory reset is held, for the unit that asks for one.

use std::process::ExitCode;

use pulsebox::appliance::button::{self, is_held};
use pulsebox::leds::gpio;

use super::{fail, runtime};

/// Exit 0 where it is held for 10 s from now on and then let go within 50 s; else 1, with a word where the line cannot
/// be read.
pub fn run() -> ExitCode {
    let line = match gpio::button(button::LINE) {
        Ok(line) => line,
        Err(why) => return fail(1, &format!("the reset button is not looked at: {}: {}", why.at, why.problem)),
    };
    // A line that cannot be read any more is one that is not pressed.
    match runtime() {
        Ok(runtime) if runtime.block_on(is_held(|| line.is_pressed())) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(code) => code,
    }
}
