//! What stands below the routes: hosts, methods, heads, connections, and how the server ends.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::fixture::*;

#[tokio::test]
async fn a_name_that_anybody_could_own_is_refused() {
    let server = serve(&three()).await;
    let ask = async |host: &str| server.send(&format!("GET /api/status HTTP/1.1\n{host}\nConnection: close")).await;
    for host in ["Host: localhost:8080", "Host: 192.168.1.4", "Host: [::1]:80", "Host: box.local"] {
        assert_eq!(ask(host).await.status, 200, "{host}");
    }
    assert_eq!(ask("Host: cameras.example.org").await.status, 200, "a configured name");
    let rebound = ask("Host: evil.example").await;
    assert_eq!(rebound.status, 421);
    assert!(!String::from_utf8_lossy(&rebound.body).contains("Gate"));
    assert_eq!(ask("X: y").await.status, 400, "no Host");
    assert_eq!(ask("Host: localhost\nHost: evil.example").await.status, 400, "two");
    let absolute = "GET http://evil.example/api/status HTTP/1.1\nHost: localhost\nConnection: close";
    assert_eq!(server.send(absolute).await.status, 421);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let server = serve(&three()).await;
    for path in ["/", "/api/status", "/nothing", "/api/streams/gate/thumbnail", "/api/streams?bad=1"] {
        let answer = server.get_with(path, "Origin: http://evil.example").await;
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_405_with_those_it_takes() {
    let server = serve(&three()).await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "NONSENSE"] {
        let answer = server.send(&format!("{method} /api/ladder HTTP/1.1\nHost: localhost\nConnection: close")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{method}");
        assert!(answer.json()["error"]["do"].is_string());
    }
    let head = server.send("HEAD /api/streams HTTP/1.1\nHost: localhost\nConnection: close").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(server.get("/nothing/here").await.json()["error"]["what"], "there is nothing at this address");
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let server = serve(&three()).await;
    let answer = server.get_with("/api/streams", &format!("X: {}", "y".repeat(20_000))).await;
    assert_eq!(answer.status, 431);
}

// In turned time: while everybody waits, the clock jumps to the next deadline.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_end_its_head_is_cut_after_10_s() {
    let server = serve(&three()).await;
    let began = Instant::now();
    for sent in [&b"GET / HTTP/1.1\r\nHost: loc"[..], b""] {
        let mut slow = server.connect().await;
        slow.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(Duration::from_secs(13), slow.read_to_end(&mut answer)).await;
        assert!(ended.is_ok(), "{sent:?}: still open after {:?}", began.elapsed());
    }
    assert!((19..=21).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_201st_connection_is_told_that_there_is_no_room() {
    let server = serve(&three()).await;
    let mut open = Vec::new();
    for _ in 0..200 {
        // Each is answered before the next, so that all are known to be taken in.
        let mut stream = server.connect().await;
        stream.write_all(b"HEAD /api/ladder HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        assert!(timeout(PATIENCE, stream.read(&mut [0; 2048])).await.unwrap().unwrap() > 0);
        open.push(stream);
    }
    let refused = server.get("/api/streams").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("10")));
    assert!(refused.json()["error"]["what"].as_str().unwrap().contains("200"));
}

#[tokio::test]
async fn the_server_ends_in_time_whatever_is_open() {
    let server = serve(&three()).await;
    let mut half = server.connect().await;
    half.write_all(b"GET / HT").await.unwrap();
    let _idle = server.connect().await;
    let _listener = server.listen("/api/events", "").await;
    let began = std::time::Instant::now();
    server.stop.cancel();
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
    // It waits 0.8 s for who is in the middle of something; this machine may be busy too.
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
