//! `/api/config`: `pulsebox.yaml` as text, secrets masked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::body::YamlBody;
use super::error::{ApiError, ErrorBody, ProblemView};
use super::params::Params;
use crate::config::WriteError;

/// The file's text with `***` for every secret, good or bad. The ETag is its version.
#[utoipa::path(
    get, path = "/api/config", tag = "settings",
    responses((status = 200, description = "The file", body = String, content_type = "text/yaml", headers(("ETag" = String))))
)]
pub(super) async fn read(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let shown = shared.config.text().await;
    let kind = HeaderValue::from_static("text/yaml; charset=utf-8");
    let mut response = shown.text.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    put_etag(&mut response, &shown.version);
    Ok(response)
}

fn put_etag(response: &mut Response, version: &str) {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, etag);
    }
}

/// Replaces the file's text. What is masked keeps its secret: a stream's by its id (of a renamed one by its
/// URL), a MediaMTX server's by its name. With `If-Match`, only where nobody has changed the file since it
/// was read.
#[utoipa::path(
    put, path = "/api/config", tag = "settings",
    params(("If-Match" = Option<String>, Header, description = "The ETag of the text that was read")),
    request_body(content = String, content_type = "text/yaml"),
    responses(
        (status = 204, description = "Written and in force", headers(("ETag" = String))),
        (status = 412, description = "The file has changed since", body = ErrorBody),
        (status = 422, description = "Bad settings, each with line and column", body = ErrorBody),
        (status = 503, description = "The file cannot be written", body = ErrorBody),
    )
)]
pub(super) async fn write(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    YamlBody(text): YamlBody,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let version = headers.get(header::IF_MATCH).and_then(|tag| tag.to_str().ok()).map(str::trim);
    let version =
        version.filter(|tag| *tag != "*").map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned());
    shared.config.write(text, version).await.map_err(|error| match error {
        WriteError::Changed => {
            ApiError { status: StatusCode::PRECONDITION_FAILED, ..ApiError::from(WriteError::Changed) }
        }
        error => error.into(),
    })?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    put_etag(&mut response, &shared.config.text().await.version);
    Ok(response)
}

/// What a check of a text found.
#[derive(Serialize, ToSchema)]
pub(super) struct ConfigCheck {
    /// Empty where the text would be taken.
    problems: Vec<ProblemView>,
    /// How many cameras it has; 0 where it is bad.
    cameras: usize,
}

/// Checks a text without writing it. Masked secrets are as good as of `PUT /api/config`.
#[utoipa::path(
    post, path = "/api/config/check", tag = "settings",
    request_body(content = String, content_type = "text/yaml"),
    responses((status = 200, description = "What is wrong with it, if anything", body = ConfigCheck))
)]
pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    YamlBody(text): YamlBody,
) -> Result<Response, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let check = match shared.config.check(text).await {
        Ok(cameras) => ConfigCheck { problems: Vec::new(), cameras },
        Err(error) if !error.problems().is_empty() => {
            ConfigCheck { problems: error.problems().iter().map(ProblemView::from).collect(), cameras: 0 }
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Json(check).into_response())
}
