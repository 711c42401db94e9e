//! MJPEG through the front door: a real camera, a real socket, and what comes out of it.

mod common;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::page::Page;
use pulsebox::camera::sessions::Limits as SessionLimits;
use pulsebox::camera::{CameraUrl, Sessions, StreamKind};
use pulsebox::config::CameraConfig;
use pulsebox::live::Live;
use pulsebox::live::mjpeg::{Limits, Quality};
use simcam::{Camera, Codec, Mood, Options, Protocol};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// What anything may take on a machine with two busy cores before the test gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an upstream outlives its last viewer here.
const GRACE: Duration = Duration::from_millis(200);
/// Clients at once.
const MOST: usize = 10;

/// These cameras, as items of `streams:`; `untaken` is how long a client may take no bytes.
async fn serve(streams: &[String], untaken: Duration) -> Page {
    let listed: String = streams.iter().map(|stream| format!("  - {{ {stream}, timeout_seconds: 5 }}\n")).collect();
    let sessions = Sessions::new(TaskTracker::new(), SessionLimits { grace: GRACE, ..SessionLimits::default() });
    let live = Live::new(sessions.clone()).with_mjpeg_limits(Limits { untaken, ..Limits::default() });
    Page::start(&format!("web: {{ mjpeg_streams: {MOST} }}\nstreams:\n{listed}"), sessions, live).await
}

async fn serve_one(camera: &Camera) -> Page {
    serve(&[format!("id: cam, name: cam, url: \"{}\"", camera.url())], PATIENCE).await
}

async fn camera(options: Options) -> Camera {
    Camera::start(options).await.unwrap()
}

/// Waits until `condition`, [`PATIENCE`] at most.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// HTTP/1.0: the answer comes unchunked.
fn request(token: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n")
}

/// An answer that has begun.
struct Answer {
    status: u16,
    head: String,
    stream: BufReader<TcpStream>,
}

impl Answer {
    /// The head of what `stream` is answered.
    async fn read(stream: TcpStream) -> Self {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(PATIENCE, stream.read_line(&mut head)).await.expect("an answer in time").unwrap();
            assert!(read > 0, "the answer ends in its head: {head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, stream }
    }

    async fn to(address: SocketAddr, token: &str, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request(token, path).as_bytes()).await.unwrap();
        Self::read(stream).await
    }

    async fn of(page: &Page, path: &str) -> Self {
        Self::to(page.address, &page.token, path).await
    }

    /// The next picture; none when the answer ends.
    async fn picture(&mut self) -> Option<Vec<u8>> {
        let read = async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if self.stream.read_line(&mut head).await.ok()? == 0 {
                    return None;
                }
            }
            assert!(head.contains("Content-Type: image/jpeg"), "{head}");
            let (_, length) = head.split_once("Content-Length: ").expect("a length");
            let mut picture = vec![0; length.split('\r').next().unwrap().parse().unwrap()];
            self.stream.read_exact(&mut picture).await.ok()?;
            // What ends the part: the next boundary follows.
            let mut end = [0; 2];
            self.stream.read_exact(&mut end).await.ok()?;
            assert_eq!(&end, b"\r\n");
            Some(picture)
        };
        timeout(PATIENCE, read).await.expect("a picture, or the end, in time")
    }

    async fn body(mut self) -> String {
        let mut body = String::new();
        timeout(PATIENCE, self.stream.read_to_string(&mut body)).await.expect("a body in time").unwrap();
        body
    }
}

fn path(quality: &str) -> String {
    format!("/api/streams/cam/video?quality={quality}")
}

/// Decodes it whole.
fn size(picture: &[u8]) -> Option<(usize, usize)> {
    let options = zune_jpeg::zune_core::options::DecoderOptions::default().set_strict_mode(true);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(std::io::Cursor::new(picture), options);
    decoder.decode().ok()?;
    decoder.dimensions()
}

async fn first_size(served: &Page, quality: &str) -> (usize, usize) {
    let mut answer = Answer::of(served, &path(quality)).await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(answer.head.contains("multipart/x-mixed-replace; boundary=frame"), "{}", answer.head);
    size(&answer.picture().await.expect("a picture")).expect("a whole JPEG")
}

