//! What a stranger, a hostile page and a forgetful owner can do to a running Pulsebox, over real sockets.
//! (Where time must be turned: `src/web/tests/access.rs`.)

mod common;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use common::daemon::{Daemon, Home, PATIENCE, output};
use common::page::Page;
use pulsebox::camera::Sessions;
use pulsebox::camera::sessions::Limits;
use pulsebox::live::Live;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

const PASSWORD: &str = "correct horse battery";
const QUIET: &str = "web: { listen: \"127.0.0.1:0\", cors_origins: [\"https://dash.example.org\"] }\n";

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// `pulsebox_session=…`, to be sent back.
    fn cookie(&self) -> String {
        self.header("set-cookie").unwrap_or_else(|| panic!("{self:?}")).split(';').next().unwrap().to_owned()
    }
}

/// One call on a connection of its own. `headers`: whole lines, `\n` between them.
async fn call(to: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let asked = async { exchange(TcpStream::connect(to).await.unwrap(), method, path, headers, body).await };
    timeout(PATIENCE, asked).await.expect("an answer in time")
}

async fn exchange<S>(mut stream: S, method: &str, path: &str, headers: &str, body: &str) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = if headers.contains("Host:") { "" } else { "Host: localhost\n" };
    let length =
        if headers.contains("Transfer-Encoding") { String::new() } else { format!("Content-Length: {}\n", body.len()) };
    let mut head = format!("{method} {path} HTTP/1.1\n{host}Connection: close\n{length}{headers}");
    head.truncate(head.trim_end().len());
    let request = format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    let all = String::from_utf8_lossy(&all).into_owned();
    let (head, body) = all.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {all:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

async fn send_json(to: SocketAddr, method: &str, path: &str, headers: &str, body: &Value) -> Answer {
    call(to, method, path, &format!("Content-Type: application/json\n{headers}"), &body.to_string()).await
}

/// A daemon that somebody has claimed: with the cookie.
async fn claimed(home: &Home) -> (Daemon, String) {
    let daemon = home.start().await;
    let claim = send_json(daemon.address, "POST", "/api/claim", "", &json!({ "password": PASSWORD })).await;
    assert_eq!(claim.status, 204, "{claim:?}");
    let cookie = format!("Cookie: {}", claim.cookie());
    (daemon, cookie)
}

/// A header line with a new token of this scope.
async fn token(to: SocketAddr, cookie: &str, scope: &str) -> (String, String) {
    let own = format!("{cookie}\nOrigin: http://localhost");
    let made = send_json(to, "POST", "/api/tokens", &own, &json!({ "name": "Grafana", "scope": scope })).await;
    assert_eq!(made.status, 201, "{made:?}");
    let (id, token) =
        (made.json()["id"].as_str().unwrap().to_owned(), made.json()["token"].as_str().unwrap().to_owned());
    (format!("Authorization: Bearer {token}"), id)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visit_claims_the_box_and_nobody_can_claim_it_again() {
    let home = Home::new(QUIET);
    let mut command = home.command();
    command.env("PULSEBOX_LOG", "trace");
    let daemon = Daemon::start(command).await;
    let to = daemon.address;
    assert_eq!(call(to, "GET", "/api/session", "", "").await.json()["claimed"], false);
    let claim = async |password: &str| send_json(to, "POST", "/api/claim", "", &json!({ "password": password })).await;
    assert_eq!(claim("short").await.status, 422);
    assert_eq!(claim(&"x".repeat(257)).await.status, 422);
    let mine = claim(PASSWORD).await;
    let cookie = mine.header("set-cookie").unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "the connection is not encrypted");
    assert_eq!(claim("another password").await.status, 409);

    let header = format!("Cookie: {}", mine.cookie());
    let view = call(to, "GET", "/api/session", &header, "").await.json();
    assert_eq!((&view["claimed"], &view["signed_in"], &view["scope"]), (&true.into(), &true.into(), &"admin".into()));
    let (bearer, _) = token(to, &header, "read").await;
    assert_eq!(call(to, "GET", "/api/status", &bearer, "").await.status, 200);

    let file = home.path("data/access.json");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (kept, log) = (std::fs::read_to_string(file).unwrap(), daemon.log());
    let session = mine.cookie().split_once('=').unwrap().1.to_owned();
    for secret in [PASSWORD, &session, bearer.rsplit_once(' ').unwrap().1] {
        assert!(!kept.contains(secret) && !log.contains(secret), "a secret is told:\n{kept}\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_token_reads_and_changes_nothing() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    let to = daemon.address;
    let (reader, id) = token(to, &cookie, "read").await;
    for path in ["/api/status", "/api/streams", "/api/ladder"] {
        assert_eq!(call(to, "GET", path, &reader, "").await.status, 200, "{path}");
    }
    for (method, path) in [
        ("GET", "/api/config"),
        ("GET", "/api/settings"),
        ("GET", "/api/tokens"),
        ("PUT", "/api/config"),
        ("PATCH", "/api/settings"),
        ("POST", "/api/streams"),
        ("DELETE", "/api/streams/a"),
        ("POST", "/api/check"),
        ("POST", "/api/tokens"),
        ("PUT", "/api/password"),
        ("POST", "/api/backup"),
        ("POST", "/api/restore"),
        ("DELETE", "/api/thumbnails"),
        ("DELETE", "/api/session"),
        ("POST", "/api/nothing"),
    ] {
        let answer = send_json(to, method, path, &reader, &json!({})).await;
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
    }
    let own = format!("{cookie}\nOrigin: http://localhost");
    assert_eq!(call(to, "DELETE", &format!("/api/tokens/{id}"), &own, "").await.status, 204);
    assert_eq!(call(to, "GET", "/api/status", &reader, "").await.status, 401, "a removed token opens nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_elsewhere_cannot_write_or_open_a_socket_with_the_cookie() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    let to = daemon.address;
    let write = async |from: &str| {
        send_json(to, "POST", "/api/tokens", &format!("{cookie}\n{from}"), &json!({ "name": "x", "scope": "read" }))
            .await
            .status
    };
    let socket = async |from: &str| {
        let upgrade = "Upgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        call(to, "GET", "/api/nothing", &format!("{cookie}\n{upgrade}\n{from}"), "").await.status
    };
    for from in [
        "X: nothing",
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost:9000",
        "Origin: https://dash.example.org",
        "Origin: http://localhost.evil.example",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site\nOrigin: http://localhost",
        "Sec-Fetch-Site: none",
    ] {
        assert_eq!((write(from).await, socket(from).await), (403, 403), "{from}");
    }
    for from in ["Origin: http://localhost", "Sec-Fetch-Site: same-origin", "Origin: https://localhost"] {
        assert_eq!((write(from).await, socket(from).await), (201, 404), "{from}");
    }
    let form = format!("{cookie}\nOrigin: http://localhost\nContent-Type: text/plain");
    assert_eq!(call(to, "POST", "/api/tokens", &form, "{\"name\":\"x\",\"scope\":\"read\"}").await.status, 415);
    // Without a cookie there is nothing to abuse, and a page elsewhere is still not let in.
    let foreign = "Origin: http://evil.example";
    let sign_in = json!({ "password": PASSWORD });
    assert_eq!(send_json(to, "POST", "/api/session", foreign, &sign_in).await.status, 403);
    let (bearer, _) = token(to, &cookie, "admin").await;
    let program = send_json(to, "POST", "/api/tokens", &bearer, &json!({ "name": "y", "scope": "read" })).await;
    assert_eq!(program.status, 201, "a program needs no origin");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_host_reaches_nothing_not_even_a_socket() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    for extra in ["", "\nUpgrade: websocket\nOrigin: http://evil.example"] {
        let headers = format!("Host: evil.example\n{cookie}{extra}");
        assert_eq!(call(daemon.address, "GET", "/api/status", &headers, "").await.status, 421);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_listed_origins_may_ask_and_never_with_a_cookie() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    let to = daemon.address;
    let asks = |origin: &str| format!("Origin: {origin}\nAccess-Control-Request-Method: POST");
    let may = call(to, "OPTIONS", "/api/streams", &asks("https://dash.example.org"), "").await;
    assert_eq!((may.status, may.header("access-control-allow-origin")), (204, Some("https://dash.example.org")));
    assert_eq!(may.header("access-control-allow-credentials"), None);
    let not = call(to, "OPTIONS", "/api/streams", &asks("https://evil.example"), "").await;
    assert_eq!((not.status, not.header("access-control-allow-origin")), (403, None));
    let (bearer, _) = token(to, &cookie, "admin").await;
    let with_token = format!("{bearer}\nOrigin: https://dash.example.org\nSec-Fetch-Site: cross-site");
    let made = send_json(to, "POST", "/api/tokens", &with_token, &json!({ "name": "z", "scope": "read" })).await;
    assert_eq!((made.status, made.header("access-control-allow-origin")), (201, Some("https://dash.example.org")));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_guesses_are_refused_cheaply_and_who_is_signed_in_goes_on() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    let peak = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let guess = json!({ "password": "a wrong password" });
    let first = send_json(daemon.address, "POST", "/api/session", "", &guess).await;
    assert_eq!(first.status, 401);
    let before = peak();
    let mut stream = TcpStream::connect(daemon.address).await.unwrap();
    let body = guess.to_string();
    let request = format!(
        "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut refused, mut wrong) = (0, 0);
    for _ in 0..10_000 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"}}") {
            assert!(timeout(PATIENCE, stream.read_buf(&mut answer)).await.unwrap().unwrap() > 0);
        }
        match &answer[9..12] {
            b"429" => refused += 1,
            b"401" => wrong += 1,
            _ => panic!("{}", String::from_utf8_lossy(&answer)),
        }
    }
    assert!(wrong < 40 && refused + wrong == 10_000, "{wrong} hashes were made");
    assert!(peak() < before + 8 * 1024, "memory grew from {before} to {} kB", peak());
    assert_eq!(call(daemon.address, "GET", "/api/status", &cookie, "").await.status, 200);
    let late = send_json(daemon.address, "POST", "/api/session", "", &guess).await;
    assert!(late.status == 401 || late.header("retry-after").unwrap().parse::<u64>().unwrap() <= 13, "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_413_told_or_counted() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    let (to, own) = (daemon.address, format!("{cookie}\nOrigin: http://localhost"));
    let told = call(to, "POST", "/api/tokens", &own, &"x".repeat(64 * 1024 + 1)).await;
    assert_eq!(told.status, 413);
    for (path, headers, max) in [("/api/tokens", own.as_str(), 64 * 1024), ("/api/session", "", 4 * 1024)] {
        let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", max + 1, "x".repeat(max + 1));
        let counted = call(to, "POST", path, &format!("Transfer-Encoding: chunked\n{headers}"), &chunk).await;
        assert_eq!(counted.status, 413, "{path}");
    }
    assert_eq!(
        call(to, "POST", "/api/tokens", "", &"x".repeat(64 * 1024 + 1)).await.status,
        401,
        "who first, then how much"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_and_a_new_password_end_sessions_and_a_restart_does_not() {
    let home = Home::new(QUIET);
    let (daemon, first) = claimed(&home).await;
    let sign_in = async |to: SocketAddr, password: &str| {
        send_json(to, "POST", "/api/session", "", &json!({ "password": password })).await
    };
    let second = format!("Cookie: {}", sign_in(daemon.address, PASSWORD).await.cookie());
    daemon.kill().await;

    let daemon = home.start().await;
    let to = daemon.address;
    let status = async |cookie: &str| call(to, "GET", "/api/status", cookie, "").await.status;
    assert_eq!((status(&first).await, status(&second).await), (200, 200));
    let change = json!({ "current": PASSWORD, "new": "another password" });
    let changed = send_json(to, "PUT", "/api/password", &format!("{first}\nOrigin: http://localhost"), &change).await;
    assert_eq!(changed.status, 204, "{changed:?}");
    assert_eq!((status(&first).await, status(&second).await), (200, 401));
    assert_eq!(sign_in(to, PASSWORD).await.status, 401);
    assert_eq!(sign_in(to, "another password").await.status, 204);
    let out = call(to, "DELETE", "/api/session", &format!("{first}\nOrigin: http://localhost"), "").await;
    assert!(out.status == 204 && out.header("set-cookie").unwrap().contains("Max-Age=0"), "{out:?}");
    assert_eq!(status(&first).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_opens_nothing_and_the_command_mends_it_while_the_daemon_runs() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    daemon.kill().await;
    std::fs::write(home.path("data/access.json"), "{ \"version\": 1, \"pass").unwrap();
    let daemon = home.start().await;
    let to = daemon.address;
    assert_eq!(call(to, "GET", "/api/session", &cookie, "").await.json()["claimed"], true);
    assert_eq!(call(to, "GET", "/api/status", &cookie, "").await.status, 401);
    let password = json!({ "password": PASSWORD });
    assert_eq!(send_json(to, "POST", "/api/claim", "", &password).await.status, 503);
    let refused = send_json(to, "POST", "/api/session", "", &password).await;
    assert!(refused.status == 503 && refused.body.contains("pulsebox password"), "{refused:?}");
    let health = call(to, "GET", "/api/health", "", "").await.body;
    assert!(
        health.contains("nobody can sign in") && !health.contains("access.json"),
        "no paths for strangers: {health}"
    );

    for told in ["set aside", "There is no password"] {
        let mut forget = tokio::process::Command::new(env!("CARGO_BIN_EXE_pulsebox"));
        forget.arg("password").arg("--data").arg(home.path("data"));
        let (code, out, err) = output(forget, PATIENCE).await;
        assert!(code == Some(0) && out.contains(told), "{out}{err}");
    }
    while call(to, "GET", "/api/session", "", "").await.json()["claimed"] == true {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(send_json(to, "POST", "/api/claim", "", &password).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_box_whose_file_is_lost_stays_claimed_and_keeps_it_anew() {
    let home = Home::new(QUIET);
    let (daemon, cookie) = claimed(&home).await;
    let (to, file) = (daemon.address, home.path("data/access.json"));
    let stays_shut = async |after: &str| {
        assert_eq!(call(to, "GET", "/api/session", "", "").await.json()["claimed"], true, "{after}");
        let stranger = json!({ "password": "whoever comes first" });
        assert_eq!(send_json(to, "POST", "/api/claim", "", &stranger).await.status, 409, "{after}");
        assert_eq!(call(to, "GET", "/api/status", &cookie, "").await.status, 200, "{after}");
    };
    let again = async |after: &str, is_seen: &dyn Fn(&str) -> bool| {
        let seen = async {
            while !is_seen(&call(to, "GET", "/api/health", &cookie, "").await.body) {
                stays_shut(after).await;
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("nothing happens after {after}"));
        stays_shut(after).await;
    };
    std::fs::remove_file(&file).unwrap();
    again("the file is removed", &|_| file.exists()).await;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // A partition that is gone takes the folder along; nothing can be written, and that is said.
    std::fs::rename(home.path("data"), home.path("away")).unwrap();
    std::fs::write(home.path("data"), "in the way of a new one").unwrap();
    again("the folder is gone", &|health| health.contains("access.json cannot be written")).await;
    std::fs::remove_file(home.path("data")).unwrap();
    std::fs::remove_file(home.path("away/access.json")).unwrap();
    std::fs::rename(home.path("away"), home.path("data")).unwrap();
    again("the folder is back, empty", &|health| file.exists() && !health.contains("access.json")).await;

    let mut forget = tokio::process::Command::new(env!("CARGO_BIN_EXE_pulsebox"));
    forget.arg("password").arg("--data").arg(home.path("data"));
    assert_eq!(output(forget, PATIENCE).await.0, Some(0));
    let opens = async {
        while call(to, "GET", "/api/session", "", "").await.json()["claimed"] == true {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, opens).await.expect("the command still opens it");
}

/// On one thread: whoever blocks it blocks everybody.
#[tokio::test]
async fn a_backup_that_waits_for_a_slow_card_holds_nobody_else_up() {
    let sessions = Sessions::new(TaskTracker::new(), Limits::default());
    let page = Page::start("", sessions.clone(), Live::new(sessions)).await;
    let (to, password) = (page.address, json!({ "password": PASSWORD }));
    assert_eq!(send_json(to, "POST", "/api/claim", "", &password).await.status, 204);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (end, ends) = std::sync::mpsc::channel();
    let store = page.store.clone();
    let write = tokio::spawn(async move {
        let slow = move |text: &str| {
            let _ = begun.send(());
            let _ = ends.recv_timeout(PATIENCE / 2);
            Ok(text.to_owned())
        };
        store.change(slow).await
    });
    has_begun.await.unwrap();
    let (bearer, asked) = (format!("Authorization: Bearer {}", page.token), password.clone());
    let backup = tokio::spawn(async move { send_json(to, "POST", "/api/backup", &bearer, &asked).await });
    // Passwords are checked one after the other: once the second is, the backup's is, and it waits for the file.
    for _ in 0..2 {
        assert_eq!(send_json(to, "POST", "/api/session", "", &password).await.status, 204);
    }
    end.send(()).expect("a sign-in waited for the card");
    write.await.unwrap().unwrap();
    assert_eq!(backup.await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_hides_its_secrets_and_another_box_takes_it_with_its_password() {
    let home = Home::new(&format!(
        "{QUIET}streams: [{{ name: Gate, url: \"rtsp://u:geheim@127.0.0.1:9/\", paused: true }}]\n"
    ));
    let (daemon, cookie) = claimed(&home).await;
    let own = format!("{cookie}\nOrigin: http://localhost");
    let ask = async |password: &str| {
        send_json(daemon.address, "POST", "/api/backup", &own, &json!({ "password": password })).await
    };
    assert_eq!(ask("a wrong password").await.status, 401);
    let backup = ask(PASSWORD).await;
    assert!(backup.header("content-disposition").unwrap().contains("pulsebox-backup-"), "{backup:?}");
    assert!(!backup.body.contains("geheim") && !backup.body.contains("streams"));

    let other_home = Home::new(QUIET);
    let other = other_home.start().await;
    let theirs =
        send_json(other.address, "POST", "/api/claim", "", &json!({ "password": "the other box's" })).await.cookie();
    let own = format!("Cookie: {theirs}\nOrigin: http://localhost");
    let restore = async |password: &str, backup: &Value| {
        send_json(other.address, "POST", "/api/restore", &own, &json!({ "password": password, "backup": backup })).await
    };
    let whole = backup.json();
    assert_eq!(restore("the other box's", &whole).await.status, 401);
    for (key, value) in [("made", json!("2020-01-01T00:00:00Z")), ("sealed", json!("AAAA"))] {
        let mut changed = whole.clone();
        changed[key] = value;
        assert_eq!(restore(PASSWORD, &changed).await.status, 401, "{key}");
    }
    assert_eq!(restore(PASSWORD, &json!({ "cameras": [] })).await.status, 422);
    let restored = restore(PASSWORD, &whole).await;
    assert_eq!((restored.status, restored.body.as_str()), (200, "{\"cameras\":1}"));
    assert!(std::fs::read_to_string(other_home.path("pulsebox.yaml")).unwrap().contains("u:geheim@"));
}

const ENCRYPTED: &str = "web: { listen: \"127.0.0.1:0\", tls: { self_made: true } }\n";

/// A daemon with an encrypted port, and where that is. `hear` is given each line that it logs before.
async fn encrypted(home: &Home, mut hear: impl FnMut(&str)) -> (tokio::process::Child, SocketAddr) {
    let mut daemon = home.command();
    let mut child = daemon.stderr(std::process::Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stderr.take().unwrap()));
    let to = loop {
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().expect("the daemon runs");
        if let Some((_, rest)) = line.split_once("the page is at https://") {
            break rest.split('/').next().unwrap().parse().unwrap();
        }
        hear(&line);
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, to)
}

/// One call over TLS, by a client that trusts nothing but the certificate that this box has made for itself.
async fn call_encrypted(home: &Home, to: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let asked = async {
        let mut trusted = rustls::RootCertStore::empty();
        let made = CertificateDer::from_pem_file(home.path("data/tls/certificate.pem")).unwrap();
        trusted.add(made).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(trusted)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client));
        let stream = TcpStream::connect(to).await.unwrap();
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.expect("a TLS handshake");
        exchange(stream, method, path, headers, body).await
    };
    timeout(PATIENCE, asked).await.expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_the_session_is_a_cookie_that_never_leaves_tls_and_no_other_can_stand_in_its_way() {
    let home = Home::new(ENCRYPTED);
    let (_child, to) = encrypted(&home, |_| {}).await;
    let password = json!({ "password": PASSWORD }).to_string();
    let own = "Content-Type: application/json\nOrigin: https://localhost";
    let claim = call_encrypted(&home, to, "POST", "/api/claim", own, &password).await;
    assert_eq!(claim.status, 204, "{claim:?}");
    let cookie = claim.header("set-cookie").unwrap();
    for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/;"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    // A browser that holds a Secure cookie refuses one of the same name over http: after `web: tls:` is taken out
    // again nobody could sign in. And only TLS itself can set a `__Host-` cookie.
    let value = claim.cookie();
    let value = value.strip_prefix("__Host-pulsebox_session=").unwrap_or_else(|| panic!("{cookie}"));
    let status = async |name: &str| {
        let cookie = format!("Cookie: {name}={value}");
        call_encrypted(&home, to, "GET", "/api/status", &cookie, "").await.status
    };
    assert_eq!((status("__Host-pulsebox_session").await, status("pulsebox_session").await), (200, 401));
    let signed_in = format!("Cookie: __Host-pulsebox_session={value}");
    let plain = format!("{signed_in}\nOrigin: http://localhost");
    let refused = call_encrypted(&home, to, "DELETE", "/api/session", &plain, "").await;
    assert_eq!(refused.status, 403, "a page that came unencrypted is not ours");
    let out = format!("{signed_in}\nOrigin: https://localhost");
    let out = call_encrypted(&home, to, "DELETE", "/api/session", &out, "").await;
    let taken = out.header("set-cookie").unwrap();
    assert!(taken.starts_with("__Host-pulsebox_session=;") && taken.contains("Max-Age=0"), "{taken}");
    assert_eq!(status("__Host-pulsebox_session").await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_port_sends_readers_on_and_never_opens_unencrypted_for_want_of_a_key() {
    let home = Home::new(ENCRYPTED);
    let (mut child, to) = encrypted(&home, |_| {}).await;
    let plain = call(to, "GET", "/x?y=1", "", "").await;
    assert_eq!((plain.status, plain.header("location")), (307, Some("https://localhost/x?y=1")));
    assert_eq!(call(to, "GET", "/", "Host: evil.example", "").await.status, 421, "no open redirect");
    assert_eq!(send_json(to, "POST", "/api/claim", "", &json!({ "password": PASSWORD })).await.status, 400);

    let key = home.path("data/tls/key.pem");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    child.kill().await.unwrap();
    let whole = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, "no key").unwrap();
    let mut said = String::new();
    let (_child, to) = encrypted(&home, |line| {
        assert!(!line.contains("http://"), "{line}");
        if line.contains("there is no page for now") {
            said = line.to_owned();
            std::fs::write(&key, &whole).unwrap();
        }
    })
    .await;
    assert!(said.contains("key.pem") && said.contains("web: tls:"), "{said}");
    assert_eq!(call_encrypted(&home, to, "GET", "/api/session", "", "").await.status, 200, "back once the key is");
}
