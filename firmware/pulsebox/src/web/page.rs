//! The page's files, compiled in.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::monitor::board::State;

/// One file of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    /// Where it is served.
    pub path: &'static str,
    pub content_type: &'static str,
    pub body: &'static str,
}

/// The page itself; the favicons come beside it, see [`favicon`].
pub(super) const ASSETS: [Asset; 3] = [
    Asset { path: "/", content_type: "text/html; charset=utf-8", body: include_str!("page/index.html") },
    Asset { path: "/page.css", content_type: "text/css; charset=utf-8", body: include_str!("page/page.css") },
    Asset { path: "/page.js", content_type: "text/javascript; charset=utf-8", body: include_str!("page/page.js") },
];

/// Answers with `body`, or with 304 where the browser has it.
pub(super) fn answer(request: &HeaderMap, content_type: &'static str, body: String) -> Response<Body> {
    let etag = format!("\"{:016x}\"", fnv(body.as_bytes()));
    let mut response = if super::thumbnails::has(request, &etag) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(Body::from(body));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The 64-bit FNV-1a hash: enough to tell one build's file from another's.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The tab's icon for the worst state: colour and shape both tell it.
pub(super) fn favicon(state: State) -> String {
    let (colour, shape) = match state {
        State::Up => ("#1a7f4b", "M10 17l4 4 8-9"),
        State::Degraded => ("#b26a00", "M16 9v8M16 22v.5"),
        State::Down => ("#c62828", "M11 11l10 10M21 11L11 21"),
        State::Unknown => ("#5f6b7a", "M12.5 12.5a3.5 3.5 0 1 1 5 3.2c-1 .6-1.5 1.1-1.5 2.300M16 22v.5"),
        State::Paused => ("#5f6b7a", "M13 11v10M19 11v10"),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><circle cx=\"16\" cy=\"16\" r=\"15\" \
         fill=\"{colour}\"/><path d=\"{shape}\" fill=\"none\" stroke=\"#fff\" stroke-width=\"3.2\" \
         stroke-linecap=\"round\" stroke-linejoin=\"round\"/></svg>"
    )
}
