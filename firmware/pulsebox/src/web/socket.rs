//! `/api/ws`: events to choose from, and commands with results, over one WebSocket.
//!
//! One socket has [`COMMANDS`] commands under way at most; a client that does not take what it is sent
//! is cut, and one that falls behind is told `resync`, as of the event stream.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Extension;
use axum::extract::ws::{Message, WebSocket};
use axum::extract::{RawQuery, State};
use axum::response::Response;
use futures::StreamExt;
use futures::stream::{FuturesUnordered, SplitSink};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::access::{Caller, Scope};
use super::error::{ApiError, ErrorBody};
use super::feed::Ear;
use super::params::Params;
use super::streams::{apply, fresh};
use super::view::CameraView;
use super::wire::{self, Gone, SILENCE};
use super::{Shared, feed};
use crate::config::edit;

/// Commands under way at once; the next one is refused.
const COMMANDS: usize = 8;
/// A WebSocket of JSON. The client says `{"id":1,"cmd":"subscribe","types":["state"]}`, `unsubscribe`, `check`,
/// `pause` (with `until`), `resume` (each with `camera`), `identify`, `ping`; each is answered with
/// `{"id":1,"ok":true,"result":…}` or `{"id":1,"ok":false,"error":{"what":…,"do":…}}`. Events come as
/// `{"event":"state","data":{…}}`. Commands beyond listening need the scope `admin`.
#[utoipa::path(
    get, path = "/api/ws", tag = "cameras",
    responses(
        (status = 101, description = "The connection is a WebSocket now"),
        (status = 400, description = "No WebSocket request", body = ErrorBody),
        (status = 426, description = "A WebSocket request that the connection does not allow", body = ErrorBody),
        (status = 503, description = "As many sockets are open as may be", body = ErrorBody),
    )
)]
pub(super) async fn open(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
    asked: wire::Asked,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let (upgrade, place) = wire::admit(&shared, asked)?;
    Ok(upgrade.on_upgrade(async move |socket| {
        converse(socket, shared, caller).await;
        drop(place);
    }))
}

/// What a client may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    /// Comes back with the answer.
    id: Option<Value>,
    cmd: Wish,
    types: Option<BTreeSet<String>>,
    camera: Option<String>,
    until: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wish {
    Subscribe,
    Unsubscribe,
    Check,
    Pause,
    Resume,
    Identify,
    Ping,
}

async fn converse(socket: WebSocket, shared: Arc<Shared>, caller: Caller) {
    let (to, mut from) = socket.split();
    let (stop, ended) = (shared.stop.clone(), caller.ended.clone());
    let ear = shared.feed.ear();
    let mut talk = Talk { shared, caller, to, ear, types: BTreeSet::new() };
    let mut under_way = FuturesUnordered::new();
    let mut pings = wire::pings();
    let mut heard_at = Instant::now();
    loop {
        let said = tokio::select! {
            () = stop.cancelled() => break,
            () = ended.cancelled() => break,
            _ = pings.tick() => {
                if heard_at.elapsed() > SILENCE { break }
                talk.send(Message::Ping(Vec::new().into())).await
            }
            Some(answer) = under_way.next(), if !under_way.is_empty() => talk.say(&answer).await,
            event = talk.ear.next() => match event {
                Some((kind, data)) => talk.tell(kind, &data).await,
                None => break,
            },
            message = from.next() => {
                heard_at = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => match talk.hear(&text, under_way.len()) {
                        Heard::Answer(answer) => talk.say(&answer).await,
                        Heard::Work(command, camera) => {
                            under_way.push(work(talk.shared.clone(), command, camera));
                            Ok(())
                        }
                    },
                    Some(Ok(Message::Binary(_))) => {
                        talk.say(&failed(None, &ApiError::bad_request("this is no text", "Send JSON as text."))).await
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                }
            }
        };
        if said.is_err() {
            break;
        }
    }
    wire::farewell(&mut talk.to).await;
}

enum Heard {
    Answer(Value),
    Work(Command, String),
}

struct Talk {
    shared: Arc<Shared>,
    caller: Caller,
    to: SplitSink<WebSocket, Message>,
    ear: Ear,
    /// What the client listens to; nothing at first.
    types: BTreeSet<String>,
}

