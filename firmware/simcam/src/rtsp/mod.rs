//! RTSP cameras (RFC 2326): one connection holds at most one session, which ends with it.
//!
//! Not here: sessions that outlive their connection, RTSP 2.0, RTP over HTTP, recording.

mod sdp;
mod session;

use std::io;
use std::sync::Arc;

use bytes::Buf;
use tokio::time;

use crate::auth::{Admission, Door};
use crate::camera::Shared;
use crate::feed::Feed;
use crate::mood::Mood;
use crate::wire::{FOUR_GIB, LOGIN_PAGE, Request, Wire};
use session::{Refusal, Session};

/// Answers requests and sends media until the client goes or the camera cuts.
pub(crate) async fn serve(shared: Arc<Shared>, wire: Wire) -> io::Result<()> {
    Connection { shared, wire, door: Door::new(), feed: None, session: None, unanswered: None }.run().await
}

struct Connection {
    shared: Arc<Shared>,
    wire: Wire,
    door: Door,
    /// Kept running from DESCRIBE to PLAY.
    feed: Option<Arc<Feed>>,
    session: Option<Session>,
    /// A request that the mood does not answer, until the mood passes.
    unanswered: Option<Request>,
}

impl Connection {
    async fn run(mut self) -> io::Result<()> {
        let mut moods = self.shared.mood.subscribe();
        loop {
            while let Some(request) = self.take_request()? {
                self.note(&request);
                self.handle(request).await?;
            }
            if let Some(request) = self.unanswered.take_if(|request| !is_hung(self.shared.mood(), &request.method)) {
                self.handle(request).await?;
            }
            let Self { wire, session, .. } = &mut self;
            tokio::select! {
                read = wire.read() => read?,
                sent = session::send_next(session) => {
                    let bytes = sent?;
                    wire.write(&bytes).await?;
                }
                changed = moods.changed() => changed.map_err(|_| io::ErrorKind::ConnectionAborted)?,
            }
        }
    }

    /// The next whole request; what the client interleaves (RTCP) is skipped and proves it alive.
    fn take_request(&mut self) -> io::Result<Option<Request>> {
        let inbox = &mut self.wire.inbox;
        while inbox.first() == Some(&b'$') {
            let Some(header) = inbox.get(..4) else { return Ok(None) };
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if inbox.len() < 4 + length {
                return Ok(None);
            }
            inbox.advance(4 + length);
            self.session.iter_mut().for_each(Session::is_alive);
        }
        Request::take(inbox)
    }

    /// Counts a request once, whenever it is answered.
    fn note(&mut self, request: &Request) {
        self.session.iter_mut().for_each(Session::is_alive);
        match request.method.as_str() {
            "TEARDOWN" => self.shared.count(|stats| stats.teardowns += 1),
            "DESCRIBE" => self.shared.count(|stats| stats.describes += 1),
            _ => {}
        }
    }

    async fn handle(&mut self, request: Request) -> io::Result<()> {
        let mood = self.shared.mood();
        if is_hung(mood, &request.method) {
            self.unanswered = Some(request);
            return Ok(());
        }
        match mood {
            Mood::EndlessHeaders => return self.wire.endless_headers("RTSP/1.0 200 OK\r\n").await,
            Mood::Junk => return self.wire.junk().await,
            Mood::LoginPage => return self.wire.write(LOGIN_PAGE.as_bytes()).await,
            Mood::HugeBody if request.method == "DESCRIBE" => return self.huge_body(&request).await,
            _ => {}
        }
        let answer = match self.answer(&request).await? {
            Ok(fields) => reply("200 OK", &request, &fields),
            Err(refusal) => reply(refusal.0, &request, &refusal.1),
        };
        if mood == Mood::Drip {
            self.wire.drip(answer.as_bytes()).await
        } else {
            self.wire.write(answer.as_bytes()).await
        }
    }

    async fn huge_body(&mut self, request: &Request) -> io::Result<()> {
        let head = format!("Content-Type: application/sdp\r\nContent-Length: {FOUR_GIB}\r\n\r\n");
        let head = reply("200 OK", request, &head);
        self.wire.flood(&head, b"a=tool:there is always one more line in this description\r\n").await
    }