#[tokio::test]
async fn pictures_fit_the_quality_keep_their_aspect_and_are_never_enlarged() {
    let wide = camera(Options { width: 1280, height: 720, ..Options::default() }).await;
    let served = serve_one(&wide).await;
    assert_eq!(first_size(&served, "low").await, (320, 180));
    assert_eq!(first_size(&served, "medium").await, (640, 360));
    assert_eq!(first_size(&served, "high").await, (1280, 720));
    let square = camera(Options { width: 640, height: 640, protocol: Protocol::HttpMjpeg, ..Options::default() }).await;
    let served = serve_one(&square).await;
    assert_eq!(first_size(&served, "low").await, (240, 240));
    assert_eq!(first_size(&served, "medium").await, (480, 480));
    assert_eq!(first_size(&served, "high").await, (640, 640));
}

#[tokio::test]
async fn each_quality_keeps_to_its_rate() {
    let quick = camera(Options { fps: 30, width: 320, height: 180, ..Options::default() }).await;
    let served = serve_one(&quick).await;
    let watched = ["low", "medium", "high"].map(|quality| {
        let (address, token) = (served.address, served.token.clone());
        tokio::spawn(async move {
            let mut answer = Answer::to(address, &token, &path(quality)).await;
            answer.picture().await.unwrap();
            let (start, mut count) = (Instant::now(), 0);
            while start.elapsed() < Duration::from_secs(4) {
                answer.picture().await.unwrap();
                count += 1;
            }
            f64::from(count) / start.elapsed().as_secs_f64()
        })
    });
    let mut all = Vec::new();
    for (watched, rate) in watched.into_iter().zip([10.0, 15.0, 20.0]) {
        let measured = watched.await.unwrap();
        all.push(measured);
        // One more in four seconds, since the counting starts anywhere; fewer where the machine is busy.
        assert!(measured <= rate + 0.6 && measured > rate * 0.4, "{measured} instead of {rate} a second");
    }
    assert!(all[2] > all[0] * 1.2, "{all:?} a second");
}

#[tokio::test]
async fn an_unknown_quality_is_refused_and_an_unknown_camera_not_found() {
    let camera = camera(Options::default()).await;
    let served = serve_one(&camera).await;
    let answer = Answer::of(&served, &path("4k")).await;
    assert_eq!(answer.status, 400);
    let text = answer.body().await;
    assert!(text.contains("`quality=4k`") && text.contains("low, medium or high"), "{text}");
    assert_eq!(Answer::of(&served, "/api/streams/other/video").await.status, 404);
    assert_eq!(camera.stats().connections_total, 0, "nobody watched");
}

#[tokio::test]
async fn the_eleventh_client_is_told_to_come_again_and_is_welcome_when_another_has_gone() {
    let camera = camera(Options::default()).await;
    let served = serve_one(&camera).await;
    let mut watching = Vec::new();
    for n in 0..MOST {
        let mut answer = Answer::of(&served, &path(["low", "medium", "high"][n % 3])).await;
        assert_eq!(answer.status, 200);
        answer.picture().await.unwrap();
        watching.push(answer);
    }
    let refused = Answer::of(&served, &path("low")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.head.to_lowercase().contains("retry-after: "), "{}", refused.head);
    assert!(refused.body().await.contains("10, `web.mjpeg_streams`"));
    assert_eq!(served.live.mjpeg().clients(), MOST);
    watching.pop();
    until("the one who left is noticed", || served.live.mjpeg().clients() == MOST - 1).await;
    assert_eq!(Answer::of(&served, &path("low")).await.status, 200);
    assert_eq!(camera.stats().sessions_total, 1, "ten clients are one session");
}

