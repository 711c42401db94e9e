//! The body of a call, read strictly. The guard has bounded it by what its call may bring.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::error::ApiError;

/// A JSON body. 415 for another type, 400 for no JSON, 422 for JSON of
/// another shape.
pub(super) struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        must_be(request.headers(), &["application/json"])?;
        let bytes = read(request, state).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| refuse(&error))
    }
}

fn refuse(error: &serde_json::Error) -> ApiError {
    let place = format!("line {}, column {}", error.line(), error.column());
    let text = error.to_string();
    match error.classify() {
        // The other words of serde quote values, which may be passwords.
        Category::Data if text.starts_with("unknown field") || text.starts_with("missing field") => {
            ApiError::unfit(text.replace(" at line", ", at line"), "docs/api.md lists what this call takes.")
        }
        Category::Data => {
            ApiError::unfit(format!("a value has the wrong type at {place}"), "docs/api.md lists what this call takes.")
        }
        _ => ApiError::bad_request(format!("the body is no JSON: it breaks off at {place}"), "Send whole JSON."),
    }
}

/// A YAML body, as text. 415, and 400 as of [`JsonBody`].
pub(super) struct YamlBody(pub String);

impl<S: Send + Sync> FromRequest<S> for YamlBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        must_be(request.headers(), &["text/yaml", "application/yaml", "text/x-yaml", "text/plain"])?;
        let bytes = read(request, state).await?;
        match String::from_utf8(bytes.into()) {
            Ok(text) => Ok(Self(text)),
            Err(_) => Err(ApiError::bad_request("the text is not UTF-8", "Save it as UTF-8.")),
        }
    }
}

fn must_be(headers: &HeaderMap, types: &[&str]) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if types.iter().any(|known| essence.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body has another type than this call takes",
        format!("Send `Content-Type: {}`.", types[0]),
    ))
}

/// The whole body, which the guard has in hand already.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    let whole = Bytes::from_request(request, state).await;
    whole.map_err(|_| ApiError::bad_request("the body did not come whole", "Send it again."))
}