impl Talk {
    fn hear(&mut self, text: &str, under_way: usize) -> Heard {
        let command = match serde_json::from_str::<Command>(text) {
            Ok(command) => command,
            Err(_) => {
                let id = serde_json::from_str::<Map<String, Value>>(text).ok().and_then(|map| map.get("id").cloned());
                let advice = "Send {\"id\":1,\"cmd\":\"ping\"}; docs/api.md lists the commands.";
                return Heard::Answer(failed(id, &ApiError::bad_request("the command is not understood", advice)));
            }
        };
        let id = command.id.clone();
        self.obey(command, under_way).unwrap_or_else(|error| Heard::Answer(failed(id, &error)))
    }

    fn obey(&mut self, command: Command, under_way: usize) -> Result<Heard, ApiError> {
        match command.cmd {
            Wish::Ping => return Ok(Heard::Answer(done(command.id, Value::Null))),
            Wish::Subscribe | Wish::Unsubscribe => {
                self.listen(command.cmd, command.types)?;
                return Ok(Heard::Answer(done(command.id, json!({ "types": self.types }))));
            }
            _ => {}
        }
        self.caller.must_have(Scope::Admin)?;
        if let Wish::Identify = command.cmd {
            self.shared.board.identify(self.shared.clock.now());
            return Ok(Heard::Answer(done(command.id, Value::Null)));
        }
        if under_way >= COMMANDS {
            let what = format!("{COMMANDS} commands are under way");
            return Err(ApiError::busy(what, "Wait for one to end.", 1));
        }
        match command.camera.clone() {
            Some(camera) => Ok(Heard::Work(command, camera)),
            None => Err(ApiError::bad_request("`camera` is missing", "Say which camera, by its id.")),
        }
    }

    /// Without `types`: all.
    fn listen(&mut self, wish: Wish, types: Option<BTreeSet<String>>) -> Result<(), ApiError> {
        let all = || feed::TYPES.iter().map(|&kind| kind.to_owned()).collect();
        let types: BTreeSet<String> = types.unwrap_or_else(all);
        if let Some(unknown) = types.iter().find(|kind| !feed::TYPES.contains(&kind.as_str())) {
            let shown: String = unknown.chars().take(40).collect();
            let advice = format!("Types are: {}.", feed::TYPES.join(", "));
            return Err(ApiError::bad_request(format!("`{shown}` is not a type of event"), advice));
        }
        match wish {
            Wish::Subscribe => self.types.extend(types),
            _ => self.types.retain(|kind| !types.contains(kind)),
        }
        Ok(())
    }

    /// An event, where it is listened to.
    async fn tell(&mut self, kind: &str, data: &str) -> Result<(), Gone> {
        let wanted = self.types.contains(kind) || (kind == feed::RESYNC && !self.types.is_empty());
        if !wanted {
            return Ok(());
        }
        self.send(Message::Text(format!("{{\"event\":\"{kind}\",\"data\":{data}}}").into())).await
    }

    async fn say(&mut self, answer: &Value) -> Result<(), Gone> {
        self.send(Message::Text(answer.to_string().into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), Gone> {
        wire::send(&mut self.to, message).await
    }
}

/// Carries a command about a camera out; the answer.
async fn work(shared: Arc<Shared>, command: Command, camera: String) -> Value {
    let settings = |keys: [(&str, Value); 2]| keys.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
    let status = match command.cmd {
        Wish::Check => fresh(&shared, &camera).await.map(|(status, _)| status),
        Wish::Pause => apply(&shared, &camera, settings(edit::pause(command.until.as_deref()))).await,
        _ => apply(&shared, &camera, settings(edit::resume())).await,
    };
    match status {
        Ok(status) => {
            let view = serde_json::to_value(CameraView::new(&status, &shared.beside()));
            done(command.id, view.unwrap_or_default())
        }
        Err(error) => failed(command.id, &error),
    }
}

fn done(id: Option<Value>, result: Value) -> Value {
    json!({ "id": id, "ok": true, "result": result })
}

fn failed(id: Option<Value>, error: &ApiError) -> Value {
    json!({ "id": id, "ok": false, "error": { "what": error.what, "do": error.advice } })
}
