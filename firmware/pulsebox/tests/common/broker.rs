//! A real mosquitto on loopback, on all four transports, and a client of it that remembers what it heard.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use pulsebox::config::Mqtt;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, PublishOptions, QoS};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpSocket;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::daemon::PATIENCE;

/// Who is let in where [`Setup::password`] asks for one.
pub const USER: &str = "box";
/// Its password: with characters that YAML, URLs and shells give a meaning to.
pub const PASSWORD: &str = "s3cret: #'&/ä";

/// How the broker is set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Only [`USER`] with [`PASSWORD`] is let in.
    pub password: bool,
    /// TLS clients must show a certificate of the broker's own authority.
    pub client_certificate: bool,
    /// The broker runs in this network namespace, and is asked at this address in it.
    pub namespace: Option<(String, String)>,
}

/// A running mosquitto with its own folder, ports, certificates; killed when dropped. It forgets all
/// retained messages when it is stopped.
pub struct Broker {
    folder: TempDir,
    setup: Setup,
    child: Option<Child>,
    log: watch::Receiver<String>,
    /// Plain, TLS, WebSocket, WebSocket over TLS.
    pub ports: [u16; 4],
    /// The ports are its own also before it listens and while it is stopped.
    _held: [TcpSocket; 4],
}

impl Broker {
    /// Anybody is let in.
    pub async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_certificates(&folder, setup.namespace.as_ref().map_or("127.0.0.1", |(_, address)| address));
        let password = folder.path().join("passwords");
        let mut make = std::process::Command::new("mosquitto_passwd");
        let made = make.args(["-c", "-b"]).arg(&password).args([USER, PASSWORD]).output();
        let made = made.expect("mosquitto_passwd: is Debian's mosquitto installed?");
        assert!(made.status.success(), "{made:?}");
        let held = [(); 4].map(|()| simcam::reserve(([127, 0, 0, 1], 0).into()).unwrap());
        let ports = held.each_ref().map(|socket| socket.local_addr().unwrap().port());
        let mut broker = Self { folder, setup, child: None, log: watch::channel(String::new()).1, ports, _held: held };
        broker.run().await;
        broker
    }

    /// Starts it again on the ports that it had.
    pub async fn run(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let config = self.path("mosquitto.conf");
        std::fs::write(&config, self.configuration()).unwrap();
        let mut words = vec!["mosquitto".to_owned(), "-c".into(), config.display().to_string()];
        if let Some((namespace, _)) = &self.setup.namespace {
            words.splice(0..0, ["ip", "netns", "exec", namespace].map(String::from));
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("mosquitto: is Debian's package installed?");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (to_log, log) = watch::channel(String::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                to_log.send_modify(|text| *text = std::mem::take(text) + &line + "\n");
            }
        });
        (self.child, self.log) = (Some(child), log);
        // Said once all listeners are open.
        self.logged(" running").await;
    }

    /// Stops it in good order and waits until it is gone.
    pub async fn stop(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().unwrap();
        timeout(PATIENCE, child.wait()).await.expect("mosquitto does not stop").unwrap();
    }

    /// For instance `STOP` and `CONT`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.as_ref().and_then(Child::id).expect("mosquitto does not run").to_string();
        assert!(std::process::Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Waits for words in its log; gives the log.
    pub async fn logged(&self, words: &str) -> String {
        let mut log = self.log.clone();
        match timeout(PATIENCE, log.wait_for(|text| text.contains(words))).await {
            Ok(Ok(text)) => text.clone(),
            _ => panic!("`{words}` is not in mosquitto's log:\n{}", self.log()),
        }
    }

    /// Waits for words to stand in its log this many times.
    pub async fn until_logged(&self, times: usize, words: &str) {
        let mut log = self.log.clone();
        let counted = timeout(PATIENCE, log.wait_for(|text| text.matches(words).count() >= times)).await;
        assert!(matches!(counted, Ok(Ok(_))), "`{words}` is not {times} times in:\n{}", self.log());
    }

    /// All that it has logged since it was last started.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where it is.
    pub fn address(&self) -> &str {
        self.setup.namespace.as_ref().map_or("127.0.0.1", |(_, address)| address)
    }

    /// The authority that signed the broker's certificate, PEM.
    pub fn ca_file(&self) -> String {
        self.path("ca.pem").display().to_string()
    }

    /// A certificate that the broker takes from clients, and its key, PEM.
    pub fn client_certificate(&self) -> (String, String) {
        (self.path("client.pem").display().to_string(), self.path("client-key.pem").display().to_string())
    }

    /// Settings that are taken in, over the plain port.
    pub fn mqtt(&self) -> Mqtt {
        let [port, tls_port, ws_port, tls_ws_port] = self.ports;
        let (username, password) =
            if self.setup.password { (USER.to_owned(), PASSWORD.to_owned()) } else { (String::new(), String::new()) };
        let host = self.address().to_owned();
        Mqtt { enabled: true, host, port, tls_port, ws_port, tls_ws_port, username, password, ..Mqtt::default() }
    }

    /// The same as a line of `pulsebox.yaml`, the shortest interval in it; `more` are further keys, for instance
    /// `, use_tls: true`.
    pub fn yaml(&self, more: &str) -> String {
        let mqtt = self.mqtt();
        let sign_in = if self.setup.password {
            format!(", username: {USER}, password: \"{}\"", PASSWORD.replace('\\', "\\\\").replace('"', "\\\""))
        } else {
            String::new()
        };
        format!(
            "mqtt: {{ enabled: true, host: \"{}\", port: {}, tls_port: {}, ws_port: {}, tls_ws_port: {}, \
             interval_seconds: 5{sign_in}{more} }}\n",
            mqtt.host, mqtt.port, mqtt.tls_port, mqtt.ws_port, mqtt.tls_ws_port
        )
    }

    /// Listens to these topic filters from now on, as a client of its own.
    pub async fn listen(&self, filters: &[&str]) -> Listener {
        Listener::start(self, filters).await
    }

    fn configuration(&self) -> String {
        let at = if self.setup.namespace.is_some() { "0.0.0.0" } else { "127.0.0.1" };
        let file = |name: &str| self.path(name).display().to_string();
        let tls = format!(
            "cafile {}\ncertfile {}\nkeyfile {}\nrequire_certificate {}\n",
            file("ca.pem"),
            file("server.pem"),
            file("server-key.pem"),
            self.setup.client_certificate
        );
        let [plain, over_tls, ws, over_tls_ws] = self.ports;
        let admit = if self.setup.password {
            format!("allow_anonymous false\npassword_file {}\n", file("passwords"))
        } else {
            "allow_anonymous true\n".into()
        };
        format!(
            // Root's mosquitto would become the user mosquitto, who may not read this folder.
            "user root\npersistence false\nlog_dest stderr\nlog_type all\nper_listener_settings false\n{admit}\
             listener {plain} {at}\n\
             listener {over_tls} {at}\n{tls}\
             listener {ws} {at}\nprotocol websockets\n\
             listener {over_tls_ws} {at}\nprotocol websockets\n{tls}"
        )
    }
}

