//! A camera on loopback: its port, its mood and its counters.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::auth::Door;
use crate::mood::Mood;
use crate::options::{Options, Protocol};
use crate::viewer::Viewer;
use crate::wire::{Socket, Wire};
use crate::{http, rtsp, tls};

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What a camera has counted since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// TCP connections accepted.
    pub connections_total: u64,
    /// TCP connections open now.
    pub connections_open: u64,
    /// RTSP sessions (from SETUP to TEARDOWN or the end of the connection) and HTTP streams open now.
    pub sessions_open: u64,
    /// RTSP sessions and HTTP streams ever opened.
    pub sessions_total: u64,
    /// TEARDOWN requests seen, answered or not.
    pub teardowns: u64,
    /// DESCRIBE requests seen, with those that were refused; HTTP: GET requests.
    pub describes: u64,
    /// Requests with credentials that were refused.
    pub auth_failures: u64,
}

/// A simulated camera. Dropping it stops everything it runs and closes its port.
pub struct Camera {
    shared: Arc<Shared>,
    /// The mood that the port has taken on.
    settled: watch::Receiver<Mood>,
    /// The port is nobody else's, whether it accepts or not.
    _held: TcpSocket,
    _stop: DropGuard,
}

/// What the connections of one camera share.
pub(crate) struct Shared {
    pub options: Arc<Options>,
    pub mood: watch::Sender<Mood>,
    pub stats: watch::Sender<Stats>,
    /// HTTP's nonce; RTSP connections have their own.
    pub door: Door,
    addr: SocketAddr,
}

impl Camera {
    /// Starts a camera on 127.0.0.1 at `options.port`. Errors: `InvalidInput` when the picture cannot
    /// be made, else what binding the port says.
    pub async fn start(options: Options) -> io::Result<Self> {
        options.check()?;
        let held = reserve(SocketAddr::from((Ipv4Addr::LOCALHOST, options.port)))?;
        let addr = held.local_addr()?;
        let port = Port::Closed.settle(options.mood, addr)?;
        let (mood, moods) = watch::channel(options.mood);
        let (settles, settled) = watch::channel(options.mood);
        let stats = watch::Sender::new(Stats::default());
        let shared = Arc::new(Shared { options: Arc::new(options), mood, stats, door: Door::new(), addr });
        let stop = CancellationToken::new();
        tokio::spawn(stop.clone().run_until_cancelled_owned(run(shared.clone(), port, moods, settles, stop.clone())));
        Ok(Self { shared, settled, _held: held, _stop: stop.drop_guard() })
    }

    /// Its URL, with credentials if it has some.
    pub fn url(&self) -> String {
        let credentials = self.shared.options.credentials.as_ref();
        let credentials = credentials.map(|(user, password)| format!("{}:{}@", escape(user), escape(password)));
        self.shared.url(&credentials.unwrap_or_default())
    }

    /// Its URL, without credentials.
    pub fn url_without_credentials(&self) -> String {
        self.shared.url("")
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// What it was started with.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Changes its mood. When this returns, the port is open or closed as the mood wants; running
    /// streams change their picture with the next key frame. A running stream is cut by `refuses`,
    /// `vanish` and by going to or from `changed`; moods that concern the way in let it play on.
    pub async fn set_mood(&self, mood: Mood) {
        self.shared.mood.send_replace(mood);
        let mut settled = self.settled.clone();
        // An error means that the camera has stopped: then there is nothing to wait for. Another mood
        // may have been set meanwhile: then that one is waited for.
        let _ = settled.wait_for(|settled| *settled == *self.shared.mood.borrow()).await;
    }

    /// Its mood.
    pub fn mood(&self) -> Mood {
        *self.shared.mood.borrow()
    }

    /// What it has counted.
    pub fn stats(&self) -> Stats {
        *self.shared.stats.borrow()
    }

    /// Waits, without polling and without a deadline of its own, until the counters satisfy `condition`.
    pub async fn until(&self, mut condition: impl FnMut(&Stats) -> bool) {
        // The sender lives in `self`: this cannot end early.
        let _ = self.shared.stats.subscribe().wait_for(|stats| condition(stats)).await;
    }
}

fn escape(text: &str) -> String {
    let byte = |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(byte).collect()
}

impl Shared {
    fn url(&self, credentials: &str) -> String {
        let tls = self.options.encrypted();
        let (scheme, path) = match (self.options.protocol, tls) {
            (Protocol::Rtsp | Protocol::Rtsps, false) => ("rtsp", "live"),
            (Protocol::Rtsp | Protocol::Rtsps, true) => ("rtsps", "live"),
            (Protocol::HttpMjpeg, false) => ("http", "live.mjpg"),
            (Protocol::HttpMjpeg, true) => ("https", "live.mjpg"),
            (Protocol::HttpStill, false) => ("http", "live.jpg"),
            (Protocol::HttpStill, true) => ("https", "live.jpg"),
        };
        format!("{scheme}://{credentials}{}/{path}", self.addr)
    }

