//! The page and its API: reads the board, asks the past through [`Past`], writes settings and orders.
//!
//! [`guard`] stands before every call: nothing is open that [`access`] does not say is open.

mod access;
mod body;
mod cors;
mod error;
mod feed;
mod guard;
mod live;
mod page;
mod params;
mod picture;
mod routes;
mod server;
#[cfg(test)]
mod tests;
mod video;
mod view;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use access::{Access, Caller, Forgotten, MadeToken, Refusal, Scope, forget_password};
pub use server::bind;

use crate::clock::Clock;
use crate::config::Store;
use crate::live::Live;
use crate::monitor::Orders;
use crate::monitor::board::Board;
// The questions' words, for the rooms below as `super::past`.
use crate::monitor::past::{self, Past};

/// Event streams at once; each page holds one.
const LISTENERS: usize = 50;

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
    /// Names under which the box may be asked for beside addresses, `localhost` and `*.local`; without port.
    pub hosts: Vec<String>,
}

/// What the handlers share.
struct Shared {
    board: Board,
    past: Arc<dyn Past>,
    clock: Clock,
    #[allow(dead_code)] // the writing routes come next
    orders: Orders,
    config: Arc<Store>,
    live: Live,
    access: Access,
    /// The box's host name.
    host_name: String,
    /// Names of the box beside those in the configuration.
    hosts: Vec<String>,
    feed: feed::Feed,
    listeners: Arc<Semaphore>,
    /// Places for WebSockets, live views included; as many as were configured at the start.
    sockets: Arc<Semaphore>,
    stop: CancellationToken,
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
    pub async fn serve_on(self, listener: TcpListener, stop: CancellationToken) {
        self.warn_unclaimed(&listener);
        let access = self.access.clone().follow(stop.clone());
        let (router, follow) = self.router(stop.clone());
        tokio::join!(server::serve(listener, router, stop), follow, access);
    }

    /// Whoever comes first sets the password: a person should know that this is still to be done.
    fn warn_unclaimed(&self, listener: &TcpListener) {
        let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
        if !is_local && !self.access.is_claimed() {
            log::warn!("no password is set yet, and whoever opens the page first sets it: open it now");
        }
    }

    /// The routes, and what must run beside them so that events are told (ends with `stop`).
    pub fn router(self, stop: CancellationToken) -> (Router, impl Future<Output = ()> + Send) {
        let host_name = host_name();
        let mut hosts = self.hosts;
        hosts.push(host_name.clone());
        let shared = Arc::new(Shared {
            feed: feed::Feed::new(self.clock.now()),
            listeners: Arc::new(Semaphore::new(LISTENERS)),
            sockets: Arc::new(Semaphore::new(self.config.current().web.sockets)),
            board: self.board,
            past: self.past,
            clock: self.clock,
            orders: self.orders,
            config: self.config,
            live: self.live,
            access: self.access,
            host_name,
            hosts,
            stop: stop.clone(),
        });
        // Subscribed here and not in the future: no event between is missed.
        let events = shared.board.events();
        let beside = shared.clone();
        let follow = async move {
            beside.feed.follow(beside.board.clone(), events, stop).await;
        };
        (routes::router(shared), follow)
    }
}

/// What this machine is called.
fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
