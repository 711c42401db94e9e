//! The web as `main.rs` uses it: by its public names only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pulsebox::clock::Clock;
use pulsebox::config::{HistoryConfig, Store};
use pulsebox::history::{History, HistorySettings};
use pulsebox::host::Interfaces;
use pulsebox::live::Live;
use pulsebox::monitor::board::Board;
use pulsebox::monitor::look::RealEye;
use pulsebox::monitor::{Before, Means, Monitor};
use pulsebox::web::{Access, Web, bind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

fn web(board: &Board) -> Web {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pulsebox.yaml");
    std::fs::write(&file, "").unwrap();
    let clock = Clock::system();
    let means = Means {
        board: board.clone(),
        clock: clock.clone(),
        eye: Arc::new(RealEye::default()),
        link: Arc::new(Interfaces::default()),
    };
    let (_, orders) = Monitor::new(means, Before::default());
    let settings = HistorySettings::new(&HistoryConfig::default(), jiff::tz::TimeZone::UTC, clock.clone());
    Web {
        board: board.clone(),
        past: Arc::new(History::open(None, settings)),
        access: Access::open(None, clock.clone()),
        clock,
        orders,
        config: Arc::new(Store::load(&file).unwrap()),
        live: Live::default(),
        hosts: Vec::new(),
    }
}

async fn get(address: SocketAddr, path: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    timeout(Duration::from_secs(10), asked).await.expect("an answer in time")
}

#[tokio::test]
async fn a_box_without_cameras_serves_its_page_and_says_that_it_is_well() {
    let board = Board::default();
    board.change_host(|host| host.network = true);
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(web(&board).serve_on(listener, stop.clone()));
    let health = get(address, "/api/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK") && health.ends_with(r#"{"status":"healthy"}"#), "{health}");
    assert!(get(address, "/api/status").await.starts_with("HTTP/1.1 401 "), "nobody is signed in");
    assert!(get(address, "/").await.contains("<title>Pulsebox</title>"));
    stop.cancel();
    timeout(Duration::from_secs(1), serving).await.expect("ends within a second").unwrap();
}

#[tokio::test]
async fn a_second_box_on_the_same_port_is_told_which_port_and_what_to_do() {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let taken = listener.local_addr().unwrap();
    let error = web(&Board::default()).serve(taken, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains(&taken.port().to_string()) && error.contains("pulsebox.yaml"), "{error}");
}