/// `ca.pem`, `server.pem`, `server-key.pem` for `address`, `client.pem`, `client-key.pem`.
fn write_certificates(folder: &TempDir, address: &str) {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, format!("authority {}", fresh()));
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    write("ca.pem", authority.self_signed(&authority_key).unwrap().pem());
    let issuer = Issuer::new(authority, authority_key);
    for (name, host, usage) in [
        ("server", address, ExtendedKeyUsagePurpose::ServerAuth),
        ("client", "pulsebox", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().unwrap();
        let mut leaf = CertificateParams::new([host.to_owned()]).unwrap();
        leaf.extended_key_usages = vec![usage];
        write(&format!("{name}.pem"), leaf.signed_by(&key, &issuer).unwrap().pem());
        write(&format!("{name}-key.pem"), key.serialize_pem());
    }
}

/// One message that was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub topic: String,
    pub payload: Vec<u8>,
    /// Kept by the broker from before the listener came.
    pub retained: bool,
    pub qos: u8,
}

impl Heard {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|e| panic!("{}: {e}: {}", self.topic, self.text()))
    }
}

/// A client that remembers all it hears, in order.
pub struct Listener {
    client: AsyncClient,
    heard: watch::Receiver<Vec<Arc<Heard>>>,
    driving: tokio::task::JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.driving.abort();
    }
}

