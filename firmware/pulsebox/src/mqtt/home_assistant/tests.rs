//! What Home Assistant is told, held to the tables and to the documentation.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::*;
use crate::config::Mqtt;
use crate::monitor::appliance::Appliance;
use crate::monitor::board::State;

fn names() -> Names {
    Names::new("0123abcd", &Mqtt::default())
}

fn host() -> BoxStatus {
    BoxStatus { name: "gatehouse".into(), version: "1.2.3", ..BoxStatus::default() }
}

fn appliance() -> BoxStatus {
    BoxStatus { appliance: Some(Appliance::default()), ..host() }
}

fn camera(id: &str, name: &str) -> CameraStatus {
    CameraStatus {
        id: id.into(),
        name: name.into(),
        url: "rtsp://***:***@192.0.2.1/live".into(),
        heartbeat_seconds: 15,
        state: State::Unknown,
        since: Timestamp::UNIX_EPOCH,
        last: None,
        recent: [].into(),
        incident: None,
        thumbnail: None,
        failures: 0,
        paused_until: None,
        next_check: None,
    }
}

fn unique_ids(device: &Value) -> Vec<String> {
    let components = device["components"].as_object().expect("components");
    components.values().map(|component| component["unique_id"].as_str().expect("unique id").to_owned()).collect()
}

#[test]
fn the_root_has_only_keys_that_home_assistant_takes_there() {
    let known =
        ["device", "origin", "availability_topic", "payload_available", "payload_not_available", "qos", "components"];
    for device in [
        box_device(&names(), &Mqtt::default(), &host(), Some("http://192.0.2.7")),
        camera_device(&names(), &Mqtt::default(), &camera("gate", "Gate"), &host(), None),
    ] {
        let keys: BTreeSet<&str> = device.as_object().expect("object").keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(known));
        assert_eq!(device["availability_topic"], "pulsebox/0123abcd/availability");
        assert_eq!(device["origin"]["sw_version"], "1.2.3");
    }
}

#[test]
fn no_two_entities_of_a_box_and_its_cameras_have_one_id() {
    let keys: Vec<&str> = CAMERA.iter().map(|entity| entity.key).collect();
    for entity in BOX.iter().chain(APPLIANCE).chain(CAMERA) {
        for key in &keys {
            assert!(!entity.key.ends_with(&format!("_{key}")), "{} ends like {key}", entity.key);
        }
    }
    // Ids that are made to be mistaken for one another, and for the box's keys.
    let cameras = ["a", "a_b", "b", "cameras", "network", "check", "last_good"];
    let mut ids = unique_ids(&box_device(&names(), &Mqtt::default(), &appliance(), None));
    for id in cameras {
        ids.extend(unique_ids(&camera_device(&names(), &Mqtt::default(), &camera(id, id), &host(), None)));
    }
    assert_eq!(ids.len(), BOX.len() + APPLIANCE.len() + CAMERA.len() * cameras.len());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
}

#[test]
fn a_rename_changes_the_name_and_nothing_else() {
    let odd = r#"{{ 1/0 }} "Gate" 🚪 {% raw %} \"#;
    let before = camera_device(
        &names(),
        &Mqtt::default(),
        &camera("front-door", "Front door"),
        &host(),
        Some("http://pulsebox.local/"),
    );
    let mut after =
        camera_device(&names(), &Mqtt::default(), &camera("front-door", odd), &host(), Some("http://pulsebox.local/"));
    assert_eq!(after["device"]["name"], odd);
    assert_eq!(before["device"]["configuration_url"], "http://pulsebox.local/#/camera/front-door");
    after["device"]["name"] = json!("Front door");
    assert_eq!(after, before);
}

