//! What `pulsebox.yaml` says, with every default. Units are in the names.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::camera::{CameraUrl, Codec, StreamKind, Target, Transport};

/// A whole configuration, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Seconds between checks of a camera that does not say its own, 5 to 86400. Default 15.
    pub heartbeat: Duration,
    /// IANA name, for instance `Asia/Kolkata`; day roll-ups end at its midnight. Default UTC.
    pub timezone: jiff::tz::TimeZone,
    /// How many checks may run at once, 1 to 500. Default 64: 500 cameras a minute four times over.
    pub checks_at_once: usize,
    /// The cameras that are watched (`streams:` in the file), ids unique.
    pub cameras: Vec<CameraConfig>,
    /// Cameras with `removed: true`: not watched, and their ids still taken (their history stays).
    pub removed: Vec<CameraConfig>,
    /// The broker.
    pub mqtt: Mqtt,
    /// LED lines.
    pub leds: Leds,
    /// The page.
    pub web: Web,
    /// How long rows are kept.
    pub history: HistoryConfig,
    /// MediaMTX servers to poll.
    pub mediamtx: Vec<MediaMtx>,
    /// The appliance's name and connections.
    pub network: Network,
}

impl Config {
    /// The camera of this id, where one is watched.
    pub fn camera(&self, id: &str) -> Option<&CameraConfig> {
        self.cameras.iter().find(|camera| camera.id == id)
    }
}

/// One camera.
#[derive(Clone, Debug, PartialEq)]
pub struct CameraConfig {
    /// Stable key in API, MQTT and history: `[a-z0-9_-]{1,64}`. Made from `name` unless given.
    pub id: String,
    /// As people call it, 1 to 100 characters.
    pub name: String,
    /// Where it is, with credentials.
    pub url: CameraUrl,
    /// A smaller stream of the same camera, with credentials; only for viewers.
    pub sub_url: Option<CameraUrl>,
    /// RTSP over TCP or UDP. Default TCP.
    pub transport: Transport,
    /// Take any TLS certificate. Default false.
    pub tls_insecure: bool,
    /// Time between checks, 5 s to 86400 s. Default: the file's.
    pub heartbeat: Duration,
    /// The deadline of one check, 1 s to 120 s. Default 15 s: a key frame every 10 s is common.
    pub timeout: Duration,
    /// What the stream must be.
    pub expect: Expect,
    /// When to call it down.
    pub alarm: Alarm,
    /// Its own LED: a GPIO line of the header's chip.
    pub led: Option<u32>,
    /// Configured, but not checked. Default false.
    pub paused: bool,
    /// Not checked before this time of the wall clock, and then again by itself.
    pub paused_until: Option<Timestamp>,
}

impl CameraConfig {
    /// A camera with every setting at its default; its name is its id.
    pub fn new(id: &str, url: CameraUrl) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            url,
            sub_url: None,
            transport: Transport::Tcp,
            tls_insecure: false,
            heartbeat: Duration::from_secs(15),
            timeout: Duration::from_secs(15),
            expect: Expect::default(),
            alarm: Alarm::default(),
            led: None,
            paused: false,
            paused_until: None,
        }
    }

    /// Whether the camera is not to be checked at `now`.
    pub fn is_paused(&self, now: Timestamp) -> bool {
        self.paused || self.paused_until.is_some_and(|until| now < until)
    }

    /// When a pause ends by itself; none where it is over, or has no end, or there is none.
    pub fn pause_ends(&self, now: Timestamp) -> Option<Timestamp> {
        self.paused_until.filter(|until| !self.paused && now < *until)
    }

    /// What the camera room needs to open it.
    pub fn target(&self) -> Target {
        self.at(&self.url)
    }

    /// The same of one of its streams; none where it has no such stream.
    pub fn stream(&self, kind: StreamKind) -> Option<Target> {
        match kind {
            StreamKind::Main => Some(self.target()),
            StreamKind::Sub => self.sub_url.as_ref().map(|url| self.at(url)),
        }
    }

    fn at(&self, url: &CameraUrl) -> Target {
        Target { url: url.clone(), transport: self.transport, tls_insecure: self.tls_insecure }
    }
}

