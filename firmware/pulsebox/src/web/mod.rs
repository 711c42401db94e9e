//! The page and its API: reads the board, asks the past through [`Past`], writes settings and orders.
//!
//! [`guard`] stands before every call: nothing is open that [`access`] does not say is open.

mod access;
mod appliance;
mod body;
mod check;
mod config;
mod cors;
mod csv;
mod error;
mod feed;
mod guard;
mod history;
mod leds;
mod live;
mod local_cameras;
mod metrics;
mod mqtt;
mod network;
mod openapi;
mod page;
mod params;
mod read;
mod routes;
mod server;
mod settings;
mod socket;
mod stream_settings;
mod streams;
mod system;
#[cfg(test)]
mod tests;
mod thumbnails;
mod tls;
mod video;
mod view;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use access::{Access, Caller, Forgotten, MadeToken, Refusal, Scope, forget_password};
pub use mqtt::{BrokerTry, TryBroker};
pub use server::bind;
pub use tls::Port;

use crate::appliance::Room;
use crate::clock::Clock;
use crate::config::Store;
use crate::live::Live;
use crate::monitor::Orders;
use crate::monitor::board::Board;
// The questions' words, for the rooms below as `super::past`.
use crate::monitor::past::{self, Past};

/// What the web needs.
#[derive(Clone)]
pub struct Web {
    /// What is shown.
    pub board: Board,
    /// Who answers questions about the past.
    pub past: Arc<dyn Past>,
    /// Dates ages and default periods.
    pub clock: Clock,
    /// Takes orders for the monitor.
    pub orders: Orders,
    /// `pulsebox.yaml`, read and written.
    pub config: Arc<Store>,
    /// Live views.
    pub live: Live,
    /// Who may do what.
    pub access: Access,
    /// Tries a broker.
    pub try_broker: TryBroker,
    /// The appliance; none on another machine.
    pub appliance: Option<Room>,
}

/// What the handlers share.
struct Shared {
    board: Board,
    past: Arc<dyn Past>,
    clock: Clock,
    orders: Orders,
    config: Arc<Store>,
    live: Live,
    access: Access,
    try_broker: TryBroker,
    appliance: Option<Room>,
    /// The box's host name.
    host_name: String,
    feed: feed::Feed,
    listeners: Arc<Semaphore>,
    /// One-off checks at once.
    checks: Arc<Semaphore>,
    pictures: thumbnails::Counts,
    /// Connections of any kind.
    connections: Arc<Semaphore>,
    /// WebSockets of any kind.
    sockets: Arc<Semaphore>,
    limits: system::Limits,
    tally: metrics::Tally,
    stop: CancellationToken,
}

impl Shared {
    /// What stands beside the board in a view of a camera.
    fn beside(&self) -> view::Beside {
        let config = self.config.current();
        let subs = config.cameras.iter().filter(|camera| camera.sub_url.is_some()).map(|camera| camera.id.clone());
        view::Beside { now: self.clock.now(), live: self.live.clone(), subs: subs.collect() }
    }
}

impl Web {
    /// Opens the port with [`bind`] and serves until `stop`; ends within a second of it.
    ///
    /// # Errors
    /// The port is taken or not allowed; the text names it and says what to do.
    pub async fn serve(self, listen: SocketAddr, stop: CancellationToken) -> io::Result<()> {
        let listener = bind(listen).await?;
        self.serve_on(listener, stop).await;
        Ok(())
    }

    /// Serves on a port that is open already, until `stop`; ends within a second of it.
    pub async fn serve_on(self, port: impl Into<Port>, stop: CancellationToken) {
        let port = port.into();
        self.warn_unclaimed(&port);
        let access = self.access.clone().follow(stop.clone());
        let to_https = routes::to_https(self.config.clone(), host_name());
        let connections = Arc::new(Semaphore::new(server::CONNECTIONS));
        let (router, follow) = self.router(connections.clone(), stop.clone());
        tokio::join!(server::serve(port, router, to_https, connections, stop), follow, access);
    }

    /// Whoever comes first sets the password: a person should know that this is still to be done.
    fn warn_unclaimed(&self, port: &Port) {
        let is_local = port.local_addr().is_ok_and(|address| address.ip().is_loopback());
        if !is_local && !self.access.is_claimed() {
            log::warn!("no password is set yet, and whoever opens the page first sets it: open it now");
        }
    }

    /// The routes, and what must run beside them so that events are told (ends with `stop`).
    fn router(self, connections: Arc<Semaphore>, stop: CancellationToken) -> (Router, impl Future<Output = ()> + Send) {
        let web = &self.config.current().web;
        let limits = system::Limits {
            http: server::CONNECTIONS,
            events: web.event_streams,
            sockets: web.sockets,
            mjpeg: web.mjpeg_streams,
        };
        let shared = Arc::new(Shared {
            feed: feed::Feed::new(self.clock.now()),
            listeners: Arc::new(Semaphore::new(limits.events)),
            connections: connections.clone(),
            limits,
            tally: metrics::Tally::default(),
            checks: Arc::new(Semaphore::new(check::AT_ONCE)),
            pictures: thumbnails::Counts::default(),
            sockets: Arc::new(Semaphore::new(limits.sockets)),
            board: self.board,
            past: self.past,
            clock: self.clock,
            orders: self.orders,
            config: self.config,
            live: self.live,
            access: self.access,
            try_broker: self.try_broker,
            appliance: self.appliance,
            host_name: host_name(),
            stop: stop.clone(),
        });
        // Subscribed here and not in the future: no event between is missed.
        let (events, counted) = (shared.board.events(), shared.board.events());
        let beside = shared.clone();
        let follow = async move {
            let feed = beside.feed.follow(beside.board.clone(), events, stop.clone());
            tokio::join!(feed, beside.tally.follow(&beside.board, counted, stop));
        };
        (routes::router(shared), follow)
    }
}

/// What this machine is called.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
