//! Listens, and speaks HTTP/1.1, encrypted or not, to at most 200 connections at once.
//!
//! Our own accept loop and not `axum::serve`, which has no deadline for a request's head: 200 clients
//! that send a byte a minute would shut everybody else out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::{Port, Tls};

/// Connections at once.
pub(super) const CONNECTIONS: usize = 200;
/// Refusals being written at once; beyond them a connection is closed without a word.
const REFUSALS: usize = 20;
/// How long a request's head may take, and how long a connection may wait for its next request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long bytes may wait for a peer that does not take them.
const UNTAKEN_DEADLINE: Duration = Duration::from_secs(60);
/// How long open answers may take to end when the daemon stops.
const GOODBYE: Duration = Duration::from_millis(800);
/// What the kernel may hold for a peer, bytes (Linux doubles it): a slow viewer of live video must be told from a
/// quick one by us, and hundreds of stalled ones must not fill the memory.
const SEND_BUFFER: usize = 256 << 10;
/// What a request's head may measure, bytes.
const HEAD_MAX: usize = 16 << 10;

/// The first byte of a TLS connection (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

const NO_ROOM: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 10\r\n\
    Connection: close\r\nContent-Length: 96\r\n\r\n\
    {\"error\":{\"what\":\"200 connections are open\",\"do\":\"Close some pages, or try again in a moment.\"}}";

/// Ends the connection that a request came over, whatever it is doing; each request carries one among its
/// extensions.
#[derive(Clone, Debug)]
pub(super) struct Cut(CancellationToken);

impl Cut {
    /// Ends it now.
    pub fn now(&self) {
        self.0.cancel();
    }
}

/// Who is at the other end of a connection: in the extensions of each of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// Where it comes from.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Opens the port.
///
/// # Errors
/// The port is taken or not allowed; the text names it and says what to do.
pub async fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(listen).await.map_err(|e| io::Error::new(e.kind(), bind_error(listen, &e)))
}

fn bind_error(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {port} on {} is taken by another program (perhaps another Pulsebox): stop it, or choose another port \
             with `web: {{ listen: \"127.0.0.1:8081\" }}` in pulsebox.yaml",
            address.ip()
        ),
        io::ErrorKind::PermissionDenied => format!(
            "port {port} needs rights that this user does not have: choose a port from 1024 on with \
             `web: {{ listen: \"127.0.0.1:8080\" }}` in pulsebox.yaml, or start Pulsebox as a service"
        ),
        _ => format!("cannot listen on {address} ({error}): correct `web: listen:` in pulsebox.yaml"),
    }
}

/// Serves until `stop`; then lets answers end for less than a second.
/// `rooms` has [`CONNECTIONS`] places. `to_https` answers what comes unencrypted to a port that is encrypted.
pub(super) async fn serve(
    port: Port,
    router: Router,
    to_https: Router,
    rooms: Arc<Semaphore>,
    stop: CancellationToken,
) {
    let Port { listener, tls } = port;
    let doors = Doors { router, to_https, tls };
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                // Out of file descriptors, mostly: others must close first.
                log::warn!("the page's port takes no connection for the moment: {e}");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        if let Ok(room) = rooms.clone().try_acquire_owned() {
            let speak = doors.clone().open(stream, address, stop.clone());
            let cut = cut.clone();
            tasks.spawn(async move {
                let _room = room;
                tokio::select! {
                    () = cut.cancelled() => {}
                    () = speak => {}
                }
            });
        } else if let Ok(place) = refusals.clone().try_acquire_owned() {
            tasks.spawn(async move {
                let _place = place;
                let _ = timeout(Duration::from_secs(1), refuse(stream)).await;
            });
        }
    }
    drop(listener);
    tasks.close();
    if timeout(GOODBYE, tasks.wait()).await.is_err() {
        cut.cancel();
        let _ = timeout(Duration::from_millis(100), tasks.wait()).await;
    }
}

/// What answers a connection.
#[derive(Clone)]
struct Doors {
    router: Router,
    to_https: Router,
    tls: Option<Tls>,
}

impl Doors {
    /// Sees how a connection speaks, and speaks with it.
    async fn open(self, stream: TcpStream, address: SocketAddr, stop: CancellationToken) {
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER);
        let untaken = u32::try_from(UNTAKEN_DEADLINE.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, untaken);
        let Some(Tls(acceptor)) = self.tls else {
            return speak(stream, Peer { address, tls: false }, self.router, stop).await;
        };
        let hello = async {
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(1) if first[0] != HANDSHAKE => Ok(Err(stream)),
                _ => acceptor.accept(stream).await.map(Ok),
            }
        };
        let hello = tokio::select! {
            hello = timeout(HEAD_DEADLINE, hello) => hello,
            () = stop.cancelled() => return,
        };
        match hello {
            Ok(Ok(Ok(encrypted))) => speak(encrypted, Peer { address, tls: true }, self.router, stop).await,
            Ok(Ok(Err(plain))) => speak(plain, Peer { address, tls: false }, self.to_https, stop).await,
            // A browser that does not trust the certificate yet: nothing to tell anybody.
            Ok(Err(e)) => log::debug!("{address}: no TLS handshake: {e}"),
            Err(_) => log::debug!("{address}: no TLS handshake within {} s", HEAD_DEADLINE.as_secs()),
        }
    }
}

/// One connection, request after request.
async fn speak<S>(stream: S, peer: Peer, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let cut = Cut(CancellationToken::new());
    let (routes, carried) = (TowerToHyperService::new(router), cut.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(carried.clone());
        request.extensions_mut().insert(peer);
        routes.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(HEAD_MAX)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = cut.0.cancelled() => return,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = ended {
        log::debug!("a connection to the page ended early: {e}");
    }
}

/// Tells a connection that there is no room. What it has sent is read away first, or closing would reset
/// the connection and the answer with it.
async fn refuse(mut stream: TcpStream) {
    let mut sent = [0; 4096];
    let _ = stream.read(&mut sent).await;
    let _ = stream.write_all(NO_ROOM.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_counts_its_own_bytes() {
        let (head, body) = NO_ROOM.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_what_to_do() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = listener.local_addr().unwrap();
        let error = bind(taken).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let text = error.to_string();
        assert!(text.contains(&taken.port().to_string()) && text.contains("choose another port"), "{text}");
    }
}