/// `expect:`; what is not given is learnt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// Frames a second; below it the verdict is `low_fps`.
    pub min_fps: Option<f32>,
    /// Else `changed`.
    pub codec: Option<Codec>,
    /// Pixels; else `changed`.
    pub width: Option<u32>,
    /// Pixels; else `changed`.
    pub height: Option<u32>,
}

/// `alarm:`; thresholds with their units.
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    /// Failed checks in a row before a camera is down, 1 to 100. Default 2.
    pub failures: u32,
    /// The same picture at this many checks in a row is `frozen`, 2 to 1000; 0: never. Default 3.
    pub frozen_checks: u32,
    /// … and for at least this long, 0 s to 86400 s. Default 120 s: some stills are renewed once a minute.
    pub frozen_for: Duration,
    /// How much of the picture may differ and still be the same picture (a clock that ticks over it),
    /// percent of its area, 0 to 50. Default 5.
    pub frozen_area_percent: f32,
    /// Judge black pictures. Default true.
    pub black: bool,
    /// A picture is black when 98 % of it is darker than this, luma 0 to 255. Default 32.
    pub black_luma: u8,
    /// Judge covered lenses. Default true.
    pub covered: bool,
    /// A picture has no detail when this is not reached, luma levels 0 to 255; see `picture::Looks::detail`.
    /// Default 4.
    pub covered_detail: f32,
    /// The first packet later than this is `slow`, seconds. Default 3.
    pub slow: Duration,
    /// More lost packets than this is `packet_loss`, percent. Default 2.
    pub loss_percent: f32,
    /// Judge `changed`. Default true.
    pub changed: bool,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            failures: 2,
            frozen_checks: 3,
            frozen_for: Duration::from_secs(120),
            frozen_area_percent: 5.0,
            black: true,
            black_luma: 32,
            covered: true,
            covered_detail: 4.0,
            slow: Duration::from_secs(3),
            loss_percent: 2.0,
            changed: true,
        }
    }
}

/// `mqtt:` as StreamPulse writes it.
#[derive(Clone, PartialEq)]
#[allow(missing_docs)] // the keys of the file, explained in docs/configuration.md
pub struct Mqtt {
    pub enabled: bool,
    pub host: String,
    pub port: u16,
    pub ws_port: u16,
    pub tls_port: u16,
    pub tls_ws_port: u16,
    pub use_tls: bool,
    pub use_websocket: bool,
    pub tls_insecure: bool,
    /// Path of a PEM file; empty: none.
    pub ca_file: String,
    /// Path of a PEM file; empty: none, and no `client_key` either.
    pub client_certificate: String,
    /// Path of a PEM file; empty: none.
    pub client_key: String,
    pub username: String,
    pub password: String,
    pub client_id: String,
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    pub interval: Duration,
    /// Pictures go out.
    pub pictures: bool,
    /// Orders are taken.
    pub commands: bool,
    pub home_assistant: HomeAssistant,
}

impl std::fmt::Debug for Mqtt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mqtt").field("enabled", &self.enabled).field("host", &self.host).finish_non_exhaustive()
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        Self {
            enabled: false,
            host: String::new(),
            port: 1883,
            ws_port: 8083,
            tls_port: 8883,
            tls_ws_port: 8084,
            use_tls: false,
            use_websocket: false,
            tls_insecure: false,
            ca_file: String::new(),
            client_certificate: String::new(),
            client_key: String::new(),
            username: String::new(),
            password: String::new(),
            client_id: String::new(),
            topic: "streampulse/status".into(),
            qos: 1,
            retain: true,
            interval: Duration::from_secs(15),
            pictures: true,
            commands: true,
            home_assistant: HomeAssistant { enabled: true, discovery_prefix: "homeassistant".into() },
        }
    }
}

/// `mqtt: home_assistant:`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct HomeAssistant {
    pub enabled: bool,
    pub discovery_prefix: String,
}

