//! The web as `main.rs` uses it: by its public names only.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use pulsebox::camera::Sessions;
use pulsebox::live::Live;
use pulsebox::web::{Web, bind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

async fn web() -> Web {
    let sessions = Sessions::default();
    common::page::web("", sessions.clone(), Live::new(sessions)).await.0
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
    let web = web().await;
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(web.serve_on(listener, stop.clone()));
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
    let error = web().await.serve(taken, CancellationToken::new()).await.unwrap_err().to_string();
    assert!(error.contains(&taken.port().to_string()) && error.contains("pulsebox.yaml"), "{error}");
}
