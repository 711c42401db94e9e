//! What every call passes first and every answer carries: whom we answer, who may ask for it, how much they may
//! send, and what a browser may do with the page.
//!
//! The Host check keeps a hostile web page from reading the box through a name of its own that it points at us
//! (DNS rebinding); the check of where a call comes from keeps one from writing with a signed-in browser's cookie
//! (CSRF). What a call needs stands in [`access::need`](super::access::need). Bodies are read here, whole, within
//! their limit and deadline, and only of callers who may send one: handlers find them in memory. An update alone is
//! too large for that, and is taken piece by piece by [`appliance`](super::appliance::upload).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use super::Shared;
use super::access::{Caller, Need, cookie_name, need, set_cookie};
use super::cors;
use super::error::ApiError;
use super::server::Peer;
use crate::config::SIZE_LIMIT;

/// The longest body a call may bring, bytes.
const BODY_MAX: usize = 64 << 10;
/// The same for calls that bring little and need no sign-in.
const SMALL_BODY_MAX: usize = 4 << 10;
/// The same for a whole configuration.
const CONFIG_MAX: usize = SIZE_LIMIT as usize;
/// The same for a sealed one: base64 makes four bytes of three.
const BACKUP_MAX: usize = 3 << 19;
/// How long a body may take.
const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// Cookies of our name that are tried: another program on this host may have set one for a path of its own.
const COOKIES_TRIED: usize = 4;

const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), display-capture=()",
    ),
];

/// Lets a call through or refuses it, and puts the security headers on whatever is answered.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let config = shared.config.current();
    let elsewhere = cors::listed(request.headers(), &config.web.cors_origins);
    let mut response = match pass(&shared, &config.web.hosts, elsewhere.as_ref(), request, next).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    let is_refused = response.status() == StatusCode::UNAUTHORIZED;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if is_refused {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    cors::tell(headers, elsewhere, &config.web.cors_origins);
    // What is must be asked anew; what may be kept says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn pass(
    shared: &Shared,
    hosts: &[String],
    elsewhere: Option<&HeaderValue>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    // Without one the request did not come through our own server: a mistake in the wiring, and no way in.
    let peer = request.extensions().get::<Peer>().copied();
    let peer = peer.ok_or_else(|| ApiError::bad_request("the caller's address is not known", "Report this."))?;
    host_is_ours(request.headers(), request.uri(), &[hosts, std::slice::from_ref(&shared.host_name)])?;
    if cors::is_preflight(&request) {
        return cors::preflight(elsewhere.is_some());
    }
    let found = caller(shared, request.headers(), peer);
    let caller = may(&request, peer, found.as_ref().map(|found| &found.caller))?.cloned();
    let request = {
        if let Some(caller) = &caller {
            request.extensions_mut().insert(caller.clone());
        }
        with_body(request).await?
    };
    let mut response = next.run(request).await;
    if let Some(found) = found
        && found.is_due
    {
        move_on(shared, &found, peer, &mut response).await;
    }
    Ok(match caller {
        Some(caller) => until_ended(response, &caller),
        None => response,
    })
}

/// Who a call says it is.
struct Found {
    caller: Caller,
    /// Of a cookie: what it holds.
    cookie: Option<String>,
    /// Whether the cookie's end is to be moved on.
    is_due: bool,
}

/// A token outranks a cookie: who sends one means it.
fn caller(shared: &Shared, headers: &HeaderMap, peer: Peer) -> Option<Found> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let caller = scheme.eq_ignore_ascii_case("Bearer").then(|| shared.access.token(token.trim()))??;
        return Some(Found { caller, cookie: None, is_due: false });
    }
    let lifetime = shared.session_lifetime();
    cookies(headers, cookie_name(peer)).take(COOKIES_TRIED).find_map(|cookie| {
        let (caller, is_due) = shared.access.session(cookie, lifetime)?;
        Some(Found { caller, cookie: Some(cookie.to_owned()), is_due })
    })
}

fn cookies<'a>(headers: &'a HeaderMap, ours: &'static str) -> impl Iterator<Item = &'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).filter_map(move |pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == ours).then_some(value)
    })
}

/// Whether the caller may make this call; the caller, where the call knows who it is.
fn may<'a>(request: &Request, peer: Peer, caller: Option<&'a Caller>) -> Result<Option<&'a Caller>, ApiError> {
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    let is_browser = caller.is_some_and(Caller::is_browser);
    // A socket is opened with GET and not held back by the browser: it counts as a write.
    if is_write || (is_browser && request.headers().contains_key(header::UPGRADE)) {
        comes_from_our_page(request, peer, is_browser)?;
    }
    match (need(request.method(), request.uri().path()), caller) {
        (Need::Open, caller) => Ok(caller),
        (Need::Scope(_), None) => Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "this call needs sign-in",
            "Sign in on the page, or send `Authorization: Bearer <token>`.",
        )),
        (Need::Scope(scope), Some(caller)) => {
            caller.must_have(scope)?;
            Ok(Some(caller))
        }
    }
}

