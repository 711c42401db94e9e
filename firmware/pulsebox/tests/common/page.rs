//! The page in this process, with an empty memory, a token and real cameras behind it.

use std::net::SocketAddr;
use std::sync::Arc;

use pulsebox::camera::{Fault, Sessions, Verdict};
use pulsebox::clock::Clock;
use pulsebox::config::{HistoryConfig, Store};
use pulsebox::history::{History, HistorySettings};
use pulsebox::host::Interfaces;
use pulsebox::live::Live;
use pulsebox::monitor::board::Board;
use pulsebox::monitor::look::RealEye;
use pulsebox::monitor::{Before, Means, Monitor};
use pulsebox::web::{Access, BrokerTry, Scope, TryBroker, Web, bind};
use tempfile::TempDir;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running page; gone when dropped. Nothing is checked unless a test runs the monitor.
pub struct Page {
    pub address: SocketAddr,
    /// Whoever brings it may do everything: `Authorization: Bearer {token}`.
    pub token: String,
    pub live: Live,
    pub board: Board,
    pub store: Arc<Store>,
    pub folder: TempDir,
    _stop: DropGuard,
}

/// Tries at a broker all end like this: what a broker does is tested in `mqtt.rs`.
pub fn broker_that_refuses() -> TryBroker {
    let refused = || BrokerTry { rungs: Vec::new(), ms: 0.1, fault: Some(Fault::new(Verdict::Refused, "refused")) };
    Arc::new(move |_| Box::pin(std::future::ready(refused())))
}

/// Everything that a page stands on, its configuration being `yaml`.
pub async fn web(yaml: &str, sessions: Sessions, live: Live) -> (Web, Arc<Store>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pulsebox.yaml");
    std::fs::write(&file, yaml).unwrap();
    let (board, clock) = (Board::default(), Clock::system());
    board.change_host(|host| host.network = true);
    let means = Means {
        board: board.clone(),
        clock: clock.clone(),
        eye: Arc::new(RealEye::new(sessions)),
        link: Arc::new(Interfaces::default()),
    };
    let (_, orders) = Monitor::new(means, Before::default());
    let settings = HistorySettings::new(&HistoryConfig::default(), jiff::tz::TimeZone::UTC, clock.clone());
    let store = Arc::new(Store::load(&file).unwrap());
    let web = Web {
        board,
        past: Arc::new(History::open(None, settings)),
        access: Access::open(None, clock.clone()),
        clock,
        orders,
        config: store.clone(),
        live,
        try_broker: broker_that_refuses(),
        appliance: None,
    };
    (web, store, folder)
}

impl Page {
    /// Serves a configuration; its file is followed.
    pub async fn start(yaml: &str, sessions: Sessions, live: Live) -> Self {
        let (web, store, folder) = web(yaml, sessions, live.clone()).await;
        let board = web.board.clone();
        let token = web.access.make_token("test", Scope::Admin).await.unwrap().token;
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(web.serve_on(listener, stop.clone()));
        tokio::spawn(live.clone().follow(store.watch(), stop.clone()));
        tokio::spawn(store.clone().follow(stop.clone()));
        Self { address, token, live, board, store, folder, _stop: stop.drop_guard() }
    }
}
