//! RTSP cameras, seen by a real client (retina) and by a bare socket.

use std::time::Duration;

use futures::StreamExt as _;
use retina::client::{Credentials, PlayOptions, SessionGroup, SessionOptions, SetupOptions, Transport};
use retina::codec::CodecItem;
use simcam::{Auth, Camera, Codec, Mood, Options, Protocol, UdpPolicy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

fn small(mood: Mood) -> Options {
    Options { mood, width: 320, height: 176, gop: Duration::from_millis(300), ..Options::default() }
}

/// Plays until a key frame has come: its codec's name and its bytes.
async fn key_frame(camera: &Camera, udp: bool) -> Result<(String, Vec<u8>), retina::Error> {
    let group = std::sync::Arc::new(SessionGroup::default());
    let played = timeout(SOON, play(camera, udp, group.clone())).await.expect("a key frame soon");
    let _ = timeout(SOON, group.await_teardown()).await;
    played
}

async fn play(
    camera: &Camera,
    udp: bool,
    group: std::sync::Arc<SessionGroup>,
) -> Result<(String, Vec<u8>), retina::Error> {
    let credentials = camera.options().credentials.clone();
    let credentials = credentials.map(|(username, password)| Credentials { username, password });
    let url = url::Url::parse(&camera.url_without_credentials()).unwrap();
    let options = SessionOptions::default().creds(credentials).session_group(group);
    let mut session = retina::client::Session::describe(url, options).await?;
    let video = session.streams().iter().position(|stream| stream.media() == "video").expect("a video track");
    let name = session.streams()[video].encoding_name().to_owned();
    let transport = if udp { Transport::Udp(Default::default()) } else { Transport::Tcp(Default::default()) };
    session.setup(video, SetupOptions::default().transport(transport)).await?;
    let mut media = session.play(PlayOptions::default()).await?.demuxed()?;
    loop {
        match media.next().await.expect("media without end")? {
            CodecItem::VideoFrame(frame) if frame.is_random_access_point() => return Ok((name, frame.into_data())),
            _ => {}
        }
    }
}

#[tokio::test]
async fn every_codec_plays_over_tcp_and_udp() {
    for (codec, name) in [(Codec::H264, "h264"), (Codec::H265, "h265"), (Codec::Mjpeg, "jpeg")] {
        let camera = Camera::start(Options { codec, audio: true, ..small(Mood::Healthy) }).await.unwrap();
        for udp in [false, true] {
            let (encoding, data) = key_frame(&camera, udp).await.unwrap();
            assert_eq!(encoding, name);
            assert!(data.len() > 1000, "{name}: {} bytes", data.len());
        }
        timeout(SOON, camera.until(|stats| stats.sessions_open == 0 && stats.teardowns >= 2)).await.unwrap();
    }
}

#[tokio::test]
async fn basic_and_digest_admit_the_right_password_and_wrong_password_admits_none() {
    for auth in [Auth::Basic, Auth::Digest] {
        let credentials = Some(("viewer".into(), "a pass word".into()));
        let camera = Camera::start(Options { auth, credentials, ..small(Mood::Healthy) }).await.unwrap();
        key_frame(&camera, false).await.unwrap();
        assert_eq!(camera.stats().auth_failures, 0);
        camera.set_mood(Mood::WrongPassword).await;
        assert_eq!(key_frame(&camera, false).await.unwrap_err().status_code(), Some(401));
        assert!(camera.stats().auth_failures >= 1);
    }
}

#[tokio::test]
async fn moods_that_close_the_way_in_answer_with_their_status() {
    let camera = Camera::start(small(Mood::Healthy)).await.unwrap();
    for (mood, status) in [(Mood::NotFound, 404), (Mood::Busy, 453), (Mood::Healthy, 0)] {
        camera.set_mood(mood).await;
        let played = key_frame(&camera, false).await;
        assert_eq!(played.err().and_then(|error| error.status_code()).unwrap_or(0), status, "{mood}");
    }
}

#[tokio::test]
async fn a_transport_that_is_not_admitted_is_answered_with_461() {
    for (policy, udp) in [(UdpPolicy::TcpOnly, true), (UdpPolicy::UdpOnly, false)] {
        let camera = Camera::start(Options { udp: policy, ..small(Mood::Healthy) }).await.unwrap();
        assert_eq!(key_frame(&camera, udp).await.unwrap_err().status_code(), Some(461));
        key_frame(&camera, !udp).await.unwrap();
    }
}

/// The camera has closed, with a FIN or a reset.
async fn is_cut(stream: &mut TcpStream) -> bool {
    matches!(timeout(SOON, stream.read(&mut [0; 64])).await.unwrap(), Ok(0) | Err(_))
}

#[tokio::test]
async fn refuses_closes_the_port_and_cuts_streams_and_the_next_mood_opens_the_same_port() {
    let camera = Camera::start(small(Mood::Healthy)).await.unwrap();
    let mut client = TcpStream::connect(camera.addr()).await.unwrap();
    timeout(SOON, camera.until(|stats| stats.connections_open == 1)).await.unwrap();
    camera.set_mood(Mood::Refuses).await;
    let refused = TcpStream::connect(camera.addr()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(is_cut(&mut client).await);
    camera.set_mood(Mood::Healthy).await;
    TcpStream::connect(camera.addr()).await.unwrap();
}

#[tokio::test]
async fn a_frozen_camera_sends_the_same_key_frame_and_a_static_one_another_each_time() {
    let camera = Camera::start(small(Mood::Frozen)).await.unwrap();
    assert!(key_frame(&camera, false).await.unwrap() == key_frame(&camera, false).await.unwrap());
    camera.set_mood(Mood::Static).await;
    assert!(key_frame(&camera, false).await.unwrap() != key_frame(&camera, false).await.unwrap());
}

/// What a bare client reads of the answer to `request`, until `enough` bytes or the end.
async fn exchange(stream: &mut TcpStream, request: &str, enough: usize) -> Vec<u8> {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while answer.len() < enough && timeout(SOON, stream.read_buf(&mut answer)).await.unwrap().unwrap() > 0 {}
    answer
}

/// One answer without a body, and not a byte more.
async fn head(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(SOON, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn requests_are_answered_in_order_however_they_are_cut_into_packets() {
    let camera = Camera::start(small(Mood::Healthy)).await.unwrap();
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    stream.write_all(b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n").await.unwrap();
    let rest = "\r\n$\x01\0\x03abcGET_PARAMETER * RTSP/1.0\r\nCSeq: 8\r\n\r\n";
    assert!(head(&mut stream, rest).await.starts_with("RTSP/1.0 200 OK\r\nCSeq: 7\r\n"));
    assert!(head(&mut stream, "").await.starts_with("RTSP/1.0 200 OK\r\nCSeq: 8\r\n"));
}

#[tokio::test]
async fn a_session_that_is_not_named_is_answered_with_454() {
    let camera = Camera::start(small(Mood::Healthy)).await.unwrap();
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    let play = "PLAY rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\nSession: X\r\n\r\n";
    assert!(exchange(&mut stream, play, 20).await.starts_with(b"RTSP/1.0 454 "));
}

#[tokio::test]
async fn a_hung_request_is_answered_when_the_mood_passes() {
    let camera = Camera::start(small(Mood::HangDescribe)).await.unwrap();
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    let requests = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\nDESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 2\r\n\r\n";
    assert!(head(&mut stream, requests).await.starts_with("RTSP/1.0 200 OK\r\nCSeq: 1\r\n"));
    timeout(SOON, camera.until(|stats| stats.describes == 1)).await.unwrap();
    assert!(timeout(Duration::from_millis(50), stream.read(&mut [0; 64])).await.is_err(), "an answer while hung");
    camera.set_mood(Mood::Healthy).await;
    assert!(head(&mut stream, "").await.starts_with("RTSP/1.0 200 OK\r\nCSeq: 2\r\n"));
    assert_eq!(camera.stats().describes, 1);
}

#[tokio::test]
async fn broken_peers_send_what_they_promise() {
    let starts = [
        (Mood::EndlessHeaders, "RTSP/1.0 200 OK\r\nX-Filler", 1_000_000),
        (Mood::HugeBody, "RTSP/1.0 200 OK\r\nCSeq: 1\r\n", 1_000_000),
        (Mood::Junk, "", 100_000),
        (Mood::LoginPage, "HTTP/1.1 200 OK\r\nContent-Type: text/html", 100),
        (Mood::Drip, "RT", 2),
    ];
    for (mood, start, enough) in starts {
        let camera = Camera::start(small(mood)).await.unwrap();
        let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
        let describe = "DESCRIBE rtsp://h/live RTSP/1.0\r\nCSeq: 1\r\n\r\n";
        let answer = exchange(&mut stream, describe, enough).await;
        assert!(answer.starts_with(start.as_bytes()) && answer.len() >= enough, "{mood}");
        let head = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
        assert_eq!(mood == Mood::HugeBody, head.contains("Content-Length: 4294967296\r\n"), "{mood}");
    }
}

#[tokio::test]
async fn one_session_more_than_there_is_room_for_gets_453() {
    let camera = Camera::start(Options { max_sessions: Some(1), ..small(Mood::Healthy) }).await.unwrap();
    let setup =
        "SETUP rtsp://h/live/track1 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
    let mut first = TcpStream::connect(camera.addr()).await.unwrap();
    assert!(exchange(&mut first, setup, 20).await.starts_with(b"RTSP/1.0 200 "));
    let mut second = TcpStream::connect(camera.addr()).await.unwrap();
    assert!(exchange(&mut second, setup, 20).await.starts_with(b"RTSP/1.0 453 "));
    drop(first);
    timeout(SOON, camera.until(|stats| stats.sessions_open == 0)).await.unwrap();
    let mut third = TcpStream::connect(camera.addr()).await.unwrap();
    assert!(exchange(&mut third, setup, 20).await.starts_with(b"RTSP/1.0 200 "));
}

#[tokio::test]
async fn a_tenth_of_the_packets_is_lost_and_key_frames_are_whole() {
    let options = Options { fps: 60, gop: Duration::from_millis(100), ..small(Mood::PacketLoss) };
    let camera = Camera::start(options).await.unwrap();
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    let setup =
        "SETUP rtsp://h/live/track1 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n";
    let answer = head(&mut stream, setup).await;
    let id = answer.split("Session: ").nth(1).unwrap().split(';').next().unwrap();
    let play = format!("PLAY rtsp://h/live RTSP/1.0\r\nCSeq: 2\r\nSession: {id}\r\n\r\n");
    head(&mut stream, &play).await;
    let bytes = exchange(&mut stream, "", 200_000).await;
    let mut sequences: Vec<u16> = Vec::new();
    let mut in_key_frame = false;
    let mut rest = &bytes[..];
    while rest.len() >= 16 && rest.len() >= 4 + usize::from(u16::from_be_bytes([rest[2], rest[3]])) {
        assert_eq!(rest[0], b'$');
        let packet = &rest[4..4 + usize::from(u16::from_be_bytes([rest[2], rest[3]]))];
        if rest[1] == 0 {
            let sequence = u16::from_be_bytes([packet[2], packet[3]]);
            // Whether this FU-A is a later one of an IDR slice (RFC 6184, section 5.8).
            let later_fragment = packet[12] & 0x1f == 28 && packet[13] & 0x9f == 5;
            assert!(!later_fragment || in_key_frame && sequences.last() == Some(&sequence.wrapping_sub(1)));
            in_key_frame = packet[12] & 0x1f == 28 && packet[13] & 0x1f == 5;
            sequences.push(sequence);
        }
        rest = &rest[4 + packet.len()..];
    }
    let lost: u32 = sequences.windows(2).map(|pair| u32::from(pair[1].wrapping_sub(pair[0]) - 1)).sum();
    let percent = f64::from(lost) * 100.0 / (f64::from(lost) + sequences.len() as f64);
    assert!((5.0..15.0).contains(&percent), "{lost} of {} and more: {percent} %", sequences.len());
}

#[tokio::test]
async fn without_key_frames_valid_packets_still_come() {
    let camera = Camera::start(small(Mood::NoKeyframe)).await.unwrap();
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    let setup = "SETUP rtsp://h/live/track1 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP/TCP;unicast\r\n\r\n";
    let answer = head(&mut stream, setup).await;
    let id = answer.split("Session: ").nth(1).unwrap().split(';').next().unwrap();
    head(&mut stream, &format!("PLAY rtsp://h/live RTSP/1.0\r\nCSeq: 2\r\nSession: {id}\r\n\r\n")).await;
    for _ in 0..8 {
        let mut header = [0; 4];
        timeout(SOON, stream.read_exact(&mut header)).await.unwrap().unwrap();
        let mut packet = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]]))];
        timeout(SOON, stream.read_exact(&mut packet)).await.unwrap().unwrap();
        let kind = packet[12] & 0x1f;
        let kind = if kind == 28 { packet[13] & 0x1f } else { kind };
        assert!(header[1] == 1 || kind == 1, "NAL unit type {kind}");
    }
}

