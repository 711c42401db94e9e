//! What Home Assistant shows of a device, as data: one row an entity. Code, documentation and tests read these tables.

use serde_json::{Map, Value, json};

use crate::camera::LADDER;
use crate::monitor::appliance::Cause;
use crate::monitor::board::State;
use crate::monitor::overall::Overall;

/// One entity. An empty text: the key is not sent.
#[derive(Clone, Copy, Debug)]
pub struct Entity {
    /// The last part of its unique id. Never change one: it is how Home Assistant knows the entity again.
    pub key: &'static str,
    /// What people read beside the device's name.
    pub name: &'static str,
    /// What kind it is, with what that kind alone needs.
    pub kind: Kind,
    /// Home Assistant's device class.
    pub class: &'static str,
    /// Home Assistant's icon, where the class brings none.
    pub icon: &'static str,
    /// It tells of the inner workings, and is kept apart from what people look at every day.
    pub is_diagnostic: bool,
    /// For the documentation: a sentence without its full stop.
    pub about: &'static str,
}

/// The topic that an entity reads: `state` or `attributes` of its camera, or `system` of the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Source {
    State,
    Attributes,
    System,
}

/// What makes an entity of that kind. `value` is an expression in Jinja of `v`, the message, that comes to none where
/// that is not known.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the fields are explained with each kind
pub enum Kind {
    /// `sensor` with a number; `precision` is decimals shown.
    Number { from: Source, value: &'static str, unit: &'static str, precision: u8 },
    /// `sensor` with text or a time.
    Text { from: Source, value: &'static str },
    /// `sensor` with one of a list of words.
    Word { from: Source, value: &'static str, words: fn() -> Vec<&'static str> },
    /// `binary_sensor`; `value` comes to true, false or none.
    Flag { from: Source, value: &'static str },
    /// `image`: a JPEG.
    Picture,
    /// `button` that sends this command.
    Button { command: &'static str },
    /// `update` that sends this command; `value` comes to an object of its own schema.
    Update { from: Source, value: &'static str, command: &'static str },
    /// `switch` that sends `ON` and `OFF`; `value` comes to true, false or none.
    Switch { from: Source, value: &'static str },
}

impl Kind {
    /// Home Assistant's name of it.
    pub fn platform(self) -> &'static str {
        match self {
            Kind::Number { .. } | Kind::Text { .. } | Kind::Word { .. } => "sensor",
            Kind::Flag { .. } => "binary_sensor",
            Kind::Picture => "image",
            Kind::Button { .. } => "button",
            Kind::Update { .. } => "update",
            Kind::Switch { .. } => "switch",
        }
    }

    /// Its unit, or nothing.
    pub fn unit(self) -> &'static str {
        match self {
            Kind::Number { unit, .. } => unit,
            _ => "",
        }
    }
}

/// Further figures of one message, shown with an entity as its attributes.
#[derive(Clone, Copy, Debug)]
pub struct Details {
    /// The entity's key.
    pub key: &'static str,
    /// Where they are.
    pub from: Source,
    /// Which: those that change seldom, since Home Assistant stores each change.
    pub fields: &'static [&'static str],
    /// Which only while there is a problem: while all is well, they change with every check.
    pub troubled: &'static [&'static str],
}

const fn diagnostic(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    class: &'static str,
    icon: &'static str,
    about: &'static str,
) -> Entity {
    Entity { is_diagnostic: true, ..shown(key, name, kind, class, icon, about) }
}

const fn shown(
    key: &'static str,
    name: &'static str,
    kind: Kind,
    class: &'static str,
    icon: &'static str,
    about: &'static str,
) -> Entity {
    Entity { key, name, kind, class, icon, is_diagnostic: false, about }
}

const fn number(from: Source, value: &'static str, unit: &'static str, precision: u8) -> Kind {
    Kind::Number { from, value, unit, precision }
}

