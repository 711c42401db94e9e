//! What the broker sends us, told apart by its topic.

use bytes::Bytes;
use rumqttc::Publish;

use crate::mqtt::Names;

/// What the broker sent us.
pub(super) enum Heard {
    /// To a `cmd` topic.
    Order(Order),
    /// Home Assistant has started.
    Birth,
    /// The broker keeps a state of this camera.
    Kept(String),
}

/// What somebody wants done.
pub(super) struct Order {
    /// None: by the box.
    pub camera: Option<String>,
    /// As it came.
    pub payload: Bytes,
    /// The broker kept it from before.
    pub is_retained: bool,
}

/// None: nothing that concerns us.
pub(super) fn hear(message: Publish, names: &Names) -> Option<Heard> {
    let (topic, is_retained) = (std::str::from_utf8(&message.topic).ok()?, message.retain);
    if topic == names.command() {
        return Some(Heard::Order(Order { camera: None, payload: message.payload, is_retained }));
    }
    if topic == names.birth() {
        // A retained one tells nothing new: all has just been sent.
        return (!is_retained && &*message.payload == b"online").then_some(Heard::Birth);
    }
    let (id, leaf) = topic.strip_prefix(&names.root())?.strip_prefix("/cam/")?.split_once('/')?;
    match leaf {
        "cmd" => Some(Heard::Order(Order { camera: Some(id.into()), payload: message.payload, is_retained })),
        "state" if is_retained && !message.payload.is_empty() && is_id(id) => Some(Heard::Kept(id.into())),
        _ => None,
    }
}

fn is_id(id: &str) -> bool {
    let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    !id.is_empty() && id.len() <= 64 && id.bytes().all(known)
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
