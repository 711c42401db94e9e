//! The box in one word: what its LED says and Home Assistant reads.

use serde::Serialize;

use super::appliance::Appliance;
use super::board::{BrokerState, Snapshot, State};

/// The first that holds, in this order; the order is the LED card's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overall {
    /// An update is being checked or written: the power must not be cut.
    Updating,
    /// The history is not written to disk.
    StorageFault,
    /// The `pulsebox.yaml` that was put on the card was not taken.
    FileRefused,
    /// No link or no address.
    NoNetwork,
    /// At least one camera is down.
    CameraDown,
    /// At least one camera is degraded.
    CameraDegraded,
    /// MQTT is enabled, and the broker is not there.
    BrokerLost,
    /// No camera is watched, or not every one has been looked at yet.
    NothingYet,
    /// Every camera that is not paused is up, and there is one.
    AllUp,
}

impl Overall {
    /// Every one, in order.
    pub const ALL: [Self; 9] = [
        Self::Updating,
        Self::StorageFault,
        Self::FileRefused,
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
            Self::Updating => "updating",
            Self::StorageFault => "storage_fault",
            Self::FileRefused => "file_refused",
            Self::NoNetwork => "no_network",
            Self::CameraDown => "camera_down",
            Self::CameraDegraded => "camera_degraded",
            Self::BrokerLost => "broker_lost",
            Self::NothingYet => "nothing_yet",
            Self::AllUp => "all_up",
        }
    }

    /// When it holds, for the documentation.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Updating => "an update is being checked or written: do not cut the power",
            Self::StorageFault => "the history is not written to disk; checks go on from memory",
            Self::FileRefused => {
                "a settings file that was put on the card was not taken: a mistake in it, another name, or two of them"
            }
            Self::NoNetwork => "the box has no link or no address: no camera can be reached",
            Self::CameraDown => "at least one camera is down",
            Self::CameraDegraded => "at least one camera is degraded",
            Self::BrokerLost => "MQTT is enabled, and the broker is not there: seen on the page and the LED",
            Self::NothingYet => "no camera is watched, or not every one has been looked at yet",
            Self::AllUp => "every camera that is not paused is up, and there is one",
        }
    }

    /// What holds now.
    pub fn of(snapshot: &Snapshot) -> Self {
        let any = |state| snapshot.cameras.values().any(|camera| camera.state == state);
        if snapshot.host.appliance.as_ref().is_some_and(Appliance::is_updating) {
            Self::Updating
        } else if snapshot.host.storage_fault.is_some() {
            Self::StorageFault
        } else if snapshot.host.appliance.as_ref().is_some_and(Appliance::is_import_refused) {
            // Before the network: where the file brings the Wi-Fi, its mistake is why there is none.
            Self::FileRefused
        } else if !snapshot.host.network {
            Self::NoNetwork
        } else if any(State::Down) {
            Self::CameraDown
        } else if any(State::Degraded) {
            Self::CameraDegraded
        } else if snapshot.host.broker.state == BrokerState::Lost {
            Self::BrokerLost
        } else if any(State::Unknown) || !any(State::Up) {
            Self::NothingYet
        } else {
            Self::AllUp
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::monitor::appliance::{Import, ImportState, Update, UpdateState};
    use crate::monitor::board::{BrokerStatus, CameraStatus};

    fn snapshot(states: &[State]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.host.network = true;
        for (n, &state) in states.iter().enumerate() {
            let camera = CameraStatus::unseen(n.to_string(), state);
            snapshot.cameras.insert(camera.id.clone(), Arc::new(camera));
        }
        snapshot
    }

    #[test]
    fn the_worst_is_told_and_mended_things_uncover_the_next() {
        let mut all = snapshot(&[State::Up, State::Degraded, State::Down]);
        all.host.broker = BrokerStatus { state: BrokerState::Lost, ..BrokerStatus::default() };
        (all.host.storage_fault, all.host.network) = (Some("full".into()), false);
        let update = Update { state: UpdateState::Writing, percent: Some(40), version: None, message: None };
        let import = |state| Import { state, file: None, message: None };
        let refused = Appliance { import: Some(import(ImportState::Refused)), ..Appliance::default() };
        all.host.appliance = Some(Appliance { update: Some(update), ..refused.clone() });
        let mut told = vec![Overall::of(&all)];
        all.host.appliance = Some(refused);
        told.push(Overall::of(&all));
        all.host.storage_fault = None;
        told.push(Overall::of(&all));
        all.host.appliance = Some(Appliance { import: Some(import(ImportState::Taken)), ..Appliance::default() });
        told.push(Overall::of(&all));
        all.host.network = true;
        told.push(Overall::of(&all));
        for gone in ["2", "1"] {
            all.cameras.remove(gone);
            told.push(Overall::of(&all));
        }
        all.host.broker.state = BrokerState::Connecting;
        let up = Overall::of(&all);
        all.cameras.clear();
        told.extend([Overall::of(&all), up]);
        assert_eq!(told, Overall::ALL);
    }

    #[test]
    fn all_are_up_only_once_each_was_looked_at_and_paused_ones_do_not_count() {
        assert_eq!(Overall::of(&snapshot(&[])), Overall::NothingYet);
        assert_eq!(Overall::of(&snapshot(&[State::Paused])), Overall::NothingYet);
        assert_eq!(Overall::of(&snapshot(&[State::Paused, State::Up, State::Unknown])), Overall::NothingYet);
        assert_eq!(Overall::of(&snapshot(&[State::Paused, State::Up])), Overall::AllUp);
    }

    #[test]
    fn the_name_is_the_one_that_is_sent() {
        for overall in Overall::ALL {
            assert_eq!(serde_json::to_value(overall).unwrap(), overall.name());
        }
    }
}