#[test]
fn a_camera_belongs_to_its_box_and_its_entities_say_where_to_listen() {
    let device = camera_device(&names(), &Mqtt::default(), &camera("front-door", "Front door"), &host(), None);
    assert_eq!(
        device["device"]["via_device"],
        box_device(&names(), &Mqtt::default(), &host(), None)["device"]["identifiers"][0]
    );
    let components = &device["components"];
    assert_eq!(components["connected"]["state_topic"], "pulsebox/0123abcd/cam/front-door/state");
    assert_eq!(components["connected"]["unique_id"], "pulsebox_0123abcd_front-door_connected");
    assert_eq!(components["connected"]["default_entity_id"], "binary_sensor.front_door_connected");
    assert_eq!(components["packet_loss"]["state_topic"], "pulsebox/0123abcd/cam/front-door/attributes");
    assert_eq!(components["picture"]["image_topic"], "pulsebox/0123abcd/cam/front-door/frame");
    assert_eq!(components["pause"]["command_topic"], "pulsebox/0123abcd/cam/front-door/cmd");
    assert_eq!(components["verdict"]["options"][0], "ok");
    assert!(!components["state"]["options"].as_array().expect("options").contains(&json!("unknown")));
}

#[test]
fn what_is_switched_off_is_said_to_be_no_more_and_all_else_stays() {
    let of = |mqtt: &Mqtt| {
        let [host, camera] = [
            box_device(&names(), mqtt, &host(), None),
            camera_device(&names(), mqtt, &camera("gate", "Gate"), &host(), None),
        ];
        let gone = |device: &Value| -> Vec<String> {
            let components = device["components"].as_object().expect("components");
            let is_gone = |component: &Value| component.as_object().expect("component").len() == 1;
            components.iter().filter(|(_, c)| is_gone(c)).map(|(key, _)| key.clone()).collect()
        };
        [gone(&host), gone(&camera)]
    };
    assert_eq!(of(&Mqtt::default()), [Vec::<String>::new(), Vec::new()]);
    assert_eq!(of(&Mqtt { pictures: false, ..Mqtt::default() }), [vec![], vec!["picture".to_owned()]]);
    let without = of(&Mqtt { commands: false, ..Mqtt::default() });
    assert_eq!(without[0], ["check_all", "identify"]);
    assert_eq!(without[1], ["check", "pause"]);
}

#[test]
fn only_an_appliance_offers_an_update_a_restart_and_why_it_started() {
    let of = |host: &BoxStatus, mqtt: &Mqtt| box_device(&names(), mqtt, host, None)["components"].clone();
    let plain = of(&host(), &Mqtt::default());
    assert!(APPLIANCE.iter().all(|entity| plain.get(entity.key).is_none()), "{plain}");
    let all = of(&appliance(), &Mqtt::default());
    let update = &all["update"];
    assert_eq!((&update["platform"], &update["device_class"]), (&json!("update"), &json!("firmware")));
    assert_eq!(
        (&update["command_topic"], &update["payload_install"]),
        (&json!("pulsebox/0123abcd/cmd"), &json!("install"))
    );
    assert_eq!(all["restart"]["payload_press"], "restart");
    assert_eq!(all["last_start"]["options"][1], "power");
    // Without orders it tells, and installs nothing.
    let told = of(&appliance(), &Mqtt { commands: false, ..Mqtt::default() });
    assert!(told["update"]["state_topic"].is_string() && told["update"].get("command_topic").is_none(), "{told}");
    assert_eq!(told["restart"], json!({ "platform": "button" }));
}

#[test]
fn details_belong_to_entities() {
    for (entities, details) in [(BOX, BOX_DETAILS), (APPLIANCE, APPLIANCE_DETAILS), (CAMERA, CAMERA_DETAILS)] {
        for row in details {
            assert!(entities.iter().any(|entity| entity.key == row.key), "no entity {}", row.key);
        }
    }
}

fn table(entities: &[Entity]) -> String {
    let mut out = "| entity | entity id ends in | kind | class | unit | what it tells |\n".to_owned();
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for Entity { key, name, kind, class, is_diagnostic, about, .. } in entities {
        let platform = format!("{}{}", kind.platform(), if *is_diagnostic { ", diagnostic" } else { "" });
        let [class, unit] = [*class, kind.unit()].map(or_dash);
        out.push_str(&format!("| {name} | `{key}` | {platform} | {class} | {unit} | {about} |\n"));
    }
    out
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

#[test]
fn the_documentation_lists_every_entity() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/home-assistant.md");
    let documentation = std::fs::read_to_string(path).expect(path);
    for (whose, entities) in [("box", BOX), ("appliance", APPLIANCE), ("camera", CAMERA)] {
        let table = table(entities);
        assert!(documentation.contains(&table), "docs/home-assistant.md lacks this table of the {whose}:\n\n{table}");
    }
}