/// `leds:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Leds {
    /// GPIO line of the header.
    pub green: Option<u32>,
    /// GPIO line of the header.
    pub red: Option<u32>,
    /// Use the Pi's own LED. Default true.
    pub act: bool,
    /// The GPIO chip's label; none: the header's own.
    pub chip: Option<String>,
    /// The LEDs light when their line is low.
    pub active_low: bool,
    /// Percent, 1 to 100, where a line can be dimmed. Default 100.
    pub brightness: u8,
    /// `22:00-07:00`: start and end in the configured time zone.
    pub quiet_hours: Option<(jiff::civil::Time, jiff::civil::Time)>,
}

impl Default for Leds {
    fn default() -> Self {
        let (green, red, chip, quiet_hours) = (None, None, None, None);
        Self { green, red, act: true, chip, active_low: false, brightness: 100, quiet_hours }
    }
}

/// `web:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Web {
    /// Address and port. Default 0.0.0.0:8080.
    pub listen: SocketAddr,
    /// Names of the box beside those that nobody else can own; lower case, without port.
    pub hosts: Vec<String>,
    /// Origins whose scripts may ask with a token, as browsers write them: `https://dash.example.org`.
    pub cors_origins: Vec<String>,
    /// HTTPS; none: plain HTTP.
    pub tls: Option<WebTls>,
    /// Days that a session lasts without a visit, 1 to 365. Default 30.
    pub session_days: u32,
    /// Event streams at once, 1 to 500. Default 50.
    pub event_streams: usize,
    /// WebSockets at once, 1 to 500. Default 50.
    pub sockets: usize,
    /// MJPEG viewers at once, 1 to 100. Default 10.
    pub mjpeg_streams: usize,
}

/// `web: tls:`.
#[derive(Clone, Debug, PartialEq)]
pub enum WebTls {
    /// A certificate that the box makes.
    SelfMade,
    /// One from files.
    Files {
        /// PEM, the box's own first.
        certificate: PathBuf,
        /// PEM.
        key: PathBuf,
    },
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            tls: None,
            session_days: 30,
            event_streams: 50,
            sockets: 50,
            mjpeg_streams: 10,
        }
    }
}

/// `history:`.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryConfig {
    /// Days each single check is kept, 1 to 365. Default 14.
    pub checks_days: u32,
    /// Days the hour roll-ups are kept, 1 to 3660. Default 400. Day roll-ups and incidents stay.
    pub hours_days: u32,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self { checks_days: 14, hours_days: 400 }
    }
}

/// One entry of `mediamtx:`.
#[derive(Clone, PartialEq)]
#[allow(missing_docs)]
pub struct MediaMtx {
    pub name: String,
    pub url: url::Url,
    pub interval: Duration,
}

impl std::fmt::Debug for MediaMtx {
    /// Without the URL: it may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaMtx").field("name", &self.name).finish_non_exhaustive()
    }
}

/// `network:`; the appliance alone acts on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The box's name in the network, lower case: a label of at most 63 characters. Default `pulsebox`.
    pub name: String,
    /// The wireless network to join.
    pub wifi: Option<Wifi>,
    /// The cable's fixed address; none: DHCP.
    pub ethernet: Option<Ethernet>,
}

impl Default for Network {
    fn default() -> Self {
        Self { name: "pulsebox".into(), wifi: None, ethernet: None }
    }
}

/// `network: wifi:`.
#[derive(Clone, PartialEq)]
pub struct Wifi {
    /// 1 to 32 bytes.
    pub ssid: String,
    /// What opens it; none: nothing does.
    pub key: Option<WifiKey>,
    /// ISO 3166-1, two capital letters.
    pub country: Option<String>,
    /// Ask for the network by its name.
    pub hidden: bool,
}

impl std::fmt::Debug for Wifi {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wifi").field("ssid", &self.ssid).finish_non_exhaustive()
    }
}

/// What opens a wireless network.
#[derive(Clone, PartialEq)]
pub enum WifiKey {
    /// 8 to 63 printable ASCII characters.
    Password(String),
    /// WPA2's key itself: 64 hexadecimal digits, lower case.
    Raw(String),
}

/// `network: ethernet:`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ethernet {
    /// The box's own.
    pub address: IpAddr,
    /// Bits of the network's part.
    pub prefix: u8,
    /// Of the same network.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
}
