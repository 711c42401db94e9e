//! What is set for a camera and for the broker shows on the broker: pauses at once, pictures and orders only where
//! they are wanted.

mod common;

use common::broker::Broker;
use common::daemon::{Home, PATIENCE, config, stream};
use serde_json::{Value, json};
use simcam::{Camera, Options};

async fn camera() -> Camera {
    Camera::start(Options { width: 320, height: 180, ..Options::default() }).await.unwrap()
}

fn box_id(home: &Home) -> String {
    std::fs::read_to_string(home.path("data/box-id")).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_is_made_endless_is_told_so_at_once() {
    let (broker, camera) = (Broker::start().await, camera().await);
    let home = Home::new(&(config(&[stream("Gate", &camera)]) + &broker.yaml("")));
    let _daemon = home.start().await;
    let root = format!("pulsebox/{}/cam/gate", box_id(&home));
    let listener = broker.listen(&[&format!("{root}/#")]).await;
    let state = format!("{root}/state");
    let told = async |payload: &[u8], condition: &dyn Fn(&Value) -> bool| {
        listener.publish(&format!("{root}/cmd"), payload, false).await;
        listener.on(&state, PATIENCE, |heard| !heard.payload.is_empty() && condition(&heard.json())).await;
    };
    listener.on(&state, PATIENCE, |heard| heard.json()["state"] == "up").await;
    told(br#"{"command":"pause","seconds":3600}"#, &|s| s["paused"] == true && s["paused_until"].is_string()).await;
    told(b"ON", &|s| s["paused"] == true && s["paused_until"].is_null()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_pictures_and_orders_none_go_out_and_none_are_heard() {
    let (broker, camera) = (Broker::start().await, camera().await);
    let text = |more: &str| config(&[stream("Gate", &camera)]) + &broker.yaml(more);
    let home = Home::new(&text(", pictures: false, commands: false"));
    let daemon = home.start().await;
    let id = box_id(&home);
    let listener = broker.listen(&["#"]).await;
    let (state, frame) = (format!("pulsebox/{id}/cam/gate/state"), format!("pulsebox/{id}/cam/gate/frame"));
    let device = format!("homeassistant/device/pulsebox_{id}_gate/config");
    let sent = listener.on(&device, PATIENCE, |heard| !heard.payload.is_empty()).await.json();
    assert_eq!(sent["components"]["picture"], json!({ "platform": "image" }), "{sent}");
    assert_eq!(sent["components"]["pause"], json!({ "platform": "switch" }));
    listener.publish(&format!("pulsebox/{id}/cam/gate/cmd"), b"pause", false).await;
    // Three checks: time enough for a picture, for the order and for its answer.
    daemon.until_checked("gate", 3).await;
    listener.on(&state, PATIENCE, |heard| heard.json()["state"] == "up").await;
    let is_unwanted = |topic: &str| topic == frame || topic.ends_with("/result");
    assert!(!listener.heard().iter().any(|heard| is_unwanted(&heard.topic)), "{:?}", listener.newest().keys());
    assert_eq!(daemon.camera("gate").await["state"], "up");

    // Switched on again, both are there, without a restart.
    home.write(&text(""));
    listener.on(&frame, PATIENCE, |heard| heard.payload.starts_with(&[0xff, 0xd8])).await;
    listener.on(&device, PATIENCE, |heard| heard.text().contains("image_topic")).await;
    listener.publish(&format!("pulsebox/{id}/cam/gate/cmd"), b"pause", false).await;
    listener.on(&state, PATIENCE, |heard| heard.json()["state"] == "paused").await;
}
