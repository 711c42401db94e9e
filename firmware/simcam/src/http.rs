//! HTTP cameras: a multipart stream of JPEG pictures, or one picture a request.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time;

use crate::auth::Admission;
use crate::camera::{Session, Shared};
use crate::mood::Mood;
use crate::options::{HttpStyle, Protocol};
use crate::viewer::Viewer;
use crate::wire::{FOUR_GIB, LOGIN_PAGE, Request, Wire, nonsense};

/// Answers requests until the client goes or the camera cuts.
pub(crate) async fn serve(shared: Arc<Shared>, mut wire: Wire) -> io::Result<()> {
    loop {
        let request = loop {
            if let Some(request) = Request::take(&mut wire.inbox)? {
                break request;
            }
            wire.read().await?;
        };
        shared.count(|stats| stats.describes += 1);
        hang(&shared, &mut wire).await?;
        answer(&shared, &mut wire, &request).await?;
    }
}

/// Says nothing for as long as the mood is to hang.
async fn hang(shared: &Shared, wire: &mut Wire) -> io::Result<()> {
    let mute = |mood: &Mood| matches!(mood, Mood::HangAccept | Mood::HangDescribe | Mood::HangSetup | Mood::HangPlay);
    let mut moods = shared.mood.subscribe();
    tokio::select! {
        _ = moods.wait_for(|mood| !mute(mood)) => Ok(()),
        gone = wire.until_gone() => Err(gone),
    }
}

async fn answer(shared: &Arc<Shared>, wire: &mut Wire, request: &Request) -> io::Result<()> {
    match shared.mood() {
        Mood::EndlessHeaders => return wire.endless_headers("HTTP/1.1 200 OK\r\n").await,
        Mood::Junk => return wire.junk().await,
        Mood::LoginPage => return wire.write(LOGIN_PAGE.as_bytes()).await,
        _ => {}
    }
    if let Some(refusal) = refusal(shared, request) {
        return wire.write(refusal.as_bytes()).await;
    }
    let Some(_session) = Session::open(shared) else { return busy(wire).await };
    match shared.mood() {
        Mood::NotFound => wire.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await,
        Mood::Busy => busy(wire).await,
        Mood::HugeBody => huge_body(shared, wire).await,
        Mood::Unsupported => {
            let webp = b"RIFF\x04\0\0\0WEBP";
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/webp\r\nContent-Length: {}\r\n\r\n", webp.len());
            wire.write(&[head.as_bytes(), webp].concat()).await
        }
        _ if shared.options.protocol == Protocol::HttpStill => still(shared, wire).await,
        _ => multipart(shared, wire).await,
    }
}

async fn busy(wire: &mut Wire) -> io::Result<()> {
    wire.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await
}

/// Why this request gets no picture, as a whole answer.
fn refusal(shared: &Shared, request: &Request) -> Option<String> {
    let status = |status: &str| Some(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
    if request.method != "GET" {
        return status("405 Method Not Allowed\r\nAllow: GET");
    }
    let authorization = request.header("authorization");
    let admission = match shared.mood() {
        Mood::WrongPassword if authorization.is_some() => Admission::Refused,
        Mood::WrongPassword => Admission::Unasked,
        _ => shared.door.judge(&shared.options, &request.method, authorization),
    };
    if admission == Admission::Refused {
        shared.count(|stats| stats.auth_failures += 1);
    }
    if admission != Admission::Admitted {
        let challenge = shared.door.challenge(shared.options.auth);
        return status(&format!("401 Unauthorized\r\nWWW-Authenticate: {challenge}"));
    }
    if request.target.starts_with("/live") { None } else { status("404 Not Found") }
}

async fn huge_body(shared: &Shared, wire: &mut Wire) -> io::Result<()> {
    let head = match shared.options.protocol {
        Protocol::HttpStill => still_head(FOUR_GIB),
        _ => {
            let announcing = HttpStyle { content_length: true, ..shared.options.http };
            stream_head(&announcing) + &part_head(&announcing, "image/jpeg", FOUR_GIB)
        }
    };
    wire.flood(&head, b"\xff\xd8\xff\xe0 there is more where this came from ").await
}

fn still_head(length: u64) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n")
}

async fn still(shared: &Shared, wire: &mut Wire) -> io::Result<()> {
    time::sleep(shared.lateness() * 2).await;
    if shared.mood() == Mood::NoVideo {
        return wire.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nno video").await;
    }
    if matches!(shared.mood(), Mood::NoMedia | Mood::NoKeyframe) {
        wire.write(still_head(20_000).as_bytes()).await?;
        return Err(wire.until_gone().await);
    }
    let mut viewer = shared.view(shared.lateness() * 2)?;
    let jpeg = next_jpeg(&mut viewer, wire).await?;
    let answer = [still_head(jpeg.len() as u64).as_bytes(), &jpeg].concat();
    match shared.mood() {
        Mood::Vanish => {
            wire.write(&answer[..answer.len() / 2]).await?;
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        _ => send(shared, wire, &answer).await,
    }
}

/// The next picture, unless the client goes.
async fn next_jpeg(viewer: &mut Viewer, wire: &mut Wire) -> io::Result<Bytes> {
    tokio::select! {
        frame = viewer.next() => frame?.jpeg.clone().ok_or_else(|| nonsense("a frame that is no JPEG")),
        gone = wire.until_gone() => Err(gone),
    }
}

/// The name that the style's `boundary` parameter leads a right reader to.
const BOUNDARY: &str = "pictureboundary";

fn line_end(style: &HttpStyle) -> &'static str {
    if style.lf_only { "\n" } else { "\r\n" }
}

/// The answer's head and the preamble.
fn stream_head(style: &HttpStyle) -> String {
    let dashes = if style.dashes { "--" } else { "" };
    let quote = if style.quotes { "\"" } else { "" };
    let preamble =
        if style.preamble { ["This is a stream of pictures.", line_end(style)].concat() } else { String::new() };
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary={quote}{dashes}{BOUNDARY}{quote}\r\n\
         Cache-Control: no-cache\r\nConnection: close\r\n\r\n{preamble}"
    )
}

/// The delimiter and the head of a part.
fn part_head(style: &HttpStyle, content_type: &str, length: u64) -> String {
    let end = line_end(style);
    let length = if style.content_length { format!("Content-Length: {length}{end}") } else { String::new() };
    format!("--{BOUNDARY}{end}Content-Type: {content_type}{end}{length}{end}")
}

async fn multipart(shared: &Shared, wire: &mut Wire) -> io::Result<()> {
    let style = shared.options.http;
    time::sleep(shared.lateness() * 2).await;
    // Sent before there is a picture, as real cameras do.
    send(shared, wire, stream_head(&style).as_bytes()).await?;
    if shared.mood() == Mood::NoVideo {
        wire.write(format!("{}no video", part_head(&style, "text/plain", 8)).as_bytes()).await?;
        return Err(wire.until_gone().await);
    }
    let mut viewer = shared.view(shared.lateness() * 2)?;
    loop {
        let jpeg = next_jpeg(&mut viewer, wire).await?;
        let head = part_head(&style, "image/jpeg", jpeg.len() as u64);
        send(shared, wire, &[head.as_bytes(), &jpeg, line_end(&style).as_bytes()].concat()).await?;
    }
}

/// At once, or in the mood `drip` byte by byte.
async fn send(shared: &Shared, wire: &mut Wire, bytes: &[u8]) -> io::Result<()> {
    if shared.mood() == Mood::Drip { wire.drip(bytes).await } else { wire.write(bytes).await }
}
