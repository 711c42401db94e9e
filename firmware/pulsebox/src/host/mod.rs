//! The box itself: whether it has a network, whether its clock is set, and how it is. (SD wear comes with the
//! appliance.)

mod clock;
mod network;
mod sample;

pub use clock::clock_trust;
pub use network::{Interfaces, watch_network};
pub use sample::watch_box;
