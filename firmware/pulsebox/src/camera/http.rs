//! Cameras over HTTP: a multipart JPEG stream, or one still picture a request.
//!
//! hyper speaks over connections that [`super::dial`] opened. Basic and Digest (RFC 7617, RFC 7616) are
//! answered once; a few redirects are followed, to http and https only, and credentials go to no other
//! host than the configured one.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_auth::{PasswordClient, PasswordParams};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION, USER_AGENT, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, sleep_until};
use url::Url;

use super::answer::evidence;
use super::dial::{Place, Trust, dial};
use super::multipart::{PART_MAX, Splitter};
use super::{CameraUrl, Climb, Codec, Fault, Frame, Goodbyes, Rung, Target, Verdict};

/// Bytes of an answer's head.
const HEAD_MAX: usize = 64 << 10;
/// Headers of an answer.
const HEADERS_MAX: usize = 100;
/// Redirects followed.
const REDIRECTS: usize = 4;
/// A still picture is fetched again no sooner than this.
const STILL_EVERY: Duration = Duration::from_secs(1);

/// An open HTTP camera.
pub struct HttpSession {
    source: Source,
    opened: Instant,
    first_packet: Option<Instant>,
    last_part: Option<Instant>,
}

enum Source {
    Parts { body: Incoming, splitter: Splitter },
    Still { body: Option<Incoming>, so_far: BytesMut, target: Box<Target>, goodbyes: Goodbyes },
}

impl HttpSession {
    /// Climbs to an answer that promises pictures.
    pub(super) async fn open(target: &Target, climb: &mut Climb, goodbyes: &Goodbyes) -> Result<Self, Fault> {
        let response = get(target, climb, goodbyes).await?;
        let source = source(response, target, goodbyes)?;
        climb.reached(Rung::Describe);
        climb.waiting(Verdict::NoMedia, "the first bytes of a picture");
        Ok(Self { source, opened: Instant::now(), first_packet: None, last_part: None })
    }

    /// The next picture; of a still camera, a second after the last at the soonest.
    pub(super) async fn next(&mut self) -> Result<Frame, Fault> {
        loop {
            if let Source::Parts { splitter, .. } = &mut self.source
                && let Some(part) = splitter.next()?
            {
                return self.frame(part);
            }
            if let Source::Still { body: body @ None, target, goodbyes, .. } = &mut self.source {
                sleep_until(self.last_part.unwrap_or(self.opened) + STILL_EVERY).await;
                let response = get(target, &mut Climb::start(None), goodbyes).await?;
                *body = Some(response.into_body());
            }
            let chunk = match &mut self.source {
                Source::Parts { body, .. } | Source::Still { body: Some(body), .. } => chunk(body).await?,
                Source::Still { body: None, .. } => None,
            };
            if let (Some(bytes), None) = (&chunk, self.first_packet)
                && !bytes.is_empty()
            {
                self.first_packet = Some(Instant::now());
            }
            match (&mut self.source, chunk) {
                (Source::Parts { splitter, .. }, Some(bytes)) => splitter.push(&bytes),
                (Source::Parts { .. }, None) => {
                    return Err(Fault::new(Verdict::Protocol, "the camera ended the stream"));
                }
                (Source::Still { so_far, .. }, Some(bytes)) => {
                    so_far.extend_from_slice(&bytes);
                    if so_far.len() > PART_MAX {
                        return Err(Fault::new(Verdict::Protocol, "the picture does not end"));
                    }
                }
                (Source::Still { so_far, body, .. }, None) => {
                    *body = None;
                    let picture = so_far.split().freeze();
                    return self.frame(picture);
                }
            }
        }
    }

    fn frame(&mut self, data: Bytes) -> Result<Frame, Fault> {
        if !data.starts_with(&[0xff, 0xd8]) {
            return Err(if looks_like_html(&data) {
                web_page()
            } else {
                Fault::new(Verdict::Undecodable, format!("{} bytes came that are no JPEG", data.len()))
            });
        }
        let arrived = Instant::now();
        self.last_part = Some(arrived);
        Ok(Frame { codec: Codec::Mjpeg, key: true, data, raw: None, at: arrived - self.opened, arrived })
    }

