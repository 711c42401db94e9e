//! The box itself: whether it has a network. (Temperature, memory, SD wear and clock trust come with the
//! appliance.)

mod network;

pub use network::{Interfaces, watch_network};