impl Listener {
    async fn start(broker: &Broker, filters: &[&str]) -> Self {
        let port = broker.ports[0];
        let mut options = MqttOptions::new(format!("listener-{port}-{}", fresh()), (broker.address(), port));
        options.set_max_packet_size(8 << 20, 8 << 20);
        if broker.setup.password {
            options.set_credentials(USER, PASSWORD);
        }
        let (client, mut events) = AsyncClient::builder(options).capacity(64).build();
        for filter in filters {
            client.subscribe(*filter, QoS::ExactlyOnce).await.unwrap();
        }
        let (keep, heard) = watch::channel(Vec::new());
        let (ready, mut is_ready) = watch::channel(0);
        let driving = tokio::spawn(async move {
            loop {
                match events.poll().await {
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        let heard = Heard {
                            topic: String::from_utf8(message.topic.to_vec()).unwrap(),
                            payload: message.payload.to_vec(),
                            retained: message.retain,
                            qos: message.qos as u8,
                        };
                        keep.send_modify(|all| all.push(Arc::new(heard)));
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => ready.send_modify(|n| *n += 1),
                    Ok(_) => {}
                    // The broker is gone: what was heard stays.
                    Err(_) => return,
                }
            }
        });
        let all = filters.len();
        timeout(PATIENCE, is_ready.wait_for(|n| *n >= all)).await.expect("no SUBACK").expect("no connection");
        Self { client, heard, driving }
    }

    /// All that was heard so far.
    pub fn heard(&self) -> Vec<Arc<Heard>> {
        self.heard.borrow().clone()
    }

    /// The newest payload of each topic, those that were cleared apart.
    pub fn newest(&self) -> BTreeMap<String, Arc<Heard>> {
        let mut newest = BTreeMap::new();
        for heard in self.heard.borrow().iter() {
            if heard.payload.is_empty() {
                newest.remove(&heard.topic);
            } else {
                newest.insert(heard.topic.clone(), heard.clone());
            }
        }
        newest
    }

    /// Waits until what was heard satisfies `condition`.
    pub async fn until(&self, what: &str, limit: Duration, condition: impl Fn(&[Arc<Heard>]) -> bool) {
        let mut heard = self.heard.clone();
        let met = timeout(limit, heard.wait_for(|all| condition(all))).await;
        if !matches!(met, Ok(Ok(_))) {
            let all = self.heard();
            let told: Vec<String> =
                all.iter().map(|h| format!("{} {:.120}", h.topic, h.text().replace('\n', " "))).collect();
            panic!("{what}: not within {limit:?}; heard {}:\n{}", all.len(), told.join("\n"));
        }
    }

    /// Waits for a message on `topic` that satisfies `condition`, also one heard already; gives the newest such.
    pub async fn on(&self, topic: &str, limit: Duration, condition: impl Fn(&Heard) -> bool) -> Arc<Heard> {
        let fits = |heard: &Arc<Heard>| heard.topic == topic && condition(heard);
        self.until(&format!("on {topic}"), limit, |all| all.iter().any(fits)).await;
        self.heard().into_iter().rev().find(fits).unwrap()
    }

    /// Waits for the next message on `topic` after the first `skip` that were heard in all.
    pub async fn next_on(&self, topic: &str, skip: usize, limit: Duration) -> Arc<Heard> {
        let fits = |heard: &&Arc<Heard>| heard.topic == topic;
        self.until(&format!("next on {topic}"), limit, |all| all.iter().skip(skip).any(|h| h.topic == topic)).await;
        self.heard().iter().skip(skip).find(fits).unwrap().clone()
    }

    /// Sends with QoS 1.
    pub async fn publish(&self, topic: &str, payload: &[u8], retain: bool) {
        let how = PublishOptions::at_least_once().retain(retain);
        let sent = self.client.publish_tracked(topic, payload.to_vec(), how).await.unwrap();
        timeout(PATIENCE, sent.wait_completion_async()).await.expect("no PUBACK").unwrap();
    }
}

/// Another number at each call.
fn fresh() -> usize {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
