//! Every route of the API, once: the router and the OpenAPI document come from the same handlers.
//!
//! What the guard and the server answer before a handler is asked is written into the document here, for
//! every call alike.

use std::sync::Arc;

use axum::extract::RawQuery;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::schema::{AdditionalProperties, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, ContentBuilder, Info, OpenApi, OpenApiBuilder, PathItem, Ref, RefOr, ResponseBuilder, SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::COOKIE;
use super::error::{ApiError, ErrorBody};
use super::params::Params;
use super::stream_settings::StreamSettings;
use super::{
    Shared, access, appliance, check, config, history, leds, live, local_cameras, metrics, mqtt, network, read,
    settings, socket, streams, system, thumbnails, video,
};
use crate::config::keys::{Kind, SECTIONS};

/// What an id looks like.
pub(super) const ID: &str = "^[a-z0-9_-]{1,64}$";

/// The handlers and their document.
pub(super) fn documented() -> (Router<Arc<Shared>>, Document) {
    let (router, mut api) = handlers().split_for_parts();
    finish(&mut api);
    // Numbers, text and lists always become JSON.
    (router, Document(api.to_json().unwrap_or_default().into()))
}

fn handlers() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::with_openapi(about())
        .routes(routes!(read::health))
        .routes(routes!(read::status))
        .routes(routes!(read::streams, streams::add))
        .routes(routes!(read::stream, streams::replace, streams::change, streams::remove))
        .routes(routes!(streams::restore))
        .routes(routes!(streams::check_now))
        .routes(routes!(check::check))
        .routes(routes!(local_cameras::local_cameras))
        .routes(routes!(thumbnails::thumbnail))
        .routes(routes!(thumbnails::list, thumbnails::clear))
        .routes(routes!(history::history))
        .routes(routes!(history::history_csv))
        .routes(routes!(history::checks))
        .routes(routes!(history::checks_csv))
        .routes(routes!(history::uptime))
        .routes(routes!(history::incidents))
        .routes(routes!(history::good_picture))
        .routes(routes!(history::bad_picture))
        .routes(routes!(read::ladder))
        .routes(routes!(read::events))
        .routes(routes!(settings::read, settings::change))
        .routes(routes!(settings::keys))
        .routes(routes!(config::read, config::write))
        .routes(routes!(config::check))
        .routes(routes!(mqtt::try_it))
        .routes(routes!(socket::open))
        .routes(routes!(system::system))
        .routes(routes!(system::identify))
        .routes(routes!(network::read))
        .routes(routes!(network::keep))
        .routes(routes!(appliance::upload))
        .routes(routes!(appliance::install))
        .routes(routes!(appliance::restart))
        .routes(routes!(appliance::reset))
        .routes(routes!(leds::leds))
        .routes(routes!(metrics::metrics))
        .routes(routes!(document))
        .merge(access::routes())
        .merge(live::routes())
        .merge(video::routes())
}

/// The document as JSON.
#[derive(Clone)]
pub(super) struct Document(pub Arc<str>);

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "box",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn document(Extension(document): Extension<Document>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    Ok(([(header::CONTENT_TYPE, "application/json")], document.0.to_string()).into_response())
}

fn about() -> OpenApi {
    let mut info = Info::new("Pulsebox", env!("CARGO_PKG_VERSION"));
    info.description = Some("Watches cameras and proves that each shows a living picture.".into());
    OpenApiBuilder::new().info(info).build()
}

/// Adds what every call has in common.
fn finish(api: &mut OpenApi) {
    let components = api.components.get_or_insert_default();
    components.schemas.insert("ErrorBody".into(), ErrorBody::schema());
    let mut inner = Vec::new();
    ErrorBody::schemas(&mut inner);
    components.schemas.extend(inner);
    let cookie = ApiKey::Cookie(ApiKeyValue::with_description(COOKIE, "Over TLS: `__Host-pulsebox_session`."));
    components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let none: [&str; 0] = [];
    let either = [SecurityRequirement::new("session", none), SecurityRequirement::new("token", none)];
    for item in api.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            let security = operation.security.get_or_insert_with(|| either.to_vec());
            let open = security.iter().all(|need| *need == SecurityRequirement::default());
            common_answers(operation, &method, open);
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    [
        (HttpMethod::Get, item.get.as_mut()),
        (HttpMethod::Put, item.put.as_mut()),
        (HttpMethod::Post, item.post.as_mut()),
        (HttpMethod::Delete, item.delete.as_mut()),
        (HttpMethod::Patch, item.patch.as_mut()),
    ]
    .into_iter()
    .filter_map(|(method, operation)| Some((method, operation?)))
}