/// Whether a page of ours sent this. A browser says where a call comes from; a program need not. What comes with a
/// cookie must say it, and what says that it comes from elsewhere is believed.
fn comes_from_our_page(request: &Request, peer: Peer, must_say: bool) -> Result<(), ApiError> {
    let text = |name: &HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let is_ours = match (text(&HeaderName::from_static("sec-fetch-site")), text(&header::ORIGIN)) {
        (Some(site), _) => site == "same-origin" || (!must_say && site == "none"),
        (None, Some(origin)) => {
            let (scheme, host) = origin.split_once("://").unwrap_or(("", ""));
            let asked = request.uri().authority().map(|a| a.as_str()).or(text(&header::HOST)).unwrap_or_default();
            // A proxy in front of us may speak TLS for us; nobody takes it away where we speak it ourselves.
            let is_scheme = scheme == "https" || (scheme == "http" && !peer.tls);
            is_scheme && !host.is_empty() && host.eq_ignore_ascii_case(asked)
        }
        (None, None) => !must_say,
    };
    // Scripts of a listed page bring a token and never a cookie.
    if is_ours || (!must_say && request.headers().contains_key(header::AUTHORIZATION)) {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "this call comes from a page that is not this box's own",
        "Open the page of this box, or send a token instead of the cookie.",
    ))
}

/// The longest body that this call may bring.
fn body_max(request: &Request) -> usize {
    match request.uri().path() {
        "/api/session" | "/api/claim" => SMALL_BODY_MAX,
        "/api/config" | "/api/config/check" => CONFIG_MAX,
        "/api/restore" => BACKUP_MAX,
        _ => BODY_MAX,
    }
}

/// Whether the handler takes the body piece by piece, within limits and deadlines of its own.
fn is_streamed(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path() == "/api/update"
}

/// Reads the body into memory.
async fn with_body(request: Request) -> Result<Request, ApiError> {
    if request.body().is_end_stream() || is_streamed(&request) {
        return Ok(request);
    }
    let max = body_max(&request);
    let too_large = || {
        let what = format!("the body is larger than {} KiB", max >> 10);
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, what, "Send less.")
    };
    if request.body().size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let (parts, body) = request.into_parts();
    match timeout(BODY_DEADLINE, Limited::new(body, max).collect()).await {
        Ok(Ok(read)) => Ok(Request::from_parts(parts, Body::from(read.to_bytes()))),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ApiError::bad_request("the body ended early", "Send it again.")),
        Err(_) => {
            let what = format!("the body did not come within {} s", BODY_DEADLINE.as_secs());
            Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, what, "Send it again."))
        }
    }
}

/// Moves a session's end on, here and in the browser.
async fn move_on(shared: &Shared, found: &Found, peer: Peer, response: &mut Response) {
    let lifetime = shared.session_lifetime();
    let Some(cookie) = &found.cookie else { return };
    // A call that ended the session or began another has said so itself.
    if found.caller.ended.is_cancelled() || response.headers().contains_key(header::SET_COOKIE) {
        return;
    }
    if shared.access.renew(&found.caller, lifetime).await
        && let Ok(value) = set_cookie(cookie, lifetime.as_secs(), peer)
    {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

/// An answer that has no end of its own ends with the session or token that asked for it.
fn until_ended(response: Response, caller: &Caller) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !(kind.starts_with("text/event-stream") || kind.starts_with("multipart/")) {
        return response;
    }
    let ended = caller.ended.clone();
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(ended.cancelled_owned())))
}

pub(super) fn host_is_ours(headers: &HeaderMap, uri: &Uri, hosts: &[&[String]]) -> Result<(), ApiError> {
    let mut given = headers.get_all(header::HOST).iter();
    let (host, more) = (given.next(), given.next());
    // An absolute request target outranks the Host header (RFC 9112, section 3.2.2).
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => host.and_then(|host| host.to_str().ok()),
    };
    let (Some(host), None) = (host, more) else {
        return Err(ApiError::bad_request("the request needs one Host header", "Send `Host: localhost`."));
    };
    if is_ours(host, hosts) {
        return Ok(());
    }
    let shown: String = host.chars().take(80).collect();
    Err(ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        format!("`{shown}` is not a name of this box"),
        "Open the page by its address, `localhost` or its `.local` name, or add this one to `web: hosts:`.",
    ))
}

/// An address, `localhost`, a `.local` name (only the LAN can give one) or a configured name.
fn is_ours(host: &str, hosts: &[&[String]]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            return address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port));
        }
        None => match host.split_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => name,
            Some(_) => return false,
            None => host,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || (name.ends_with(".local") && name.len() > ".local".len())
        || hosts.iter().copied().flatten().any(|ours| ours.eq_ignore_ascii_case(&name))
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_nobody_else_can_own_are_ours() {
        let hosts = ["cameras.example.org".to_owned()];
        let hosts: &[&[String]] = &[&hosts];
        let ours =
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "192.168.1.9", "[::1]", "[::1]:8080", "pulsebox.local"];
        for host in ours.into_iter().chain(["pulsebox-2.local.:80", "cameras.example.org:8080", "a.localhost"]) {
            assert!(is_ours(host, hosts), "{host}");
        }
        let others = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocal", ".local", ""];
        for host in others.into_iter().chain(["[::1", "[evil]", "[::1]evil", "localhost:x", "user@localhost:80x"]) {
            assert!(!is_ours(host, hosts), "{host}");
        }
    }
}