#[tokio::test]
async fn a_dropped_camera_cuts_its_connections_and_frees_its_port() {
    let camera = Camera::start(small(Mood::Healthy)).await.unwrap();
    let addr = camera.addr();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    timeout(SOON, camera.until(|stats| stats.connections_open == 1)).await.unwrap();
    drop(camera);
    assert!(is_cut(&mut stream).await);
    while TcpStream::connect(addr).await.is_ok() {
        tokio::task::yield_now().await;
    }
    Camera::start(Options { port: addr.port(), ..small(Mood::Healthy) }).await.unwrap();
}

#[tokio::test]
async fn a_picture_that_cannot_be_made_is_refused_with_the_reason() {
    let error = Camera::start(Options { width: 641, ..Options::default() }).await.err().expect("an odd width");
    assert!(error.to_string().contains("641"), "{error}");
}

#[tokio::test]
async fn a_tls_camera_says_rtsps_and_shows_its_certificate() {
    assert!(simcam::certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    let camera = Camera::start(Options { protocol: Protocol::Rtsps, ..small(Mood::Healthy) }).await.unwrap();
    assert!(camera.url().starts_with("rtsps://127.0.0.1:"));
    let mut stream = TcpStream::connect(camera.addr()).await.unwrap();
    let alert = exchange(&mut stream, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", 7).await;
    assert_eq!(alert.first(), Some(&21), "plain text is answered with a TLS alert");
}
