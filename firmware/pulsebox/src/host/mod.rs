//! The box itself: whether it has a network, whether its clock is set, and how it is. (SD wear comes with the
//! appliance.)

mod box_id;
mod clock;
mod disk;
mod network;
mod sample;

pub use box_id::{box_id, is_box_id};
pub use clock::clock_trust;
pub use disk::disk_space;
pub use network::{Interfaces, LinkState, watch_network};
pub use sample::watch_box;
