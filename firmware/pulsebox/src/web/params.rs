//! The query of a call, read strictly: what is not understood is refused and named, not ignored.

use std::collections::BTreeMap;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use jiff::Timestamp;
use utoipa::IntoParams;

use super::error::ApiError;

/// The camera's id in the path.
#[derive(IntoParams)]
#[into_params(names("id"), parameter_in = Path)]
pub(super) struct Id(
    /// The camera's id.
    #[param(pattern = "^[a-z0-9_-]{1,64}$", example = "gate")]
    pub String,
);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(ApiError::bad_request("the id in the path is not text", "Ids are a-z, 0-9, `_` and `-`.")),
        }
    }
}

/// The longest query that is read, bytes.
const QUERY_MAX: usize = 4096;

/// The named values of one query string.
#[derive(Debug)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads `query`, which may hold the names `known`, each once at most.
    pub fn read(query: Option<&str>, known: &[&str]) -> Result<Self, ApiError> {
        let query = query.unwrap_or("");
        if query.len() > QUERY_MAX {
            return Err(ApiError::bad_request("the query is too long", "Shorten it to 4096 bytes."));
        }
        let takes = if known.is_empty() {
            "This call takes no query.".to_owned()
        } else {
            format!("This call takes: {}.", known.join(", "))
        };
        let mut values = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let shown: String = name.chars().take(40).collect();
            if !known.contains(&&*name) {
                return Err(ApiError::bad_request(format!("`{shown}` is not known in this query"), takes));
            }
            if values.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(ApiError::bad_request(format!("`{shown}` stands twice in the query"), "Give it once."));
            }
        }
        Ok(Self(values))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// An RFC 3339 time.
    pub fn time(&self, name: &str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        // A `+` that was not written as %2B arrives as a space.
        let parsed = text.replace(' ', "+").parse().or_else(|_| text.parse());
        parsed.map(Some).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            ApiError::bad_request(
                format!("`{name}={shown}` is not a time"),
                format!("Write RFC 3339 with the zone, for instance {name}=2026-11-21T06:00:00Z."),
            )
        })
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.text(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(ApiError::bad_request(
                format!("`{name}` is neither true nor false"),
                format!("Write {name}=true, or leave it out."),
            )),
        }
    }

    /// A whole number within `range`.
    pub fn number(&self, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let shown: String = text.chars().take(40).collect();
                Err(ApiError::bad_request(
                    format!("`{name}={shown}` is not a whole number from {} to {}", range.start(), range.end()),
                    format!("Correct `{name}`."),
                ))
            }
        }
    }
}