    /// The answer's further header fields with their empty line and body.
    async fn answer(&mut self, request: &Request) -> io::Result<Result<String, Refusal>> {
        if matches!(request.method.as_str(), "DESCRIBE" | "SETUP" | "PLAY" | "PAUSE")
            && let Some(refusal) = self.refusal(request)
        {
            return Ok(Err(refusal));
        }
        if !matches!(request.method.as_str(), "OPTIONS" | "TEARDOWN" | "GET_PARAMETER" | "SET_PARAMETER") {
            time::sleep(self.shared.lateness()).await;
        }
        Ok(match request.method.as_str() {
            "OPTIONS" => {
                Ok("Public: OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN\r\n\r\n"
                    .into())
            }
            "DESCRIBE" => Ok(self.describe(request).await?),
            "SETUP" => self.setup(request).await?,
            "PLAY" => match session::named(&mut self.session, request) {
                Ok(session) => Ok(session.play(&request.target)?),
                Err(refusal) => Err(refusal),
            },
            "PAUSE" => session::named(&mut self.session, request).map(Session::pause),
            "GET_PARAMETER" | "SET_PARAMETER" => Ok("\r\n".into()),
            "TEARDOWN" => {
                session::named(&mut self.session, request).map(|_| "\r\n".into()).inspect(|_| self.session = None)
            }
            _ => Err(Refusal::new("501 Not Implemented")),
        })
    }

    /// Why the camera does not let this request in.
    fn refusal(&self, request: &Request) -> Option<Refusal> {
        let authorization = request.header("authorization");
        let admission = match self.shared.mood() {
            Mood::WrongPassword if authorization.is_some() => Admission::Refused,
            Mood::WrongPassword => Admission::Unasked,
            _ => self.door.judge(&self.shared.options, &request.method, authorization),
        };
        if admission == Admission::Refused {
            self.shared.count(|stats| stats.auth_failures += 1);
        }
        if admission != Admission::Admitted {
            let challenge = self.door.challenge(self.shared.options.auth);
            return Some(Refusal("401 Unauthorized", format!("WWW-Authenticate: {challenge}\r\n\r\n")));
        }
        match self.shared.mood() {
            Mood::NotFound => Some(Refusal::new("404 Not Found")),
            Mood::Busy if request.method == "SETUP" => Some(Refusal::new("453 Not Enough Bandwidth")),
            _ if !path(&request.target).starts_with("/live") => Some(Refusal::new("404 Not Found")),
            _ => None,
        }
    }

    async fn describe(&mut self, request: &Request) -> io::Result<String> {
        let shown = crate::feed::FeedKey::of(&self.shared.options, self.shared.mood());
        let feed = Feed::join(&shown)?;
        let sets = feed.parameter_sets().await?;
        self.feed = Some(feed);
        let sdp = sdp::describe(&self.shared.options, self.shared.mood(), &shown, &sets);
        let base = request.target.trim_end_matches('/');
        Ok(format!(
            "Content-Base: {base}/\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        ))
    }

    async fn setup(&mut self, request: &Request) -> io::Result<Result<String, Refusal>> {
        if self.session.is_none() {
            let Some(session) = Session::open(&self.shared) else {
                return Ok(Err(Refusal::new("453 Not Enough Bandwidth")));
            };
            self.session = Some(session);
        }
        let Some(session) = &mut self.session else { return Ok(Err(Refusal::new("500 Internal Server Error"))) };
        let set_up = session.set_up(request).await?;
        if set_up.is_err() && session.is_empty() {
            self.session = None;
        }
        Ok(set_up)
    }
}

/// Whether a camera in this mood leaves this request unanswered.
fn is_hung(mood: Mood, method: &str) -> bool {
    match mood {
        Mood::HangAccept => true,
        Mood::HangDescribe => method == "DESCRIBE",
        Mood::HangSetup => method == "SETUP",
        Mood::HangPlay => method == "PLAY",
        _ => false,
    }
}

/// The path of an RTSP URL, or `/` where there is none.
fn path(target: &str) -> &str {
    let after_scheme = target.split_once("://").map_or(target, |(_, rest)| rest);
    after_scheme.find('/').map_or("/", |at| &after_scheme[at..])
}

fn reply(status: &str, request: &Request, fields: &str) -> String {
    let cseq = request.header("cseq").unwrap_or("0");
    format!("RTSP/1.0 {status}\r\nCSeq: {cseq}\r\nServer: simcam\r\n{fields}")
}