/// What comes before any handler, or of every one.
fn common_answers(operation: &mut Operation, method: &HttpMethod, open: bool) {
    let mut answers = vec![
        ("400", "The call is not understood: its Host, its query, its body"),
        ("421", "Asked for by a name that is not the box's"),
        ("503", "No room, or not now; Retry-After says when"),
    ];
    if !open {
        answers.push(("401", "Not signed in"));
        answers.push(("403", "The token may only read, or the call comes from a page elsewhere"));
    } else if *method != HttpMethod::Get {
        answers.push(("403", "The call comes from a page elsewhere"));
    }
    if operation.request_body.is_some() {
        answers.push(("408", "The body did not come in time"));
        answers.push(("413", "The body is too long"));
        answers.push(("415", "The body has another type"));
        answers.push(("422", "The body says what is no good"));
    }
    for (status, description) in answers {
        let response = ResponseBuilder::new().description(description).content("application/json", error()).build();
        operation.responses.responses.entry(status.into()).or_insert(RefOr::T(response));
    }
    // A call that fails says why, whatever its handler's author wrote down.
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) && response.content.is_empty() {
            response.content.insert("application/json".into(), error());
        }
    }
}

fn error() -> Content {
    ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build()
}

/// A free object, for what has names that are not known here.
fn free(description: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    RefOr::T(
        object.description(Some(description)).additional_properties(Some(AdditionalProperties::FreeForm(true))).into(),
    )
}

/// `/api/status`.
pub(super) struct Status;

impl ToSchema for Status {}

impl PartialSchema for Status {
    fn schema() -> RefOr<Schema> {
        free("By camera name `{ts, status, latency, message}`; beside them `cameras` and `host`.")
    }
}

/// What the file gives outside the streams.
pub(super) struct Settings;

impl ToSchema for Settings {}

impl PartialSchema for Settings {
    fn schema() -> RefOr<Schema> {
        free("The file's keys outside the streams, as they nest there; GET /api/settings/keys tells of each.")
    }
}

/// Changes of settings: dotted keys.
pub(super) struct SettingsChanges;

impl ToSchema for SettingsChanges {}

impl PartialSchema for SettingsChanges {
    fn schema() -> RefOr<Schema> {
        dotted_keys("")
    }
}

/// A broker to try: dotted keys below `mqtt`.
pub(super) struct BrokerSettings;

impl ToSchema for BrokerSettings {}

impl PartialSchema for BrokerSettings {
    fn schema() -> RefOr<Schema> {
        dotted_keys("mqtt.")
    }
}

/// An object with every key that begins with `start`, without it; each may be null.
fn dotted_keys(start: &str) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)));
    for section in SECTIONS {
        // Those of streams and of entries of lists are not set one by one.
        if section.path.contains("[]") {
            continue;
        }
        for key in section.keys.iter().filter(|key| !matches!(key.kind, Kind::Map(_))) {
            if section.path.is_empty() && key.name == "streams" {
                continue;
            }
            let path = if section.path.is_empty() { key.name.into() } else { format!("{}.{}", section.path, key.name) };
            if let Some(path) = path.strip_prefix(start) {
                object = object.property(path, or_null(super::stream_settings::schema_of(key)));
            }
        }
    }
    RefOr::T(object.into())
}

/// A stream's settings and `check`.
pub(super) struct NewStream;

impl ToSchema for NewStream {}

impl PartialSchema for NewStream {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut object)) = StreamSettings::schema() else { return StreamSettings::schema() };
        let check = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean));
        let check = check.description(Some("Check the camera first, and refuse it where that fails; true."));
        object.properties.insert("check".into(), RefOr::T(check.into()));
        RefOr::T(object.into())
    }
}

/// Some of a stream's settings.
pub(super) struct StreamChanges;

impl ToSchema for StreamChanges {}

impl PartialSchema for StreamChanges {
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut object)) = StreamSettings::schema() else { return StreamSettings::schema() };
        object.properties.remove("id");
        RefOr::T(changes_of(object).into())
    }
}

/// An object whose keys are all free to be left out, or to be put back to their default.
fn changes_of(mut object: Object) -> Object {
    object.required.clear();
    for (_, key) in object.properties.iter_mut() {
        *key = or_null(std::mem::take(key));
    }
    object
}

/// The same, or `null`; so its keys, where it has some.
fn or_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let schema = match schema {
        RefOr::T(Schema::Object(object)) => RefOr::T(changes_of(object).into()),
        other => other,
    };
    let null = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Null));
    RefOr::T(OneOfBuilder::new().item(schema).item(null).into())
}
