//! The box on a real broker: taken in on every transport, refused with a reason, cut off and back again.

mod common;

use std::time::{Duration, Instant};

use common::broker::{Broker, PASSWORD, Setup};
use pulsebox::camera::{Rung, Verdict};
use pulsebox::config::Mqtt;
use pulsebox::mqtt::{Failed, try_it};
use simcam::Camera;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// A broker that asks for a password.
async fn guarded() -> Broker {
    Broker::with(Setup { password: true, ..Setup::default() }).await
}

/// The four transports: TLS, WebSocket.
const TRANSPORTS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

/// Tries and must fail, within 15 s and without telling the password; gives why.
async fn refused(mqtt: &Mqtt) -> Failed {
    let failed = timeout(Duration::from_secs(15), try_it(mqtt)).await.expect("a try ends");
    let failed = failed.expect_err("this broker must not be taken for one");
    assert!(!format!("{failed} {failed:?} {mqtt:?}").contains(PASSWORD), "{failed:?}");
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_password_and_own_authority_takes_the_box_in_on_all_four_transports() {
    let broker = guarded().await;
    for (use_tls, use_websocket) in TRANSPORTS {
        let mqtt = Mqtt { use_tls, use_websocket, ca_file: broker.ca_file(), ..broker.mqtt() };
        let tried = try_it(&mqtt).await.unwrap_or_else(|e| panic!("tls {use_tls}, ws {use_websocket}: {e}"));
        let rungs: Vec<Rung> = tried.rungs.iter().map(|r| r.rung).collect();
        let mut expected = vec![Rung::Resolve, Rung::Connect, Rung::Encrypt, Rung::Describe];
        expected.retain(|rung| use_tls || *rung != Rung::Encrypt);
        assert_eq!(rungs, expected);
    }
    // Each try says goodbye, so that no broker's log fills with broken connections.
    broker.until_logged(4, "disconnected.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_auth_on_all_four_transports_and_so_is_none() {
    let broker = guarded().await;
    for (use_tls, use_websocket) in TRANSPORTS {
        let right = Mqtt { use_tls, use_websocket, ca_file: broker.ca_file(), ..broker.mqtt() };
        let failed = refused(&Mqtt { password: "wrong".into(), ..right.clone() }).await;
        assert_eq!(failed.fault.verdict, Verdict::Auth, "{failed}");
        assert!(failed.fault.detail.contains("refuses this user name and password"), "{failed}");
        assert_eq!(failed.rungs.len(), 2 + usize::from(use_tls));
        let failed = refused(&Mqtt { username: String::new(), ..right }).await;
        assert_eq!(failed.fault.verdict, Verdict::Auth, "{failed}");
        assert!(failed.fault.detail.contains("without a user name and password: set mqtt.username"), "{failed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_authority_is_tls_with_what_to_do_unless_any_certificate_will_do() {
    let (broker, other) = tokio::join!(Broker::start(), Broker::start());
    let mqtt = Mqtt { use_tls: true, ..broker.mqtt() };
    for stranger in [Mqtt { ca_file: other.ca_file(), ..mqtt.clone() }, mqtt.clone()] {
        let failed = refused(&stranger).await;
        assert_eq!(failed.fault.verdict, Verdict::Tls, "{failed}");
        assert!(failed.fault.detail.contains("name its file in mqtt.ca_file"), "{failed}");
    }
    for use_websocket in [false, true] {
        try_it(&Mqtt { tls_insecure: true, use_websocket, ..mqtt.clone() }).await.unwrap();
    }
    let failed = refused(&Mqtt { ca_file: "/nowhere/ca.pem".into(), ..mqtt }).await;
    assert_eq!(failed.fault.verdict, Verdict::Tls);
    assert!(failed.fault.detail.starts_with("mqtt.ca_file /nowhere/ca.pem cannot be used: No such file"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_asks_for_a_certificate_is_shown_it_and_without_one_it_is_tls() {
    let broker = Broker::with(Setup { client_certificate: true, ..Setup::default() }).await;
    let (client_certificate, client_key) = broker.client_certificate();
    for use_websocket in [false, true] {
        let bare = Mqtt { use_tls: true, use_websocket, ca_file: broker.ca_file(), ..broker.mqtt() };
        let failed = refused(&bare).await;
        assert_eq!(failed.fault.verdict, Verdict::Tls, "{failed}");
        let with = Mqtt { client_certificate: client_certificate.clone(), client_key: client_key.clone(), ..bare };
        try_it(&with).await.unwrap();
        try_it(&Mqtt { ca_file: String::new(), tls_insecure: true, ..with }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_and_a_port_where_nobody_listens_are_told_apart() {
    let mut broker = Broker::start().await;
    broker.stop().await;
    let failed = refused(&broker.mqtt()).await;
    assert_eq!(failed.fault.verdict, Verdict::Refused);
    let port = broker.ports[0];
    let told = format!("127.0.0.1:{port} refused the connection: is the broker running, and is the port right?");
    assert_eq!(failed.fault.detail, told);
    let failed = refused(&Mqtt { host: "no-such-broker.invalid".into(), ..broker.mqtt() }).await;
    assert_eq!(failed.fault.verdict, Verdict::Dns, "{failed}");
    assert!(failed.rungs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wrong_one_of_a_brokers_ports_is_named() {
    let broker = Broker::start().await;
    let [port, tls_port, ws_port, _] = broker.ports;
    let mqtt = Mqtt { ca_file: broker.ca_file(), ..broker.mqtt() };
    let plain_at_tls = refused(&Mqtt { port: tls_port, ..mqtt.clone() }).await;
    assert_eq!(plain_at_tls.fault.verdict, Verdict::Protocol, "{plain_at_tls}");
    let tls_at_plain = refused(&Mqtt { use_tls: true, tls_port: port, ..mqtt.clone() }).await;
    assert_eq!(tls_at_plain.fault.verdict, Verdict::Tls, "{tls_at_plain}");
    let plain_at_ws = refused(&Mqtt { port: ws_port, ..mqtt.clone() }).await;
    assert!(matches!(plain_at_ws.fault.verdict, Verdict::Protocol | Verdict::Timeout), "{plain_at_ws}");
    let ws_at_plain = refused(&Mqtt { use_websocket: true, ws_port: port, ..mqtt }).await;
    assert_eq!(ws_at_plain.fault.verdict, Verdict::Protocol, "{ws_at_plain}");
    for failed in [plain_at_tls, plain_at_ws, ws_at_plain] {
        assert!(failed.fault.detail.contains("is this the"), "{failed}");
    }
}

/// Takes connections, sends `junk` to each, and then holds it open without another word.
async fn not_a_broker(junk: &'static [u8]) -> Mqtt {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(junk).await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    Mqtt { enabled: true, host: "127.0.0.1".into(), port, ws_port: port, ..Mqtt::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_broker_is_named_in_time() {
    // A web server; its answer begins like a PUBACK of 84 bytes.
    let camera =
        Camera::start(simcam::Options { protocol: simcam::Protocol::HttpMjpeg, ..Default::default() }).await.unwrap();
    let url = url::Url::parse(&camera.url()).unwrap();
    let web = Mqtt { enabled: true, host: "127.0.0.1".into(), port: url.port().unwrap(), ..Mqtt::default() };
    let failed = refused(&web).await;
    assert!(matches!(failed.fault.verdict, Verdict::Protocol | Verdict::Timeout), "{failed}");
    let failed = refused(&Mqtt { use_websocket: true, ws_port: web.port, ..web }).await;
    assert_eq!(failed.fault.verdict, Verdict::Protocol, "{failed}");

    for junk in [&b"\0\0\0\0\0\0\0\0"[..], b"220 mail.example.org ESMTP\r\n", &[0xff; 9000], b"\x30\xff\xff\xff\x7f"] {
        let failed = refused(&not_a_broker(junk).await).await;
        assert!(matches!(failed.fault.verdict, Verdict::Protocol | Verdict::Timeout), "{failed}");
    }

    let silent = not_a_broker(b"").await;
    for use_websocket in [false, true] {
        let started = Instant::now();
        let failed = refused(&Mqtt { use_websocket, ..silent.clone() }).await;
        assert_eq!(failed.fault.verdict, Verdict::Timeout, "{failed}");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(failed.fault.detail.contains("did not answer"), "{failed}");
    }
}
