//! The cameras' last good pictures, with their age: one at `/api/streams/{id}/thumbnail`, all of them counted
//! at `/api/thumbnails`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::Shared;
use super::access::{Caller, Scope};
use super::error::{ApiError, ErrorBody};
use super::params::{Id, Params};
use super::streams::fresh;
use super::view::age_seconds;
use crate::monitor::THUMBNAIL_EVERY;
use crate::monitor::board::{CameraStatus, Snapshot};

/// How long an order may wait for the monitor.
const CLEARED: Duration = Duration::from_secs(1);

const PICTURE_AT: HeaderName = HeaderName::from_static("x-picture-at");

/// A camera's last good picture, or 304. `refresh=true` has the camera checked first and needs the scope
/// `admin`. `v` is ignored: a page adds it so that a new picture has a new address.
#[utoipa::path(
    get, path = "/api/streams/{id}/thumbnail", tag = "pictures",
    params(
        Id,
        ("refresh" = Option<bool>, Query, description = "Check first"),
        ("v" = Option<String>, Query, description = "Anything"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the picture at hand"),
    ),
    responses(
        (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/jpeg",
            headers(("ETag" = String), ("Age" = u64, description = "Seconds"), ("X-Picture-At" = String))),
        (status = 304, description = "It is the one at hand"),
        (status = 403, description = "This token may not have it checked first", body = ErrorBody),
        (status = 404, description = "No such camera, or no picture yet", body = ErrorBody),
        (status = 409, description = "The camera is paused and cannot be checked first", body = ErrorBody),
        (status = 503, description = "The monitor has too much to do", body = ErrorBody),
    )
)]
pub(super) async fn thumbnail(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Result<Response<Body>, ApiError> {
    let refresh = Params::read(query.as_deref(), &["v", "refresh"])?.flag("refresh")?.unwrap_or(false);
    if refresh {
        // A check is a check, however it is ordered: a camera can lock an account that is tried too often.
        caller.must_have(Scope::Admin)?;
    }
    // First, so that the check makes one.
    shared.board.look_at();
    let camera = if refresh {
        shared.pictures.refreshes.fetch_add(1, Ordering::Relaxed);
        fresh(&shared, &id).await?.0
    } else {
        shared.board.camera(&id).ok_or_else(|| ApiError::unknown_camera(&id))?
    };
    let counted = if camera.thumbnail.is_some() { &shared.pictures.hits } else { &shared.pictures.misses };
    counted.fetch_add(1, Ordering::Relaxed);
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

/// How often pictures were asked for, since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// There was one.
    hits: AtomicU64,
    /// There was none.
    misses: AtomicU64,
    /// Asked for with a check first.
    refreshes: AtomicU64,
}

/// The pictures that are kept.
#[derive(Serialize, ToSchema)]
pub(super) struct Thumbnails {
    count: usize,
    /// All together.
    bytes: usize,
    /// While nobody looks, a picture is made anew after this long.
    ttl_seconds: u64,
    /// Asked for and there, since the start.
    hits: u64,
    /// Asked for and not there.
    misses: u64,
    /// Asked for with a check first.
    refreshes: u64,
    pictures: Vec<Picture>,
}

/// One picture that is kept.
#[derive(Serialize, ToSchema)]
struct Picture {
    /// The camera's id.
    camera: String,
    at: Timestamp,
    age_seconds: u64,
    bytes: usize,
    /// Pixels.
    width: u32,
    /// Pixels.
    height: u32,
}

/// The pictures that are kept, in the configuration's order.
#[utoipa::path(
    get, path = "/api/thumbnails", tag = "pictures",
    responses((status = 200, description = "The pictures, without their bytes", body = Thumbnails))
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Thumbnails>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let (snapshot, now) = (shared.board.now().clone(), shared.clock.now());
    let told = |camera: &Arc<CameraStatus>| {
        let thumbnail = camera.thumbnail.as_ref()?;
        Some(Picture {
            camera: camera.id.clone(),
            at: thumbnail.at,
            age_seconds: age_seconds(thumbnail.at, now),
            bytes: thumbnail.jpeg.len(),
            width: thumbnail.width,
            height: thumbnail.height,
        })
    };
    let pictures: Vec<Picture> = snapshot.in_order().filter_map(told).collect();
    let count = |counted: &AtomicU64| counted.load(Ordering::Relaxed);
    Ok(Json(Thumbnails {
        count: pictures.len(),
        bytes: pictures.iter().map(|picture| picture.bytes).sum(),
        ttl_seconds: THUMBNAIL_EVERY.as_secs(),
        hits: count(&shared.pictures.hits),
        misses: count(&shared.pictures.misses),
        refreshes: count(&shared.pictures.refreshes),
        pictures,
    }))
}

/// Forgets all pictures; each comes back with its camera's next check.
#[utoipa::path(
    delete, path = "/api/thumbnails", tag = "pictures",
    responses(
        (status = 204, description = "Forgotten"),
        (status = 503, description = "The monitor has too much to do", body = ErrorBody),
    )
)]
pub(super) async fn clear(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<StatusCode, ApiError> {
    Params::read(query.as_deref(), &[])?;
    let with_picture = |snapshot: &Snapshot| -> Vec<String> {
        snapshot.in_order().filter(|camera| camera.thumbnail.is_some()).map(|camera| camera.id.clone()).collect()
    };
    let ids = with_picture(&shared.board.now());
    // The monitor takes a few hundred orders at a time: it is given time between them.
    for id in ids {
        let asked = timeout(CLEARED, async {
            while !shared.orders.forget_picture(&id) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if asked.await.is_err() {
            return Err(ApiError::busy("the monitor has too much to do", "Try again in a moment.", 5));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Whether If-None-Match names `etag` (weak comparison, RFC 9110, section 13.1.2).
pub(super) fn has(request: &HeaderMap, etag: &str) -> bool {
    let tags = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}
