//! The calls that give and take a backup.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::routes::Password;
use super::sealed::Backup;
use crate::config::WriteError;
use crate::web::Shared;
use crate::web::body::JsonBody;
use crate::web::error::ApiError;
use crate::web::server::Peer;

/// `/api/backup` and `/api/restore`.
pub(super) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(backup)).routes(routes!(restore))
}

/// Gives the configuration, secrets and all, sealed under the sign-in password.
#[utoipa::path(post, path = "/api/backup", tag = "access", request_body = Password, responses(
    (status = 200, body = Backup, description = "As a file to keep."),
    (status = 401, description = "The password is wrong."),
    (status = 429, description = "Tried too often."),
))]
async fn backup(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    JsonBody(Password { password }): JsonBody<Password>,
) -> Result<Response, ApiError> {
    shared.access.check_password(&password, peer.address.ip()).await?;
    let made = shared.clock.now();
    let text = shared.config.text_with_secrets().await?;
    let backup = Backup::seal(text, &password, made, &shared.access.0.hasher).await?;
    let day = made.to_zoned(shared.config.current().timezone.clone()).date();
    let name = format!("attachment; filename=\"pulsebox-backup-{day}.json\"");
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(backup)).into_response())
}

/// A backup and the password that it was sealed under: the sign-in password of then, perhaps of another box.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Restore {
    password: String,
    backup: Backup,
}

/// What is in force now.
#[derive(Serialize, ToSchema)]
struct Restored {
    /// How many cameras are configured.
    cameras: usize,
}

/// Puts a backup's configuration in the place of this one; what was there is kept beside the file.
#[utoipa::path(post, path = "/api/restore", tag = "access", request_body = Restore, responses(
    (status = 200, body = Restored),
    (status = 401, description = "The password is not this backup's, or the file was changed."),
    (status = 422, description = "It is no backup, or its configuration is no good for this version."),
    (status = 429, description = "Tried too often."),
))]
async fn restore(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    JsonBody(Restore { password, backup }): JsonBody<Restore>,
) -> Result<Json<Restored>, ApiError> {
    let from = peer.address.ip();
    shared.access.count_attempt(from)?;
    let text = backup.open(&password, &shared.access.0.hasher).await?;
    shared.access.forgive_attempt(from);
    shared.config.write(text, None).await.map_err(|error| match error {
        WriteError::Bad(errors) => {
            let first = errors.problems().first().map(|problem| format!(": {problem}")).unwrap_or_default();
            let what = format!("the backup's configuration is no good for this Pulsebox{first}");
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, what, "Restore it on the version that made it.")
        }
        error => error.into(),
    })?;
    log::info!("a backup was restored");
    Ok(Json(Restored { cameras: shared.config.current().cameras.len() }))
}
