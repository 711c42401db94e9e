//! What a caller is told when a call fails: a status, what happened, and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::check::CheckResult;
use crate::config::{Problem, WriteError};

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
    /// What is wrong with the settings, place by place.
    pub problems: Vec<Problem>,
    /// The check that failed while a camera was being added.
    pub check: Option<Box<CheckResult>>,
}

impl ApiError {
    pub fn new(status: StatusCode, what: impl Into<String>, advice: impl Into<String>) -> Self {
        let (what, advice) = (what.into(), advice.into());
        Self { status, what, advice, retry_after: None, problems: Vec::new(), check: None }
    }

    pub fn bad_request(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, advice)
    }

    pub fn not_found(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, advice)
    }

    /// 409: it is understood, and does not fit what is.
    pub fn conflict(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, what, advice)
    }

    /// 422: it is read, and what it says is no good.
    pub fn unfit(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, what, advice)
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

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match &error {
            WriteError::Bad(errors) => {
                let problems = errors.problems().to_vec();
                let first = problems.first();
                let what = first.map_or_else(|| error.to_string(), |problem| problem.what.clone());
                let advice = first.map_or_else(String::new, |problem| sentence(&problem.advice));
                Self { problems, ..Self::unfit(what, advice) }
            }
            WriteError::NoSuchStream(id) => Self::unknown_camera(id),
            WriteError::Changed => {
                Self::conflict("the file was changed meanwhile", "Read it again, then make your change once more.")
            }
            WriteError::FileIsBad(fault) => Self::conflict(
                format!("pulsebox.yaml has a mistake, so nothing can be changed in it: {fault}"),
                "Mend the file first, for instance with PUT /api/config.",
            ),
            WriteError::TooOdd => Self::unfit(
                "this change cannot be written into the file as it is laid out",
                "Change the text itself, with PUT /api/config.",
            ),
            WriteError::NotWritten { .. } => {
                log::error!("{error}");
                Self::busy(
                    "pulsebox.yaml cannot be written",
                    "Check that its folder can be written to and has room; the log has the system's answer.",
                    60,
                )
            }
        }
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '…']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// What every failed call answers.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    error: Told,
}

#[derive(Serialize, ToSchema)]
struct Told {
    /// What happened.
    what: String,
    /// What to do about it.
    #[serde(rename = "do")]
    advice: String,
    /// What is wrong with the settings, place by place.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<ProblemView>>,
    /// The check that failed while a camera was being added.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Box<CheckResult>>,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemView {
    /// In the text, from 1; of settings that were not sent as text, in the text that they would give.
    line: usize,
    /// From 1, in characters.
    column: usize,
    /// The key that it is about: `streams[0].url`; none where the text is no YAML.
    key: Option<String>,
    /// What is wrong.
    what: String,
    /// What to do about it.
    #[serde(rename = "do")]
    advice: String,
}

impl From<&Problem> for ProblemView {
    fn from(problem: &Problem) -> Self {
        let Problem { line, column, key, what, advice } = problem.clone();
        Self { line, column, key, what, advice }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problems = (!self.problems.is_empty()).then(|| self.problems.iter().map(ProblemView::from).collect());
        let told = Told { what: self.what, advice: self.advice, problems, check: self.check };
        let mut response = (self.status, Json(ErrorBody { error: told })).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
