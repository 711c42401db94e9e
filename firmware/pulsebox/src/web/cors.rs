//! Scripts of pages elsewhere: only of the origins that `web: cors_origins:` lists, and only with a token.
//!
//! Nothing here lets a cookie through: no answer says `Access-Control-Allow-Credentials`.

use axum::extract::Request;
use axum::http::header;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// The origin that asks, where it is listed.
pub(super) fn listed(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

/// Whether a browser asks if it may ask.
pub(super) fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    *request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to that.
pub(super) fn preflight(is_listed: bool) -> Result<Response, ApiError> {
    if !is_listed {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "this origin may not ask",
            "List it in `web: cors_origins:` of pulsebox.yaml.",
        ));
    }
    let may = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, PATCH, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match, if-none-match, last-event-id"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    Ok((StatusCode::NO_CONTENT, may).into_response())
}

/// Tells the browser that the script may read the answer.
pub(super) fn tell(headers: &mut HeaderMap, listed: Option<HeaderValue>, origins: &[String]) {
    if !origins.is_empty() {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = listed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        let exposed = HeaderValue::from_static("etag, location, retry-after, x-picture-at");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
}
