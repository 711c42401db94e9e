//! The daemon on a real broker over time: what it keeps there, and what becomes of it when broker, network,
//! settings and cameras come and go.

mod common;

use std::time::{Duration, Instant};

use common::broker::{Broker, Heard, Listener, PASSWORD, Setup};
use common::daemon::{Daemon, Home, PATIENCE, config, recent, stream};
use serde_json::Value;
use simcam::{Camera, Mood, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What a reconnect may take: the longest wait between tries (12.5 s), and a busy machine.
const SECONDS: Duration = Duration::from_secs(25);

async fn camera(mood: Mood) -> Camera {
    Camera::start(Options { mood, width: 320, height: 180, ..Options::default() }).await.unwrap()
}

/// This box's id in topics, once it has written it.
fn box_id(home: &Home) -> String {
    std::fs::read_to_string(home.path("data/box-id")).unwrap().trim().to_owned()
}

fn is_json(heard: &Heard, condition: impl Fn(&Value) -> bool) -> bool {
    !heard.payload.is_empty() && condition(&heard.json())
}

/// What the broker keeps, as one who comes now hears it.
async fn kept(broker: &Broker) -> Listener {
    broker.listen(&["#"]).await
}

/// Waits until the daemon's page says that the broker is in this state; gives what it says.
async fn until_broker(daemon: &Daemon, state: &str, limit: Duration) -> Value {
    let system = daemon.until("/api/system", limit, |system| system["host"]["broker"]["state"] == state).await;
    system["host"]["broker"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_topics_are_right_and_rightly_kept_and_a_clean_stop_says_offline() {
    let broker = Broker::with(Setup { password: true, ..Setup::default() }).await;
    let (well, dead) = (camera(Mood::Healthy).await, camera(Mood::Refuses).await);
    let home = Home::new(&(config(&[stream("Gate", &well), stream("Yard", &dead)]) + &broker.yaml("")));
    let listener = broker.listen(&["#"]).await;
    let mut daemon = home.start().await;
    let root = format!("pulsebox/{}", box_id(&home));
    let on = async |leaf: &str, condition: &dyn Fn(&Value) -> bool| {
        let topic = format!("{root}/{leaf}");
        listener.on(&topic, PATIENCE, |heard| is_json(heard, condition)).await.json()
    };

    let availability = format!("{root}/availability");
    listener.on(&availability, PATIENCE, |heard| heard.text() == "online").await;
    let up = on("cam/gate/state", &|state| state["state"] == "up").await;
    assert_eq!((&up["verdict"], &up["connected"]), (&"ok".into(), &true.into()), "{up}");
    let down = on("cam/yard/state", &|state| state["state"] == "down").await;
    assert_eq!((&down["verdict"], &down["connected"]), (&"refused".into(), &false.into()), "{down}");
    on("cam/gate/attributes", &|attributes| attributes["width"] == 320).await;
    on("system", &|system| system["overall"] == "camera_down").await;
    let frame = listener.on(&format!("{root}/cam/gate/frame"), PATIENCE, |_| true).await;
    assert!(frame.payload.starts_with(&[0xff, 0xd8]) && frame.qos == 0);
    listener.on("streampulse/status", PATIENCE, |heard| heard.text().contains("Gate")).await;

    // One who comes later finds all but the picture.
    let later = kept(&broker).await;
    let last = "streampulse/status".to_owned();
    let id = box_id(&home);
    let expected = [
        availability.clone(),
        format!("{root}/system"),
        format!("{root}/cam/gate/state"),
        format!("{root}/cam/gate/attributes"),
        format!("{root}/cam/yard/state"),
        format!("{root}/cam/yard/attributes"),
        format!("homeassistant/device/pulsebox_{id}/config"),
        format!("homeassistant/device/pulsebox_{id}_gate/config"),
        format!("homeassistant/device/pulsebox_{id}_yard/config"),
        last,
    ];
    later
        .until("what is kept", PATIENCE, |all| {
            expected.iter().all(|topic| all.iter().any(|h| h.topic == *topic && h.retained && h.qos == 1))
        })
        .await;
    assert!(!later.heard().iter().any(|h| h.retained && !expected.contains(&h.topic)), "{:?}", later.newest().keys());

    let (ended, took) = daemon.terminate().await;
    assert!(ended.success() && took < Duration::from_millis(2500), "{took:?}");
    let gone = kept(&broker).await;
    gone.on(&availability, PATIENCE, |heard| heard.text() == "offline").await;
    // Said by the box itself: a broker says it only for one that is lost.
    broker.until_logged(1, &format!("Client pulsebox-{id} disconnected.")).await;
    for heard in listener.heard() {
        assert!(!heard.text().contains(PASSWORD), "{} tells the password", heard.topic);
    }
    assert!(!daemon.log().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_broker_returns_all_is_right_within_seconds_and_between_the_board_says_lost() {
    let mut broker = Broker::start().await;
    let cam = camera(Mood::Healthy).await;
    let home = Home::new(&(config(&[stream("Gate", &cam)]) + &broker.yaml("")));
    let daemon = home.start().await;
    let state = format!("pulsebox/{}/cam/gate/state", box_id(&home));
    kept(&broker).await.on(&state, PATIENCE, |h| is_json(h, |state| state["state"] == "up")).await;
    until_broker(&daemon, "connected", PATIENCE).await;

    broker.stop().await;
    let lost = daemon
        .until("/api/system", PATIENCE, |system| {
            system["host"]["broker"]["state"] == "lost" && system["host"]["broker"]["verdict"] == "refused"
        })
        .await;
    let message = lost["host"]["broker"]["message"].as_str().unwrap();
    assert!(message.ends_with("refused the connection: is the broker running, and is the port right?"), "{message}");
    cam.set_mood(Mood::Refuses).await;
    daemon.until_state("gate", "down").await;

    // It has forgotten everything.
    broker.run().await;
    let returned = Instant::now();
    let listener = kept(&broker).await;
    let id = box_id(&home);
    for topic in ["availability", "system", "cam/gate/attributes"].map(|leaf| format!("pulsebox/{id}/{leaf}")) {
        listener.on(&topic, SECONDS, |_| true).await;
    }
    listener.on(&state, SECONDS, |h| is_json(h, |state| state["state"] == "down")).await;
    for device in [format!("pulsebox_{id}"), format!("pulsebox_{id}_gate")] {
        listener.on(&format!("homeassistant/device/{device}/config"), SECONDS, |_| true).await;
    }
    assert!(!listener.heard().iter().any(|h| h.text().contains("\"up\"") && h.topic == state), "an old state was sent");
    let connected = until_broker(&daemon, "connected", SECONDS).await;
    assert_eq!(connected["message"], Value::Null);
    eprintln!("all was right {:?} after the broker came back", returned.elapsed());
    // One line for each change, however many tries.
    let log = daemon.until_logged(2, "connected to the broker").await;
    assert_eq!(log.matches("connected to the broker").count(), 2, "{log}");
    assert_eq!(log.matches("no connection to the broker").count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_broker_says_offline_for_a_box_that_dies() {
    let broker = Broker::start().await;
    let home = Home::new(&(config::<&str>(&[]).replace("streams:\n", "") + &broker.yaml("")));
    let daemon = home.start().await;
    let availability = format!("pulsebox/{}/availability", box_id(&home));
    let listener = broker.listen(&[&availability]).await;
    listener.on(&availability, PATIENCE, |heard| heard.text() == "online").await;
    daemon.kill().await;
    listener.on(&availability, PATIENCE, |heard| heard.text() == "offline").await;
    kept(&broker).await.on(&availability, PATIENCE, |heard| heard.retained && heard.text() == "offline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_renamed_and_removed_while_connected_or_away_leave_nothing_behind() {
    let broker = Broker::start().await;
    let cam = camera(Mood::Healthy).await;
    let (gate, yard) = (stream("Gate", &cam), stream("Yard", &cam));
    let roof = stream("Roof", &cam);
    let text = |streams: &[&String]| config(streams) + &broker.yaml("");
    let home = Home::new(&text(&[&gate, &yard, &roof]));
    let mut daemon = home.start().await;
    let id = box_id(&home);
    let listener = broker.listen(&["#"]).await;
    let topics = |cam: &str| {
        let leaf = |leaf: &str| format!("pulsebox/{id}/cam/{cam}/{leaf}");
        [leaf("state"), leaf("attributes"), format!("homeassistant/device/pulsebox_{id}_{cam}/config")]
    };
    for cam in ["gate", "yard", "roof"] {
        for topic in topics(cam) {
            listener.on(&topic, PATIENCE, |_| true).await;
        }
    }

    // Removed and renamed (the id is made of the name) while it is there.
    home.write(&text(&[&gate.replace("Gate", "Front gate"), &roof]));
    for topic in topics("gate").into_iter().chain(topics("yard")) {
        listener.on(&topic, PATIENCE, |heard| heard.payload.is_empty()).await;
    }
    // The state goes last: were the box to die before, the next one would know by it what to clear.
    let all = listener.heard();
    let [state, attributes, device] =
        topics("yard").map(|topic| all.iter().position(|h| h.topic == topic && h.payload.is_empty()).unwrap());
    assert!(state > attributes.max(device), "{state} {attributes} {device}");
    for topic in topics("front-gate") {
        listener.on(&topic, PATIENCE, |_| true).await;
    }

    // Another name with the id kept is told, and nothing is cleared.
    let heard = listener.heard().len();
    let named = gate.replace("name: Gate", "name: Main gate, id: front-gate");
    home.write(&text(&[&named, &roof]));
    let told = format!("homeassistant/device/pulsebox_{id}_front-gate/config");
    listener.on(&told, PATIENCE, |heard| heard.text().contains("Main gate")).await;
    let cleared = |h: &&std::sync::Arc<Heard>| h.payload.is_empty() && h.topic.contains("front-gate");
    assert_eq!(listener.heard().iter().skip(heard).find(cleared), None);

    // Removed while the box is away; a stranger's box is not touched.
    listener.publish("pulsebox/ffffffff/cam/roof/state", b"{}", true).await;
    daemon.terminate().await;
    home.write(&text(&[&named]));
    let before = listener.heard().len();
    let daemon = home.start().await;
    for topic in topics("roof") {
        let is_cleared = |all: &[std::sync::Arc<Heard>]| {
            all.iter().skip(before).any(|heard| heard.topic == topic && heard.payload.is_empty())
        };
        listener.until(&format!("{topic} is cleared"), PATIENCE, is_cleared).await;
    }
    until_broker(&daemon, "connected", PATIENCE).await;
    let now = kept(&broker).await;
    now.on(&topics("front-gate")[0], PATIENCE, |_| true).await;
    now.on("pulsebox/ffffffff/cam/roof/state", PATIENCE, |_| true).await;
    let newest = now.newest();
    let left: Vec<&String> =
        newest.keys().filter(|t| ["yard", "roof"].iter().any(|c| t.contains(c)) && t.contains(&id)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_changed_in_the_file_hold_without_a_restart() {
    let (first, second) = tokio::join!(Broker::start(), Broker::start());
    let cam = camera(Mood::Healthy).await;
    let text = |mqtt: &str| config(&[stream("Gate", &cam)]) + mqtt;
    let home = Home::new(&text(""));
    let daemon = home.start().await;
    assert_eq!(until_broker(&daemon, "off", PATIENCE).await["since"], Value::Null);

    // On.
    let there = first.listen(&["#"]).await;
    home.write(&text(&first.yaml("")));
    let id = box_id(&home);
    let availability = format!("pulsebox/{id}/availability");
    let device = |prefix: &str, of: &str| format!("{prefix}/device/pulsebox_{id}{of}/config");
    there.on(&availability, PATIENCE, |heard| heard.text() == "online").await;
    for of in ["", "_gate"] {
        there.on(&device("homeassistant", of), PATIENCE, |_| true).await;
    }

    // Another prefix and client id: the old devices go, and `offline` comes between.
    let before = there.heard().len();
    home.write(&text(&first.yaml(", client_id: mine, topic: mine/status, home_assistant: { discovery_prefix: ha }")));
    for of in ["", "_gate"] {
        there.on(&device("homeassistant", of), PATIENCE, |heard| heard.payload.is_empty()).await;
        there.on(&device("ha", of), PATIENCE, |heard| !heard.payload.is_empty()).await;
    }
    let said: Vec<String> =
        there.heard().iter().skip(before).filter(|h| h.topic == availability).map(|h| h.text()).collect();
    assert_eq!(said, ["offline", "online"]);
    // Nor does the status grow old where it was.
    there.on("streampulse/status", PATIENCE, |heard| heard.payload.is_empty()).await;
    there.on("mine/status", PATIENCE, |heard| !heard.payload.is_empty()).await;
    first.logged(" as mine ").await;

    // Another broker; nothing is cleared at the old one, and the old one knows that we left.
    let other = second.listen(&["#"]).await;
    home.write(&text(&second.yaml(", qos: 0, retain: false")));
    other.on(&availability, PATIENCE, |heard| heard.text() == "online").await;
    there
        .until("offline at the old broker", PATIENCE, |all| {
            all.iter().rev().find(|h| h.topic == availability).is_some_and(|h| h.text() == "offline")
        })
        .await;
    there.on("mine/status", PATIENCE, |heard| heard.payload.is_empty()).await;
    other.on("streampulse/status", PATIENCE, |heard| heard.qos == 0).await;
    let later = kept(&second).await;
    later.on(&availability, PATIENCE, |heard| heard.retained).await;
    assert!(!later.heard().iter().any(|h| h.retained && h.topic == "streampulse/status"));

    // Off.
    home.write(&text(&second.yaml("").replace("enabled: true", "enabled: false")));
    other.on(&availability, PATIENCE, |heard| heard.text() == "offline").await;
    other.on(&device("homeassistant", "_gate"), PATIENCE, |heard| heard.payload.is_empty()).await;
    until_broker(&daemon, "off", PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn home_assistants_birth_brings_all_again_and_orders_are_answered() {
    let broker = Broker::start().await;
    let cam = camera(Mood::Healthy).await;
    let home = Home::new(&(config(&[stream("Gate", &cam)]).replace("seconds: 5", "seconds: 600") + &broker.yaml("")));
    // Before the daemon: the only picture in ten minutes is not kept for who comes later.
    let listener = broker.listen(&["#"]).await;
    let daemon = home.start().await;
    let root = format!("pulsebox/{}", box_id(&home));
    let frame = format!("{root}/cam/gate/frame");
    daemon.until_state("gate", "up").await;
    listener.on(&frame, PATIENCE, |_| true).await;

    let skip = listener.heard().len();
    listener.publish("homeassistant/status", b"online", false).await;
    for topic in [
        format!("homeassistant/device/pulsebox_{}/config", box_id(&home)),
        format!("homeassistant/device/pulsebox_{}_gate/config", box_id(&home)),
        format!("{root}/cam/gate/state"),
        format!("{root}/cam/gate/attributes"),
        frame,
    ] {
        listener.next_on(&topic, skip, PATIENCE).await;
    }

    let skip = listener.heard().len();
    listener.publish(&format!("{root}/cam/gate/cmd"), br#"{"command":"check","id":"7"}"#, false).await;
    let answer = listener.next_on(&format!("{root}/cam/gate/cmd/result"), skip, PATIENCE).await;
    assert_eq!(answer.json(), serde_json::json!({ "command": "check", "id": "7", "ok": true }));
    listener.next_on(&format!("{root}/cam/gate/attributes"), skip, PATIENCE).await;
    let skip = listener.heard().len();
    listener.publish(&format!("{root}/cmd"), b"identify", false).await;
    let answer = listener.next_on(&format!("{root}/cmd/result"), skip, PATIENCE).await;
    assert_eq!(answer.json()["ok"], true);
    daemon.until("/api/system", PATIENCE, |system| system["host"]["identify_until"].is_string()).await;

    // More orders than there is room for: each is carried out or refused, and the box goes on.
    let skip = listener.heard().len();
    for _ in 0..200 {
        listener.publish(&format!("{root}/cam/nobody/cmd"), b"check", false).await;
    }
    let answer = listener.next_on(&format!("{root}/cam/nobody/cmd/result"), skip, PATIENCE).await;
    assert_eq!(answer.json()["ok"], false);
    listener.next_on(&format!("{root}/system"), listener.heard().len(), PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_boxes_with_one_client_id_are_told_and_do_not_fight_in_a_tight_loop() {
    let broker = Broker::start().await;
    let yaml = config::<&str>(&[]).replace("streams:\n", "") + &broker.yaml(", client_id: twin");
    let homes = [Home::new(&yaml), Home::new(&yaml)];
    let (one, other) = tokio::join!(homes[0].start(), homes[1].start());
    // Once may be a broker that stops; more often, it is said what it may be.
    let is_told = |system: &Value| {
        let message = system["host"]["broker"]["message"].as_str().unwrap_or_default();
        message.contains(" times: there is another client with the client id `twin`")
    };
    tokio::select! {
        _ = one.until("/api/system", PATIENCE, is_told) => {}
        _ = other.until("/api/system", PATIENCE, is_told) => {}
    }
    // Waits of 1, 2, 4, 8 s on both sides: in 15 s no more than some ten connections.
    let before = broker.log().matches(" as twin ").count();
    tokio::time::sleep(Duration::from_secs(15)).await;
    let connections = broker.log().matches(" as twin ").count() - before;
    assert!(connections <= 10, "{connections} connections in 15 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_reading_holds_up_no_check_and_hears_only_the_newest_after() {
    const CAMERAS: usize = 200;
    let broker = Broker::start().await;
    let cam = camera(Mood::Refuses).await;
    let streams: Vec<String> = (0..CAMERAS).map(|n| stream(&format!("C{n}"), &cam)).collect();
    let home = Home::new(&(config(&streams) + &broker.yaml("")));
    let daemon = home.start().await;
    let id = box_id(&home);
    let listener = broker.listen(&[&format!("pulsebox/{id}/cam/+/state")]).await;
    let all_down = |all: &[std::sync::Arc<Heard>]| {
        let down: std::collections::BTreeSet<&str> =
            all.iter().filter(|h| h.text().contains("\"down\"")).map(|h| h.topic.as_str()).collect();
        down.len() == CAMERAS
    };
    listener.until("all are down", PATIENCE, all_down).await;
    let memory = |daemon: &Daemon| {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap().to_owned();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = memory(&daemon);

    broker.signal("STOP");
    let lost = until_broker(&daemon, "lost", Duration::from_secs(60)).await;
    assert_eq!(lost["verdict"], "timeout", "{lost}");
    // Checks have gone on all the while.
    let c7 = daemon.camera("c7").await;
    let last: jiff::Timestamp = recent(&c7).last().unwrap()["at"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(last).as_secs() < 20, "the last check began at {last}");
    cam.set_mood(Mood::NotFound).await;
    let not_found = |camera: &Value| recent(camera).last().is_some_and(|check| check["verdict"] == "not_found");
    daemon.until("/api/streams/c7", PATIENCE, not_found).await;
    let grown = memory(&daemon).saturating_sub(before);
    assert!(grown < 48 * 1024, "{grown} KiB more");

    broker.signal("CONT");
    let state = format!("pulsebox/{id}/cam/c7/state");
    let fresh = broker.listen(&[&state]).await;
    let limit = Duration::from_secs(90);
    fresh.on(&state, limit, |heard| is_json(heard, |state| state["verdict"] == "not_found")).await;
    until_broker(&daemon, "connected", Duration::from_secs(90)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_and_states_come_whole_over_every_transport_and_qos() {
    let broker = Broker::with(Setup { password: true, client_certificate: true, ..Setup::default() }).await;
    // Large and rich: its picture is read and written in several turns.
    let large = Options { width: 1280, height: 720, ..Options::default() };
    let cam = Camera::start(large).await.unwrap();
    let (certificate, key) = broker.client_certificate();
    let own = format!(", ca_file: {}, client_certificate: {certificate}, client_key: {key}", broker.ca_file());
    let transports = ["", ", use_tls: true", ", use_websocket: true", ", use_tls: true, use_websocket: true"];
    let text = |n: usize| {
        let more = format!("{own}{}, qos: {}", transports[n], n % 3);
        config(&[stream("Gate", &cam)]) + &broker.yaml(&more)
    };
    let home = Home::new(&config(&[stream("Gate", &cam)]));
    let daemon = home.start().await;
    let root = format!("pulsebox/{}", box_id(&home));
    daemon.until_state("gate", "up").await;
    for (n, transport) in transports.iter().enumerate() {
        let listener = broker.listen(&["#"]).await;
        let skip = listener.heard().len();
        home.write(&text(n));
        let frame = listener.next_on(&format!("{root}/cam/gate/frame"), skip, PATIENCE).await;
        let picture = &frame.payload;
        assert!(picture.starts_with(&[0xff, 0xd8]) && picture.ends_with(&[0xff, 0xd9]), "{transport}");
        let is_ours = |h: &Heard| !h.retained && usize::from(h.qos) == n % 3 && is_json(h, |s| s["state"] == "up");
        listener.on(&format!("{root}/cam/gate/state"), PATIENCE, is_ours).await;
    }
    // Each in its own turn, and none twice.
    let log = daemon.until_logged(4, "connected to the broker").await;
    assert_eq!(log.matches("connected to the broker").count(), 4, "{log}");
}

/// Takes the first client in, reads all it sends and answers nothing more; takes in no other.
async fn acknowledges_nothing() -> u16 {
    // Held, so that nobody else is given it once it listens no more.
    let held = simcam::reserve(([127, 0, 0, 1], 0).into()).unwrap();
    let address = held.local_addr().unwrap();
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        client.write_all(&[0x20, 2, 0, 0]).await.unwrap();
        drop(listener);
        let _ = client.read_to_end(&mut Vec::new()).await;
        drop(held);
    });
    address.port()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_acknowledges_nothing_is_lost() {
    let text = async || {
        let mqtt = format!("mqtt: {{ enabled: true, host: 127.0.0.1, port: {} }}\n", acknowledges_nothing().await);
        config::<&str>(&[]).replace("streams:\n", "") + &mqtt
    };
    let home = Home::new(&text().await);
    let mut daemon = home.start().await;
    until_broker(&daemon, "connected", PATIENCE).await;
    // No other connection is taken, so it stays lost.
    until_broker(&daemon, "lost", Duration::from_secs(50)).await;
    daemon.logged("no longer answers: look at the broker and the network").await;
    // Nor does such a broker hold up the end.
    home.write(&text().await);
    until_broker(&daemon, "connected", PATIENCE).await;
    let (ended, took) = daemon.terminate().await;
    assert!(ended.success() && took < Duration::from_millis(2500), "{took:?}");
}