/// The entities of a camera. No key may end in `_` and another key: unique ids would meet.
#[rustfmt::skip]
pub static CAMERA: &[Entity] = {
    use Source::{Attributes, State};
    &[
        shown("connected", "Connection", Kind::Flag { from: State, value: "v.connected | default(none)" }, "connectivity", "",
            "Whether the camera answers with video, also where that is black, frozen or covered"),
        shown("problem", "Problem", Kind::Flag { from: State, value: "v.problem | default(none)" }, "problem", "",
            "On while the camera is down or degraded; its attributes say why"),
        shown("state", "State", Kind::Word { from: State, value: "none if v.state | default('unknown') == 'unknown' else v.state", words: states }, "enum", "mdi:cctv",
            "The verdict after thresholds; unknown before the first check and while the box has no network"),
        shown("verdict", "Verdict", Kind::Word { from: State, value: "v.verdict | default(none)", words: verdicts }, "enum", "mdi:stethoscope",
            "What the last check found, by its name in the verdict ladder"),
        shown("message", "Message", Kind::Text { from: State, value: "((v.title if v.state | default('') == 'up' else v.message) | default('', true))[:255] or none" }, "", "mdi:message-text",
            "The same in a sentence, with its particulars while the camera is not up, cut at 255 characters"),
        shown("since", "Since", Kind::Text { from: State, value: "v.since | default(none)" }, "timestamp", "",
            "When the camera came into its state"),
        shown("picture", "Picture", Kind::Picture, "", "",
            "The last good picture"),
        shown("check", "Check now", Kind::Button { command: "check" }, "", "mdi:refresh",
            "Looks at the camera at once"),
        shown("pause", "Pause", Kind::Switch { from: State, value: "v.paused | default(none)" }, "switch", "mdi:pause-circle",
            "On: the camera is not checked, and raises no alarm"),
        diagnostic("first_frame", "Time to first frame", number(State, "v.first_frame_ms | default(none)", "ms", 0), "duration", "",
            "From the start of the check to the first key frame"),
        diagnostic("frame_rate", "Frame rate", number(State, "v.fps | default(none)", "fps", 1), "", "mdi:filmstrip",
            "Pictures a second, measured"),
        diagnostic("bit_rate", "Bit rate", number(State, "v.kbps | default(none)", "kbit/s", 0), "data_rate", "",
            "Of the video, measured"),
        diagnostic("packet_loss", "Packet loss", number(Attributes, "v.loss_percent | default(none)", "%", 1), "", "mdi:lan-disconnect",
            "Share of the video that was lost on the way"),
        diagnostic("last_good_frame", "Last good frame", Kind::Text { from: State, value: "v.last_good_frame | default(none)" }, "timestamp", "",
            "When a living picture was last seen"),
    ]
};

/// Attributes of a camera's entities.
pub static CAMERA_DETAILS: &[Details] = &[
    Details { key: "problem", from: Source::State, fields: &["verdict", "title", "advice"], troubled: &["message"] },
    Details {
        key: "state",
        from: Source::Attributes,
        fields: &["codec", "profile", "width", "height", "heartbeat_seconds", "url"],
        troubled: &[],
    },
];

