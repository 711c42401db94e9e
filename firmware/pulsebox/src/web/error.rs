//! What a caller is told when a call fails: a status, what happened, and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// A failed call. As JSON: `{"error": {"what": …, "do": …}}`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    pub status: StatusCode,
    /// What happened, a sentence without its full stop; never quotes a camera's URL.
    pub what: String,
    /// What to do about it.
    pub advice: String,
    /// Seconds after which another try makes sense.
    pub retry_after: Option<u32>,
}

impl ApiError {
    pub fn new(status: StatusCode, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status, what: what.into(), advice: advice.into(), retry_after: None }
    }

    pub fn bad_request(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, advice)
    }

    pub fn not_found(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, advice)
    }

    pub fn unknown_camera(id: &str) -> Self {
        let shown: String = id.chars().take(64).collect();
        Self::not_found(format!("there is no camera with the id `{shown}`"), "List the ids with GET /api/streams.")
    }

    /// 503, with the time after which to try again.
    pub fn busy(what: impl Into<String>, advice: impl Into<String>, retry_after: u32) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, what, advice) }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    what: &'a str,
    #[serde(rename = "do")]
    advice: &'a str,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body { error: Told { what: &self.what, advice: &self.advice } };
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
