//! Every topic, as data: code, documentation and tests read this table.

use crate::config::Mqtt;

/// Whether the broker keeps the last message of a topic for those who come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It does.
    Retained,
    /// It does not.
    Not,
    /// `mqtt.retain` says.
    AsConfigured,
}

/// One topic. `pattern` has `<box>`, `<id>`, `<topic>` and `<prefix>` where those stand.
#[derive(Clone, Copy, Debug)]
pub struct TopicRow {
    /// For instance `pulsebox/<box>/cam/<id>/state`.
    pub pattern: &'static str,
    /// Whether the broker keeps the last one.
    pub kept: Kept,
    /// True: the box listens to it; false: the box sends it.
    pub is_read: bool,
    /// When it is sent, or what may be sent to it.
    pub when: &'static str,
    /// What is in it.
    pub what: &'static str,
}

/// All topics, in the documentation's order.
#[rustfmt::skip]
pub static TOPICS: &[TopicRow] = &[
    sent("pulsebox/<box>/availability", true, "on connect; `offline` at the end, by the broker where the connection is lost",
        "`online` or `offline`"),
    sent("pulsebox/<box>/system", true, "every `interval_seconds`, and when `overall`, the counts, a fault, network, clock or addresses change",
        "the box: JSON, below"),
    read("pulsebox/<box>/cmd", "`identify`, `check`; an appliance also `install`, `restart`",
        "orders to the box: a word, or JSON"),
    sent("pulsebox/<box>/cmd/result", false, "after each order",
        "what became of it: JSON, below"),
    sent("pulsebox/<box>/cam/<id>/state", true, "at each change and each check",
        "the camera: JSON, below"),
    sent("pulsebox/<box>/cam/<id>/attributes", true, "at each check",
        "what it sends, and how it was reached: JSON, below"),
    sent("pulsebox/<box>/cam/<id>/frame", false, "when there is a new one, at most once a heartbeat; always with QoS 0",
        "the last good picture: JPEG, 640 px wide at most"),
    read("pulsebox/<box>/cam/<id>/cmd", "`check`, `pause`, `resume`",
        "orders to the camera: a word, or JSON"),
    sent("pulsebox/<box>/cam/<id>/cmd/result", false, "after each order",
        "what became of it: JSON, below"),
    TopicRow { pattern: "<topic>", kept: Kept::AsConfigured, is_read: false, when: "every `interval_seconds`",
        what: "StreamPulse's status: JSON, below" },
    sent("<prefix>/device/pulsebox_<box>/config", true, "on connect, and when Home Assistant starts",
        "the box as a device of Home Assistant"),
    sent("<prefix>/device/pulsebox_<box>_<id>/config", true, "the same, and when the camera is added or changed; empty when it is removed",
        "the camera as a device of Home Assistant"),
    read("<prefix>/status", "`online`",
        "Home Assistant has started: all is sent again within 5 s"),
];

const fn sent(pattern: &'static str, retained: bool, when: &'static str, what: &'static str) -> TopicRow {
    let kept = if retained { Kept::Retained } else { Kept::Not };
    TopicRow { pattern, kept, is_read: false, when, what }
}

const fn read(pattern: &'static str, when: &'static str, what: &'static str) -> TopicRow {
    TopicRow { pattern, kept: Kept::Not, is_read: true, when, what }
}

/// The topics of one box, spelt out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    box_id: String,
    status: String,
    prefix: String,
}

impl Names {
    /// `box_id`: 8 lower-case hex digits.
    pub fn new(box_id: &str, mqtt: &Mqtt) -> Self {
        Self { box_id: box_id.into(), status: mqtt.topic.clone(), prefix: mqtt.home_assistant.discovery_prefix.clone() }
    }

    /// 8 hex digits.
    pub fn box_id(&self) -> &str {
        &self.box_id
    }

    /// Everything of this box lies below it.
    pub fn root(&self) -> String {
        format!("pulsebox/{}", self.box_id)
    }

    /// StreamPulse's status.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// `online` or `offline`.
    pub fn availability(&self) -> String {
        format!("pulsebox/{}/availability", self.box_id)
    }

    /// The box's own figures.
    pub fn system(&self) -> String {
        format!("pulsebox/{}/system", self.box_id)
    }

    /// Orders to the box.
    pub fn command(&self) -> String {
        format!("pulsebox/{}/cmd", self.box_id)
    }

    /// One of a camera's: `leaf` is `state`, `attributes`, `frame`, `cmd` or `cmd/result`.
    pub fn camera(&self, id: &str, leaf: &str) -> String {
        format!("pulsebox/{}/cam/{id}/{leaf}", self.box_id)
    }

    /// The box's device in Home Assistant.
    pub fn box_discovery(&self) -> String {
        format!("{}/device/pulsebox_{}/config", self.prefix, self.box_id)
    }

    /// A camera's device in Home Assistant.
    pub fn camera_discovery(&self, id: &str) -> String {
        format!("{}/device/pulsebox_{}_{id}/config", self.prefix, self.box_id)
    }

    /// Where Home Assistant says that it has started.
    pub fn birth(&self) -> String {
        format!("{}/status", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a topic of [`Names`] stands in the table.
    fn row(topic: &str) -> Option<&'static TopicRow> {
        let pattern = topic
            .replace("0123abcd", "<box>")
            .replace("gate", "<id>")
            .replace("ha/", "<prefix>/")
            .replace("my/status", "<topic>");
        TOPICS.iter().find(|row| row.pattern == pattern)
    }

    #[test]
    fn every_topic_that_is_spelt_out_stands_in_the_table_and_the_other_way_round() {
        let mut mqtt = Mqtt { topic: "my/status".into(), ..Mqtt::default() };
        mqtt.home_assistant.discovery_prefix = "ha".into();
        let names = Names::new("0123abcd", &mqtt);
        let mut spelt = vec![
            names.availability(),
            names.system(),
            names.command(),
            names.command() + "/result",
            names.status().to_owned(),
            names.box_discovery(),
            names.camera_discovery("gate"),
            names.birth(),
        ];
        spelt.extend(["state", "attributes", "frame", "cmd", "cmd/result"].map(|leaf| names.camera("gate", leaf)));
        let mut rows: Vec<&str> = spelt
            .iter()
            .map(|topic| row(topic).unwrap_or_else(|| panic!("{topic} is not in the table")).pattern)
            .collect();
        rows.sort_unstable();
        rows.dedup();
        assert_eq!(rows.len(), TOPICS.len());
    }

    #[test]
    fn what_is_an_order_or_an_answer_to_one_is_never_kept() {
        for row in TOPICS {
            assert!(!(row.is_read && row.kept != Kept::Not), "{}", row.pattern);
            assert!(!row.pattern.contains("/cmd") || row.kept == Kept::Not, "{}", row.pattern);
        }
    }
}
