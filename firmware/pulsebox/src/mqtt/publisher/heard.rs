//! What the broker sends us, told apart by its topic.

use bytes::Bytes;
use rumqttc::Publish;

use crate::config::is_id;
use crate::mqtt::Names;
use crate::mqtt::command::PAYLOAD_MAX;

/// What the broker sent us.
pub(super) enum Heard {
    /// To a `cmd` topic.
    Order(Order),
    /// The same, and larger than any order may be.
    TooLarge {
        /// None: to the box.
        camera: Option<String>,
        /// How large.
        bytes: usize,
    },
    /// Home Assistant has started.
    Birth,
    /// The broker keeps a state of this camera.
    Kept(String),
}

/// What somebody wants done.
pub(super) struct Order {
    /// None: by the box.
    pub camera: Option<String>,
    /// As it came, 4 KiB at most.
    pub payload: Bytes,
    /// The broker kept it from before.
    pub is_retained: bool,
}

/// None: nothing that concerns us.
pub(super) fn hear(message: Publish, names: &Names) -> Option<Heard> {
    let (topic, is_retained) = (std::str::from_utf8(&message.topic).ok()?, message.retain);
    if topic == names.command() {
        return Some(order(None, &message));
    }
    if topic == names.birth() {
        // A retained one tells nothing new: all has just been sent.
        return (!is_retained && &*message.payload == b"online").then_some(Heard::Birth);
    }
    let (id, leaf) = topic.strip_prefix(&names.root())?.strip_prefix("/cam/")?.split_once('/')?;
    match leaf {
        "cmd" => Some(order(Some(id.into()), &message)),
        "state" if is_retained && !message.payload.is_empty() && is_id(id) => Some(Heard::Kept(id.into())),
        _ => None,
    }
}

fn order(camera: Option<String>, message: &Publish) -> Heard {
    let bytes = message.payload.len();
    if bytes > PAYLOAD_MAX {
        return Heard::TooLarge { camera, bytes };
    }
    // A copy: the library's slice would keep all that was read with it, megabytes perhaps, while the order waits.
    Heard::Order(Order { camera, payload: Bytes::copy_from_slice(&message.payload), is_retained: message.retain })
}

#[cfg(test)]
mod tests {
    use rumqttc::QoS;

    use super::*;
    use crate::config::Mqtt;

    fn heard(topic: &str, payload: &str, retain: bool) -> Option<Heard> {
        let mut message = Publish::new(topic, QoS::AtLeastOnce, payload);
        message.retain = retain;
        hear(message, &Names::new("0123abcd", &Mqtt::default()))
    }

    #[test]
    fn orders_births_and_kept_states_are_told_apart_and_all_else_is_nothing() {
        let order = |topic| match heard(topic, "check", false) {
            Some(Heard::Order(order)) => order.camera,
            _ => panic!("{topic} is an order"),
        };
        assert_eq!(order("pulsebox/0123abcd/cmd"), None);
        assert_eq!(order("pulsebox/0123abcd/cam/gate/cmd").as_deref(), Some("gate"));
        let large = heard("pulsebox/0123abcd/cam/gate/cmd", &"x".repeat(70_000), true);
        assert!(matches!(large, Some(Heard::TooLarge { camera: Some(id), bytes: 70_000 }) if id == "gate"));
        assert!(matches!(heard("homeassistant/status", "online", false), Some(Heard::Birth)));
        assert!(matches!(heard("pulsebox/0123abcd/cam/gate/state", "{}", true), Some(Heard::Kept(id)) if id == "gate"));
        for (topic, payload, retain) in [
            // Home Assistant leaves, or was there before us.
            ("homeassistant/status", "offline", false),
            ("homeassistant/status", "online", true),
            // Our own, as we send it; one that is cleared; one that no camera of ours can have.
            ("pulsebox/0123abcd/cam/gate/state", "{}", false),
            ("pulsebox/0123abcd/cam/gate/state", "", true),
            ("pulsebox/0123abcd/cam/Gate 1/state", "{}", true),
            // Another box, another topic.
            ("pulsebox/ffffffff/cam/gate/state", "{}", true),
            ("pulsebox/0123abcd/cam/gate/cmd/result", "{}", false),
            ("pulsebox/0123abcdef/cam/gate/cmd", "check", false),
            ("pulsebox", "check", false),
        ] {
            assert!(heard(topic, payload, retain).is_none(), "{topic} {payload} {retain}");
        }
    }
}
