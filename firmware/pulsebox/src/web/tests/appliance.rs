//! Updates, restarts and the reset over a real socket, with folders in the place of root's.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Duration, sleep, timeout};

use super::fixture::*;
use crate::appliance::{Means, Places, Room};
use crate::monitor::board::Board;

const BYTES: &str = "Content-Type: application/octet-stream\n";

/// A box whose `/run` and data lie in a folder.
struct Box {
    folder: TempDir,
    board: Board,
    server: Server,
}

impl Box {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("run/box")).unwrap();
        fs::create_dir_all(folder.path().join("run/pulsebox")).unwrap();
        fs::create_dir_all(folder.path().join("data")).unwrap();
        let (board, (_, config)) = (three(), watch::channel(Arc::new(crate::config::parse("").unwrap().0)));
        let places = Places::new(&folder.path().join("run"), &folder.path().join("data"));
        let room = Room::open(Means { board: board.clone(), config, places });
        let server = serve_as(&board, Some(room.clone())).await;
        let stop = server.stop.clone();
        tokio::spawn(room.run(stop));
        Self { folder, board, server }
    }

    /// Tells a fact and waits until the board has heard it.
    async fn tell(&self, name: &str, text: &str) {
        let mut board = self.board.watch();
        board.mark_unchanged();
        let path = self.folder.path().join("run/box");
        fs::write(path.join(".new"), text).unwrap();
        fs::rename(path.join(".new"), path.join(name)).unwrap();
        timeout(PATIENCE, board.changed()).await.unwrap().unwrap();
    }

    async fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        let Server { token, .. } = &self.server;
        let head = format!(
            "POST {path} HTTP/1.1\nHost: localhost\nConnection: close\nAuthorization: Bearer {token}\n{headers}Content-Length: {}",
            body.len()
        );
        self.server.send_with_body(&head, body).await
    }

    fn is_asked(&self, ask: &str) -> bool {
        self.folder.path().join("run/pulsebox/ask").join(ask).exists()
    }

    fn bundles(&self) -> std::path::PathBuf {
        self.folder.path().join("data/update")
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test]
async fn an_uploaded_update_lies_whole_in_its_place_before_it_is_asked_for() {
    let tested = Box::start().await;
    let bundle: Vec<u8> = (0..3_000_000_u32).map(|n| n as u8).collect();
    let answer = tested.post("/api/update", BYTES, &bundle).await;
    assert_eq!((answer.status, answer.json()), (202, json!({ "bytes": 3_000_000, "install": true })));
    assert!(fs::read(tested.bundles().join("update.raucb")).unwrap() == bundle);
    assert!(tested.is_asked("install") && !tested.is_asked("check"));

    // It was asked for and is not taken yet.
    let answer = tested.post("/api/update", BYTES, b"another").await;
    assert_eq!(answer.status, 409);
    fs::remove_file(tested.folder.path().join("run/pulsebox/ask/install")).unwrap();
    let answer = tested.post("/api/update?install=false", BYTES, b"another").await;
    assert_eq!((answer.status, answer.json()["install"].clone()), (202, json!(false)));
    assert!(tested.is_asked("check") && !tested.is_asked("install"));
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing_and_asks_for_nothing() {
    let tested = Box::start().await;
    let mut stream = tested.server.connect().await;
    let head = format!(
        "POST /api/update HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: 1000\r\n\r\n",
        tested.server.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"some of it").await.unwrap();
    let begun = async {
        while names(&tested.bundles()) != ["update.raucb.part"] {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, begun).await.expect("it is begun");
    // Two at once are one too many.
    assert_eq!(tested.post("/api/update", BYTES, b"x").await.status, 409);
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    let gone = async {
        while !names(&tested.bundles()).is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("nothing is left");
    assert!(!tested.is_asked("install"));
    assert_eq!(tested.post("/api/update", BYTES, b"whole").await.status, 202, "and the next one is welcome");
}

#[tokio::test]
async fn what_is_no_update_is_refused_with_what_to_do() {
    let tested = Box::start().await;
    for (path, headers, body, status) in [
        ("/api/update", "Content-Type: text/plain\n", &b"x"[..], 415),
        ("/api/update", BYTES, b"", 422),
        ("/api/update?instal=false", BYTES, b"x", 400),
        ("/api/update?install=perhaps", BYTES, b"x", 400),
        ("/api/update/install", "", b"", 409),
    ] {
        let answer = tested.post(path, headers, body).await;
        assert_eq!(answer.status, status, "{path} {headers}");
        assert!(answer.json()["error"]["do"].as_str().is_some_and(|advice| !advice.is_empty()));
    }
    // Too large is told by its length, before any of it comes.
    let Server { token, .. } = &tested.server;
    let head = format!(
        "POST /api/update HTTP/1.1\nHost: localhost\nAuthorization: Bearer {token}\n{BYTES}Content-Length: {}",
        301_u64 << 20
    );
    assert_eq!(tested.server.send_with_body(&head, b"").await.status, 413);
    assert!(names(&tested.bundles()).is_empty() && !tested.is_asked("install") && !tested.is_asked("check"));
}

#[tokio::test]
async fn a_waiting_update_is_installed_and_nothing_else_happens_while_one_is_written() {
    let tested = Box::start().await;
    tested.tell("update", "state=waiting\nversion=1.3.0\nmessage=ready\n").await;
    let system = tested.server.get("/api/system").await.json();
    assert_eq!(system["host"]["appliance"]["update"]["state"], "waiting");
    assert_eq!(system["starts"][0]["cause"], "power");
    assert_eq!(tested.post("/api/update/install", "", b"").await.status, 202);
    assert!(tested.is_asked("install"));

    let mut events = tested.server.listen("/api/events?types=host", "").await;
    tested.tell("update", "state=writing\npercent=41\nversion=1.3.0\n").await;
    let heard = events.next().await.unwrap();
    assert_eq!((heard.kind.as_str(), &heard.data["appliance"]["update"]["percent"]), ("host", &json!(41)));
    assert_eq!(tested.server.get("/api/system").await.json()["overall"], "updating");
    let json = "Content-Type: application/json\n";
    for (path, headers, body) in [
        ("/api/update", BYTES, &b"x"[..]),
        ("/api/update/install", "", b""),
        ("/api/restart", "", b""),
        ("/api/reset", json, br#"{"confirm":"reset"}"#),
    ] {
        assert_eq!(tested.post(path, headers, body).await.status, 409, "{path}");
    }
    assert!(!tested.is_asked("restart") && !tested.is_asked("reset"));
    // Its trial would be wiped with the rest; a restart takes only a try.
    tested.tell("update", "state=trying\nversion=1.3.0\n").await;
    let answer = tested.post("/api/reset", json, br#"{"confirm":"reset"}"#).await;
    assert_eq!(answer.status, 409);
    assert!(answer.json().to_string().contains("on trial"));
    assert_eq!(tested.post("/api/restart", "", b"").await.status, 202);
}

#[tokio::test]
async fn a_restart_is_asked_for_and_a_reset_only_where_it_is_meant() {
    let tested = Box::start().await;
    assert_eq!(tested.post("/api/restart", "", b"").await.status, 202);
    assert!(tested.is_asked("restart"));
    let json = "Content-Type: application/json\n";
    assert_eq!(tested.post("/api/reset", json, br#"{"confirm":"yes"}"#).await.status, 422);
    assert_eq!(tested.post("/api/reset", json, b"{}").await.status, 422);
    assert!(!tested.is_asked("reset"));
    assert_eq!(tested.post("/api/reset", json, br#"{"confirm":"reset"}"#).await.status, 202);
    assert!(tested.is_asked("reset"));
}

#[tokio::test]
async fn a_configuration_that_was_refused_is_a_reason_not_to_be_healthy() {
    let tested = Box::start().await;
    tested.tell("import", "state=refused\nfile=pulsebox.txt\nmessage=pulsebox.txt:3:5: no such key; remove it\n").await;
    let health = tested.server.get("/api/health").await.json();
    let reasons = health["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|why| why.as_str().unwrap().contains("pulsebox.txt:3:5: no such key")), "{health}");
}

#[tokio::test]
async fn a_machine_that_is_no_appliance_says_so() {
    let server = serve(&three()).await;
    for path in ["/api/update", "/api/update/install", "/api/restart"] {
        let head = format!(
            "POST {path} HTTP/1.1\nHost: localhost\nConnection: close\n{BYTES}Content-Length: 1\nAuthorization: Bearer {}",
            server.token
        );
        let answer = server.send_with_body(&head, b"x").await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.json()["error"]["what"].as_str().unwrap().contains("not a Pulsebox appliance"));
    }
    assert_eq!(server.get("/api/system").await.json()["starts"], json!([]));
}

#[tokio::test]
async fn who_may_only_read_updates_and_restarts_nothing() {
    let tested = Box::start().await;
    let reader = tested.server.access.make_token("reader", crate::web::Scope::Read).await.unwrap().token;
    for path in ["/api/update", "/api/update/install", "/api/restart", "/api/reset"] {
        let head = |token: &str| {
            format!("POST {path} HTTP/1.1\nHost: localhost\nConnection: close\n{BYTES}{token}Content-Length: 1")
        };
        let answer = tested.server.send_with_body(&head(&format!("Authorization: Bearer {reader}\n")), b"x").await;
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(tested.server.send_with_body(&head(""), b"x").await.status, 401, "{path}");
    }
    assert!(names(&tested.bundles()).is_empty());
}