    pub fn mood(&self) -> Mood {
        *self.mood.borrow()
    }

    pub fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.stats.send_modify(change);
    }

    /// A view of the pictures from now on, the first of them `delay` late.
    pub fn view(&self, delay: Duration) -> io::Result<Viewer> {
        Viewer::new(self.options.clone(), self.mood.subscribe(), delay)
    }

    /// A quarter of [`Options::slow`] in the mood `slow`, else nothing.
    pub fn lateness(&self) -> Duration {
        if self.mood() == Mood::Slow { self.options.slow / 4 } else { Duration::ZERO }
    }
}

/// Counts one session open for as long as it lives.
pub(crate) struct Session(Arc<Shared>);

impl Session {
    /// None when the camera has no room.
    pub fn open(shared: &Arc<Shared>) -> Option<Self> {
        let most = shared.options.max_sessions.map_or(u64::MAX, |most| most as u64);
        let opened = shared.stats.send_if_modified(|stats| {
            let room = stats.sessions_open < most;
            if room {
                stats.sessions_open += 1;
                stats.sessions_total += 1;
            }
            room
        });
        opened.then(|| Self(shared.clone()))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.count(|stats| stats.sessions_open -= 1);
    }
}

/// The camera's port: it accepts, or a connect to it is refused.
enum Port {
    Open(TcpListener),
    Closed,
}

/// Holds a port without listening, port 0 for any that is free: a connect to it is refused and nobody else is given it,
/// but a server that sets SO_REUSEADDR, as all do, may listen there (socket(7)).
///
/// # Errors
/// The port is taken.
pub fn reserve(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

impl Port {
    /// Opened or closed as `mood` wants.
    fn settle(self, mood: Mood, addr: SocketAddr) -> io::Result<Self> {
        match (self, mood == Mood::Refuses) {
            (Self::Open(_), true) => Ok(Self::Closed),
            (Self::Closed, false) => Ok(Self::Open(reserve(addr)?.listen(1024)?)),
            (port, _) => Ok(port),
        }
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Self::Open(listener) => listener.accept().await.map(|(socket, _)| socket),
            Self::Closed => std::future::pending().await,
        }
    }
}

/// Accepts connections and follows the mood.
async fn run(
    shared: Arc<Shared>,
    mut port: Port,
    mut moods: watch::Receiver<Mood>,
    settles: watch::Sender<Mood>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            changed = moods.changed() => {
                if changed.is_err() {
                    return;
                }
                let mood = *moods.borrow_and_update();
                port = match port.settle(mood, shared.addr) {
                    Ok(port) => port,
                    Err(error) => return log::error!("simcam: {}: {error}", shared.addr),
                };
                settles.send_replace(mood);
            }
            socket = port.accept() => match socket {
                Ok(socket) => {
                    let connection = connection(shared.clone(), socket);
                    tokio::spawn(stop.clone().run_until_cancelled_owned(connection));
                }
                // Out of file descriptors, for instance: try again, not at once.
                Err(_) => time::sleep(Duration::from_millis(100)).await,
            },
        }
    }
}

/// One connection from its accept to its end.
async fn connection(shared: Arc<Shared>, socket: TcpStream) {
    let _open = Open::new(shared.clone());
    let was_changed = shared.mood() == Mood::Changed;
    let mut moods = shared.mood.subscribe();
    let cut = moods.wait_for(|mood| *mood == Mood::Refuses || (*mood == Mood::Changed) != was_changed);
    tokio::select! {
        _ = cut => {}
        ended = serve(shared.clone(), socket) => {
            if let Err(error) = ended {
                log::debug!("simcam: {}: {error}", shared.addr);
            }
        }
    }
}

async fn serve(shared: Arc<Shared>, socket: TcpStream) -> io::Result<()> {
    let _ = socket.set_nodelay(true);
    // A mute camera does not even shake hands.
    shared.mood.subscribe().wait_for(|mood| *mood != Mood::HangAccept || !shared.options.encrypted()).await.ok();
    let socket: Box<dyn Socket> = if shared.options.encrypted() {
        Box::new(time::timeout(HANDSHAKE, tls::acceptor()?.accept(socket)).await??)
    } else {
        Box::new(socket)
    };
    let wire = Wire::new(socket);
    if shared.options.is_http() { http::serve(shared, wire).await } else { rtsp::serve(shared, wire).await }
}

/// Counts one connection open for as long as it lives.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.count(|stats| {
            stats.connections_total += 1;
            stats.connections_open += 1;
        });
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.count(|stats| stats.connections_open -= 1);
    }
}