    pub(super) fn first_packet(&self) -> Option<Instant> {
        self.first_packet
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.source, Source::Parts { .. })
    }
}

async fn chunk(body: &mut Incoming) -> Result<Option<Bytes>, Fault> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Some(Err(e)) => return Err(Fault::new(Verdict::Protocol, format!("the camera broke off ({e})"))),
        }
    }
}

/// Tells a stream, a still and a web page apart by the Content-Type.
fn source(response: Response<Incoming>, target: &Target, goodbyes: &Goodbyes) -> Result<Source, Fault> {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let kind = kind.trim().to_ascii_lowercase();
    let still = |response: Response<Incoming>| Source::Still {
        body: Some(response.into_body()),
        so_far: BytesMut::new(),
        target: Box::new(target.clone()),
        goodbyes: goodbyes.clone(),
    };
    let refused = |fault, response: &Response<Incoming>| Err(with_answer(fault, response, target));
    match kind.as_str() {
        k if k.starts_with("multipart/") => {
            let boundary = parameters.split(';').find_map(|p| {
                let (name, value) = p.split_once('=')?;
                name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().to_owned())
            });
            Ok(Source::Parts { splitter: Splitter::new(boundary.as_deref()), body: response.into_body() })
        }
        "text/html" | "application/xhtml+xml" => refused(web_page(), &response),
        // Some cameras say nothing, or octet-stream: the bytes will tell.
        "image/jpeg" | "image/jpg" | "image/pjpeg" | "" | "application/octet-stream" => Ok(still(response)),
        k if k.starts_with("image/") || k.starts_with("video/") => {
            let fault = Fault::new(Verdict::Unsupported, format!("the camera sends `{}`, not JPEG", printable(k)));
            refused(fault, &response)
        }
        k => {
            let fault = Fault::new(Verdict::Protocol, format!("`{}` came instead of pictures", printable(k)));
            refused(fault, &response)
        }
    }
}

fn web_page() -> Fault {
    Fault::new(Verdict::Protocol, "a web page came instead of a picture: perhaps a login page")
}

fn looks_like_html(data: &[u8]) -> bool {
    let start = data.trim_ascii_start();
    start.first() == Some(&b'<')
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(40).collect()
}

/// One GET with its redirects and its one answer to a challenge. Rungs up to `encrypt` are climbed by the
/// first connection only.
async fn get(target: &Target, climb: &mut Climb, goodbyes: &Goodbyes) -> Result<Response<Incoming>, Fault> {
    let mut url = target.url.clone();
    let mut later = None;
    for _ in 0..=REDIRECTS {
        let climb = later.as_mut().unwrap_or(&mut *climb);
        let response = request(&url, target, None, climb, goodbyes).await?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            let trusted = same_place(&url, &target.url);
            let authorized =
                answer(&response, &url, target, trusted).map_err(|fault| with_answer(fault, &response, target))?;
            // A camera that serves one connection at a time must see this one closed first.
            drop(response);
            let response = request(&url, target, Some(authorized), &mut Climb::start(None), goodbyes).await?;
            if !response.status().is_redirection() {
                return accepted(response, target);
            }
            url = redirected(&url, &response).map_err(|fault| with_answer(fault, &response, target))?;
        } else if status.is_redirection() {
            url = redirected(&url, &response).map_err(|fault| with_answer(fault, &response, target))?;
        } else {
            return accepted(response, target);
        }
        later = Some(Climb::start(None));
    }
    Err(Fault::new(Verdict::Protocol, format!("the camera redirects more than {REDIRECTS} times")))
}