/// The entities of the box. No key may end in `_` and a key of a camera's: unique ids would meet.
#[rustfmt::skip]
pub static BOX: &[Entity] = {
    use Source::System;
    &[
        shown("state", "State", Kind::Word { from: System, value: "v.overall | default(none)", words: overalls }, "enum", "mdi:cctv",
            "The box in one word, as its LED says it"),
        shown("cameras_up", "Cameras up", number(System, "(v.cameras | default({})).up | default(none)", "", 0), "", "mdi:check-network",
            "How many cameras are up"),
        shown("cameras_down", "Cameras down", number(System, "(v.cameras | default({})).down | default(none)", "", 0), "", "mdi:close-network",
            "How many cameras are down"),
        shown("check_all", "Check all cameras", Kind::Button { command: "check" }, "", "mdi:refresh",
            "Looks at every camera at once"),
        diagnostic("identify", "Identify", Kind::Button { command: "identify" }, "identify", "",
            "The box shows itself for 10 s, on its LED and its page"),
        diagnostic("cpu_temperature", "CPU temperature", number(System, "v.temperature_c | default(none)", "°C", 1), "temperature", "",
            "Where the box has a sensor"),
        diagnostic("cpu", "CPU", number(System, "v.cpu_percent | default(none)", "%", 0), "", "mdi:cpu-64-bit",
            "Share of all cores that is busy"),
        diagnostic("memory", "Memory", number(System, "v.memory_percent | default(none)", "%", 0), "", "mdi:memory",
            "Share of the memory that is in use"),
        diagnostic("storage_left", "Storage left", number(System, "(v.data_free / 1000000000) | round(2) if v.data_free is number else none", "GB", 1), "data_size", "mdi:sd",
            "Free on the data partition"),
        diagnostic("written_a_day", "SD writes a day", number(System, "(v.bytes_written_a_day / 1000000) | round(1) if v.bytes_written_a_day is number else none", "MB", 0), "data_size", "mdi:pencil",
            "What Pulsebox writes to the card in a day; unknown in the first hour"),
        diagnostic("started", "Started", Kind::Text { from: System, value: "v.started_at | default(none)" }, "timestamp", "",
            "When the box was started"),
        diagnostic("address", "Address", Kind::Text { from: System, value: "v.address | default(none)" }, "", "mdi:ip-network",
            "Under which the box is reached"),
        diagnostic("clock_trusted", "Clock trusted", Kind::Flag { from: System, value: "v.clock_trusted | default(none)" }, "", "mdi:clock-check",
            "Off while the box cannot know the time"),
        diagnostic("network", "Network problem", Kind::Flag { from: System, value: "not v.network if v.network is boolean else none" }, "problem", "",
            "On while the box has no link or no address, as it was last heard"),
        diagnostic("storage", "Storage problem", Kind::Flag { from: System, value: "(v.storage_fault is string) if v.storage_fault is defined else none" }, "problem", "",
            "On while the history is not written to the card; its attribute says why"),
        diagnostic("configuration", "Configuration problem", Kind::Flag { from: System, value: "(v.config_fault is string) if v.config_fault is defined else none" }, "problem", "",
            "On while the file on the card is not what is in force; its attribute says why"),
    ]
};

/// Attributes of the box's entities.
pub static BOX_DETAILS: &[Details] = &[
    Details { key: "state", from: Source::System, fields: &["name", "version", "cameras"], troubled: &[] },
    Details { key: "storage", from: Source::System, fields: &["storage_fault"], troubled: &[] },
    Details { key: "configuration", from: Source::System, fields: &["config_fault"], troubled: &[] },
    Details { key: "address", from: Source::System, fields: &["addresses"], troubled: &[] },
];

/// The entities that a box has besides where it is an appliance. Keys as of [`BOX`]. `v.update` would be a method of
/// Python's.
#[rustfmt::skip]
pub static APPLIANCE: &[Entity] = {
    use Source::System;
    &[
        shown("update", "Update", Kind::Update { from: System, value: "v['update'] | default({}, true) | to_json", command: "install" }, "firmware", "",
            "The system that is installed, and a newer one that was uploaded and waits"),
        diagnostic("last_start", "Last start", Kind::Word { from: System, value: "v.last_start | default(none)", words: causes }, "enum", "mdi:restart-alert",
            "Why the box started; its attributes say it in a sentence"),
        diagnostic("restart", "Restart", Kind::Button { command: "restart" }, "restart", "",
            "Restarts the box"),
    ]
};

/// Attributes of those.
pub static APPLIANCE_DETAILS: &[Details] = &[
    Details {
        key: "last_start",
        from: Source::System,
        fields: &["last_start_message", "slot", "image_version", "undervoltage"],
        troubled: &[],
    },
    Details { key: "update", from: Source::System, fields: &["update_state", "update_message", "slot"], troubled: &[] },
];

// Home Assistant has a word of its own for a state that is not known.
fn states() -> Vec<&'static str> {
    State::ALL.into_iter().filter(|state| *state != State::Unknown).map(State::name).collect()
}

fn verdicts() -> Vec<&'static str> {
    LADDER.iter().map(|row| row.name).collect()
}

fn overalls() -> Vec<&'static str> {
    Overall::ALL.into_iter().map(Overall::name).collect()
}

fn causes() -> Vec<&'static str> {
    Cause::ALL.iter().copied().map(Cause::name).collect()
}

