//! What every call passes first and every answer carries: whom we answer, by which method, and what a
//! browser may do with the page.
//!
//! There is no sign-in yet; the server is bound to loopback. The Host check keeps a hostile web page from
//! reading it through a name of its own that it points at us (DNS rebinding).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::error::ApiError;

/// The longest body a call may bring, bytes.
const BODY_MAX: u64 = 64 << 10;

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Lets a call through or refuses it, and puts the security headers on whatever is answered.
pub(super) async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&request, &shared.hosts) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is must be asked anew; what may be kept says so itself.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

// The refusal is the answer itself, built once and sent: boxing it would gain nothing.
#[allow(clippy::result_large_err)]
fn admit(request: &Request, hosts: &[String]) -> Result<(), Response> {
    host_is_ours(request.headers(), request.uri(), hosts).map_err(IntoResponse::into_response)?;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_MAX) {
        let what = "the body is larger than 64 KiB";
        return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, what, "Send none.").into_response());
    }
    Ok(())
}

fn host_is_ours(headers: &HeaderMap, uri: &Uri, hosts: &[String]) -> Result<(), ApiError> {
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
        "Open the page by its address, `localhost` or its `.local` name.",
    ))
}

/// An address, `localhost`, a `.local` name (only the LAN can give one) or a configured name.
fn is_ours(host: &str, hosts: &[String]) -> bool {
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
        || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(&name))
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
        let ours =
            ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "192.168.1.9", "[::1]", "[::1]:8080", "pulsebox.local"];
        for host in ours.into_iter().chain(["pulsebox-2.local.:80", "cameras.example.org:8080", "a.localhost"]) {
            assert!(is_ours(host, &hosts), "{host}");
        }
        let others = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evillocal", ".local", ""];
        for host in others.into_iter().chain(["[::1", "[evil]", "[::1]evil", "localhost:x", "user@localhost:80x"]) {
            assert!(!is_ours(host, &hosts), "{host}");
        }
    }
}
