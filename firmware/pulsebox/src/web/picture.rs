//! `/api/streams/{id}/thumbnail`: a camera's last good picture, with its age.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use super::Shared;
use super::error::ApiError;
use super::params::Params;
use super::routes::Id;
use super::view::age_seconds;

const PICTURE_AT: HeaderName = HeaderName::from_static("x-picture-at");

/// The JPEG, or 304. `v` is ignored: a page adds it so that a new picture has a new address.
pub(super) async fn thumbnail(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    Params::read(query.as_deref(), &["v"])?;
    let camera = shared.board.camera(&id).ok_or_else(|| ApiError::unknown_camera(&id))?;
    shared.board.look_at();
    let thumbnail = camera.thumbnail.as_ref().ok_or_else(|| {
        ApiError::not_found(
            format!("there is no picture of `{id}` yet"),
            format!("GET /api/streams/{id} says how the last check went."),
        )
    })?;
    let etag = format!("\"{:016x}\"", thumbnail.etag);
    let mut response = if has(&request, &etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(thumbnail.jpeg.clone()));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::AGE, HeaderValue::from(age_seconds(thumbnail.at, shared.clock.now())));
    for (name, value) in [(header::ETAG, etag), (PICTURE_AT, thumbnail.at.to_string())] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// Whether If-None-Match names `etag` (weak comparison, RFC 9110, section 13.1.2).
pub(super) fn has(request: &HeaderMap, etag: &str) -> bool {
    let tags = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}
