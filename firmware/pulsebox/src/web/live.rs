//! Live views: the WebSocket of fragmented MP4.
//!
//! One socket shows one camera, one stream at a time, on command. Whoever takes no bytes for 10 s, or does not
//! answer pings, is cut; so is who signs out, or whose token is removed.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;
use futures::StreamExt;
use futures::stream::{SplitSink, SplitStream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Shared;
use super::access::Caller;
use super::error::ApiError;
use super::params::{Id, Params};
use super::wire::{self, Gone, SILENCE};
use crate::camera::sessions::Ending;
use crate::camera::{Fault, StreamKind, Verdict};
use crate::live::{Part, Track, Watching};

/// Commands that wait while something is being sent.
const COMMANDS: usize = 4;
/// Before a changed camera is opened anew.
const REOPEN: Duration = Duration::from_millis(100);

/// `/api/streams/{id}/live`.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(live))
}

/// A WebSocket that shows one camera as fragmented MP4, or as JPEG pictures.
///
/// The client says `{"cmd":"start","stream":"main"}` (or `sub`), `{"cmd":"stop"}`, `{"cmd":"reconnect"}`. The server
/// tells in text what happens and sends media in binary messages; docs/api.md has the whole conversation.
#[utoipa::path(
    get,
    path = "/api/streams/{id}/live",
    tag = "live",
    params(("id" = String, Path, description = "The camera's id.")),
    responses(
        (status = 101, description = "The connection is a WebSocket now."),
        (status = 400, description = "No WebSocket request."),
        (status = 404, description = "No such camera."),
        (status = 426, description = "A WebSocket request that the connection does not allow."),
        (status = 503, description = "Too many sockets are open; Retry-After says when to try again."),
    )
)]
async fn live(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    RawQuery(query): RawQuery,
    asked: wire::Asked,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    shared.config.current().camera(&id).ok_or_else(|| ApiError::unknown_camera(&id))?;
    let (upgrade, place) = wire::admit(&shared, asked)?;
    Ok(upgrade.on_upgrade(async move |socket| {
        converse(socket, shared, caller, id).await;
        drop(place);
    }))
}

/// What a client may want.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    cmd: Wish,
    stream: Option<StreamKind>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wish {
    Start,
    Stop,
    Reconnect,
}

/// What a client is told.
#[derive(Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
enum Status<'a> {
    Connecting,
    Playing { stream: StreamKind, codec: &'static str, mime: &'a str, width: u32, height: u32, fps: Option<f32> },
    Skipped { frames: u64 },
    Stopped,
    Ended(Why),
    Error(Why),
}

#[derive(Serialize)]
struct Why {
    /// The verdict in capitals, or `COMMAND`.
    code: String,
    verdict: Option<Verdict>,
    message: String,
    advice: String,
}

impl Why {
    fn fault(fault: &Fault, is_local: bool) -> Self {
        let row = fault.verdict.row();
        let words = row.words(is_local);
        Self {
            code: row.name.to_ascii_uppercase(),
            verdict: Some(fault.verdict),
            message: format!("{}: {}.", words.title, fault.detail),
            advice: words.advice.into(),
        }
    }

    fn no_such(stream: StreamKind) -> Self {
        let (message, advice) = match stream {
            StreamKind::Main => ("This camera was removed.", "Go back to the list of cameras."),
            StreamKind::Sub => ("This camera has no second stream.", "Give it a `sub_url`, or watch `main`."),
        };
        let verdict = Verdict::NotFound;
        Self { code: "NOT_FOUND".into(), verdict: Some(verdict), message: message.into(), advice: advice.into() }
    }

    fn command() -> Self {
        Self {
            code: "COMMAND".into(),
            verdict: None,
            message: "This command is not understood.".into(),
            advice: "Send {\"cmd\":\"start\",\"stream\":\"main\"}, {\"cmd\":\"stop\"} or {\"cmd\":\"reconnect\"}."
                .into(),
        }
    }
}