/// Where one device's entities read and send.
pub(super) struct Wiring<'a> {
    /// The topic of a source.
    pub topic: &'a dyn Fn(Source) -> String,
    /// Where commands go; none where none are taken.
    pub command: Option<String>,
    /// Where pictures come from; none where none are sent.
    pub frame: Option<String>,
    /// The start of its unique ids, with the `_`.
    pub unique: String,
    /// The start of its entity ids, with the `_`.
    pub entity: String,
}

impl Entity {
    /// Its component in a device's discovery message.
    pub(super) fn component(&self, details: &[Details], wiring: &Wiring<'_>) -> Value {
        let mut component = Map::new();
        let mut put = |key: &str, value: Value| component.insert(key.into(), value);
        put("platform", json!(self.kind.platform()));
        let is_there = match self.kind {
            Kind::Picture => wiring.frame.is_some(),
            Kind::Button { .. } | Kind::Switch { .. } => wiring.command.is_some(),
            _ => true,
        };
        // This is how Home Assistant is told that an entity is no more; one that is left out it would keep.
        if !is_there {
            return Value::Object(component);
        }
        put("unique_id", json!(format!("{}{}", wiring.unique, self.key)));
        put("default_entity_id", json!(format!("{}.{}{}", self.kind.platform(), wiring.entity, self.key)));
        put("name", json!(self.name));
        if !self.class.is_empty() {
            put("device_class", json!(self.class));
        }
        if !self.icon.is_empty() {
            put("icon", json!(self.icon));
        }
        if self.is_diagnostic {
            put("entity_category", json!("diagnostic"));
        }
        if let Some(details) = details.iter().find(|details| details.key == self.key) {
            put("json_attributes_topic", json!((wiring.topic)(details.from)));
            put("json_attributes_template", json!(attributes(details)));
        }
        self.kind.fill(&mut component, wiring);
        Value::Object(component)
    }
}

impl Kind {
    fn fill(self, component: &mut Map<String, Value>, wiring: &Wiring<'_>) {
        let mut put = |key: &str, value: Value| component.insert(key.into(), value);
        match self {
            Kind::Number { from, value, .. }
            | Kind::Text { from, value }
            | Kind::Word { from, value, .. }
            | Kind::Flag { from, value }
            | Kind::Update { from, value, .. }
            | Kind::Switch { from, value } => {
                put("state_topic", json!((wiring.topic)(from)));
                put("value_template", json!(template(value)));
            }
            Kind::Picture | Kind::Button { .. } => {}
        }
        match self {
            Kind::Number { unit, precision, .. } => {
                put("state_class", json!("measurement"));
                put("suggested_display_precision", json!(precision));
                if !unit.is_empty() {
                    put("unit_of_measurement", json!(unit));
                }
            }
            Kind::Text { .. } => {}
            Kind::Word { words, .. } => {
                put("options", json!(words()));
            }
            Kind::Flag { .. } => {
                put("payload_on", json!("True"));
                put("payload_off", json!("False"));
            }
            Kind::Picture => {
                put("image_topic", json!(wiring.frame));
                put("content_type", json!("image/jpeg"));
            }
            Kind::Button { command } => {
                put("command_topic", json!(wiring.command));
                put("payload_press", json!(command));
            }
            Kind::Update { command, .. } => {
                // Without it, it tells and installs nothing.
                if let Some(topic) = &wiring.command {
                    put("command_topic", json!(topic));
                    put("payload_install", json!(command));
                }
            }
            Kind::Switch { .. } => {
                put("command_topic", json!(wiring.command));
                put("payload_on", json!("ON"));
                put("payload_off", json!("OFF"));
                put("state_on", json!("True"));
                put("state_off", json!("False"));
            }
        }
    }
}

// A message that is no JSON, an empty one above all, is read as one that says nothing. Python's `None` is what
// Home Assistant takes for unknown.
fn template(value: &str) -> String {
    format!("{{% set v = value_json | default({{}}) %}}{{{{ {value} }}}}")
}

fn attributes(details: &Details) -> String {
    let plain = details.fields.iter().map(|field| format!("'{field}': v.{field} | default(none)"));
    let troubled = details.troubled.iter().map(|field| format!("'{field}': v.{field} if v.problem else none"));
    let fields: Vec<String> = plain.chain(troubled).collect();
    template(&format!("{{{}}} | to_json", fields.join(", ")))
}
