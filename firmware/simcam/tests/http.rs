//! HTTP cameras, read by a bare client that knows what each style must look like.

use std::time::Duration;

use simcam::{Auth, Camera, HttpStyle, Mood, Options, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

fn small(protocol: Protocol, mood: Mood) -> Options {
    Options { protocol, mood, width: 320, height: 176, ..Options::default() }
}

/// Reads the answer to a GET until `done` says so or the camera closes.
async fn get(camera: &Camera, header: &str, done: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    stream.write_all(format!("GET /live HTTP/1.1\r\nHost: h\r\n{header}\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !done(&answer) && timeout(SOON, stream.read_buf(&mut answer)).await.unwrap().unwrap() > 0 {}
    answer
}

fn count(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).filter(|window| *window == part).count()
}

#[tokio::test]
async fn each_style_of_multipart_is_written_as_asked() {
    let plain = HttpStyle::default();
    for style in [
        plain,
        HttpStyle { dashes: true, content_length: false, ..plain },
        HttpStyle { quotes: true, preamble: true, ..plain },
        HttpStyle { lf_only: true, dashes: true, quotes: true, ..plain },
    ] {
        let camera = Camera::start(Options { http: style, ..small(Protocol::HttpMjpeg, Mood::Healthy) }).await.unwrap();
        let answer = get(&camera, "", |answer| count(answer, b"Content-Type: image/jpeg") > 2).await;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let quote = if style.quotes { "\"" } else { "" };
        let dashes = if style.dashes { "--" } else { "" };
        assert!(head.contains(&format!("boundary={quote}{dashes}pictureboundary{quote}\r\n")), "{head}");
        assert_eq!(!body.starts_with("--pictureboundary"), style.preamble);
        assert_eq!(body.contains("Content-Length: "), style.content_length);
        let end = if style.lf_only { "\n" } else { "\r\n" };
        assert!(body.contains(&format!("--pictureboundary{end}Content-Type: image/jpeg{end}")));
        assert!(count(&answer, &[0xff, 0xd8, 0xff]) >= 2);
    }
}

#[tokio::test]
async fn a_still_is_one_whole_jpeg_and_a_password_is_asked_for() {
    let credentials = Some(("user".to_owned(), "secret".to_owned()));
    let options = Options { credentials, auth: Auth::Basic, ..small(Protocol::HttpStill, Mood::Healthy) };
    let camera = Camera::start(options).await.unwrap();
    let refused = get(&camera, "", |answer| answer.ends_with(b"\r\n\r\n")).await;
    assert!(refused.starts_with(b"HTTP/1.1 401 ") && count(&refused, b"Basic realm=") == 1);
    let still =
        get(&camera, "Authorization: Basic dXNlcjpzZWNyZXQ=\r\n", |answer| answer.ends_with(&[0xff, 0xd9])).await;
    assert!(still.starts_with(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"));
    assert!(camera.url().contains("user:secret@") && !camera.url_without_credentials().contains("secret"));
}

#[tokio::test]
async fn moods_answer_as_they_say() {
    let starts: [(Mood, &str); 6] = [
        (Mood::NotFound, "HTTP/1.1 404 "),
        (Mood::Busy, "HTTP/1.1 503 "),
        (Mood::WrongPassword, "HTTP/1.1 401 "),
        (Mood::LoginPage, "HTTP/1.1 200 OK\r\nContent-Type: text/html"),
        (Mood::EndlessHeaders, "HTTP/1.1 200 OK\r\nX-Filler"),
        (Mood::Drip, "HT"),
    ];
    for (mood, start) in starts {
        let camera = Camera::start(small(Protocol::HttpMjpeg, mood)).await.unwrap();
        let answer = get(&camera, "", |answer| answer.len() >= start.len()).await;
        assert!(answer.starts_with(start.as_bytes()), "{mood}: {}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn a_frozen_stream_repeats_its_bytes_and_vanish_cuts_it() {
    let camera = Camera::start(small(Protocol::HttpMjpeg, Mood::Frozen)).await.unwrap();
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while count(&seen, b"Content-Type: image/jpeg") < 3 {
        assert!(timeout(SOON, stream.read_buf(&mut seen)).await.unwrap().unwrap() > 0);
    }
    let text = String::from_utf8_lossy(&seen).into_owned();
    let parts: Vec<&str> = text.split("--pictureboundary\r\n").skip(1).collect();
    assert!(parts[0] == parts[1] && parts[0].len() > 1000);
    camera.set_mood(Mood::Vanish).await;
    while timeout(SOON, stream.read_buf(&mut seen)).await.unwrap().is_ok_and(|read| read > 0) {}
    timeout(SOON, camera.until(|stats| stats.sessions_open == 0 && stats.connections_open == 0)).await.unwrap();
}
