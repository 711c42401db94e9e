//! Every key that `pulsebox.yaml` may hold, once, as data: the parser checks against this table, the
//! tables in `docs/configuration.md` are printed from it, and a test holds both together.

use Absent::{Is, Means, Required};
use Kind::{
    Address, Bool, CameraAddress, Decimal, Host, Hours, Id, Label, List, Map, OneOf, Secret, Text, Texts, Time,
    WebAddress, Whole, Zone,
};

/// What a key's value must be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number: smallest, largest.
    Whole(u64, u64),
    /// A number: smallest, largest.
    Decimal(f64, f64),
    /// One line of text: shortest, longest, characters.
    Text(usize, usize),
    /// As [`Kind::Text`], at most this long, and never shown.
    Secret(usize),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A camera's id: `[a-z0-9_-]{1,64}`.
    Id,
    /// A camera's URL.
    CameraAddress,
    /// An `http` or `https` URL.
    WebAddress,
    /// A host name or address alone, or empty.
    Host,
    /// A machine's name: one label of a host name.
    Label,
    /// An IANA time zone.
    Zone,
    /// Address and port to listen on.
    Address,
    /// `22:00-07:00`.
    Hours,
    /// A day and time: RFC 3339, or without an offset in the file's time zone.
    Time,
    /// A group of keys.
    Map(&'static Section),
    /// A list of groups, at most this many.
    List(&'static Section, usize),
    /// A list of texts of this kind, at most this many.
    Texts(Entry, usize),
}

/// What each entry of a list of texts must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A host name alone.
    HostName,
    /// Scheme, host and port of a page, as browsers tell it.
    Origin,
    /// An IP address alone.
    IpAddress,
}

impl Entry {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Entry::HostName => "host names",
            Entry::Origin => "origins",
            Entry::IpAddress => "IP addresses",
        }
    }
}

