//! The box on the broker: StreamPulse's status, our own topics, and Home Assistant's discovery.
//!
//! It listens to the board and calls nobody above the monitor; what a broker asks for (`cmd`) goes to the
//! monitor's [`Orders`] and to the configuration, as it does from the page. Nothing is queued but what is due:
//! a message is made from the board in the moment it is sent, so a slow broker gets fewer and newer ones.

mod command;
mod connect;
pub mod home_assistant;
mod outbox;
mod payload;
mod publisher;
mod session;
mod tls;
mod topics;
mod watch;
mod websocket;

use std::sync::Arc;

use crate::appliance::Room;
use crate::clock::Clock;
use crate::config::Store;
use crate::monitor::Orders;
use crate::monitor::board::Board;

pub use self::connect::{Failed, Tried, try_it};
pub use self::session::run;
pub use self::topics::{Kept, Names, TOPICS, TopicRow};
pub use self::watch::{Heard, watch};

/// What publishing needs.
#[derive(Clone, Debug)]
pub struct Means {
    /// What is, and what happens. Its `host.broker` is written here.
    pub board: Board,
    /// Settings as they are, and pausing, which is a change of the file.
    pub config: Arc<Store>,
    /// Checks on demand.
    pub orders: Orders,
    /// Tells the time.
    pub clock: Clock,
    /// This box's name in topics and ids: [`crate::host::box_id`].
    pub box_id: String,
    /// The appliance; none on another machine.
    pub appliance: Option<Room>,
}
