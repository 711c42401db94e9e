//! The box itself: whether it has a network, and whether its clock is set. (Temperature, memory and SD
//! wear come with the appliance.)

mod clock;
mod network;

pub use clock::clock_trust;
pub use network::{Interfaces, watch_network};