#[tokio::test]
async fn clients_share_one_decoder_and_those_of_one_quality_the_very_same_picture() {
    let camera = camera(Options { fps: 10, ..Options::default() }).await;
    let served = serve_one(&camera).await;
    let config = CameraConfig::new("cam", CameraUrl::parse(&camera.url()).unwrap());
    let mjpeg = served.live.mjpeg();
    let start = Instant::now();
    let mut one = mjpeg.watch(&config, Quality::Low, 10).await.unwrap().client;
    let mut other = mjpeg.watch(&config, Quality::Low, 10).await.unwrap().client;
    let mut large = mjpeg.watch(&config, Quality::High, 10).await.unwrap().client;
    let mut shared = 0;
    for _ in 0..20 {
        let (a, b, _) = tokio::join!(one.next(), other.next(), large.next());
        shared += usize::from(a.unwrap().as_ptr() == b.unwrap().as_ptr());
    }
    assert!(shared >= 15, "{shared} of 20 pictures were the same one");
    let [statistics] = &mjpeg.statistics()[..] else { panic!("one pipeline") };
    assert_eq!((&*statistics.camera, statistics.stream, statistics.clients), ("cam", StreamKind::Main, [2, 0, 1]));
    let sent = start.elapsed().as_secs_f64() * 10.0 + 12.0;
    assert!(statistics.decoded as f64 <= sent, "{} frames decoded, {sent} at most were sent", statistics.decoded);
    assert!(statistics.encoded[0] <= statistics.decoded && statistics.encoded[1] == 0, "{statistics:?}");
    assert_eq!(camera.stats().sessions_total, 1);
}

#[tokio::test]
async fn when_the_last_client_has_gone_the_camera_is_left() {
    let camera = camera(Options::default()).await;
    let served = serve_one(&camera).await;
    let mut one = Answer::of(&served, &path("low")).await;
    let mut other = Answer::of(&served, &path("high")).await;
    one.picture().await.unwrap();
    drop(one);
    other.picture().await.unwrap();
    assert_eq!(served.live.mjpeg().statistics().len(), 1);
    drop(other);
    timeout(PATIENCE, camera.until(|stats| stats.teardowns == 1 && stats.sessions_open == 0)).await.unwrap();
    assert_eq!(served.live.mjpeg().statistics(), []);
    assert_eq!(served.live.mjpeg().clients(), 0);
}

/// Pictures over a spell of damage, each of which must decode; how many came after it.
async fn over_damage(options: Options, quality: &str) {
    let camera = camera(options).await;
    let served = serve_one(&camera).await;
    let mut answer = Answer::of(&served, &path(quality)).await;
    for _ in 0..3 {
        assert!(size(&answer.picture().await.unwrap()).is_some());
    }
    camera.set_mood(Mood::Undecodable).await;
    until("a damaged frame", || served.live.mjpeg().statistics()[0].bad >= 3).await;
    camera.set_mood(Mood::Healthy).await;
    for n in 0..10 {
        assert!(size(&answer.picture().await.expect("it goes on")).is_some(), "picture {n} is damaged");
    }
}

#[tokio::test]
async fn damaged_frames_are_left_out() {
    over_damage(Options { gop: Duration::from_millis(500), ..Options::default() }, "low").await;
}

#[tokio::test]
async fn damaged_jpegs_are_left_out_scaled_or_passed_through() {
    let jpeg = Options { protocol: Protocol::HttpMjpeg, ..Options::default() };
    over_damage(jpeg.clone(), "low").await;
    over_damage(jpeg, "high").await;
}

