//! What the box shows: patterns on GPIO lines and on the Pi's own ACT LED. Reads the board, changes nothing but
//! `host.leds`, and is read by nobody: where a lamp fails, it is told, and the checks go on.

pub mod card;
pub mod player;
