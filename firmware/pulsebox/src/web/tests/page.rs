//! The page's own files: whole, packed, kept for ever or asked for anew, and of this box only.

use super::fixture::*;

/// The addresses of what the page loads, as its HTML names them.
fn assets(html: &str) -> Vec<String> {
    let named = html.split(['"', '\'']).filter_map(|text| text.strip_prefix("./assets/"));
    named.map(|name| format!("/assets/{name}")).collect()
}

#[tokio::test]
async fn the_page_is_self_contained_and_relative() {
    let server = serve(&three()).await;
    let page = server.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let html = String::from_utf8(page.body.clone()).unwrap();
    for elsewhere in ["=\"/", "http:", "https:"] {
        assert!(!html.contains(elsewhere), "every address is relative: {elsewhere}");
    }
    assert!(!html.contains("style=") && !html.contains("onclick"), "the content security policy forbids them");
    let assets = assets(&html);
    assert!(assets.iter().any(|path| path.ends_with(".js")) && assets.iter().any(|path| path.ends_with(".css")));
    for path in assets.iter().map(String::as_str).chain(["/favicon-up.svg", "/favicon-down.svg", "/"]) {
        let asset = server.get(path).await;
        assert_eq!(asset.status, 200, "{path}");
        let etag = asset.header("etag").unwrap();
        let again = server.get_with(path, &format!("If-None-Match: {etag}")).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
}

#[tokio::test]
async fn hashed_files_are_kept_for_ever_and_the_page_is_asked_for_anew() {
    let server = serve(&three()).await;
    let page = server.get("/").await;
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    for path in assets(&String::from_utf8(page.body).unwrap()) {
        let asset = server.get(&path).await;
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"), "{path}");
    }
    assert_eq!(server.get("/assets/index-00000000.js").await.status, 404, "another build's");
    assert_eq!(server.get("/index.html.gz").await.status, 404);
}

#[tokio::test]
async fn a_browser_gets_the_smallest_packing_that_it_takes() {
    let server = serve(&three()).await;
    let plain = server.get("/").await;
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
    for (takes, packed) in [
        ("gzip, deflate, br", Some("br")),
        ("gzip", Some("gzip")),
        ("br;q=0, gzip;q=0.5", Some("gzip")),
        ("gzip;q=0, identity", None),
    ] {
        let answer = server.get_with("/", &format!("Accept-Encoding: {takes}")).await;
        assert_eq!(answer.header("content-encoding"), packed, "{takes}");
        assert_eq!(packed.is_some(), answer.body.len() < plain.body.len(), "{takes}");
        assert_eq!(packed.is_some(), answer.header("etag") != plain.header("etag"), "{takes}");
    }
}