#[tokio::test]
async fn nothing_but_damage_is_told_as_that() {
    let camera = camera(Options { mood: Mood::Undecodable, ..Options::default() }).await;
    let served = serve_one(&camera).await;
    let answer = Answer::of(&served, &path("low")).await;
    assert_eq!(answer.status, 502);
    let text = answer.body().await;
    assert!(text.contains("The picture is damaged"), "{text}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_ended_and_another_is_not() {
    let camera = camera(Options { width: 1280, height: 720, fps: 20, ..Options::default() }).await;
    let streams = [format!("id: cam, name: cam, url: \"{}\"", camera.url())];
    let served = serve(&streams, Duration::from_millis(500)).await;
    let mut reading = Answer::of(&served, &path("low")).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut lazy = socket.connect(served.address).await.unwrap();
    lazy.write_all(request(&served.token, &path("high")).as_bytes()).await.unwrap();
    let mut lazy = Answer::read(lazy).await;
    assert_eq!(served.live.mjpeg().clients(), 2);
    let mut pictures = 0;
    while served.live.mjpeg().clients() == 2 {
        reading.picture().await.expect("the one who reads is served");
        pictures += 1;
        assert!(pictures < 300, "the lazy client is never ended");
    }
    for _ in 0..5 {
        reading.picture().await.expect("the one who reads goes on");
    }
    // What stood in the sockets comes, and then the end.
    while lazy.picture().await.is_some() {}
}

#[tokio::test]
async fn a_jpeg_that_fits_is_passed_through_byte_for_byte() {
    let options = Options { protocol: Protocol::HttpMjpeg, width: 320, height: 240, fps: 10, ..Options::default() };
    let camera = camera(options).await;
    let served = serve_one(&camera).await;
    // The camera sends everybody the same pictures.
    let mut direct = Answer::to(camera.addr(), "none", "/live.mjpg").await;
    let mut through = Answer::of(&served, &path("low")).await;
    let (mut sent, mut got) = (HashSet::new(), Vec::new());
    for _ in 0..12 {
        let (a, b) = tokio::join!(direct.picture(), through.picture());
        sent.insert(a.unwrap());
        got.push(b.unwrap());
    }
    let until_the_last = async {
        while !sent.contains(&got[11]) {
            sent.insert(direct.picture().await.unwrap());
        }
    };
    timeout(PATIENCE, until_the_last).await.expect("the last picture is the camera's");
    // The first one may be from before.
    assert!(got[1..].iter().all(|picture| sent.contains(picture)), "not every picture is the camera's");
    let [statistics] = &served.live.mjpeg().statistics()[..] else { panic!("one pipeline") };
    assert_eq!((statistics.decoded, statistics.encoded), (0, [0; 3]));
}

#[tokio::test]
async fn when_the_camera_vanishes_the_answer_ends() {
    let camera = camera(Options::default()).await;
    let served = serve_one(&camera).await;
    let mut answer = Answer::of(&served, &path("low")).await;
    answer.picture().await.unwrap();
    camera.set_mood(Mood::Refuses).await;
    while answer.picture().await.is_some() {}
    until("its place is free", || served.live.mjpeg().clients() == 0).await;
}

#[tokio::test]
async fn h265_is_refused_with_what_to_do_and_shown_where_a_sub_stream_can_be_decoded() {
    let main = camera(Options { codec: Codec::H265, ..Options::default() }).await;
    let served = serve_one(&main).await;
    let answer = Answer::of(&served, &path("high")).await;
    assert_eq!(answer.status, 409);
    let text = answer.body().await;
    assert!(text.contains("H.265") && text.contains("sub_url"), "{text}");
    let sub = camera(Options { width: 320, height: 176, ..Options::default() }).await;
    let stream = format!("id: cam, name: cam, url: \"{}\", sub_url: \"{}\"", main.url(), sub.url());
    let served = serve(&[stream], PATIENCE).await;
    assert_eq!(first_size(&served, "high").await, (320, 176));
    // Though two streams were tried.
    until("the place is given back", || served.live.mjpeg().clients() == 0).await;
}

#[tokio::test]
async fn small_pictures_are_made_of_the_sub_stream() {
    let main = camera(Options { width: 640, height: 480, ..Options::default() }).await;
    let sub = camera(Options { width: 320, height: 176, ..Options::default() }).await;
    let stream = format!("id: cam, name: cam, url: \"{}\", sub_url: \"{}\"", main.url(), sub.url());
    let served = serve(&[stream], PATIENCE).await;
    assert_eq!(first_size(&served, "low").await, (320, 176));
    assert_eq!(main.stats().sessions_total, 0);
    assert_eq!(first_size(&served, "high").await, (640, 480));
}

#[tokio::test]
async fn a_camera_that_refuses_us_is_named_without_its_password() {
    let credentials = Some(("admin".to_owned(), "geheim".to_owned()));
    let camera = camera(Options { credentials, mood: Mood::WrongPassword, ..Options::default() }).await;
    let served = serve_one(&camera).await;
    let answer = Answer::of(&served, &path("low")).await;
    assert_eq!(answer.status, 502);
    let text = answer.body().await;
    assert!(text.contains("user name or password") && !text.contains("geheim"), "{text}");
}
