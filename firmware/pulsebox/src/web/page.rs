//! The page, compiled in: what `npm run build` left in `firmware/ui/dist`, and the tab's icons.
//!
//! Each file lies there plain, gzipped and packed by brotli; nothing is packed while serving. Files under
//! `assets/` carry a hash of what is in them in their name and may be kept for ever; the page itself is asked
//! for anew each time. It knows nothing of who asks: the page is open to all, what it shows is not.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use rust_embed::{Embed, EmbeddedFile};

use super::Shared;
use crate::monitor::board::State;

#[derive(Embed)]
#[folder = "../ui/dist"]
struct Files;

/// What a browser may keep of a file.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
const ASK_ANEW: &str = "no-cache";

/// The ways a file is packed, best first: the name of the encoding, and the end of the packed file's name.
const PACKED: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Adds the page's files and icons: `/`, `/assets/…`, `/favicon-up.svg`, ….
pub(super) fn routes(mut router: Router<Arc<Shared>>) -> Router<Arc<Shared>> {
    for name in Files::iter().filter(|name| !PACKED.iter().any(|(_, end)| name.ends_with(end))) {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/{name}") };
        let file = get(async move |request: HeaderMap| file(&request, &name));
        router = router.route(&path, file);
    }
    for state in State::ALL {
        let icon = get(async move |request: HeaderMap| {
            let body = favicon(state);
            let etag = format!("{:016x}", fnv(body.as_bytes()));
            answer(&request, "image/svg+xml", ASK_ANEW, &etag, body.into())
        });
        router = router.route(&format!("/favicon-{}.svg", state.name()), icon);
    }
    router
}

/// One file, packed in the best way that the browser takes.
fn file(request: &HeaderMap, name: &str) -> Response<Body> {
    let packed = PACKED.into_iter().filter(|(encoding, _)| takes(request, encoding)).find_map(|(encoding, end)| {
        let file = Files::get(&format!("{name}{end}"))?;
        Some((Some(encoding), file))
    });
    let Some((encoding, file)) = packed.or_else(|| Some((None, Files::get(name)?))) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    };
    let keep = if name.starts_with("assets/") { FOR_EVER } else { ASK_ANEW };
    let mut response = answer(request, content_type(name), keep, &etag(&file), bytes(file));
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

/// Of the bytes that are sent, so that each way of packing has its own.
fn etag(file: &EmbeddedFile) -> String {
    file.metadata.sha256_hash()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(file: EmbeddedFile) -> Bytes {
    match file.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Whether Accept-Encoding names `encoding` and does not weigh it 0 (RFC 9110, section 12.5.3).
fn takes(request: &HeaderMap, encoding: &str) -> bool {
    let lines = request.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(encoding) && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// Answers with `body`, or with 304 where the browser has it.
fn answer(
    request: &HeaderMap,
    content_type: &'static str,
    keep: &'static str,
    etag: &str,
    body: Bytes,
) -> Response<Body> {
    let etag = format!("\"{etag}\"");
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
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The 64-bit FNV-1a hash: enough to tell one build's icon from another's.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The tab's icon for the worst state: colour and shape both tell it.
fn favicon(state: State) -> String {
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
