//! One connection to a broker: name, network, TLS, WebSocket, and the broker's own answer, each with its fault.

use std::error::Error as StdError;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rumqttc::mqttbytes::Error as Packing;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, Incoming, LastWill, MqttOptions, QoS, StateError,
};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::error::CapacityError;

use super::tls;
use super::websocket::WebSocket;
use crate::camera::dial::{Place, Trust, dial};
use crate::camera::{Climb, Fault, Rung, RungTime, Verdict};
use crate::config::Mqtt;

/// A connection is made in this time or not at all.
const WHOLE: Duration = Duration::from_secs(20);
/// The broker answers WebSocket's request, and then MQTT's, in this time each.
const ANSWER: Duration = Duration::from_secs(8);
/// After this long without a word to the broker the library asks whether it is there, seconds.
const KEEP_ALIVE: u16 = 30;
/// The broker takes what is sent in this time, seconds, or the connection is broken off.
const FLUSH: u64 = 20;
/// The largest packet that is taken while publishing, bytes. All that concerns us is far smaller; but whoever leaves
/// something large on a topic that we read must not keep us off the broker.
pub(super) const LARGEST_IN: usize = 4 * 1024 * 1024;
/// Packets that are read at once: each may be of the largest.
const READ_AT_ONCE: usize = 4;
/// The largest packet that is sent, bytes: a picture is far below.
const LARGEST_OUT: usize = 4 * 1024 * 1024;
/// Requests that wait for the library to take them; whoever publishes keeps fewer in flight than this.
const REQUESTS: usize = 64;

/// What a try at a broker came to: it took us in.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// How long each step took: `resolve`, `connect`, `encrypt` where it was taken, `describe` (WebSocket's and
    /// MQTT's own greeting).
    pub rungs: Vec<RungTime>,
    /// All of it, milliseconds.
    pub ms: f64,
}

/// What a try at a broker failed at.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{fault}")]
pub struct Failed {
    /// `dns`, `refused`, `unreachable`, `timeout`, `tls`, `auth` or `protocol` (it is no MQTT broker, or took us
    /// not in for another reason). Its words are about the broker, and hold no secret.
    pub fault: Fault,
    /// The steps before the one that failed.
    pub rungs: Vec<RungTime>,
    /// All of it, milliseconds.
    pub ms: f64,
}

/// Connects and signs in as these settings say, with a client id of its own, and leaves again. 20 s at most.
///
/// # Errors
/// The step that failed.
pub async fn try_it(mqtt: &Mqtt) -> Result<Tried, Failed> {
    let mut climb = Climb::start(None);
    // An own id, or the try would throw the box itself off the broker.
    let who = Who { client_id: format!("pulsebox-try-{}", random_id()), will: None, largest_in: 64 * 1024 };
    let made = open(mqtt, who, &mut climb).await;
    let (rungs, ms) = (climb.rungs().to_vec(), climb.elapsed().as_micros() as f64 / 1e3);
    match made {
        Ok(connection) => {
            connection.leave().await;
            Ok(Tried { rungs, ms })
        }
        Err(fault) => Err(Failed { fault, rungs, ms }),
    }
}