/// What holds where a key is not given.
#[derive(Clone, Copy, Debug)]
pub enum Absent {
    /// It must be given.
    Required,
    /// This value, as written in YAML.
    Is(&'static str),
    /// This, in words.
    Means(&'static str),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As written.
    pub name: &'static str,
    /// What its value must be.
    pub kind: Kind,
    /// The value's unit, empty where it has none.
    pub unit: &'static str,
    /// What holds without it.
    pub absent: Absent,
    /// What it does: a sentence or two for the person who writes the file.
    pub about: &'static str,
}

/// A group of keys.
#[derive(Debug)]
pub struct Section {
    /// Its own key, dotted, as a person finds it: `streams[].alarm`; empty for the top of the file.
    pub path: &'static str,
    /// Its keys, in the order of the documentation.
    pub keys: &'static [Key],
}

const fn key(name: &'static str, kind: Kind, unit: &'static str, absent: Absent, about: &'static str) -> Key {
    Key { name, kind, unit, absent, about }
}

/// The whole file.
#[rustfmt::skip]
pub static FILE: Section = Section { path: "", keys: &[
    key("heartbeat_seconds", Whole(5, 86_400), "s", Is("15"), "Time between two checks of a camera that does not say its own."),
    key("timezone", Zone, "", Is("UTC"), "IANA name, for instance `Europe/Berlin`. Days end at its midnight; quiet hours are told in it."),
    key("checks_at_once", Whole(1, 500), "checks", Is("64"), "At most this many checks run at the same time."),
    key("streams", List(&STREAM, 1000), "", Means("nothing to watch"), "The cameras."),
    key("mqtt", Map(&MQTT), "", Means("MQTT is off"), "The broker that the status is sent to."),
    key("leds", Map(&LEDS), "", Means("ACT alone"), "What the box shows, see docs/leds.md."),
    key("web", Map(&WEB), "", Means("its defaults"), "The page."),
    key("history", Map(&HISTORY), "", Means("its defaults"), "How long rows are kept."),
    key("mediamtx", List(&MEDIAMTX, 20), "", Means("none"), "MediaMTX servers to poll."),
    key("network", Map(&NETWORK), "", Means("its defaults"), "The appliance's name and connections; elsewhere the system has its own and this does nothing."),
] };

/// One camera.
#[rustfmt::skip]
pub static STREAM: Section = Section { path: "streams[]", keys: &[
    key("name", Text(1, 100), "characters", Required, "As people call it."),
    key("url", CameraAddress, "", Required, "Where it is, credentials included: `rtsp`, `rtsps`, `http`, `https` or `v4l2`."),
    key("sub_url", CameraAddress, "", Means("the camera has one stream"), "A smaller stream of the same camera, H.264 at best, for viewers that cannot play the main one. Never checked. Without user name and password it takes those of `url` where the host is the same."),
    key("id", Id, "", Means("made from `name`: `Front door` becomes `front-door`"), "Stable key in API, MQTT and history: `a-z`, `0-9`, `_`, `-`, 1 to 64 characters. Give one if you may rename the camera."),
    key("transport", OneOf(&["tcp", "udp"]), "", Is("tcp"), "Which way RTSP's video packets come."),
    key("tls_insecure", Bool, "", Is("false"), "Take any TLS certificate, also one that the camera made itself."),
    key("heartbeat_seconds", Whole(5, 86_400), "s", Means("the file's `heartbeat_seconds`"), "Time between two checks of this camera."),
    key("timeout_seconds", Whole(1, 120), "s", Is("15"), "The deadline of one check. It must be longer than the camera's key frame interval."),
    key("expect", Map(&EXPECT), "", Means("learnt from the camera"), "What the stream must be."),
    key("alarm", Map(&ALARM), "", Means("its defaults"), "When to call the camera down or degraded."),
    key("led", Whole(0, 53), "GPIO line", Means("none"), "The camera's own LED, by line of the header's chip."),
    key("paused", Bool, "", Is("false"), "Keep the camera in the file without checking it."),
    key("paused_until", Time, "", Means("not paused"), "The same until this time, then it is checked again: `2026-11-23T08:00:00Z`, or without `Z` in the file's `timezone`."),
    key("removed", Bool, "", Is("false"), "The camera is gone from the page and is not checked; its history stays, and it can be restored."),
] };

/// What a stream must be.
#[rustfmt::skip]
pub static EXPECT: Section = Section { path: "streams[].expect", keys: &[
    key("min_fps", Decimal(0.1, 240.0), "frames/s", Means("not judged"), "Fewer is `low_fps`."),
    key("codec", OneOf(&["h264", "h265", "mjpeg", "raw"]), "", Means("learnt"), "Another is `changed`."),
    key("width", Whole(16, 16_384), "px", Means("learnt"), "Another is `changed`."),
    key("height", Whole(16, 16_384), "px", Means("learnt"), "Another is `changed`."),
] };

/// Thresholds.
#[rustfmt::skip]
pub static ALARM: Section = Section { path: "streams[].alarm", keys: &[
    key("failures", Whole(1, 100), "checks", Is("2"), "Failed checks in a row before the camera is down."),
    key("frozen_checks", Whole(0, 1000), "checks", Is("3"), "The same picture at this many checks in a row is `frozen`: 2 or more, or 0 for never."),
    key("frozen_seconds", Whole(0, 86_400), "s", Is("120"), "… and over at least this time: some stills are renewed once a minute."),
    key("frozen_area_percent", Decimal(0.0, 50.0), "% of the area", Is("5"), "This much of the picture may differ and it is still the same one: a clock that ticks over a frozen scene."),
    key("black", Bool, "", Is("true"), "Judge black pictures."),
    key("black_luma", Whole(0, 255), "luma", Is("32"), "A picture is `black` when 98 % of it is darker than this."),
    key("covered", Bool, "", Is("true"), "Judge covered lenses."),
    key("covered_detail", Decimal(0.0, 255.0), "luma", Is("4"), "A picture with less detail than this is `covered`."),
    key("slow_seconds", Decimal(0.1, 120.0), "s", Is("3"), "A first packet later than this is `slow`."),
    key("loss_percent", Decimal(0.0, 100.0), "% of packets", Is("2"), "More lost packets than this is `packet_loss`."),
    key("changed", Bool, "", Is("true"), "Judge changes of codec, size and rate."),
] };

/// The broker.
#[rustfmt::skip]
pub static MQTT: Section = Section { path: "mqtt", keys: &[
    key("enabled", Bool, "", Is("false"), "Send the status to a broker."),
    key("host", Host, "", Is("\"\""), "The broker's name or address, without scheme and port. Needed when enabled."),
    key("port", Whole(1, 65_535), "", Is("1883"), "Plain MQTT."),
    key("ws_port", Whole(1, 65_535), "", Is("8083"), "MQTT over WebSocket."),
    key("tls_port", Whole(1, 65_535), "", Is("8883"), "MQTT over TLS."),
    key("tls_ws_port", Whole(1, 65_535), "", Is("8084"), "MQTT over WebSocket over TLS."),
    key("use_tls", Bool, "", Is("false"), "Encrypt the connection."),
    key("use_websocket", Bool, "", Is("false"), "Speak MQTT over WebSocket, for a network that lets nothing else through."),
    key("tls_insecure", Bool, "", Is("false"), "Take any TLS certificate."),
    key("ca_file", Text(0, 4096), "characters", Is("\"\""), "A PEM file with the authority that signed the broker's certificate; then no other is trusted. Empty: those that this machine trusts."),
    key("client_certificate", Text(0, 4096), "characters", Is("\"\""), "A PEM file with the certificate that the box shows to the broker. Only with `client_key`."),
    key("client_key", Text(0, 4096), "characters", Is("\"\""), "The PEM file with its private key."),
    key("username", Text(0, 256), "characters", Is("\"\""), "Empty: no sign-in."),
    key("password", Secret(256), "characters", Is("\"\""), "Never shown."),
    key("client_id", Text(0, 128), "characters", Is("\"\""), "Empty: made from the box."),
    key("topic", Text(1, 256), "characters", Is("streampulse/status"), "The whole status as one JSON is sent here, as StreamPulse sends it. No `+` and no `#`."),
    key("qos", Whole(0, 2), "", Is("1"), "MQTT's quality of service."),
    key("retain", Bool, "", Is("true"), "The broker keeps the last status for those who come later."),
    key("interval_seconds", Whole(5, 86_400), "s", Is("15"), "Time between two whole statuses."),
    key("pictures", Bool, "", Is("true"), "Send the cameras' pictures to the broker."),
    key("commands", Bool, "", Is("true"), "Take orders from the broker (check, pause, resume, identify)."),
    key("home_assistant", Map(&HOME_ASSISTANT), "", Means("its defaults"), "Home Assistant finds the cameras by itself."),
] };

/// Home Assistant.
#[rustfmt::skip]
pub static HOME_ASSISTANT: Section = Section { path: "mqtt.home_assistant", keys: &[
    key("enabled", Bool, "", Is("true"), "Announce the box and its cameras."),
    key("discovery_prefix", Text(1, 128), "characters", Is("homeassistant"), "As set in Home Assistant. No `+` and no `#`."),
] };

/// LEDs.
#[rustfmt::skip]
pub static LEDS: Section = Section { path: "leds", keys: &[
    key("green", Whole(0, 53), "GPIO line", Means("none"), "By line of the header's chip."),
    key("red", Whole(0, 53), "GPIO line", Means("none"), "By line of the header's chip."),
    key("act", Bool, "", Is("true"), "Use the Pi's own green LED (ACT) as well. Where the machine has none, nothing happens."),
    key("chip", Text(1, 64), "characters", Means("the header's own chip"), "The GPIO chip's label, for a board that is no Raspberry Pi: `gpiodetect` lists them."),
    key("active_low", Bool, "", Is("false"), "The LEDs light when their line is low: wired from 3.3 V to the line."),
    key("brightness", Whole(1, 100), "%", Is("100"), "How bright, where a line can be dimmed (hardware PWM)."),
    key("quiet_hours", Hours, "HH:MM-HH:MM", Means("none"), "LEDs are dark from the first to the second time, over midnight too. In quotes."),
] };

/// The page.
#[rustfmt::skip]
pub static WEB: Section = Section { path: "web", keys: &[
    key("listen", Address, "address:port", Is("0.0.0.0:8080"), "Where the page is served; in force from the next start. `127.0.0.1:8080` keeps it to this machine."),
    key("hosts", Texts(Entry::HostName, 20), "", Means("none"), "Names under which the page is opened, beside addresses, `localhost`, the box's host name and `.local` names."),
    key("cors_origins", Texts(Entry::Origin, 20), "", Means("none"), "Pages elsewhere whose scripts may ask with a token, for instance `https://dash.example.org`."),
    key("tls", Map(&TLS), "", Means("no encryption"), "HTTPS; in force from the next start."),
    key("session_days", Whole(1, 365), "days", Is("30"), "A browser that does not come for this long must sign in again."),
    key("event_streams", Whole(1, 500), "streams", Is("50"), "Pages and programs that follow events at once; in force from the next start."),
    key("sockets", Whole(1, 500), "sockets", Is("50"), "WebSockets open at once; in force from the next start."),
    key("mjpeg_streams", Whole(1, 100), "streams", Is("10"), "MJPEG viewers at once; in force from the next start."),
] };

/// HTTPS.
#[rustfmt::skip]
pub static TLS: Section = Section { path: "web.tls", keys: &[
    key("certificate", Text(1, 4096), "characters", Means("none"), "A PEM file with your certificate and those above it."),
    key("key", Text(1, 4096), "characters", Means("none"), "The PEM file with its private key."),
    key("self_made", Bool, "", Is("false"), "Make a certificate; browsers warn of it once. It is kept in the data folder."),
] };

/// History.
#[rustfmt::skip]
pub static HISTORY: Section = Section { path: "history", keys: &[
    key("checks_days", Whole(1, 365), "days", Is("14"), "Each single check is kept this long."),
    key("hours_days", Whole(1, 3660), "days", Is("400"), "Each hour's roll-up is kept this long. Days and incidents stay."),
] };

/// One MediaMTX server.
#[rustfmt::skip]
pub static MEDIAMTX: Section = Section { path: "mediamtx[]", keys: &[
    key("name", Text(1, 100), "characters", Required, "As people call it."),
    key("url", WebAddress, "", Required, "Its API, for instance `http://127.0.0.1:9997`."),
    key("interval_seconds", Whole(1, 3600), "s", Is("2"), "Time between two polls."),
] };

/// The appliance's network.
#[rustfmt::skip]
pub static NETWORK: Section = Section { path: "network", keys: &[
    key("name", Label, "", Is("pulsebox"), "The box's name: `http://NAME.local/`. Give each box its own."),
    key("wifi", Map(&WIFI), "", Means("no Wi-Fi"), "The wireless network to join."),
    key("ethernet", Map(&ETHERNET), "", Means("all from the network (DHCP)"), "A fixed address on the cable."),
] };

/// Wi-Fi.
#[rustfmt::skip]
pub static WIFI: Section = Section { path: "network.wifi", keys: &[
    key("ssid", Text(1, 32), "bytes", Required, "The network's name, to the letter."),
    key("password", Secret(64), "characters", Means("an open network"), "8 to 63 characters, or the key itself as 64 hexadecimal digits. WPA2 and WPA3. Never shown."),
    key("country", Text(2, 2), "letters", Means("the channels that are allowed everywhere"), "Where the box stands, as two letters: `DE`, `GB`, `IN`. Some channels are allowed in some countries only."),
    key("hidden", Bool, "", Is("false"), "The network does not tell its name."),
] };

/// A fixed address.
#[rustfmt::skip]
pub static ETHERNET: Section = Section { path: "network.ethernet", keys: &[
    key("address", Text(1, 49), "", Required, "Address and length of the network's part: `192.168.1.5/24`."),
    key("gateway", Text(1, 45), "", Means("no way out of the own network"), "The router's address."),
    key("dns", Texts(Entry::IpAddress, 3), "", Means("no names but `.local` ones"), "Servers that know names."),
] };

/// Every section, in the order of the documentation.
pub static SECTIONS: [&Section; 14] = [
    &FILE,
    &STREAM,
    &EXPECT,
    &ALARM,
    &MQTT,
    &HOME_ASSISTANT,
    &LEDS,
    &WEB,
    &TLS,
    &HISTORY,
    &MEDIAMTX,
    &NETWORK,
    &WIFI,
    &ETHERNET,
];

impl Section {
    /// The key called `name`.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Kind {
    /// The range or form in words: `5 to 86400`, `true or false`.
    pub fn range(&self) -> String {
        match self {
            Bool => "true or false".into(),
            Whole(min, max) => format!("{min} to {max}"),
            Decimal(min, max) => format!("{min} to {max}, fractions too"),
            Text(0, max) | Secret(max) => format!("text, at most {max}"),
            Text(min, max) => format!("text, {min} to {max}"),
            OneOf(words) => words.join(" or "),
            Id => "id".into(),
            CameraAddress => "URL".into(),
            WebAddress => "http or https URL".into(),
            Host => "host name or IP address".into(),
            Label => "name of a-z, 0-9 and -, at most 63".into(),
            Zone => "time zone".into(),
            Address => "IP address and port".into(),
            Hours => "two times".into(),
            Time => "day and time".into(),
            Map(section) => format!("keys: see `{}`", section.path),
            List(section, max) => format!("list of at most {max}: see `{}`", section.path),
            Texts(entry, max) => format!("list of at most {max} {}", entry.name()),
        }
    }
}

/// The tables of `docs/configuration.md`, Markdown.
pub fn markdown() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let heading = if section.path.is_empty() { "The top of the file" } else { &format!("`{}`", section.path) };
        out.push_str(&format!("### {heading}\n\n| key | value | unit | without it | what it does |\n"));
        out.push_str("| --- | --- | --- | --- | --- |\n");
        for key in section.keys {
            let absent = match key.absent {
                Required => "must be given".to_owned(),
                Is(value) => format!("`{value}`"),
                Means(words) => words.to_owned(),
            };
            let row = [&format!("`{}`", key.name), &key.kind.range(), key.unit, &absent, key.about];
            out.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        out.push('\n');
    }
    out
}