async fn converse(socket: WebSocket, shared: Arc<Shared>, caller: Caller, camera: String) {
    let (to, from) = socket.split();
    let (commands, heard) = mpsc::channel(COMMANDS);
    let stop = shared.stop.clone();
    let mut show = Show { shared, camera, to, stream: StreamKind::Main, watching: None };
    tokio::select! {
        () = listen(from, commands) => {}
        Err(Gone) = show.run(heard) => {}
        () = stop.cancelled() => {}
        () = caller.ended.cancelled() => {}
    }
    show.watching = None;
    wire::farewell(&mut show.to).await;
}

/// Reads commands until the peer has gone; none for one that is not understood. Pings are answered on the way.
async fn listen(mut from: SplitStream<WebSocket>, commands: mpsc::Sender<Option<Command>>) {
    while let Ok(Some(Ok(message))) = timeout(SILENCE, from.next()).await {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => "".into(),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        if commands.send(serde_json::from_str(&text).ok()).await.is_err() {
            return;
        }
    }
}

/// What one socket shows.
struct Show {
    shared: Arc<Shared>,
    camera: String,
    to: SplitSink<WebSocket, Message>,
    stream: StreamKind,
    watching: Option<Watching>,
}

impl Show {
    async fn run(&mut self, mut heard: mpsc::Receiver<Option<Command>>) -> Result<(), Gone> {
        let mut pings = wire::pings();
        loop {
            let next = async {
                match &mut self.watching {
                    Some(watching) => watching.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                command = heard.recv() => match command {
                    Some(command) => self.obey(command).await?,
                    None => return Err(Gone),
                },
                _ = pings.tick() => self.send(Message::Ping(Vec::new().into())).await?,
                part = next => match part {
                    Ok(part) => self.show(part).await?,
                    Err(ending) => self.end(ending).await?,
                },
            }
        }
    }

    async fn obey(&mut self, command: Option<Command>) -> Result<(), Gone> {
        let Some(Command { cmd, stream }) = command else {
            return self.say(Status::Error(Why::command())).await;
        };
        self.stream = stream.unwrap_or(self.stream);
        match cmd {
            Wish::Start | Wish::Reconnect => self.start().await,
            Wish::Stop => {
                self.watching = None;
                self.say(Status::Stopped).await
            }
        }
    }

    async fn start(&mut self) -> Result<(), Gone> {
        let config = self.shared.config.current();
        let Some(camera) = config.camera(&self.camera) else {
            self.watching = None;
            return self.say(Status::Error(Why::no_such(StreamKind::Main))).await;
        };
        // The new view first: an upstream that both share stays open.
        match self.shared.live.watch(camera, self.stream) {
            Ok(watching) => {
                self.watching = Some(watching);
                self.say(Status::Connecting).await
            }
            Err(_) => {
                self.watching = None;
                self.say(Status::Error(Why::no_such(self.stream))).await
            }
        }
    }

    async fn show(&mut self, part: Part) -> Result<(), Gone> {
        match part {
            Part::Media(bytes) => self.send(Message::Binary(bytes)).await,
            Part::Skipped(frames) => self.say(Status::Skipped { frames }).await,
            Part::Track(track) => self.play(&track).await,
        }
    }

    async fn play(&mut self, track: &Track) -> Result<(), Gone> {
        let fps = self.watching.as_ref().and_then(Watching::fps).map(|fps| (fps * 10.0).round() / 10.0);
        let Track { codec, mime, width, height, init } = track;
        let (stream, codec, width, height) = (self.stream, codec.name(), *width, *height);
        self.say(Status::Playing { stream, codec, mime, width, height, fps }).await?;
        if init.is_empty() { Ok(()) } else { self.send(Message::Binary(init.clone())).await }
    }

    async fn end(&mut self, ending: Ending) -> Result<(), Gone> {
        self.watching = None;
        let is_local = self.shared.config.current().camera(&self.camera).is_some_and(|camera| camera.url.is_local());
        match ending {
            Ending::Broken { fault, opened: true } => self.say(Status::Ended(Why::fault(&fault, is_local))).await,
            Ending::Broken { fault, opened: false } => self.say(Status::Error(Why::fault(&fault, is_local))).await,
            Ending::Changed => {
                sleep(REOPEN).await;
                self.start().await
            }
        }
    }

    async fn say(&mut self, status: Status<'_>) -> Result<(), Gone> {
        let text = serde_json::to_string(&status).map_err(|_| Gone)?;
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        wire::send(&mut self.to, message).await
    }
}
