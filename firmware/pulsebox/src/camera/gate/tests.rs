//! The gate between the real library and a camera that plays by a script.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::camera::{CameraUrl, Climb, Fault, Goodbyes, Session, Target, Transport, Verdict};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
const SDP: &str = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n";

/// A camera's end of one connection.
struct Camera(BufReader<TcpStream>);

impl Camera {
    /// The next request's head; none when the viewer has gone.
    async fn hear(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).await.unwrap() == 0 {
                assert_eq!(head, "", "a request breaks off");
                return None;
            }
        }
        Some(head)
    }

    /// Hears a request, and checks how it begins.
    async fn expect(&mut self, begins: &str) -> String {
        let head = timeout(PATIENCE, self.hear()).await.unwrap().unwrap_or_else(|| panic!("{begins} never comes"));
        assert!(head.starts_with(begins), "waited for {begins}, heard {head}");
        head
    }

    async fn answer(&mut self, request: &str, status: &str, more: &str) {
        let cseq = super::message::header(request, "cseq").unwrap();
        let answer = format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\n{more}");
        self.0.write_all(answer.as_bytes()).await.unwrap();
    }

    async fn describe(&mut self, request: &str) {
        let more = format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
        self.answer(request, "200 OK", &more).await;
    }
}

/// Opens a camera at `LOGIN127.0.0.1:PORT`, and gives the camera's end and its port.
async fn open(login: &str) -> (JoinHandle<Result<Session, Fault>>, Goodbyes, Camera, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = CameraUrl::parse(&format!("rtsp://{login}127.0.0.1:{port}/live")).unwrap();
    let (goodbyes, target) = (Goodbyes::default(), Target { url, transport: Transport::Tcp, tls_insecure: false });
    let kept = goodbyes.clone();
    let opening = tokio::spawn(async move { Session::open(&target, &mut Climb::start(None), &kept).await });
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    (opening, goodbyes, Camera(BufReader::new(stream)), port)
}

const SET_UP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 42;timeout=60\r\n\r\n";

#[tokio::test]
async fn a_camera_sees_its_own_name_in_every_request_and_gets_its_goodbye_when_time_runs_out_before_play() {
    let (opening, goodbyes, mut camera, port) = open("").await;
    let own = format!("rtsp://127.0.0.1:{port}/live");
    let request = camera.expect(&format!("DESCRIBE {own} RTSP/1.0\r\n")).await;
    camera.describe(&request).await;
    let request = camera.expect(&format!("SETUP {own}/track1 RTSP/1.0\r\n")).await;
    camera.answer(&request, "200 OK", SET_UP).await;
    camera.expect(&format!("PLAY {own} RTSP/1.0\r\n")).await;
    opening.abort();
    let goodbye = camera.expect(&format!("TEARDOWN {own} RTSP/1.0\r\n")).await;
    assert!(goodbye.contains("\r\nSession: 42\r\n"), "{goodbye}");
    camera.answer(&goodbye, "200 OK", "\r\n").await;
    assert_eq!(timeout(PATIENCE, camera.hear()).await.unwrap(), None);
    goodbyes.wait(PATIENCE).await;
}

#[tokio::test]
async fn a_session_that_the_camera_grants_after_its_viewer_left_is_closed_too() {
    let (opening, _goodbyes, mut camera, _) = open("gate:s3cret@").await;
    let request = camera.expect("DESCRIBE ").await;
    camera.describe(&request).await;
    let request = camera.expect("SETUP ").await;
    opening.abort();
    assert!(opening.await.is_err_and(|e| e.is_cancelled()));
    camera.answer(&request, "200 OK", SET_UP).await;
    let goodbye = camera.expect("TEARDOWN ").await;
    // This camera wants a password for the goodbye too.
    camera.answer(&goodbye, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"cam\"\r\n\r\n").await;
    let goodbye = camera.expect("TEARDOWN ").await;
    assert!(goodbye.contains("\r\nAuthorization: Basic Z2F0ZTpzM2NyZXQ=\r\n"), "{goodbye}");
}

#[tokio::test]
async fn a_camera_that_turns_to_nonsense_is_protocol_and_still_gets_its_goodbye() {
    let (opening, _goodbyes, mut camera, _) = open("").await;
    let request = camera.expect("DESCRIBE ").await;
    camera.describe(&request).await;
    let request = camera.expect("SETUP ").await;
    camera.answer(&request, "200 OK", SET_UP).await;
    camera.expect("PLAY ").await;
    camera.0.write_all(&[0xff; 64]).await.unwrap();
    let fault = opening.await.unwrap().err().unwrap();
    assert_eq!((fault.verdict, fault.detail.as_str()), (Verdict::Protocol, "the camera sends bytes that are not RTSP"));
    camera.expect("TEARDOWN ").await;
}

#[tokio::test]
async fn a_sign_in_that_nobody_here_speaks_is_named_and_not_tried() {
    let (opening, _goodbyes, mut camera, _) = open("gate:s3cret@").await;
    let request = camera.expect("DESCRIBE ").await;
    camera.answer(&request, "401 Unauthorized", "WWW-Authenticate: Negotiate\r\n\r\n").await;
    let fault = opening.await.unwrap().err().unwrap();
    assert_eq!(fault.verdict, Verdict::Unsupported, "{fault}");
    assert!(fault.detail.contains("neither Basic nor Digest"), "{fault}");
    assert_eq!(timeout(PATIENCE, camera.hear()).await.unwrap(), None);
}
