//! Why something about sign-in was refused, in words.

use std::time::Duration;

use axum::http::StatusCode;

use crate::web::error::ApiError;

/// Why a call about sign-in failed. Its text never holds a secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Somebody has set the password before.
    #[error("this box has a password already")]
    Claimed,
    /// Nobody has set a password yet.
    #[error("this box has no password yet")]
    Unclaimed,
    /// So many characters.
    #[error("the password has {0} characters")]
    PasswordLength(usize),
    /// It is not this one.
    #[error("the password is wrong")]
    WrongPassword,
    /// So long until the next try.
    #[error("a password was tried too often")]
    TooOften(Duration),
    /// What is kept cannot be read; why.
    #[error("nobody can sign in: {0}")]
    Damaged(String),
    /// A token's name is empty or too long.
    #[error("a token's name has 1 to 60 characters in one line")]
    TokenName,
    /// There is no room for another.
    #[error("there are {0} tokens already")]
    TooManyTokens(usize),
    /// There is none of this id.
    #[error("there is no such token")]
    UnknownToken,
    /// It is no backup, or not whole.
    #[error("this is no backup that can be read: {0}")]
    NoBackup(&'static str),
    /// It is not the one that the backup was sealed under; or the backup was changed, which looks the same.
    #[error("the password is not this backup's, or the file was changed")]
    WrongBackupPassword,
    /// The token's scope is `read`.
    #[error("this token may only read")]
    ReadOnly,
    /// Others are being checked.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        use Refusal::*;
        let (status, advice) = match &refusal {
            Claimed => (StatusCode::CONFLICT, "Sign in. If it is forgotten, run `pulsebox password` on the box."),
            Unclaimed => (StatusCode::CONFLICT, "Open the page and set one."),
            PasswordLength(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Choose one of 8 to 256 characters."),
            WrongPassword => (StatusCode::UNAUTHORIZED, "Type it again."),
            TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "Wait a moment, then try again."),
            Damaged(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Run `pulsebox password` on the box: it sets the damaged file aside, and the page asks for a new password.",
            ),
            TokenName => (StatusCode::UNPROCESSABLE_ENTITY, "Give it a name that tells what uses it."),
            TooManyTokens(_) => (StatusCode::CONFLICT, "Remove one that nothing uses."),
            UnknownToken => (StatusCode::NOT_FOUND, "List them with GET /api/tokens."),
            WrongBackupPassword => {
                (StatusCode::UNAUTHORIZED, "Give the password that the box had when the backup was made.")
            }
            NoBackup(_) => (StatusCode::UNPROCESSABLE_ENTITY, "Choose a file that this page gave as a backup."),
            ReadOnly => (StatusCode::FORBIDDEN, "Make a token with the scope `admin` on the page, under Settings."),
            Busy => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a moment."),
            NoRandomness => (StatusCode::INTERNAL_SERVER_ERROR, "Restart the box."),
        };
        let retry_after = match &refusal {
            TooOften(wait) => Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1)),
            Busy => Some(5),
            _ => None,
        };
        Self { retry_after, ..Self::new(status, refusal.to_string(), advice) }
    }
}
