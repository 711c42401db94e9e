//! A call's JSON body, read strictly. The guard has read its bytes already, within their limit and deadline.

use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// A JSON body of this shape. Refused with 415 where it is not called JSON, with 422 where it has another shape.
pub(super) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "this call takes JSON",
                "Send `Content-Type: application/json`.",
            ));
        }
        // Bounded by the guard.
        let bytes = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        let bytes = bytes.map_err(|_| ApiError::bad_request("the body ended early", "Send it again."))?;
        serde_json::from_slice(&bytes).map(Self).map_err(|e| refused(&e))
    }
}

/// Without the values that the parser quotes: they may be passwords.
fn refused(error: &serde_json::Error) -> ApiError {
    let place = format!("line {}, column {}", error.line(), error.column());
    if !error.is_data() {
        return ApiError::bad_request(format!("the body is no JSON: {place}"), "Correct it there.");
    }
    let text = error.to_string();
    let about_a_field =
        ["missing field", "unknown field", "duplicate field"].iter().any(|start| text.starts_with(start));
    let text: String = text.chars().take(200).collect();
    let what = if about_a_field { text } else { format!("a value of the wrong kind, {place}") };
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, what, "docs/api.md shows what this call takes.")
}
