//! The box in one word: what its LED says and Home Assistant reads.

use serde::Serialize;

use super::board::{BrokerState, Snapshot, State};

/// The first that holds, in this order; the order is the LED card's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// The history is not written to disk.
    StorageFault,
    /// No link or no address.
    NoNetwork,
    /// At least one camera is down.
    CameraDown,
    /// At least one camera is degraded.
    CameraDegraded,
    /// MQTT is enabled, and the broker is not there.
    BrokerLost,
    /// No camera is configured, or none has been proved yet.
    NothingYet,
    /// Every camera that is not paused is up.
    AllUp,
}

impl Overall {
    /// Every one, in order.
    pub const ALL: [Self; 7] = [
        Self::StorageFault,
        Self::NoNetwork,
        Self::CameraDown,
        Self::CameraDegraded,
        Self::BrokerLost,
        Self::NothingYet,
        Self::AllUp,
    ];

    /// Its name in the API and MQTT.
    pub fn name(self) -> &'static str {
        match self {
            Self::StorageFault => "storage_fault",
            Self::NoNetwork => "no_network",
            Self::CameraDown => "camera_down",
            Self::CameraDegraded => "camera_degraded",
            Self::BrokerLost => "broker_lost",
            Self::NothingYet => "nothing_yet",
            Self::AllUp => "all_up",
        }
    }

    /// What holds now.
    pub fn of(snapshot: &Snapshot) -> Self {
        let any = |state| snapshot.cameras.values().any(|camera| camera.state == state);
        if snapshot.host.storage_fault.is_some() {
            Self::StorageFault
        } else if !snapshot.host.network {
            Self::NoNetwork
        } else if any(State::Down) {
            Self::CameraDown
        } else if any(State::Degraded) {
            Self::CameraDegraded
        } else if snapshot.host.broker.state == BrokerState::Lost {
            Self::BrokerLost
        } else if !any(State::Up) {
            Self::NothingYet
        } else {
            Self::AllUp
        }
    }
}
