//! The calls about sign-in, the password and tokens.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Caller, ListedToken, MadeToken, Refusal, Scope};
use crate::web::Shared;
use crate::web::body::JsonBody;
use crate::web::error::ApiError;
use crate::web::params::{Id, Params};
use crate::web::server::Peer;

/// The session's cookie.
pub(in crate::web) const COOKIE: &str = "pulsebox_session";
/// The same over TLS. Another name, for a browser that holds a `Secure` cookie takes none of that name over http:
/// once `web: tls:` is taken out again, nobody could sign in. This prefix lets no other program set it.
const COOKIE_OVER_TLS: &str = "__Host-pulsebox_session";

/// The cookie's name on a connection like this one.
pub(in crate::web) fn cookie_name(peer: Peer) -> &'static str {
    if peer.tls { COOKIE_OVER_TLS } else { COOKIE }
}

/// Sign-in, password, tokens.
pub(in crate::web) fn routes() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new()
        .routes(routes!(session, sign_in, sign_out))
        .routes(routes!(claim))
        .routes(routes!(change_password))
        .routes(routes!(tokens, make_token))
        .routes(routes!(end_token))
        .merge(super::backup::routes())
}

/// The header that gives a browser its session, `seconds` long; 0 takes it away.
pub(in crate::web) fn set_cookie(value: &str, seconds: i64, peer: Peer) -> Result<HeaderValue, ApiError> {
    let secure = if peer.tls { "; Secure" } else { "" };
    let name = cookie_name(peer);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).map_err(|_| Refusal::NoRandomness.into())
}

async fn signed_in(shared: &Shared, peer: Peer) -> Result<Response, ApiError> {
    let lifetime = shared.session_lifetime();
    let id = shared.access.begin_session(lifetime).await?;
    let cookie = set_cookie(&id, lifetime.as_secs(), peer)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// Who is asking, and which box answers.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// Whether a password is set. Where it is not, the page asks for one.
    claimed: bool,
    signed_in: bool,
    scope: Option<Scope>,
    version: &'static str,
    /// The box's host name.
    name: String,
}

/// Who is asking, and which box answers.
#[utoipa::path(get, path = "/api/session", tag = "access", responses((status = 200, body = SessionView)), security(()))]
async fn session(
    State(shared): State<Arc<Shared>>,
    caller: Option<Extension<Caller>>,
    RawQuery(query): RawQuery,
) -> Result<Json<SessionView>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    Ok(Json(SessionView {
        claimed: shared.access.is_claimed(),
        signed_in: caller.is_some(),
        scope: caller.map(|Extension(caller)| caller.scope),
        version: env!("CARGO_PKG_VERSION"),
        name: shared.host_name.clone(),
    }))
}

/// A password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Password {
    pub password: String,
}

/// Sets the first password and signs in.
#[utoipa::path(post, path = "/api/claim", tag = "access", request_body = Password, security(()), responses(
    (status = 204, description = "The password is set; the cookie comes with it."),
    (status = 409, description = "The box has a password already."),
    (status = 422, description = "The password is shorter than 8 or longer than 256 characters."),
    (status = 429, description = "Tried too often."),
))]
async fn claim(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    JsonBody(Password { password }): JsonBody<Password>,
) -> Result<Response, ApiError> {
    if !shared.access.is_claimed() {
        shared.access.count_attempt(peer.address.ip())?;
    }
    shared.access.claim(&password).await?;
    signed_in(&shared, peer).await
}

/// Signs in.
#[utoipa::path(post, path = "/api/session", tag = "access", request_body = Password, security(()), responses(
    (status = 204, description = "Signed in; the cookie comes with it."),
    (status = 401, description = "The password is wrong."),
    (status = 409, description = "No password is set yet."),
    (status = 429, description = "Tried too often."),
))]
async fn sign_in(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    JsonBody(Password { password }): JsonBody<Password>,
) -> Result<Response, ApiError> {
    shared.access.check_password(&password, peer.address.ip()).await?;
    signed_in(&shared, peer).await
}

/// Signs out: ends the session of the cookie that comes with the call.
#[utoipa::path(delete, path = "/api/session", tag = "access", responses((status = 204, description = "Signed out.")))]
async fn sign_out(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    shared.access.end_session(&caller).await;
    let cookie = set_cookie("", 0, peer)?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// The password there is and the one there shall be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    current: String,
    new: String,
}

/// Sets another password and ends every other session. Tokens stay.
#[utoipa::path(put, path = "/api/password", tag = "access", request_body = PasswordChange, responses(
    (status = 204, description = "It is set; every other session has ended."),
    (status = 401, description = "The current password is wrong."),
    (status = 422, description = "The new one is shorter than 8 or longer than 256 characters."),
    (status = 429, description = "Tried too often."),
))]
async fn change_password(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    Extension(caller): Extension<Caller>,
    JsonBody(PasswordChange { current, new }): JsonBody<PasswordChange>,
) -> Result<StatusCode, ApiError> {
    shared.access.change_password(&caller, &current, &new, peer.address.ip()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Every token, without what it is.
#[utoipa::path(get, path = "/api/tokens", tag = "access", responses((status = 200, body = Vec<ListedToken>)))]
async fn tokens(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<ListedToken>>, ApiError> {
    Params::read(query.as_deref(), &[])?;
    Ok(Json(shared.access.tokens()))
}

/// A token to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// What will use it, 1 to 60 characters.
    #[schema(min_length = 1, max_length = 60)]
    name: String,
    scope: Scope,
}

/// Makes a token; its text is shown this once.
#[utoipa::path(post, path = "/api/tokens", tag = "access", request_body = NewToken, responses(
    (status = 201, body = MadeToken),
    (status = 409, description = "There are 50 tokens."),
    (status = 422, description = "The name is empty or too long."),
))]
async fn make_token(
    State(shared): State<Arc<Shared>>,
    JsonBody(NewToken { name, scope }): JsonBody<NewToken>,
) -> Result<(StatusCode, Json<MadeToken>), ApiError> {
    Ok((StatusCode::CREATED, Json(shared.access.make_token(&name, scope).await?)))
}

/// Ends a token.
#[utoipa::path(delete, path = "/api/tokens/{id}", tag = "access", params(("id" = String, Path)), responses(
    (status = 204, description = "It opens nothing any more."),
    (status = 404, description = "There is none of this id."),
))]
async fn end_token(State(shared): State<Arc<Shared>>, Id(id): Id) -> Result<StatusCode, ApiError> {
    shared.access.end_token(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Shared {
    /// How long a session lasts without a visit.
    pub(in crate::web) fn session_lifetime(&self) -> SignedDuration {
        let days = i64::from(self.config.current().web.session_days);
        SignedDuration::from_hours(24 * days)
    }
}
