//! Which call needs what: nothing is open that does not stand here.

use axum::http::Method;

use super::Scope;

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Need {
    /// Nothing.
    Open,
    /// A session, or a token of this scope.
    Scope(Scope),
}

/// Calls of the API that need no sign-in.
const OPEN: [(&str, &str); 4] =
    [("GET", "/api/health"), ("GET", "/api/session"), ("POST", "/api/session"), ("POST", "/api/claim")];

/// What can only be read by who may change it: it tells secrets' places, or who else may do what.
const ADMIN_READS: [&str; 3] = ["/api/config", "/api/settings", "/api/tokens"];

/// What a call needs, by its method and path as sent. The router matches paths as sent, so that an
/// encoded letter makes another path here as there.
pub(in crate::web) fn need(method: &Method, path: &str) -> Need {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let as_get = if *method == Method::HEAD { "GET" } else { method.as_str() };
    if OPEN.contains(&(as_get, path)) {
        return Need::Open;
    }
    let is_page = !path.starts_with("/api") && !path.starts_with("/metrics");
    match (reads, is_page) {
        (true, true) => Need::Open, // the page's files, the same on every box
        (true, false) if !ADMIN_READS.contains(&path) => Need::Scope(Scope::Read),
        _ => Need::Scope(Scope::Admin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_nowhere_is_not_open() {
        let admin = Need::Scope(Scope::Admin);
        let read = Need::Scope(Scope::Read);
        for (method, path, needs) in [
            ("GET", "/", Need::Open),
            ("HEAD", "/assets/index-abc.js", Need::Open),
            ("HEAD", "/api/health", Need::Open),
            ("POST", "/api/claim", Need::Open),
            ("GET", "/api/claim", read),
            ("DELETE", "/api/session", admin),
            ("POST", "/api/health", admin),
            ("POST", "/", admin),
            ("OPTIONS", "/api/streams", admin),
            ("NONSENSE", "/api/streams", admin),
            ("GET", "/api/health/", read),
            ("GET", "/api/nothing", read),
            ("GET", "/apix", read),
            ("GET", "/metrics", read),
            ("GET", "/api/config", admin),
            ("HEAD", "/api/tokens", admin),
            ("GET", "/api/settings", admin),
            ("GET", "/api/settings/keys", read),
            ("PUT", "/api/config", admin),
        ] {
            assert_eq!(need(&method.parse().unwrap(), path), needs, "{method} {path}");
        }
    }
}
