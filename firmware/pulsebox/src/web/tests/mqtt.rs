//! `POST /api/mqtt/try` and `identify`, against a broker that is invented: what real ones do is tested elsewhere.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::*;
use crate::camera::{Fault, Rung, RungTime, Verdict};
use crate::config::Mqtt;
use crate::monitor::board::{BrokerState, BrokerStatus};
use crate::web::{BrokerTry, TryBroker};

/// Takes in who comes as `box` with `secret`; stays silent on port 1; tells everybody else what they came with.
pub fn broker() -> TryBroker {
    Arc::new(|mqtt| Box::pin(std::future::ready(answer(&mqtt))))
}

fn answer(mqtt: &Mqtt) -> BrokerTry {
    let reached = |steps: &[Rung]| steps.iter().map(|&rung| RungTime { rung, ms: 1.0 }).collect();
    let Mqtt { host, port, tls_port, username, password, .. } = mqtt;
    match (*port, username.as_str(), password.as_str()) {
        (1, ..) => BrokerTry {
            rungs: reached(&[Rung::Resolve, Rung::Connect]),
            ms: 20_000.0,
            fault: Some(Fault::new(Verdict::Timeout, "no answer within 20 s")),
        },
        (_, "box", "secret") => {
            BrokerTry { rungs: reached(&[Rung::Resolve, Rung::Connect, Rung::Describe]), ms: 3.16, fault: None }
        }
        _ => BrokerTry {
            rungs: Vec::new(),
            ms: 2.0,
            fault: Some(Fault::new(Verdict::Auth, format!("{host} {port} {tls_port} {username} {password}"))),
        },
    }
}

/// POSTs (or PATCHes) JSON as an admin.
async fn write(server: &Server, call: &str, body: &Value) -> Answer {
    let body = body.to_string();
    let head = format!(
        "{call} HTTP/1.1\nHost: localhost\nConnection: close\nAuthorization: Bearer {}\n\
         Content-Type: application/json\nContent-Length: {}",
        server.token,
        body.len()
    );
    server.send_with_body(&head, body.as_bytes()).await
}

async fn try_it(server: &Server, settings: Value) -> Answer {
    write(server, "POST /api/mqtt/try", &settings).await
}

/// A box whose file has a broker with a password.
async fn configured() -> Server {
    let server = serve(&three()).await;
    let settings = json!({ "mqtt.host": "broker.lan", "mqtt.username": "box", "mqtt.password": "kept" });
    assert_eq!(write(&server, "PATCH /api/settings", &settings).await.status, 200);
    server
}

#[tokio::test]
async fn a_broker_that_takes_the_box_in_is_told_with_its_steps() {
    let server = serve(&three()).await;
    let tried = try_it(&server, json!({ "host": "broker.lan", "username": "box", "password": "secret" })).await;
    assert_eq!(tried.status, 200);
    let expected = json!({
        "ok": true, "failed": null, "ms": 3.2,
        "rungs": [{ "rung": "resolve", "ms": 1.0 }, { "rung": "connect", "ms": 1.0 }, { "rung": "describe", "ms": 1.0 }],
        "verdict": null, "title": null, "advice": null, "message": null,
    });
    assert_eq!(tried.json(), expected);
}

#[tokio::test]
async fn a_broker_that_refuses_is_told_in_a_brokers_words() {
    let server = serve(&three()).await;
    let tried = try_it(&server, json!({ "host": "broker.lan", "username": "box", "password": "wrong" })).await.json();
    assert_eq!(
        (&tried["ok"], &tried["verdict"], &tried["failed"]),
        (&json!(false), &json!("auth"), &json!("describe"))
    );
    assert_eq!(tried["title"], "The broker refuses the user name or password");
    assert!(tried["advice"].as_str().unwrap().contains("Home Assistant"), "{tried}");
}

#[tokio::test]
async fn the_step_that_failed_is_the_first_that_was_not_reached() {
    let server = serve(&three()).await;
    for (settings, failed) in [
        (json!({ "host": "broker.lan", "port": 1 }), "describe"),
        (json!({ "host": "broker.lan", "port": 1, "use_tls": true }), "encrypt"),
    ] {
        let tried = try_it(&server, settings).await.json();
        assert_eq!((&tried["verdict"], &tried["failed"]), (&json!("timeout"), &json!(failed)));
    }
}

#[tokio::test]
async fn what_is_not_given_is_as_configured_and_nothing_is_saved() {
    let server = configured().await;
    for masked in [json!({ "username": "cam" }), json!({ "username": "cam", "password": "***" })] {
        assert_eq!(try_it(&server, masked).await.json()["message"], "broker.lan 1883 8883 cam kept");
    }
    let default = try_it(&server, json!({ "username": null, "password": null })).await.json();
    assert_eq!(default["message"], "broker.lan 1883 8883  ", "null is the default");
    assert_eq!(server.get("/api/settings").await.json()["mqtt"]["port"], Value::Null);
    assert_eq!(server.get("/api/settings").await.json()["mqtt"]["enabled"], Value::Null);
}

/// The same of `PATCH /api/settings`.
async fn save(server: &Server, settings: &Value) -> Answer {
    let dotted = settings.as_object().unwrap().iter().map(|(key, value)| (format!("mqtt.{key}"), value.clone()));
    write(server, "PATCH /api/settings", &Value::Object(dotted.collect())).await
}

fn is_kept_home(refused: &Answer) -> bool {
    let error = &refused.json()["error"];
    assert!(error["what"].as_str().unwrap().starts_with("The password that is kept"), "{error}");
    assert_eq!(
        (&error["do"], &error["problems"][0]["key"]),
        (&json!("Type the password again."), &json!("mqtt.password"))
    );
    refused.status == 422
}

