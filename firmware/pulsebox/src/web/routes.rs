//! All routes: the documented API of [`openapi`](super::openapi), the page's files, and what is answered
//! elsewhere.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::{Extension, Router, middleware};

use super::error::ApiError;
use super::{Shared, guard, openapi, page};
use crate::config::Store;

/// All routes, behind the guard.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let (router, document) = openapi::documented();
    let router = router.layer(Extension(document));
    page::routes(router)
        .method_not_allowed_fallback(async || {
            let what = "this address takes other methods";
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, what, "`Allow` says which; docs/api.md says what for.")
        })
        .fallback(async || ApiError::not_found("there is nothing at this address", "docs/api.md lists what there is."))
        .layer(middleware::from_fn_with_state(shared.clone(), guard::guard))
        .with_state(shared)
}

/// What answers an unencrypted call to an encrypted port: the address to go to. Only readers are sent on, for what
/// a writer brings has crossed the network readably already.
pub(super) fn to_https(config: Arc<Store>, host_name: String) -> Router {
    Router::new().fallback(async move |request: Request| {
        let (headers, uri) = (request.headers(), request.uri());
        guard::host_is_ours(headers, uri, &[&config.current().web.hosts, std::slice::from_ref(&host_name)])?;
        let host = uri.authority().map(|authority| authority.as_str());
        let host = host.or(headers.get(header::HOST).and_then(|host| host.to_str().ok())).unwrap_or_default();
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(ApiError::bad_request("this port is encrypted", format!("Call https://{host}/ instead.")));
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("https://{host}{path}"))]))
    })
}
