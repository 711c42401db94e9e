//! Sign-in where time must be turned or the inside be seen; the rest stands in `tests/security.rs`.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, advance, timeout};

use super::fixture::*;
use crate::web::access::{Access, Scope};

const MONTH: SignedDuration = SignedDuration::from_hours(30 * 24);
const DAY: Duration = Duration::from_secs(86_400);

impl Server {
    /// GET with this cookie only.
    async fn get_with_cookie(&self, path: &str, cookie: &str) -> Answer {
        let cookie = format!("Cookie: other=1; pulsebox_session={cookie}");
        self.send_as_stranger(&format!("GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n{cookie}")).await
    }
}

#[tokio::test]
async fn every_route_there_is_needs_sign_in_but_four() {
    let server = serve(&three()).await;
    let calls = super::docs::calls();
    assert!(calls.len() > 40, "{calls:?}");
    let mut open = Vec::new();
    for (method, path) in calls {
        let path = path.replace("{id}", "gate").replace("{n}", "1");
        for credentials in ["X: none", "Authorization: Bearer pbx_guess", "Cookie: pulsebox_session=guess"] {
            let head = format!(
                "{method} {path} HTTP/1.1\nHost: localhost\nOrigin: http://localhost\nConnection: close\n\
                 Content-Length: 0\n{credentials}"
            );
            let answer = server.send_as_stranger(&head).await;
            if answer.status != 401 {
                open.push(format!("{method} {path}"));
                continue;
            }
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
            assert!(
                answer.json()["error"]["do"].is_string() && !String::from_utf8_lossy(&answer.body).contains("Gate")
            );
        }
    }
    open.sort();
    open.dedup();
    assert_eq!(open, ["GET /api/health", "GET /api/session", "POST /api/claim", "POST /api/session"]);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_a_month_after_the_last_visit_and_not_before() {
    let server = serve(&three()).await;
    let cookie = server.access.begin_session(MONTH).await.unwrap();
    let first = server.get_with_cookie("/api/status", &cookie).await;
    assert_eq!((first.status, first.header("set-cookie")), (200, None), "nothing is renewed on the first day");
    advance(20 * DAY).await;
    let later = server.get_with_cookie("/api/status", &cookie).await;
    let renewed = later.header("set-cookie").expect("the browser is told of the new end");
    assert!(renewed.starts_with(&format!("pulsebox_session={cookie}; ")) && renewed.contains("Max-Age=2592000"));
    advance(29 * DAY).await;
    assert_eq!(server.get_with_cookie("/api/status", &cookie).await.status, 200, "29 days after the last visit");
    advance(31 * DAY).await;
    assert_eq!(server.get_with_cookie("/api/status", &cookie).await.status, 401);
    let view = server.get_with_cookie("/api/session", &cookie).await.json();
    assert_eq!((&view["signed_in"], &view["scope"]), (&false.into(), &serde_json::Value::Null));
}

#[tokio::test(start_paused = true)]
async fn the_101st_session_ends_the_one_unused_for_longest() {
    let server = serve(&three()).await;
    let mut cookies = Vec::new();
    for _ in 0..101 {
        cookies.push(server.access.begin_session(MONTH).await.unwrap());
        advance(Duration::from_secs(1)).await;
    }
    assert_eq!(server.get_with_cookie("/api/status", &cookies[0]).await.status, 401);
    assert_eq!(server.get_with_cookie("/api/status", &cookies[1]).await.status, 200);
    assert_eq!(server.get_with_cookie("/api/status", &cookies[100]).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_waited_for_30_s() {
    let server = serve(&three()).await;
    let began = Instant::now();
    let mut slow = server.connect().await;
    let head =
        "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(Duration::from_secs(60), slow.read_to_end(&mut answer)).await;
    read.expect("the connection is closed").unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert!((30..=42).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_open_event_stream_ends_with_the_token_that_opened_it() {
    let server = serve(&three()).await;
    // Without this the connection outlives its answer, to carry the next.
    let mut listener = server.listen("/api/events", "Connection: close\r\n").await;
    let id = server.access.tokens()[0].id.clone();
    server.access.end_token(&id).await.unwrap();
    assert_eq!(listener.next().await, None);
    assert_eq!(server.get("/api/status").await.status, 401);
}

#[tokio::test]
async fn nothing_printed_for_debugging_tells_a_secret() {
    let access = Access::open(None, crate::clock::Clock::turned(start()));
    access.claim("correct horse").await.unwrap();
    let made = access.make_token("Grafana", Scope::Read).await.unwrap();
    let cookie = access.begin_session(MONTH).await.unwrap();
    let caller = access.token(&made.token).unwrap();
    let printed = format!("{access:?} {made:?} {caller:?} {:?}", access.session(&cookie, MONTH));
    for secret in ["correct horse", "argon2", &made.token, &cookie] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[tokio::test]
async fn a_call_under_way_writes_nothing_over_a_damaged_file() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(Some(folder.path()), crate::clock::Clock::turned(start()));
    access.claim("correct horse").await.unwrap();
    let cookie = access.begin_session(MONTH).await.unwrap();
    let (caller, _) = access.session(&cookie, MONTH).unwrap();
    let file = folder.path().join("access.json");
    std::fs::write(&file, "{ \"version\": 1, \"pass").unwrap();
    for _ in 0..2 {
        // The first finds the damage, the second knows of it.
        access.end_session(&caller).await;
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{ \"version\": 1, \"pass");
    }
    assert!(access.is_claimed() && access.fault().unwrap().contains("nobody can sign in"));
    let restarted = Access::open(Some(folder.path()), crate::clock::Clock::turned(start()));
    assert!(restarted.is_claimed(), "a restart must not open the box");
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_move_a_session_on_once() {
    let server = serve(&three()).await;
    let cookie = server.access.begin_session(MONTH).await.unwrap();
    advance(20 * DAY).await;
    // Each waits for the configuration's file in between: all have been let in before the first has ended.
    let calls = (0..6).map(|_| server.get_with_cookie("/api/config", &cookie));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let moved_on = answers.iter().filter(|answer| answer.header("set-cookie").is_some()).count();
    assert_eq!(moved_on, 1, "each is a write to the card");
}
