//! Every topic, as data: code, documentation and tests read this table.

use crate::config::Mqtt;

/// One topic. `pattern` has `<box>`, `<id>`, `<topic>` and `<prefix>` where those stand.
#[derive(Clone, Copy, Debug)]
pub struct TopicRow {
    /// For instance `pulsebox/<box>/cam/<id>/state`.
    pub pattern: &'static str,
    /// Whether the broker keeps the last one.
    pub retained: bool,
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
    TopicRow { pattern: "pulsebox/<box>/availability", retained: true, is_read: false, when: "on connect; by the broker when the connection is lost", what: "`online` or `offline`" },
];

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
