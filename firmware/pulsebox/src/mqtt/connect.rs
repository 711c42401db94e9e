//! One connection to a broker: name, network, TLS, WebSocket, and the broker's own answer, each with its fault.

use serde::Serialize;

use crate::camera::{Fault, RungTime};
use crate::config::Mqtt;

/// What a try at a broker came to: it took us in.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// How long each step took: resolve, connect, encrypt, where it was taken.
    pub rungs: Vec<RungTime>,
    /// All of it, milliseconds.
    pub ms: f64,
}

/// Connects and signs in as these settings say, with a client id of its own, and leaves again. 20 s at most.
/// Faults: `dns`, `refused`, `unreachable`, `timeout`, `tls`, `auth`, `protocol` (it is no MQTT broker, or took
/// us not in for another reason).
pub async fn try_it(_mqtt: &Mqtt) -> Result<Tried, Fault> {
    Err(Fault::new(crate::camera::Verdict::Protocol, "not built yet"))
}
