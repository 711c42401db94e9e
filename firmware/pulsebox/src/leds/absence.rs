//! What the LEDs show when no daemon is there to light them: the card's last row.
//!
//! A daemon that is killed gives nothing back. Raspberry Pi's kernels keep its lines driven and its ACT lit, so that
//! "all up" would be said by nobody. Another process, that systemd starts after the end, corrects that.

use crate::config::Config;

use super::wiring::{Kernel, Place, wanted};

/// One LED after [`show`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// `green`, `red`, `act` or the camera's id.
    pub lamp: String,
    /// Where it is, for a person.
    pub at: String,
    /// What is wrong, and what to do about it.
    pub problem: Option<String>,
}

/// Lets go of every line that the configuration names, which darkens its LED, and has the kernel blink ACT where that
/// is configured. Needs no daemon; blocks for two seconds at most where the kernel's drivers answer.
pub fn show(kernel: &Kernel, config: &Config) -> Vec<Left> {
    let left = wanted(config).into_iter().filter_map(|(owner, place)| {
        let lamp = owner.name().to_owned();
        let done = match &place {
            Place::Act => kernel.blink_act().transpose()?,
            Place::Line(line) => kernel.let_go(line),
        };
        Some(match done {
            Ok(at) => Left { lamp, at, problem: None },
            Err(why) => Left { lamp, at: why.at, problem: Some(why.problem) },
        })
    });
    left.collect()
}
