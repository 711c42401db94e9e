//! A small HTTP control on loopback: `GET /cameras` and `PUT /cameras/NAME/mood` with a mood as body.
//!
//! For use by hand and in browser tests: one request a connection, no keep-alive.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use simcam::Mood;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Cameras;

const LONGEST_REQUEST: usize = 8 * 1024;
const DEADLINE: Duration = Duration::from_secs(5);

/// Answers on `listen`, if given, and tells where; until the guard is dropped, and keeps the cameras as long. Errors when
/// the address is not loopback or not free.
pub(crate) async fn start(listen: Option<SocketAddr>, cameras: Cameras) -> io::Result<(DropGuard, Cameras)> {
    let stop = CancellationToken::new();
    let Some(listen) = listen else { return Ok((stop.drop_guard(), cameras)) };
    if !listen.ip().is_loopback() {
        let what = format!("--control {listen}: give a loopback address such as 127.0.0.1:18599");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let listener = TcpListener::bind(listen).await?;
    println!("control     http://{}", listener.local_addr()?);
    tokio::spawn(stop.clone().run_until_cancelled_owned(accept(listener, cameras.clone())));
    Ok((stop.drop_guard(), cameras))
}

async fn accept(listener: TcpListener, cameras: Cameras) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // One at a time: the deadline bounds how long a client can keep the others waiting.
        let _ = time::timeout(DEADLINE, serve(socket, &cameras)).await;
    }
}

async fn serve(mut socket: TcpStream, cameras: &Cameras) -> io::Result<()> {
    let request = read(&mut socket).await?;
    let (status, body) = answer(&request, cameras).await;
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all((head + &body).as_bytes()).await?;
    socket.shutdown().await
}

/// A request's head and as much body as it announces.
async fn read(socket: &mut TcpStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |line: &str| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            };
            if body.len() >= head.lines().find_map(header).unwrap_or(0) {
                return Ok(text);
            }
        }
        if bytes.len() > LONGEST_REQUEST || socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Status and JSON body.
async fn answer(request: &str, cameras: &Cameras) -> (&'static str, String) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((request, ""));
    let mut line = head.split_whitespace();
    let (method, path) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
    let path: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method, &path[..]) {
        ("GET", ["cameras"]) => ("200 OK", list(cameras)),
        ("PUT", ["cameras", name, "mood"]) => match (cameras.get(*name), body.parse::<Mood>()) {
            (Some(camera), Ok(mood)) => {
                camera.set_mood(mood).await;
                ("200 OK", serde_json::json!({ "name": name, "mood": mood.name() }).to_string())
            }
            (None, _) => ("404 Not Found", error("no such camera; GET /cameras lists them")),
            (_, Err(unknown)) => ("400 Bad Request", error(&unknown.to_string())),
        },
        _ => ("404 Not Found", error("there is GET /cameras and PUT /cameras/NAME/mood")),
    }
}

fn error(what: &str) -> String {
    serde_json::json!({ "error": what }).to_string()
}

fn list(cameras: &Cameras) -> String {
    let row = |(name, camera): (&String, &simcam::Camera)| {
        serde_json::json!({
            "name": name,
            "url": camera.url_without_credentials(),
            "mood": camera.mood().name(),
            "stats": camera.stats(),
        })
    };
    serde_json::Value::Array(cameras.iter().map(row).collect()).to_string()
}
