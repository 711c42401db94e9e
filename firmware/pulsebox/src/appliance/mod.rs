//! The daemon's side of the appliance. It runs without rights: what root's jobs know it reads from small files
//! ([`facts`]), and what it wants of them it asks for by empty ones ([`asks`]). An update is judged by whether the
//! cameras are back ([`wellness`]).
//!
//! Writes the board's `host.appliance`, and no other room's affairs. On a machine that is no appliance there is none
//! of this.

pub mod asks;
pub mod button;
pub mod facts;
mod keep;
pub mod places;
mod room;
pub mod status;
pub mod upload;
pub mod wellness;

pub use self::asks::{Ask, Asks};
pub use self::facts::Facts;
pub use self::places::Places;
pub use self::room::{Means, NotAsked, Room};
