//! A stream's settings as JSON, turned into changes of `pulsebox.yaml`. Which keys there are, and what may
//! stand in them, is the configuration's table; this room knows only what JSON adds: the user name and
//! password apart from the URL, and what is for answers only.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::error::ApiError;
use crate::camera::CameraUrl;
use crate::config::edit::Change;
use crate::config::keys::{Absent, Key, Kind, STREAM, Section};

/// Keys of the JSON that the file does not have.
const BESIDE: [&str; 4] = ["username", "password", "has_credentials", "check"];
/// Keys that calls of their own set.
const NOT_HERE: &str = "removed";

/// A user name and a password given apart from the URL; both empty: none.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    username: String,
    password: String,
}

impl Credentials {
    /// # Errors
    /// 422 where only one is given, or one is too long.
    pub fn of(username: Option<String>, password: Option<String>) -> Result<Option<Self>, ApiError> {
        let (username, password) = match (username, password) {
            (None, None) => return Ok(None),
            (Some(username), Some(password)) => (username, password),
            _ => {
                return Err(ApiError::unfit(
                    "`username` and `password` go together",
                    "Give both, or neither; both empty to remove them.",
                ));
            }
        };
        if username.chars().count() > 256 || password.chars().count() > 256 {
            return Err(ApiError::unfit("user name or password is too long", "Shorten it to 256 characters."));
        }
        Ok(Some(Self { username, password }))
    }

    fn of_json(settings: &Map<String, Value>) -> Result<Option<Self>, ApiError> {
        let text = |key: &str| match settings.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(ApiError::unfit(format!("`{key}` is not text"), format!("Write `{key}` as text."))),
        };
        Self::of(text("username")?, text("password")?)
    }

    fn is_none(&self) -> bool {
        self.username.is_empty() && self.password.is_empty()
    }
}

/// `url` with these credentials in the place of its own. A URL that is none is left as it is.
///
/// # Errors
/// 422 where a local camera is given credentials.
pub(super) fn with_credentials(url: &str, credentials: &Credentials) -> Result<String, ApiError> {
    let Ok(parsed) = CameraUrl::parse(url) else { return Ok(url.to_owned()) };
    let mut bare = parsed.bare().clone();
    if credentials.is_none() {
        return Ok(bare.into());
    }
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let set = bare.set_username(&encoded(&credentials.username)).is_ok()
        && bare.set_password(Some(&encoded(&credentials.password))).is_ok();
    if set {
        return Ok(bare.into());
    }
    Err(ApiError::unfit("a local camera takes no user name and password", "Leave them out."))
}

/// What a request changes, and how: by itself, or all that it does not name goes back to its default.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Given,
    Whole,
}

/// The changes of the file that `settings` ask for. `url` is the stream's URL so far, credentials and all.
///
/// # Errors
/// 422 for a key that is not known, and for credentials that do not fit.
pub(super) fn changes(
    settings: &Map<String, Value>,
    extent: Extent,
    url: Option<&str>,
) -> Result<Vec<Change>, ApiError> {
    let mut changes = Vec::new();
    for name in settings.keys() {
        if name == NOT_HERE || STREAM.key(name).is_none() && !BESIDE.contains(&name.as_str()) {
            return Err(unknown(name, &STREAM));
        }
    }
    for key in STREAM.keys.iter().filter(|key| key.name != NOT_HERE) {
        match (settings.get(key.name), key.kind) {
            (Some(Value::Object(inner)), Kind::Map(section)) => group(key.name, inner, section, extent, &mut changes)?,
            (Some(value), _) => changes.push(change(&[key.name], value.clone())),
            (None, _) if extent == Extent::Whole && key.name != "id" => changes.push(change(&[key.name], Value::Null)),
            (None, _) => {}
        }
    }
    if let Some(credentials) = Credentials::of_json(settings)? {
        let new = settings.get("url").and_then(Value::as_str);
        if let Some(url) = new.or(url.filter(|_| extent == Extent::Given)) {
            let url = with_credentials(url, &credentials)?;
            changes.retain(|change| change.path != ["url"]);
            changes.push(change(&["url"], url.into()));
        }
    }
    Ok(changes)
}

