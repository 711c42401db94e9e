//! Brokers that make it hard: large messages that somebody left there, a line that is slow, what an earlier box said.

mod common;

use std::time::{Duration, Instant};

use common::broker::Broker;
use common::daemon::{Daemon, Home, PATIENCE, config, stream};
use simcam::{Camera, Mood, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn camera(mood: Mood) -> Camera {
    Camera::start(Options { mood, width: 320, height: 180, ..Options::default() }).await.unwrap()
}

/// A home whose box has its id and knows of no broker yet.
async fn settled(text: &str) -> (Home, Daemon, String) {
    let home = Home::new(text);
    let daemon = home.start().await;
    let id = std::fs::read_to_string(home.path("data/box-id")).unwrap().trim().to_owned();
    (home, daemon, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_that_are_kept_are_refused_and_keep_no_box_off_the_broker() {
    let broker = Broker::start().await;
    let text = config::<&str>(&[]).replace("streams:\n", "");
    let (home, daemon, id) = settled(&text).await;
    let root = format!("pulsebox/{id}");
    let listener = broker.listen(&[&format!("{root}/#")]).await;
    let (order, state) = (format!("{root}/cam/x/cmd"), format!("{root}/cam/y/state"));
    for topic in [&order, &state] {
        listener.publish(topic, &vec![b'x'; 300_000], true).await;
    }
    for transport in ["", ", use_websocket: true"] {
        let skip = listener.heard().len();
        home.write(&(text.clone() + &broker.yaml(transport)));
        let answer = listener.next_on(&format!("{order}/result"), skip, PATIENCE).await.json();
        assert_eq!(answer["error"], "the message has 300000 bytes; send 4096 at most");
        // It goes on, and has cleared what is not its own camera's.
        listener.next_on(&format!("{root}/system"), listener.heard().len(), PATIENCE).await;
        listener.on(&state, PATIENCE, |heard| heard.payload.is_empty()).await;
    }
    assert!(!daemon.log().contains("no connection to the broker"), "{}", daemon.log());

    // What is larger still has words of its own.
    listener.publish(&order, &vec![b'x'; 5 << 20], true).await;
    let told = |system: &serde_json::Value| {
        let message = system["host"]["broker"]["message"].as_str().unwrap_or_default();
        message.contains(" bytes, more than the 4194304 that are taken: find what is kept on `pulsebox/#`")
    };
    daemon.until("/api/system", PATIENCE, told).await;
    listener.publish(&order, b"", true).await;
    let back = |system: &serde_json::Value| system["host"]["broker"]["state"] == "connected";
    daemon.until("/api/system", PATIENCE, back).await;
}

/// A line to `port` that takes no more than this many bytes a second on the way there, though the system that
/// sends sees none of it; its port.
async fn slow_line(port: u16, bytes_a_second: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let ((mut from, mut back), (mut answers, mut to)) = (near.into_split(), far.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
            tokio::spawn(async move {
                let mut piece = vec![0; bytes_a_second / 50];
                let mut beat = tokio::time::interval(Duration::from_millis(20));
                loop {
                    beat.tick().await;
                    match from.read(&mut piece).await {
                        Ok(n) if n > 0 && to.write_all(&piece[..n]).await.is_ok() => {}
                        _ => return,
                    }
                }
            });
        }
    });
    own
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_slow_line_pictures_go_one_by_one_and_hold_up_nothing() {
    const CAMERAS: usize = 24;
    let broker = Broker::start().await;
    let cam = Camera::start(Options { width: 1280, height: 720, ..Options::default() }).await.unwrap();
    let streams: Vec<String> = (0..CAMERAS).map(|n| stream(&format!("C{n}"), &cam)).collect();
    let text = config(&streams).replace("seconds: 5", "seconds: 600");
    let (home, daemon, id) = settled(&text).await;
    let all_up = |system: &serde_json::Value| {
        system.as_array().is_some_and(|all| all.iter().filter(|camera| camera["state"] == "up").count() == CAMERAS)
    };
    daemon.until("/api/streams", PATIENCE, all_up).await;

    // All pictures are due at once.
    let root = format!("pulsebox/{id}");
    let listener = broker.listen(&[&format!("{root}/#")]).await;
    let line = slow_line(broker.ports[0], 60_000).await;
    let mqtt = broker.yaml("").replace(&format!("port: {},", broker.ports[0]), &format!("port: {line},"));
    home.write(&(text + &mqtt));
    let frames = |all: &[std::sync::Arc<common::broker::Heard>]| {
        all.iter().filter(|heard| heard.topic.ends_with("/frame")).map(|heard| heard.payload.len()).collect::<Vec<_>>()
    };
    listener.until("a picture", PATIENCE, |all| !frames(all).is_empty()).await;
    let asked = Instant::now();
    listener.publish(&format!("{root}/cmd"), b"identify", false).await;
    listener.on(&format!("{root}/cmd/result"), PATIENCE, |_| true).await;
    let (took, before) = (asked.elapsed(), frames(&listener.heard()));
    listener.until("all pictures", PATIENCE * 2, |all| frames(all).len() >= CAMERAS).await;
    let all: usize = frames(&listener.heard()).iter().sum();
    eprintln!("answered after {took:?} and {} pictures; all {all} bytes after {:?}", before.len(), asked.elapsed());
    assert!(took < Duration::from_secs(8) && before.len() < CAMERAS / 2, "{took:?}, {} pictures", before.len());
    assert!(!daemon.log().contains("no connection to the broker"), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_home_assistant_was_told_is_taken_back_where_it_was_turned_off_meanwhile() {
    let broker = Broker::start().await;
    let cam = camera(Mood::Healthy).await;
    let text = config(&[stream("Gate", &cam)]);
    let (home, daemon, id) = settled(&text).await;
    daemon.until_state("gate", "up").await;
    let listener = broker.listen(&["#"]).await;
    let devices = ["", "_gate", "_roof"].map(|of| format!("homeassistant/device/pulsebox_{id}{of}/config"));
    for topic in devices.iter().cloned().chain([format!("pulsebox/{id}/cam/roof/state")]) {
        listener.publish(&topic, b"{}", true).await;
    }
    home.write(&(text + &broker.yaml(", home_assistant: { enabled: false }")));
    for topic in &devices {
        listener.on(topic, PATIENCE, |heard| heard.payload.is_empty()).await;
    }
    listener.on(&format!("pulsebox/{id}/cam/roof/state"), PATIENCE, |heard| heard.payload.is_empty()).await;
    let told = |heard: &&std::sync::Arc<common::broker::Heard>| {
        devices.contains(&heard.topic) && heard.payload.len() > b"{}".len()
    };
    assert_eq!(listener.heard().iter().find(told), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_that_come_back_are_counted_at_once_though_the_box_says_the_same_word() {
    let broker = Broker::start().await;
    let (one, other) = (camera(Mood::Refuses).await, camera(Mood::Refuses).await);
    let mqtt = broker.yaml("").replace("interval_seconds: 5", "interval_seconds: 600");
    let home = Home::new(&(config(&[stream("Gate", &one), stream("Yard", &other)]) + &mqtt));
    let listener = broker.listen(&["pulsebox/+/system"]).await;
    let daemon = home.start().await;
    let counted = |down: u64, up: u64| {
        move |all: &[std::sync::Arc<common::broker::Heard>]| {
            all.last().is_some_and(|heard| {
                let system = heard.json();
                system["overall"] == "camera_down" && system["cameras"]["down"] == down && system["cameras"]["up"] == up
            })
        }
    };
    listener.until("both are down", PATIENCE, counted(2, 0)).await;
    one.set_mood(Mood::Healthy).await;
    listener.until("one is up", PATIENCE, counted(1, 1)).await;
    drop(daemon);
}