async fn request(
    url: &CameraUrl,
    target: &Target,
    authorization: Option<String>,
    climb: &mut Climb,
    goodbyes: &Goodbyes,
) -> Result<Response<Incoming>, Fault> {
    let tls = url.scheme().is_tls().then_some(Trust::camera(target.tls_insecure));
    let line = dial(Place { host: url.host(), port: url.port(), tls }, climb).await?;
    climb.waiting(Verdict::Timeout, "the answer to GET");
    let broke = |e: hyper::Error| {
        let detail = if e.is_parse_too_large() {
            "the camera sends headers without end".to_owned()
        } else if e.is_parse() {
            "the answer is not HTTP".to_owned()
        } else if e.is_incomplete_message() || e.is_closed() || e.is_canceled() {
            "the camera closed the connection without an answer".to_owned()
        } else {
            format!("the answer broke off ({e})")
        };
        Fault::new(Verdict::Protocol, detail)
    };
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(line))
        .await
        .map_err(broke)?;
    // Ends when the response's body is dropped.
    goodbyes.spawn(async move {
        let _ = connection.await;
    });
    let host = url.bare().host_str().unwrap_or_default();
    let host = url.bare().port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut request = Request::get(url.path_and_query())
        .header(HOST, host)
        .header(USER_AGENT, concat!("Pulsebox/", env!("CARGO_PKG_VERSION")))
        .header(ACCEPT, "multipart/x-mixed-replace, image/jpeg, */*");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|_| Fault::new(Verdict::Protocol, "the URL's path cannot be asked for"))?;
    sender.send_request(request).await.map_err(broke)
}

/// The Authorization header that answers a challenge.
fn answer(response: &Response<Incoming>, url: &CameraUrl, target: &Target, trusted: bool) -> Result<String, Fault> {
    let auth = |detail: &str| Fault::new(Verdict::Auth, detail);
    let Some(credentials) = target.url.credentials() else {
        return Err(auth("it wants both, and the URL has none"));
    };
    if !trusted {
        return Err(auth("the camera redirects to another host, which wants a password: it is not sent there"));
    }
    let challenges = response.headers().get_all(WWW_AUTHENTICATE);
    if challenges.iter().next().is_none() {
        return Err(auth("it answers 401 and does not say how to sign in"));
    }
    let mut builder = PasswordClient::builder();
    for challenge in challenges.iter().filter_map(|v| v.to_str().ok()) {
        builder = builder.challenges(challenge);
    }
    let mut client = builder.build().map_err(|_| {
        Fault::new(Verdict::Unsupported, "the camera wants a kind of sign-in that is neither Basic nor Digest")
    })?;
    client
        .respond(&PasswordParams {
            username: &credentials.username,
            password: &credentials.password,
            uri: &url.path_and_query(),
            method: "GET",
            body: Some(&[]),
        })
        .map_err(|_| Fault::new(Verdict::Unsupported, "the camera's sign-in challenge cannot be answered"))
}

/// The fault with the answer that is its reason.
fn with_answer(fault: Fault, response: &Response<Incoming>, target: &Target) -> Fault {
    let mut head = format!("{:?} {}\n", response.version(), response.status());
    for (name, value) in response.headers() {
        head.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    fault.answered(evidence(&head, target.url.credentials()))
}

fn accepted(response: Response<Incoming>, target: &Target) -> Result<Response<Incoming>, Fault> {
    let status = response.status();
    let verdict = match status.as_u16() {
        204 => Verdict::Protocol,
        200..=299 => return Ok(response),
        401 | 403 | 407 => Verdict::Auth,
        404 | 410 => Verdict::NotFound,
        423 | 429 | 503 => Verdict::Busy,
        501 | 505 => Verdict::Unsupported,
        _ => Verdict::Protocol,
    };
    let fault = Fault::new(verdict, format!("it answers {}", status.as_u16()));
    Err(with_answer(fault, &response, target))
}

/// Where a redirect points, if that is http or https.
fn redirected(from: &CameraUrl, response: &Response<Incoming>) -> Result<CameraUrl, Fault> {
    let protocol = |detail: &str| Fault::new(Verdict::Protocol, detail);
    let location = response.headers().get(LOCATION).and_then(|v| v.to_str().ok());
    let location = location.ok_or_else(|| protocol("the camera redirects to nowhere"))?;
    let to: Url = from.bare().join(location).map_err(|_| protocol("the camera redirects to what is no URL"))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(protocol(&format!(
            "the camera redirects to `{}://`, which is not followed",
            printable(to.scheme())
        )));
    }
    CameraUrl::parse(to.as_str()).map_err(|_| protocol("the camera redirects to what is no URL"))
}

/// Whether credentials for `home` may go to `url`: same host, and not from TLS to plain.
fn same_place(url: &CameraUrl, home: &CameraUrl) -> bool {
    url.host().eq_ignore_ascii_case(home.host()) && (url.scheme().is_tls() || !home.scheme().is_tls())
}