#[tokio::test]
async fn the_kept_password_goes_to_no_other_broker_and_no_less_encrypted() {
    let server = configured().await;
    for elsewhere in [
        json!({ "host": "evil.lan" }),
        json!({ "host": "evil.lan", "password": "***" }),
        json!({ "port": 1884 }),
        json!({ "use_tls": true, "tls_port": 1884 }),
        json!({ "ws_port": 1884 }),
    ] {
        assert!(is_kept_home(&try_it(&server, elsewhere.clone()).await), "{elsewhere}");
        assert!(is_kept_home(&save(&server, &elsewhere).await), "{elsewhere}");
        let section = json!({ "mqtt": { "host": "evil.lan", "username": "box", "password": "***" } });
        assert!(is_kept_home(&write(&server, "PATCH /api/settings", &section).await));
    }
    assert_eq!(server.get("/api/settings").await.json()["mqtt"]["host"], "broker.lan", "nothing of it is saved");
    let typed = try_it(&server, json!({ "host": "other.lan", "password": "kept" })).await.json();
    assert_eq!(typed["message"], "other.lan 1883 8883 box kept", "who types it may send it anywhere");
    let same = try_it(&server, json!({ "host": "BROKER.lan" })).await.json();
    assert_eq!(same["message"], "BROKER.lan 1883 8883 box kept");
    // More protection is no less.
    for at_home in [json!({ "use_tls": true }), json!({ "use_websocket": true })] {
        assert_eq!(try_it(&server, at_home.clone()).await.status, 200, "{at_home}");
    }
    assert_eq!(save(&server, &json!({ "use_tls": true, "qos": 1 })).await.status, 200);
    for weaker in [json!({ "use_tls": false }), json!({ "tls_insecure": true })] {
        assert!(is_kept_home(&try_it(&server, weaker.clone()).await), "{weaker}");
        assert!(is_kept_home(&save(&server, &weaker).await), "{weaker}");
    }
    // By way of no host it goes nowhere either.
    assert_eq!(save(&server, &json!({ "host": null })).await.status, 200);
    assert!(is_kept_home(&save(&server, &json!({ "host": "evil.lan" })).await));
    assert_eq!(save(&server, &json!({ "host": "other.lan", "password": "typed" })).await.status, 200);
    assert_eq!(
        save(&server, &json!({ "host": "third.lan", "password": null })).await.status,
        200,
        "none goes anywhere"
    );
}

#[tokio::test]
async fn bad_settings_of_a_broker_are_told_at_their_keys() {
    let server = serve(&three()).await;
    for (settings, key) in [
        (json!({ "host": "broker.lan", "port": 0 }), "mqtt.port"),
        (json!({ "host": "mqtt://broker.lan" }), "mqtt.host"),
    ] {
        let refused = try_it(&server, settings).await;
        assert_eq!((refused.status, &refused.json()["error"]["problems"][0]["key"]), (422, &json!(key)));
    }
    let nowhere = try_it(&server, json!({})).await;
    assert_eq!(nowhere.status, 422);
    assert!(nowhere.json()["error"].to_string().contains("host"), "{}", nowhere.json());
    let unknown = try_it(&server, json!({ "hots": "broker.lan" })).await;
    assert_eq!(unknown.status, 422);
    assert!(unknown.json()["error"]["what"].as_str().unwrap().contains("mqtt.hots"));
}

#[tokio::test]
async fn the_broker_is_told_wherever_the_box_is_told() {
    let board = three();
    let server = serve(&board).await;
    let metric = async || String::from_utf8(server.get("/metrics").await.body).unwrap();
    assert!(!metric().await.contains("pulsebox_broker_connected"), "nothing while MQTT is off");
    let mut events = server.listen("/api/events?types=host", "").await;
    let lost = BrokerStatus {
        state: BrokerState::Lost,
        since: Some(ago(60)),
        verdict: Some(Verdict::Refused),
        message: Some("192.168.1.10:1883 refused the connection".into()),
    };
    board.change_host(|host| host.broker = lost);
    let told = events.next().await.unwrap().data["broker"].clone();
    assert_eq!((&told["state"], &told["since"]), (&json!("lost"), &json!("2026-11-21T05:59:00Z")));
    assert!(told["title"].as_str().unwrap().contains("No broker listens"), "{told}");
    assert_eq!(server.get("/api/status").await.json()["host"]["broker"], told);
    assert_eq!(server.get("/api/system").await.json()["host"]["broker"], told);
    assert!(metric().await.contains("\npulsebox_broker_connected 0\n"));
    board.change_host(|host| host.broker.state = BrokerState::Connected);
    assert!(metric().await.contains("\npulsebox_broker_connected 1\n"));
}

#[tokio::test]
async fn the_box_in_one_word_is_that_of_its_worst() {
    let board = three();
    let server = serve(&board).await;
    assert_eq!(server.get("/api/system").await.json()["overall"], "camera_down");
    board.change_host(|host| host.network = false);
    assert_eq!(server.get("/api/system").await.json()["overall"], "no_network");
}

#[tokio::test]
async fn a_box_that_is_asked_to_shows_itself_for_ten_seconds() {
    let server = serve(&three()).await;
    assert_eq!(server.get("/api/status").await.json()["host"]["identify_until"], Value::Null);
    assert_eq!(write(&server, "POST /api/identify", &json!({})).await.status, 204);
    let until = server.get("/api/status").await.json()["host"]["identify_until"].clone();
    assert!(until.as_str().unwrap().starts_with("2026-11-21T06:00:1"), "{until}");
}