fn group(
    name: &'static str,
    given: &Map<String, Value>,
    section: &'static Section,
    extent: Extent,
    changes: &mut Vec<Change>,
) -> Result<(), ApiError> {
    if let Some(name) = given.keys().find(|name| section.key(name).is_none()) {
        return Err(unknown(name, section));
    }
    for key in section.keys {
        match given.get(key.name) {
            Some(value) => changes.push(change(&[name, key.name], value.clone())),
            None if extent == Extent::Whole => changes.push(change(&[name, key.name], Value::Null)),
            None => {}
        }
    }
    Ok(())
}

fn change(path: &[&str], value: Value) -> Change {
    Change { path: path.iter().map(|&key| key.to_owned()).collect(), value }
}

fn unknown(name: &str, section: &Section) -> ApiError {
    let shown: String = name.chars().take(40).collect();
    let known: Vec<&str> = section.keys.iter().map(|key| key.name).filter(|name| *name != NOT_HERE).collect();
    ApiError::unfit(format!("`{shown}` is not a setting of a camera"), format!("There are: {}.", known.join(", ")))
}

/// The keys of a new stream in the order of the documentation.
pub(super) fn in_order(changes: &[Change]) -> Vec<(&str, Value)> {
    let mut keys: Vec<(&str, Value)> = Vec::new();
    for change in changes.iter().filter(|change| !change.value.is_null()) {
        match change.path.as_slice() {
            [key] => keys.push((key, change.value.clone())),
            [group, key] => {
                let at = keys.iter().position(|(name, _)| name == group).unwrap_or_else(|| {
                    keys.push((group, Value::Object(Map::new())));
                    keys.len() - 1
                });
                keys[at].1[key] = change.value.clone();
            }
            _ => {}
        }
    }
    let place = |name: &str| STREAM.keys.iter().position(|key| key.name == name);
    keys.sort_by_key(|(name, _)| place(name));
    keys
}

/// The keys of a stream in `pulsebox.yaml`; in requests also `username` and `password`. Made from the table
/// that the parser checks against.
pub(super) struct StreamSettings;

impl ToSchema for StreamSettings {}

impl PartialSchema for StreamSettings {
    fn schema() -> RefOr<Schema> {
        let beside = [
            ("username", text(0, 256).description(Some("Apart from the URL; with `password`, or neither.")).build()),
            ("password", text(0, 256).description(Some("Requests only; both empty removes them.")).build()),
            ("has_credentials", simple(Type::Boolean).description(Some("Answers only.")).build()),
        ];
        let mut object = object_of(&STREAM);
        for (name, schema) in beside {
            object = object.property(name, schema);
        }
        RefOr::T(object.into())
    }
}

fn object_of(section: &'static Section) -> ObjectBuilder {
    let mut object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for key in section.keys.iter().filter(|key| key.name != NOT_HERE) {
        object = object.property(key.name, schema_of(key));
        if matches!(key.absent, Absent::Required) {
            object = object.required(key.name);
        }
    }
    object
}

/// The JSON schema of what a key may hold.
pub(super) fn schema_of(key: &'static Key) -> RefOr<Schema> {
    let object = match key.kind {
        Kind::Map(inner) => object_of(inner),
        Kind::List(inner, most) => {
            let list = ArrayBuilder::new().items(object_of(inner)).max_items(Some(most));
            return RefOr::T(list.description(Some(key.about)).into());
        }
        Kind::Texts(_, most) => {
            let list = ArrayBuilder::new().items(text(1, 256)).max_items(Some(most));
            return RefOr::T(list.description(Some(key.about)).into());
        }
        Kind::Time => simple(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
        Kind::Bool => simple(Type::Boolean),
        Kind::Whole(min, max) => simple(Type::Integer).minimum(Some(min as f64)).maximum(Some(max as f64)),
        Kind::Decimal(min, max) => simple(Type::Number).minimum(Some(min)).maximum(Some(max)),
        Kind::Text(min, max) => text(min, max),
        Kind::Secret(max) => text(0, max),
        Kind::OneOf(words) => simple(Type::String).enum_values(Some(words.iter().copied())),
        Kind::Id => simple(Type::String).pattern(Some(super::openapi::ID)),
        Kind::CameraAddress => text(1, 2048).pattern(Some("^(rtsps?|https?)://[0-9A-Za-z*\\[]|^v4l2:///dev/[0-9a-z]")),
        _ => simple(Type::String),
    };
    RefOr::T(object.description(Some(key.about)).into())
}

fn simple(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(kind))
}

fn text(min: usize, max: usize) -> ObjectBuilder {
    simple(Type::String).min_length(Some(min)).max_length(Some(max))
}
