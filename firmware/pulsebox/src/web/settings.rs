//! `/api/settings`: everything outside the streams, key by key.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Shared;
use super::body::JsonBody;
use super::error::{ApiError, ErrorBody};
use super::mqtt::keep_the_password_home;
use super::params::Params;
use crate::config::Machine;
use crate::config::edit::{Change, set_keys};
use crate::config::keys::{Absent, FILE, Key, Kind, SECTIONS, Section};

/// The file's name for the cameras, which have calls of their own.
const STREAMS: &str = "streams";
/// And for the broker, whose password is kept.
const MQTT: &str = "mqtt";

/// What the file gives outside the streams; what it does not give is at its default. Secrets are `***`.
#[utoipa::path(
    get, path = "/api/settings", tag = "settings",
    responses((status = 200, description = "Only what is written", body = super::openapi::Settings))
)]
pub(super) async fn read(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    Ok(Json(given(&shared).await).into_response())
}

async fn given(shared: &Shared) -> Map<String, Value> {
    let mut given = (*shared.config.given().await).clone();
    given.remove(STREAMS);
    given
}

/// Changes settings by their dotted keys, all or none; `null` puts one back to its default:
/// `{"mqtt.enabled": true, "timezone": "Asia/Kolkata", "mqtt.password": null}`. A secret sent back as `***`
/// is kept; the broker's goes only where it was saved for, as with `POST /api/mqtt/try`.
#[utoipa::path(
    patch, path = "/api/settings", tag = "settings",
    request_body(content = super::openapi::SettingsChanges),
    responses(
        (status = 200, description = "Changed", body = super::openapi::Settings),
        (status = 409, description = "The file is in another's hands", body = ErrorBody),
        (status = 422, description = "A key that is not known, a bad value, or a kept password for another broker", body = ErrorBody),
        (status = 503, description = "The file cannot be written", body = ErrorBody),
    )
)]
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    JsonBody(settings): JsonBody<Map<String, Value>>,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let mut changes = Vec::with_capacity(settings.len());
    for (path, value) in &settings {
        if key_at(path).is_none() || path.split('.').next() == Some(STREAMS) {
            return Err(unknown(path, "GET /api/settings/keys lists them; cameras are changed under /api/streams."));
        }
        changes.push(Change::new(path, value.clone()));
    }
    if settings.keys().any(|path| path.split('.').next() == Some(MQTT)) {
        let tried = changes.clone();
        let wanted = shared.config.preview(move |text| set_keys(text, &tried)).await?.mqtt;
        keep_the_password_home(typed(&settings), &wanted, &shared.config.current().mqtt)?;
    }
    if !changes.is_empty() {
        shared.config.change(move |text| set_keys(text, &changes)).await?;
    }
    Ok(Json(given(&shared).await).into_response())
}

/// The broker's password as it came, whether by its own key or within its section.
fn typed(settings: &Map<String, Value>) -> Option<&Value> {
    settings.get("mqtt.password").or_else(|| settings.get(MQTT)?.get("password"))
}

/// 422 for a key that there is not.
pub(super) fn unknown(path: &str, advice: &str) -> ApiError {
    let shown: String = path.chars().take(60).collect();
    ApiError::unfit(format!("`{shown}` is not a setting"), advice)
}

/// The key with this dotted path from the top of the file.
pub(super) fn key_at(path: &str) -> Option<&'static Key> {
    let mut section: &'static Section = &FILE;
    let mut names = path.split('.').peekable();
    loop {
        let key = section.key(names.next()?)?;
        match (names.peek(), key.kind) {
            (None, _) => return Some(key),
            (Some(_), Kind::Map(inner)) => section = inner,
            (Some(_), _) => return None,
        }
    }
}

/// One key that `pulsebox.yaml` may hold.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyView {
    /// Dotted: `mqtt.port`, `streams[].alarm.failures`.
    path: String,
    /// `whole`, `decimal`, `bool`, `text`, `secret`, `choice`, `id`, `camera_url`, `web_url`, `host`, `zone`,
    /// `address`, `hours`, `section`, `list`, `texts` or `time`.
    kind: &'static str,
    /// The smallest number, or the shortest text in characters.
    min: Option<f64>,
    /// The largest number, the longest text, the longest list.
    max: Option<f64>,
    /// The words of a choice.
    choices: Option<&'static [&'static str]>,
    /// The value's unit.
    unit: Option<&'static str>,
    /// What holds without it, as written in YAML; none where that is no one value.
    default: Option<&'static str>,
    /// Whether it must be given.
    required: bool,
    /// What it does.
    about: &'static str,
}

impl KeyView {
    fn new(section: &Section, key: &Key, machine: Machine) -> Self {
        let path = if section.path.is_empty() { key.name.to_owned() } else { format!("{}.{}", section.path, key.name) };
        let (kind, min, max) = kind(&key.kind);
        let default = if let Absent::Is(value) = key.absent { Some(value) } else { None };
        Self {
            default: machine.default_of(&path).or(default),
            path,
            kind,
            min,
            max,
            choices: if let Kind::OneOf(words) = key.kind { Some(words) } else { None },
            unit: Some(key.unit).filter(|unit| !unit.is_empty()),
            required: matches!(key.absent, Absent::Required),
            about: key.about,
        }
    }
}

fn kind(kind: &Kind) -> (&'static str, Option<f64>, Option<f64>) {
    let number = |n: usize| Some(n as f64);
    match *kind {
        Kind::Bool => ("bool", None, None),
        Kind::Whole(min, max) => ("whole", Some(min as f64), Some(max as f64)),
        Kind::Decimal(min, max) => ("decimal", Some(min), Some(max)),
        Kind::Text(min, max) => ("text", number(min), number(max)),
        Kind::Secret(max) => ("secret", None, number(max)),
        Kind::OneOf(_) => ("choice", None, None),
        Kind::Id => ("id", None, None),
        Kind::CameraAddress => ("camera_url", None, None),
        Kind::WebAddress => ("web_url", None, None),
        Kind::Host => ("host", None, None),
        Kind::Label => ("host", number(1), number(63)),
        Kind::Zone => ("zone", None, None),
        Kind::Address => ("address", None, None),
        Kind::Time => ("time", None, None),
        Kind::Hours => ("hours", None, None),
        Kind::Map(_) => ("section", None, None),
        Kind::Texts(_, max) => ("texts", None, number(max)),
        Kind::List(_, max) => ("list", None, number(max)),
    }
}

/// Every key that the file may hold, from the table that the parser checks against.
#[utoipa::path(
    get, path = "/api/settings/keys", tag = "settings",
    responses((status = 200, description = "In the order of the documentation", body = Vec<KeyView>))
)]
pub(super) async fn keys(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let machine = shared.config.machine();
    let of = |section: &'static Section| section.keys.iter().map(move |key| KeyView::new(section, key, machine));
    let all: Vec<KeyView> = SECTIONS.iter().copied().flat_map(of).collect();
    Ok(Json(all).into_response())
}