pub(super) fn random_id() -> String {
    let mut random = [0; 4];
    // Without randomness all tries have one id: they throw each other off, and nothing else.
    let _ = SystemRandom::new().fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whom the broker gets to know.
pub(super) struct Who {
    /// Not empty.
    pub client_id: String,
    /// What the broker says of us when we are gone without a word.
    pub will: Option<LastWill>,
    /// The largest packet that is taken from the broker, bytes; a larger one ends the connection.
    pub largest_in: usize,
}

/// A connection that the broker has taken. It lives while [`Connection::events`] is polled.
pub(super) struct Connection {
    /// What is sent; nothing waits here while fewer than [`REQUESTS`] are under way.
    pub client: AsyncClient,
    /// What comes. After an error this connection is over: polled again it gives another error.
    pub events: EventLoop,
}

impl Connection {
    /// Says goodbye, so that the broker does not speak our last will. Half a second at most.
    pub async fn leave(mut self) {
        let _ = self.client.try_disconnect();
        let gone = async { while self.events.poll().await.is_ok() {} };
        let _ = timeout(Duration::from_millis(500), gone).await;
    }
}

/// Connects and signs in, within 20 s. Faults as [`Failed::fault`].
pub(super) async fn connect(mqtt: &Mqtt, who: Who) -> Result<Connection, Fault> {
    open(mqtt, who, &mut Climb::start(None)).await
}

async fn open(mqtt: &Mqtt, who: Who, climb: &mut Climb) -> Result<Connection, Fault> {
    let made = timeout(WHOLE, climb_to(mqtt, who, climb)).await;
    made.unwrap_or_else(|_| Err(climb.out_of_time()))
}

async fn climb_to(mqtt: &Mqtt, who: Who, climb: &mut Climb) -> Result<Connection, Fault> {
    let port = port(mqtt);
    if mqtt.host.is_empty() {
        return Err(Fault::new(Verdict::Dns, "no broker is named: write its name or address into mqtt.host"));
    }
    climb.waiting(Verdict::Tls, "the certificate files");
    let given = if mqtt.use_tls { tls::given(mqtt).await? } else { None };
    let trust = match &given {
        Some(config) => Trust::Given(config),
        None if mqtt.tls_insecure => Trust::Any,
        None => Trust::Store,
    };
    let host = mqtt.host.trim_start_matches('[').trim_end_matches(']');
    let place = Place { host, port, tls: mqtt.use_tls.then_some(trust) };
    let line = dial(place, climb).await.map_err(|fault| of_broker(fault, mqtt))?;
    climb.waiting(Verdict::Timeout, "the broker's answer");
    let silent = |what: &str| {
        let detail =
            format!("{host}:{port} took the connection and did not answer {what} within {} s", ANSWER.as_secs());
        Fault::new(Verdict::Timeout, format!("{detail}: is this the broker's port?"))
    };
    let wire: Box<dyn Wire> = if mqtt.use_websocket {
        let opened = timeout(ANSWER, WebSocket::open(line, host, port)).await;
        Box::new(opened.map_err(|_| silent("WebSocket's request"))??)
    } else {
        Box::new(line)
    };
    let (client, mut events) = machine(mqtt, who, wire)?;
    match timeout(ANSWER, events.poll()).await {
        Ok(Ok(Event::Incoming(Incoming::ConnAck(_)))) => {
            climb.reached(Rung::Describe);
            Ok(Connection { client, events })
        }
        Ok(Ok(_)) => Err(Fault::new(Verdict::Protocol, format!("{host}:{port} does not answer as a broker does"))),
        Ok(Err(error)) => Err(not_taken(&error, mqtt)),
        Err(_) => Err(silent("MQTT's greeting")),
    }
}

/// The port for these settings.
fn port(mqtt: &Mqtt) -> u16 {
    match (mqtt.use_tls, mqtt.use_websocket) {
        (false, false) => mqtt.port,
        (true, false) => mqtt.tls_port,
        (false, true) => mqtt.ws_port,
        (true, true) => mqtt.tls_ws_port,
    }
}

/// The broker's place, for people: `192.168.1.9:1883`.
pub(super) fn place(mqtt: &Mqtt) -> String {
    let port = port(mqtt);
    if mqtt.host.contains(':') && !mqtt.host.starts_with('[') {
        format!("[{}]:{port}", mqtt.host)
    } else {
        format!("{}:{port}", mqtt.host)
    }
}

trait Wire: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Wire for T {}

/// The library on an open wire. It would connect anew by itself after an error; here it finds no second wire.
fn machine(mqtt: &Mqtt, who: Who, wire: Box<dyn Wire>) -> Result<(AsyncClient, EventLoop), Fault> {
    let mut options = MqttOptions::new(who.client_id, (mqtt.host.as_str(), port(mqtt)));
    options.set_clean_session(true);
    options.set_keep_alive(KEEP_ALIVE);
    options.set_max_packet_size(who.largest_in, LARGEST_OUT);
    options.set_read_batch_size(READ_AT_ONCE);
    if let Some(will) = who.will {
        options.set_last_will(will);
    }
    if !mqtt.username.is_empty() {
        options.set_credentials(&mqtt.username, mqtt.password.clone());
    }
    let wire = Arc::new(Mutex::new(Some(wire)));
    options.set_socket_connector(move |_, _| {
        let wire = wire.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move { wire.ok_or_else(|| io::Error::other("this connection is over")) }
    });
    let made = AsyncClient::builder(options).capacity(REQUESTS).try_build();
    let (client, mut events) = made.map_err(|e| Fault::new(Verdict::Protocol, e.to_string()))?;
    events.network_options.set_connection_timeout(FLUSH);
    Ok((client, events))
}

/// What the way to the broker failed at, with what to do about it.
fn of_broker(fault: Fault, mqtt: &Mqtt) -> Fault {
    let what_to_do = match fault.verdict {
        Verdict::Refused => "is the broker running, and is the port right?",
        Verdict::Unreachable | Verdict::Timeout => "is the broker's machine on, and in the same network?",
        Verdict::Dns => "check mqtt.host, or write the broker's IP address",
        Verdict::Tls if ["UnknownIssuer", "BadSignature"].iter().any(|why| fault.detail.contains(why)) => {
            "if an authority of your own signed the broker's certificate, name its file in mqtt.ca_file"
        }
        _ => return fault,
    };
    let fault_of = |detail| Fault::new(fault.verdict, detail);
    match fault.verdict {
        Verdict::Tls => fault_of(format!("{}: {}: {what_to_do}", place(mqtt), fault.detail)),
        _ => fault_of(format!("{}: {what_to_do}", fault.detail)),
    }
}

/// Why the broker did not take us in.
fn not_taken(error: &ConnectionError, mqtt: &Mqtt) -> Fault {
    use ConnectReturnCode as Code;
    let place = place(mqtt);
    let protocol = |detail: String| Fault::new(Verdict::Protocol, detail);
    match error {
        ConnectionError::ConnectionRefused(Code::BadUserNamePassword | Code::NotAuthorized) => {
            let detail = match mqtt.username.as_str() {
                "" => format!(
                    "{place} takes nobody without a user name and password: set mqtt.username and mqtt.password"
                ),
                _ => format!("{place} refuses this user name and password: correct mqtt.username and mqtt.password"),
            };
            Fault::new(Verdict::Auth, detail)
        }
        ConnectionError::ConnectionRefused(Code::BadClientId) => {
            protocol(format!("{place} refuses our client id: set another mqtt.client_id"))
        }
        ConnectionError::ConnectionRefused(Code::ServiceUnavailable) => {
            protocol(format!("{place} says that it is not available now: look at the broker's log"))
        }
        ConnectionError::ConnectionRefused(Code::RefusedProtocolVersion) => {
            protocol(format!("{place} does not speak MQTT 3.1.1"))
        }
        error => match tls_alert(error) {
            Some(alert) => Fault::new(
                Verdict::Tls,
                format!("{place} broke off the secure connection ({alert}): does it ask for mqtt.client_certificate?"),
            ),
            None if is_closed(error) => protocol(format!(
                "{place} closed the connection in place of an answer: is this the port for {}?",
                match (mqtt.use_tls, mqtt.use_websocket) {
                    (false, false) => "plain MQTT",
                    (true, false) => "MQTT over TLS",
                    (false, true) => "MQTT over WebSocket",
                    (true, true) => "MQTT over WebSocket over TLS",
                }
            )),
            None => protocol(format!("{place} does not answer as an MQTT broker does: is this the broker's port?")),
        },
    }
}

/// Why a connection that stood is over; `client_id` is ours.
pub(super) fn broken(error: &ConnectionError, mqtt: &Mqtt) -> Fault {
    let place = place(mqtt);
    if let Some(bytes) = too_large(error) {
        let detail = format!(
            "{place} sent a message of {bytes} bytes, more than the {LARGEST_IN} that are taken: find what is kept on \
             `pulsebox/#` and `{}/status`, and clear it",
            mqtt.home_assistant.discovery_prefix
        );
        return Fault::new(Verdict::Protocol, detail);
    }
    match error {
        ConnectionError::FlushTimeout | ConnectionError::NetworkTimeout => silent(mqtt),
        ConnectionError::MqttState(StateError::AwaitPingResp) => silent(mqtt),
        error if is_closed(error) => Fault::new(Verdict::Protocol, format!("{place} closed the connection")),
        error => match io_of(error) {
            Some(e) if e.kind() == io::ErrorKind::TimedOut => silent(mqtt),
            Some(e) => Fault::new(Verdict::Protocol, format!("the connection to {place} broke ({e})")),
            None => Fault::new(Verdict::Protocol, format!("{place} broke MQTT's rules: {error}")),
        },
    }
}

/// The size of a message that was larger than is taken, bytes.
fn too_large(error: &ConnectionError) -> Option<usize> {
    match error {
        ConnectionError::MqttState(StateError::Deserialization(Packing::PayloadSizeLimitExceeded(bytes))) => {
            Some(*bytes)
        }
        error => {
            let inner: &(dyn StdError + Send + Sync + 'static) = io_of(error)?.get_ref()?;
            match inner.downcast_ref() {
                Some(WebSocketError::Capacity(CapacityError::MessageTooLong { size, .. })) => Some(*size),
                _ => None,
            }
        }
    }
}

/// A broker that no longer answers.
pub(super) fn silent(mqtt: &Mqtt) -> Fault {
    Fault::new(Verdict::Timeout, format!("{} no longer answers: look at the broker and the network", place(mqtt)))
}

/// Whether the other end has closed the connection.
pub(super) fn is_closed(error: &ConnectionError) -> bool {
    use io::ErrorKind as K;
    match error {
        ConnectionError::MqttState(StateError::ConnectionAborted) => true,
        error => io_of(error).is_some_and(|e| {
            matches!(
                e.kind(),
                K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof | K::NotConnected
            )
        }),
    }
}

fn io_of(error: &ConnectionError) -> Option<&io::Error> {
    match error {
        ConnectionError::Io(e)
        | ConnectionError::MqttState(StateError::Io(e) | StateError::Deserialization(Packing::Io(e))) => Some(e),
        _ => None,
    }
}

/// What TLS said after the handshake: TLS 1.3 tells only then that a client's certificate is missing or wrong.
fn tls_alert(error: &ConnectionError) -> Option<String> {
    let inner: &(dyn StdError + Send + Sync + 'static) = io_of(error)?.get_ref()?;
    inner.downcast_ref::<rustls::Error>().map(ToString::to_string)
}

/// MQTT's quality of service by number; more than 2 is 2.
pub(super) fn qos(n: u8) -> QoS {
    match n {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
