//! What the box shows: patterns on GPIO lines and on the Pi's own ACT LED. Reads the board, changes nothing but
//! `host.leds`, and is read by nobody: where a lamp fails, it is told, and the checks go on.
//!
//! [`card`] says what is shown, [`pattern`] how it blinks, [`player`] when; [`wiring`] says which LEDs there are and
//! takes them ([`gpio`], [`pwm`], [`act`]); [`fixtures`] are those that are ours; [`room`] holds all together.
//! [`absence`] is what they show when none of this runs.

pub mod absence;
pub mod act;
pub mod before;
pub mod card;
pub mod demo;
pub mod fixtures;
pub mod gpio;
pub mod own;
pub mod pattern;
pub mod pi;
pub mod pins;
pub mod player;
pub mod pwm;
pub mod quiet;
pub mod room;
#[cfg(test)]
mod tests;
pub mod wiring;

pub use room::{Means, run};
