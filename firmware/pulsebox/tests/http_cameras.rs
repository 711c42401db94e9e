//! Cameras over HTTP, on real sockets: every way that devices write their parts, sign-in, redirects.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{run_all, target};
use pulsebox::camera::{CameraUrl, Goodbyes, Target, Transport, Verdict};
use pulsebox::clock::Clock;
use pulsebox::config::CameraConfig;
use pulsebox::monitor::board::Report;
use pulsebox::monitor::judge::Judge;
use pulsebox::monitor::look::{Want, look};
use simcam::{Auth, Camera, Codec, HttpStyle, Options, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

async fn check(target: Target) -> Report {
    let goodbyes = Goodbyes::default();
    let looked = look(
        &target,
        Duration::from_secs(6),
        Want { at: Clock::system().now(), thumbnail: true, on_rung: None },
        &goodbyes,
    )
    .await;
    goodbyes.wait(Duration::from_secs(1)).await;
    let camera = CameraConfig::new("cam", target.url);
    Judge::default().report(looked, &camera).report
}

fn http(url: &str) -> Target {
    Target { url: CameraUrl::parse(url).unwrap(), transport: Transport::Tcp, tls_insecure: true }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_however_the_device_writes_its_parts() {
    let mut jobs = Vec::new();
    for bits in 0..32_u8 {
        let bit = |n: u8| bits & (1 << n) != 0;
        let style =
            HttpStyle { dashes: bit(0), quotes: bit(1), content_length: bit(2), preamble: bit(3), lf_only: bit(4) };
        jobs.push(async move {
            let options =
                Options { protocol: Protocol::HttpMjpeg, codec: Codec::Mjpeg, http: style, ..Options::default() };
            let camera = Camera::start(options).await.unwrap();
            let report = check(target(&camera)).await;
            (format!("{style:?}"), report)
        });
    }
    for (style, report) in run_all(jobs.into_iter()).await {
        assert_eq!(report.verdict, Verdict::Ok, "{style}: {}", report.message);
        assert_eq!((report.stream.width, report.stream.height), (Some(640), Some(360)), "{style}");
        let fps = report.stream.fps.unwrap();
        // By our arrival times: a busy machine reads or sends the first ones late, and at once.
        assert!((7.0..30.0).contains(&fps), "{style}: {fps} fps, 10 were sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_and_digest_are_answered_over_http_and_https_and_a_wrong_password_is_auth() {
    let mut jobs = Vec::new();
    for auth in [Auth::Basic, Auth::Digest] {
        for protocol in [Protocol::HttpMjpeg, Protocol::HttpStill] {
            for tls in [false, true] {
                jobs.push(async move {
                    let credentials = Some(("admin".to_owned(), "geh/eim@1".to_owned()));
                    let codec = Codec::Mjpeg;
                    let camera =
                        Camera::start(Options { protocol, codec, auth, tls, credentials, ..Options::default() });
                    let camera = camera.await.unwrap();
                    let right = check(target(&camera)).await;
                    let bare = camera.url_without_credentials();
                    let wrong = check(http(&bare.replace("://", "://admin:geheim2@"))).await;
                    let none = check(http(&bare)).await;
                    (right, wrong, none, camera.stats().auth_failures)
                });
            }
        }
    }
    for (right, wrong, none, refused) in run_all(jobs.into_iter()).await {
        assert_eq!(right.verdict, Verdict::Ok, "{}", right.message);
        assert_eq!((wrong.verdict, none.verdict), (Verdict::Auth, Verdict::Auth), "{}", wrong.message);
        assert!(none.message.contains("the URL has none"), "{}", none.message);
        assert_eq!(refused, 1, "one refused attempt a check: cameras lock accounts");
        assert!(!wrong.message.contains("geheim"));
    }
}

/// A server that answers each GET by `answer(path, head)`, and what it was asked.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    _task: AbortOnDropHandle<()>,
}

async fn server(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = asked.clone();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            heads.lock().unwrap().push(head);
            let _ = stream.write_all(answer(&path).as_bytes()).await;
        }
    });
    Server { url, asked, _task: AbortOnDropHandle::new(task) }
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_redirect_to_the_picture_is_followed() {
    let options = Options { protocol: Protocol::HttpStill, codec: Codec::Mjpeg, ..Options::default() };
    let camera = Camera::start(options).await.unwrap();
    let picture = camera.url();
    let server = server(move |path| if path == "/old" { redirect("/new") } else { redirect(&picture) }).await;
    let report = check(http(&format!("{}/old", server.url))).await;
    assert_eq!(report.verdict, Verdict::Ok, "{}", report.message);
}

#[tokio::test]
async fn a_redirect_to_another_scheme_in_a_circle_or_to_a_login_page_is_protocol() {
    for (to, expected) in [
        ("file:///etc/passwd", "`file://`, which is not followed"),
        ("ftp://127.0.0.1/", "`ftp://`, which is not followed"),
        ("rtsp://127.0.0.1/", "`rtsp://`, which is not followed"),
        ("/around", "redirects more than"),
        ("/login", "a web page"),
    ] {
        let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>Log in</html>";
        let server = server(move |path| if path == "/login" { page.to_owned() } else { redirect(to) }).await;
        let report = check(http(&server.url)).await;
        assert_eq!(report.verdict, Verdict::Protocol, "{to}: {}", report.message);
        assert!(report.message.contains(expected), "{to}: {}", report.message);
        assert!(server.asked.lock().unwrap().len() <= 6, "{to}");
    }
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_to_another_host() {
    let challenge =
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let other = server(move |_| challenge.to_owned()).await;
    let there = other.url.replace("127.0.0.1", "localhost");
    let home = server(move |_| redirect(&there)).await;
    let report = check(http(&home.url.replace("://", "://admin:secret@"))).await;
    assert_eq!(report.verdict, Verdict::Auth, "{}", report.message);
    let asked = other.asked.lock().unwrap().join("");
    assert!(!asked.is_empty() && !asked.to_ascii_lowercase().contains("authorization"), "{asked}");
}

#[tokio::test]
async fn a_page_that_calls_itself_a_picture_is_not_one() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n\r\n <!doctype html><html>";
    let server = server(move |_| page.to_owned()).await;
    let report = check(http(&server.url)).await;
    assert_eq!(report.verdict, Verdict::Protocol, "{}", report.message);
}
